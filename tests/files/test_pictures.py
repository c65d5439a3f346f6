"""PNG and JPEG pictures."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from napari_topaz.files import FileError, read_header, read_micrograph

GREY = (np.arange(6 * 8).reshape(6, 8) * 5).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png_is_exact(tmp_path: Path, dtype: type) -> None:
    pixels = GREY.astype(dtype) * (1 if dtype is np.uint8 else 200)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    micrograph = read_micrograph(tmp_path / "a.png")
    np.testing.assert_array_equal(micrograph.pixels, pixels)
    assert (micrograph.shape, micrograph.pixel_size, micrograph.name) == ((6, 8), None, "a")
    assert not micrograph.pixels.flags.writeable
    header = read_header(tmp_path / "a.png")
    assert (header.shape, header.sections) == ((6, 8), 1)
    assert header.kind.startswith("PNG")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "1"])
def test_others_become_grey(tmp_path: Path, mode: str) -> None:
    black_and_white = Image.fromarray(np.where(GREY > 100, 255, 0).astype(np.uint8))
    black_and_white.convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.png").pixels, np.asarray(black_and_white))


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.linspace(50, 200, 32 * 48).reshape(32, 48).astype(np.uint8)
    Image.fromarray(smooth).convert("RGB").save(tmp_path / "a.JPG", quality=95)
    read = read_micrograph(tmp_path / "a.JPG").pixels.astype(int)
    assert np.abs(read - smooth).max() < 5


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)).save(path)
    whole = path.read_bytes()
    for data in (b"", b"text " * 100, whole[:20], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"a\.png .*copy it again\.$"):
            read_micrograph(path)
    with pytest.raises(FileError, match="does not exist"):
        read_header(tmp_path / "b.png")


def test_large_micrographs_are_no_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size - 1)
    assert read_micrograph(tmp_path / "a.png").shape == (6, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size // 3)
    with pytest.raises(FileError, match="more pixels than are safe"):
        read_micrograph(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (struct.error("unpack requires 4 bytes"), r"a\.png is damaged \(unpack"),
        (IndexError("list index"), r"a\.png is damaged \(list index"),
        (MemoryError(), r"a\.png does not fit into memory"),
    ],
)
def test_whatever_pillow_raises_is_one_sentence(tmp_path, monkeypatch, failure, said) -> None:
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")

    def fail(self) -> None:
        raise failure

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(FileError, match=said):
        read_micrograph(tmp_path / "a.png")
