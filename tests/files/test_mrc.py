"""MRC files: every variant that people have, and every way one can be broken."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_topaz.files import FileError, read_header, read_micrograph, write_mrc

DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def mrc_bytes(
    pixels: np.ndarray,
    mode: int,
    *,
    order: str = "<",
    pixel_size: float = 1.5,
    extended: bytes = b"",
    **fields: int,
) -> bytes:
    """An MRC file made by hand from the standard, independent of the reader."""
    nz, ny, nx = pixels.shape if pixels.ndim == 3 else (1, *pixels.shape)
    nx, ny, nz = fields.get("nx", nx), fields.get("ny", ny), fields.get("nz", nz)
    head = struct.pack(f"{order}10i", nx, ny, nz, mode, 0, 0, 0, nx, ny, nz)
    head += struct.pack(f"{order}6f", nx * pixel_size, ny * pixel_size, nz * pixel_size, 90, 90, 90)
    head += struct.pack(f"{order}3i3f2i", 1, 2, 3, 0, 0, 0, 0, fields.get("nsymbt", len(extended)))
    stamp = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    head = head.ljust(208, b"\0") + b"MAP " + stamp
    return head.ljust(1024, b"\0") + extended + pixels.tobytes()


def ramp(mode: int, order: str = "<", shape: tuple[int, ...] = (5, 7)) -> np.ndarray:
    values = np.arange(np.prod(shape)).reshape(shape) - (10 if mode in (0, 1, 2, 12) else 0)
    return values.astype(np.dtype(DTYPES[mode]).newbyteorder(order))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", DTYPES)
def test_modes_and_byte_orders(tmp_path: Path, mode: int, order: str) -> None:
    pixels = ramp(mode, order)
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc_bytes(pixels, mode, order=order, extended=b"e" * 123))
    micrograph = read_micrograph(path)
    assert not micrograph.pixels.flags.writeable
    assert micrograph.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(micrograph.pixels, pixels)
    assert (micrograph.name, micrograph.pixel_size) == ("a", 1.5)
    header = read_header(path)
    assert (header.shape, header.sections, header.pixel_size) == ((5, 7), 1, 1.5)
    assert f"mode {mode}" in header.kind


@pytest.mark.parametrize("width", [6, 7])
def test_four_bit_pixels(tmp_path: Path, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 16, (2, 5, width), np.uint8)
    padded = np.pad(pixels, [(0, 0), (0, 0), (0, width % 2)])
    packed = padded[:, :, ::2] | padded[:, :, 1::2] << 4
    (tmp_path / "a.mrcs").write_bytes(mrc_bytes(packed, 101, nx=width))
    np.testing.assert_array_equal(read_micrograph(f"2@{tmp_path / 'a.mrcs'}").pixels, pixels[1])
    (tmp_path / "a.mrcs.gz").write_bytes(gzip.compress(mrc_bytes(packed, 101, nx=width)))
    np.testing.assert_array_equal(read_micrograph(f"2@{tmp_path / 'a.mrcs.gz'}").pixels, pixels[1])


@pytest.mark.parametrize("suffix", [".mrc", ".mrcs", ".map", ".rec", ".st", ".MRC"])
@pytest.mark.parametrize(("end", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress)])
def test_suffixes_and_compressions(tmp_path: Path, suffix: str, end: str, compress) -> None:
    pixels = ramp(2, shape=(3, 5, 7))
    path = tmp_path / f"a{suffix}{end}"
    path.write_bytes(compress(mrc_bytes(pixels, 2)))
    assert read_header(path).sections == 3
    third = read_micrograph(f"000003@{path}")
    np.testing.assert_array_equal(third.pixels, pixels[2])
    assert third.name == "000003@a"
    assert read_micrograph(path).name == "000001@a"
    with pytest.raises(FileError, match="has 3 sections"):
        read_micrograph(f"4@{path}")


def test_compressed_under_a_plain_name(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").write_bytes(gzip.compress(mrc_bytes(ramp(1), 1)))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc").pixels, ramp(1))


def test_header_of_a_compressed_file_reads_only_its_start(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 500), np.uint8)
    data = gzip.compress(mrc_bytes(noise.astype("u2"), 6))
    (tmp_path / "a.mrc.gz").write_bytes(data[: len(data) // 2])
    assert read_header(tmp_path / "a.mrc.gz").shape == (400, 500)
    with pytest.raises(FileError, match=r"a\.mrc\.gz is damaged .*copy it again\.$"):
        read_micrograph(tmp_path / "a.mrc.gz")


def test_what_mrcfile_writes_and_the_other_way_round(tmp_path: Path) -> None:
    pixels = ramp(2)
    with mrcfile.new(tmp_path / "a.mrc", pixels) as mrc:
        mrc.voxel_size = 0.885
    read = read_micrograph(tmp_path / "a.mrc")
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.pixel_size == 0.885
    write_mrc(tmp_path / "b.mrc", pixels, 3.54)
    with mrcfile.open(tmp_path / "b.mrc") as mrc:
        assert mrcfile.validate(tmp_path / "b.mrc", print_file=io.StringIO())
        np.testing.assert_array_equal(mrc.data, pixels)
        assert mrc.voxel_size.x == pytest.approx(3.54)


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)),
    st.one_of(st.none(), st.floats(0.1, 100).map(lambda size: float(f"{size:.6g}"))),
    st.sampled_from(["", ".gz", ".bz2"]),
)
def test_written_pixels_come_back(tmp_path_factory, pixels, pixel_size, end) -> None:
    path = tmp_path_factory.getbasetemp() / f"round_trip.mrc{end}"
    write_mrc(path, pixels, pixel_size)
    read = read_micrograph(path)
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.pixel_size == pixel_size


def test_a_written_stack_is_several_micrographs(tmp_path: Path) -> None:
    write_mrc(tmp_path / "s.mrcs", ramp(2, shape=(3, 4, 6)), 2.0)
    assert read_header(tmp_path / "s.mrcs").sections == 3
    assert read_header(tmp_path / "s.mrcs").pixel_size == 2.0


@pytest.mark.parametrize("cell", [0.0, -1.0, np.nan, np.inf])
def test_a_senseless_pixel_size_is_unknown(tmp_path: Path, cell: float) -> None:
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(ramp(2), 2, pixel_size=cell))
    assert read_header(tmp_path / "a.mrc").pixel_size is None
    assert read_micrograph(tmp_path / "a.mrc").pixel_size is None


def without(data: bytes, start: int, stop: int) -> bytes:
    return data[:start] + b"\0" * (stop - start) + data[stop:]


@pytest.mark.parametrize("mode", [0, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_old_headers_without_identifier_or_stamp(tmp_path: Path, mode: int, order: str) -> None:
    data = mrc_bytes(ramp(mode, order), mode, order=order)
    (tmp_path / "a.mrc").write_bytes(without(data, 208, 216))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc").pixels, ramp(mode))


def test_wrong_stamp(tmp_path: Path) -> None:
    data = mrc_bytes(ramp(0, ">"), 0, order=">")
    (tmp_path / "a.mrc").write_bytes(data[:212] + b"\x44\x44" + data[214:])
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc").pixels, ramp(0))


def test_surplus_bytes_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").write_bytes(mrc_bytes(ramp(1), 1) + b"surplus")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.mrc").pixels, ramp(1))


GOOD = mrc_bytes(ramp(2), 2)
BROKEN = {
    "empty": (b"", "is empty"),
    "short header": (GOOD[:500], "only 500 bytes"),
    "truncated": (GOOD[:-1], "cut short: 1 × 5 × 7 px need 140 bytes, but 139"),
    "no pixels": (GOOD[:1024], "but 0 are there"),
    "text": (b"x y w h\n" * 400, "is not an MRC file"),
    "garbage": (np.random.default_rng(1).bytes(5000), "is not an MRC file"),
    "zeros": (bytes(5000), "is not an MRC file"),
    "zero width": (mrc_bytes(ramp(2), 2, nx=0), "claims to be 0 × 5 × 1"),
    "negative": (mrc_bytes(ramp(2), 2, ny=-5), "claims to be 7 × -5 × 1"),
    "absurd": (mrc_bytes(ramp(2), 2, nx=50_000, ny=50_000), "need 10000000000 bytes"),
    "absurd side": (mrc_bytes(ramp(2), 2, nx=2**31 - 1, ny=2**31 - 1), "claims to be"),
    "long extended header": (mrc_bytes(ramp(2), 2, nsymbt=2**31 - 1), "but 0 are there"),
    "complex": (mrc_bytes(ramp(2), 4), "Fourier transform"),
    "mode": (mrc_bytes(ramp(2), 77), "unknown MRC mode 77"),
    "fake gzip": (b"\x1f\x8b" + bytes(3000), "is damaged"),
    "cut gzip": (gzip.compress(GOOD)[:50], "is damaged"),
    "short gzip": (gzip.compress(GOOD[:-40]), "but 100 are there"),
    "absurd gzip": (gzip.compress(mrc_bytes(ramp(2), 2, nx=50_000, ny=50_000)), "claims 9 GiB"),
    "empty gzip": (gzip.compress(b""), "is empty"),
    "fake bz2": (b"BZh9" + bytes(3000), "is damaged"),
    "cut bz2": (bz2.compress(GOOD)[:-20], "is damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_cost_one_sentence_and_no_memory(tmp_path: Path, case: str) -> None:
    data, message = BROKEN[case]
    path = tmp_path / "broken.mrc"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(FileError) as caught:
        read_micrograph(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = str(caught.value)
    assert message in text
    assert text.startswith(str(path))
    assert text.endswith(".")
    assert "\n" not in text
    assert peak < 50e6


@given(st.binary(max_size=1500), st.integers(0, 223))
def test_no_header_escapes(tmp_path_factory, noise: bytes, start: int) -> None:
    """Whatever is written over a good file, it is read or refused, and nothing else."""
    path = tmp_path_factory.getbasetemp() / "noise.mrc"
    path.write_bytes(GOOD[:start] + noise + GOOD[start + len(noise) :])
    with contextlib.suppress(FileError):
        assert read_micrograph(path).pixels.size > 0


def test_missing_folder_and_section(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.mrc does not exist"):
        read_micrograph(tmp_path / "none.mrc")
    (tmp_path / "folder.mrc").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        read_micrograph(tmp_path / "folder.mrc")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mrc").write_bytes(GOOD)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match=r"a\.mrc may not be read; check its permissions"):
        read_header(tmp_path / "a.mrc")


@pytest.mark.parametrize(
    ("name", "shape", "pixel_size", "mean"),
    [("epu2.9_example", (4096, 4096), 0.666551, 5612.22), ("fei-extended", (3838, 3710), 0.853775, 3521.03)],
)
def test_real_files_with_fei_headers(shared: Path, name: str, shape, pixel_size: float, mean: float) -> None:
    micrograph = read_micrograph(shared / "data" / "single_micrographs" / f"{name}.mrc")
    assert (micrograph.shape, micrograph.pixel_size) == (shape, pixel_size)
    assert micrograph.pixels.mean() == pytest.approx(mean, abs=0.01)
