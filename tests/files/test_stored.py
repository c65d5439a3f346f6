"""Windows of micrographs on disk, and files that change while they are read."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_topaz.files import FileError, find_micrographs, locate_micrograph, stored, write_mrc
from napari_topaz.files.stored import StoredPixels
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.numerics.boxes import box_corners, cut_box

PIXELS = np.random.default_rng(0).normal(100, 10, (3, 40, 50)).astype(np.float32)
WINDOWS = [(slice(0, 40), slice(0, 50)), (slice(7, 21), slice(13, 50)), (slice(39, 40), slice(0, 1))]


def write(path: Path) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, PIXELS.astype(">u2"), byteorder=">", photometric="minisblack")
    else:
        write_mrc(path, PIXELS)


@pytest.mark.parametrize("piece", [1, 700, 1 << 20])
@pytest.mark.parametrize("name", ["a.mrcs", "a.tif", "a.mrcs.gz"])
def test_windows_are_those_of_the_whole(tmp_path: Path, monkeypatch, name: str, piece: int) -> None:
    monkeypatch.setattr(stored, "_PIECE", piece)
    write(tmp_path / name)
    whole = PIXELS.astype(np.uint16 if name.endswith(".tif") else np.float32)
    for k, file in enumerate(find_micrographs([tmp_path / name])):
        found = locate_micrograph(file)
        assert (found.name, found.shape) == (file.name, (40, 50))
        assert isinstance(found.pixels, StoredPixels) != name.endswith(".gz")
        with found.opened() as image:
            assert image.shape == (40, 50)
            for window in WINDOWS:
                np.testing.assert_array_equal(image[window], whole[k][window])
            assert image[5:5, 3:8].shape == (0, 5)


@pytest.mark.parametrize("edge", ["mean", "repeat", "reflect"])
def test_boxes_are_those_of_the_pixels_in_memory(tmp_path: Path, edge: str) -> None:
    write_mrc(tmp_path / "a.mrc", PIXELS[0])
    (file,) = find_micrographs([tmp_path])
    in_memory = locate_micrograph(Micrograph("a", PIXELS[0]))
    with locate_micrograph(file).opened() as stored_image, in_memory.opened() as image:
        for corner in box_corners(np.array([[20, 20], [0, 0], [39, 2], [3, 49], [39, 49]]), 12):
            np.testing.assert_array_equal(
                cut_box(stored_image, corner, 12, edge), cut_box(image, corner, 12, edge)
            )


CHANGE = """
import sys
from pathlib import Path
from napari_topaz.files import FileError, locate_micrograph, micrographs, read_micrograph
from napari_topaz.micrograph import MicrographFile
path, left, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def cut():
    path.write_bytes(path.read_bytes()[:left])

def whole():
    real = micrographs.MICROGRAPH_FORMATS["mrc"].pixels
    def pixels(path, section):
        found = real(path, section)
        cut()
        return found
    object.__setattr__(micrographs.MICROGRAPH_FORMATS["mrc"], "pixels", pixels)
    return read_micrograph(path).pixels.sum()

def found():
    located = locate_micrograph(MicrographFile(path))
    cut()
    with located.opened() as image:
        return image[50:60, 0:10].sum()

def opened():
    with locate_micrograph(MicrographFile(path)).opened() as image:
        image[0:2, 0:2].sum()
        cut()
        return image[50:60, 0:10].sum()

try:
    print(globals()[how]())
except FileError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["whole", "found", "opened"])
@pytest.mark.parametrize("left", [0, 1500, None])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, left: int | None, how: str) -> None:
    """In a process of its own: with a memory map the system would end it."""
    path = tmp_path / "a.mrc"
    write_mrc(path, np.ones((100, 120), np.float32), 1.0)
    size = path.stat().st_size if left is None else left
    os.utime(path, (1, 1))  # clocks may be so coarse that a second writing has the time of the first
    call = [sys.executable, "-c", CHANGE, str(path), str(size), how]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"{path} was written to while it was read" in done.stdout


def test_a_file_that_is_replaced_while_it_is_open_is_read_to_its_end(tmp_path: Path) -> None:
    write_mrc(tmp_path / "a.mrc", PIXELS[0])
    located = locate_micrograph(MicrographFile(tmp_path / "a.mrc"))
    with located.opened() as image:
        write_mrc(tmp_path / "b.mrc", PIXELS[1, :30])
        try:
            (tmp_path / "b.mrc").replace(tmp_path / "a.mrc")
        except PermissionError:
            pytest.skip("this system replaces no open files")
        np.testing.assert_array_equal(image[0:40, 0:50], PIXELS[0])
    with located.opened() as image, pytest.raises(FileError, match="was written to"):
        image[0:10, 0:10]


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    write_mrc(tmp_path / "a.mrc", PIXELS[0])
    located = locate_micrograph(MicrographFile(tmp_path / "a.mrc"))
    (tmp_path / "a.mrc").unlink()
    with pytest.raises(FileError, match=r"a\.mrc does not exist"), located.opened():
        pass
    with pytest.raises(FileError, match=r"a\.mrc does not exist"):
        located.pixels.read()


def test_what_does_not_fit_into_memory_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(FileError, match=r"a\.mrc does not fit into memory"):
        StoredPixels(path, np.dtype(np.float64), 0, (1 << 30, 1 << 27)).read()


def test_a_short_tiff_file_is_told_as_such(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS[0])
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-7])
    with pytest.raises(FileError, match="cut short, 7 bytes are missing"):
        locate_micrograph(MicrographFile(tmp_path / "a.tif"))


def test_a_micrograph_in_memory_needs_no_file(tmp_path: Path) -> None:
    gone = MicrographFile(tmp_path / "gone.mrc")
    located = locate_micrograph(Micrograph("gone", PIXELS[0], 2.0, gone))
    assert (located.name, located.pixel_size, located.file) == ("gone", 2.0, gone)
    np.testing.assert_array_equal(located.read(), PIXELS[0])
