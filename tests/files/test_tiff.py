"""TIFF files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_topaz.files import FileError, find_micrographs, read_header, read_micrograph
from napari_topaz.files.stored import StoredPixels
from napari_topaz.files.tiff import find_tiff_pixels

PIXELS = (np.arange(6 * 8 * 3).reshape(3, 6, 8) * 7).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_plain_images(tmp_path: Path, dtype: str, order: str) -> None:
    pixels = PIXELS[0].astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order)
    micrograph = read_micrograph(tmp_path / "a.tif")
    assert not micrograph.pixels.flags.writeable
    assert isinstance(find_tiff_pixels(tmp_path / "a.tif", 0), StoredPixels)
    np.testing.assert_array_equal(micrograph.pixels, pixels)
    assert (micrograph.shape, micrograph.pixel_size, micrograph.name) == ((6, 8), None, "a")
    assert read_header(tmp_path / "a.tif").kind == f"TIFF ({pixels.dtype})"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_are_sections(tmp_path: Path, compression: str | None) -> None:
    tifffile.imwrite(tmp_path / "s.tiff", PIXELS, compression=compression, photometric="minisblack")
    files = find_micrographs([tmp_path])
    assert [file.name for file in files] == ["000001@s", "000002@s", "000003@s"]
    for k, file in enumerate(files):
        np.testing.assert_array_equal(read_micrograph(file).pixels, PIXELS[k])
    assert not read_micrograph(files[0]).pixels.flags.writeable


def test_colours_become_grey(tmp_path: Path) -> None:
    colours = np.stack([PIXELS[0]] * 3, axis=2).astype(np.uint8)
    colours[..., 1] += 3
    tifffile.imwrite(tmp_path / "c.tif", colours, photometric="rgb")
    np.testing.assert_allclose(read_micrograph(tmp_path / "c.tif").pixels, colours.mean(axis=2), rtol=1e-6)
    assert read_header(tmp_path / "c.tif").shape == (6, 8)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (1e8 / 1.25, 1e8 / 1.25), "resolutionunit": "CENTIMETER"}, 1.25),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (0, 0), "resolutionunit": "CENTIMETER"}, None),
        ({"resolution": (8, 8), "metadata": {"unit": "nm"}, "imagej": True}, 1.25),
        ({"resolution": (2, 2), "metadata": {"unit": "\\u00C5"}, "imagej": True}, 0.5),
        ({"resolution": (2, 2), "metadata": {"unit": "pixel"}, "imagej": True}, None),
    ],
)
def test_pixel_size(tmp_path: Path, options: dict, expected: float | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS[0], **options)
    assert read_header(tmp_path / "a.tif").pixel_size == pytest.approx(expected)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 9, (64, 80), np.uint8), compression="zlib")
    whole = path.read_bytes()
    for data in (b"", b"text " * 100, whole[:6], whole[: len(whole) // 2], b"II*\0" + b"\xff" * 200):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"a\.tif .*\.$"):
            read_micrograph(path)
    tifffile.imwrite(path, np.zeros((4, 6), np.uint16))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match=r"a\.tif"):
        read_micrograph(path)


def test_complex_pixels_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 6), np.complex64))
    with pytest.raises(FileError, match="complex64 pixels"):
        read_header(tmp_path / "a.tif")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        read_header(tmp_path / "a.tif")
