"""MRC: headers without pixels, where pixels lie, and writing.

Layout and byte order come from `mrcfile`'s header definition. Its file classes are not used for
reading: in permissive mode they report through `warnings`, whose state is shared by all threads,
they allocate whatever an extended header claims to need, and they read a stack as a whole.
"""

from __future__ import annotations

import bz2
import gzip
import warnings
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from mrcfile.constants import MAP_ID, MAP_ID_OFFSET_BYTES
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import byte_order_from_machine_stamp, dtype_from_mode
from numpy.typing import ArrayLike, NDArray

from napari_topaz.files.atomic import replace_file
from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.stored import StoredPixels
from napari_topaz.micrograph import MicrographHeader

#: Modes whose pixels are real numbers. Mode 0 is signed, as the standard says.
_MODES = (0, 1, 2, 6, 12, 101)
#: Two 4-bit pixels per byte, the left one in the lower half; a row starts on a whole byte.
_FOUR_BIT = 101
#: Modes that hold Fourier transforms.
_COMPLEX = (3, 4)
_Opener = Callable[[Path, str], Any]
_COMPRESSED: Mapping[bytes, _Opener] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
#: Compressed pixels are read in pieces of this many bytes: a wrong header then costs no memory.
_PIECE = 1 << 24
#: A compressed section is held in memory; the largest cameras have a quarter of these bytes.
_MOST_COMPRESSED = 1 << 32
#: Pixel sizes are stored as a float32 cell length; more digits than these are noise.
_DIGITS = 6
_WRITTEN_BY = "Written by napari-topaz"


@dataclass(frozen=True)
class _Layout:
    """Where the pixels lie: `offset` and `row_bytes` in bytes; `shape` is (height, width)."""

    mode: int
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    sections: int
    offset: int
    pixel_size: float | None
    opener: _Opener

    @property
    def compressed(self) -> bool:
        return self.opener is not open

    @property
    def row_bytes(self) -> int:
        width = self.shape[1]
        return (width + 1) // 2 if self.mode == _FOUR_BIT else width * self.dtype.itemsize

    @property
    def section_bytes(self) -> int:
        return self.row_bytes * self.shape[0]

    @property
    def kind(self) -> str:
        name = "4-bit" if self.mode == _FOUR_BIT else self.dtype.name
        return f"MRC mode {self.mode} ({name}{', compressed' if self.compressed else ''})"


def read_mrc_header(path: Path) -> MicrographHeader:
    """Read shape, pixel size (Å/px, along x) and number of sections; no pixels are read.

    The size of an uncompressed file is checked against its header; that of a compressed one is
    found out only when its pixels are read.

    Raises
    ------
    FileError
        Where the file is not an MRC file with real pixels, or is cut short.
    """
    layout = _read_layout(path)
    return MicrographHeader(layout.shape, layout.pixel_size, layout.sections, layout.kind)


def read_mrc_labels(path: Path) -> list[str]:
    """Read the lines of text in a header.

    Raises
    ------
    FileError
        Where the file is not an MRC file with real pixels.
    """
    raw, _, _ = _read_start(path)
    lines = _parse(path, raw.ljust(HEADER_DTYPE.itemsize, b"\0"))["label"]
    return [bytes(line).decode("ascii", "replace").rstrip() for line in lines]


def find_mrc_pixels(path: Path, section: int) -> StoredPixels | NDArray[Any]:
    """Find one section, 0-based; where the file is compressed or has 4-bit pixels, it is read.

    Returns
    -------
    StoredPixels or ndarray of shape (height, width)
        Row 0 first as stored, data type and byte order of the file, read-only.

    Raises
    ------
    FileError
        See :func:`read_mrc_header`.
    """
    layout = _read_layout(path)
    start = layout.offset + section * layout.section_bytes
    if not layout.compressed and layout.mode != _FOUR_BIT:
        return StoredPixels(path, layout.dtype, start, layout.shape)
    data = _read_bytes(path, layout.opener, start, layout.section_bytes)
    if len(data) < layout.section_bytes:
        raise _cut_short(path, layout, section * layout.section_bytes + len(data))
    if layout.mode == _FOUR_BIT:
        return _unpack_four_bit(data, layout)
    return np.frombuffer(data, layout.dtype).reshape(layout.shape)


def write_mrc(
    path: str | Path, array: ArrayLike, pixel_size: float | None = None, *, label: str | None = None
) -> None:
    """Write an image as MRC mode 2 (float32), atomically; ``.gz`` and ``.bz2`` compress.

    Parameters
    ----------
    path : str or Path
        The file; replaced where it exists.
    array : array of shape (height, width) or (sections, height, width)
        Row 0 is written first.
    pixel_size : float or None
        Å/px; None writes a cell of 0, which readers take as unknown.
    label : str, optional
        A line of at most 80 characters for the header.

    Raises
    ------
    FileError
        Where the file cannot be written.
    """
    data = np.ascontiguousarray(array, np.float32)
    compression = {".gz": "gzip", ".bz2": "bzip2"}.get(Path(path).suffix.lower())
    # Statistics of enormous pixels overflow, which is no reason not to write them.
    with replace_file(path) as part, warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        # Not-a-number is a legitimate pixel ("masked"); the warning would end a strict program.
        warnings.filterwarnings("ignore", "Data array contains", RuntimeWarning)
        with mrcfile.new(part, compression=compression, overwrite=True) as mrc:
            mrc.set_data(data)
            if data.ndim == 3:
                mrc.set_image_stack()
            if pixel_size is not None:
                mrc.voxel_size = pixel_size
            # In place of mrcfile's own, which has the time in it: the same image gives the same file.
            mrc.header.label[0] = _WRITTEN_BY
            if label is not None:
                mrc.add_label(label)


def _read_layout(path: Path) -> _Layout:
    raw, opener, size = _read_start(path)
    if len(raw) < HEADER_DTYPE.itemsize:
        found = "is empty" if not raw else f"has only {len(raw)} bytes"
        raise FileError(f"{path} {found}, so it is not an MRC file; copy it again.")
    header = _parse(path, raw)
    mode = int(header["mode"])
    dtype = np.dtype(np.uint8) if mode == _FOUR_BIT else dtype_from_mode(mode)
    layout = _Layout(
        mode,
        dtype.newbyteorder(header.dtype["mode"].byteorder),
        (int(header["ny"]), int(header["nx"])),
        int(header["nz"]),
        HEADER_DTYPE.itemsize + max(int(header["nsymbt"]), 0),
        _pixel_size(header),
        opener,
    )
    if layout.compressed and layout.section_bytes > _MOST_COMPRESSED:
        raise FileError(
            f"{path} claims {layout.section_bytes >> 30} GiB of compressed pixels; decompress it to read it."
        )
    if not layout.compressed and size < layout.offset + layout.sections * layout.section_bytes:
        raise _cut_short(path, layout, max(size - layout.offset, 0))
    return layout


def _read_start(path: Path) -> tuple[bytes, _Opener, int]:
    """Return the first 1024 bytes (decompressed), what opens the file, and its size on disk."""
    try:
        refuse_special(path)
        with path.open("rb") as file:
            raw = file.read(HEADER_DTYPE.itemsize)
            size = path.stat().st_size
    except OSError as error:
        raise reading_failed(path, error) from error
    if raw[:2] in _COMPRESSED and raw[MAP_ID_OFFSET_BYTES:][: len(MAP_ID)] != MAP_ID:
        opener = _COMPRESSED[raw[:2]]
        return bytes(_read_bytes(path, opener, 0, HEADER_DTYPE.itemsize)), opener, size
    return raw, open, size


def _read_bytes(path: Path, opener: _Opener, start: int, count: int) -> bytearray:
    """Read `count` (decompressed) bytes from `start`, or as many as there are."""
    data = bytearray()
    try:
        with opener(path, "rb") as file:
            file.seek(start)
            while piece := file.read(min(_PIECE, count - len(data))):
                data += piece
    except MemoryError as error:
        raise FileError(f"{path} does not fit into memory; decompress it to read it.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(f"{path} is damaged ({error}); copy it again.") from error
    except OSError as error:
        if error.errno is None:  # how bz2 says "invalid data stream"
            raise FileError(f"{path} is damaged ({error}); copy it again.") from error
        raise reading_failed(path, error) from error
    return data


def _parse(path: Path, raw: bytes) -> Any:
    """Return the header as a record in the file's byte order."""
    order = "<"
    with suppress(ValueError):  # no valid machine stamp: old files; most are little-endian
        order = byte_order_from_machine_stamp(raw[212:216])
    for candidate in (order, "<" if order == ">" else ">"):
        header = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(candidate))[0]
        sizes = [int(header[key]) for key in ("nx", "ny", "nz")]
        # Some programs write a wrong stamp, so that the dimensions must tell.
        if int(header["mode"]) in _MODES and all(0 < n < 2**20 for n in sizes):
            return header
    raise _not_readable(path, np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0])


def _not_readable(path: Path, header: Any) -> FileError:
    """Say what is wrong with a header whose mode or dimensions are not usable."""
    mode = int(header["mode"])
    sizes = " × ".join(str(header[key]) for key in ("nx", "ny", "nz"))
    if bytes(header["map"])[:3] != MAP_ID[:3]:
        return FileError(f"{path} is not an MRC file; give an MRC, TIFF, PNG or JPEG micrograph.")
    if mode in _COMPLEX:
        return FileError(f"{path} holds a Fourier transform (mode {mode}); give the real-space micrograph.")
    if mode not in _MODES:
        return FileError(f"{path} has the unknown MRC mode {mode}; convert it to mode 2 (float32).")
    return FileError(f"{path} claims to be {sizes} pixels, so its header is damaged; copy it again.")


def _cut_short(path: Path, layout: _Layout, found: int) -> FileError:
    height, width = layout.shape
    needed = layout.section_bytes * layout.sections
    return FileError(
        f"{path} is cut short: {layout.sections} × {height} × {width} px need {needed} bytes, "
        f"but {found} are there; copy it again."
    )


def _pixel_size(header: Any) -> float | None:
    """Å/px along x; None where the header has no cell."""
    cell, samples = float(header["cella"]["x"]), int(header["mx"])
    if samples <= 0 or not np.isfinite(cell) or cell <= 0:
        return None
    return float(f"{cell / samples:.{_DIGITS}g}") or None


def _unpack_four_bit(data: bytearray, layout: _Layout) -> NDArray[np.uint8]:
    packed = np.frombuffer(data, np.uint8).reshape(layout.shape[0], layout.row_bytes)
    pixels = np.stack([packed & 15, packed >> 4], axis=2).reshape(layout.shape[0], -1)
    pixels = pixels[:, : layout.shape[1]]
    pixels.setflags(write=False)
    return pixels
