"""Pixels that stay in their file, and windows of them that are read when they are asked for.

Nothing is mapped into memory: the system ends a process that looks at a memory map of a file which was
cut, as one that is copied anew is. A file that changes is an error here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files.errors import FileError, reading_failed
from napari_topaz.micrograph import MicrographFile

#: Bytes that are read at once where only a window is kept.
_PIECE = 1 << 20


class Stamp(NamedTuple):
    """Size (bytes) and time of the last change (ns), by which one tells that a file is written to."""

    size: int
    changed: int


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return Stamp(about.st_size, about.st_mtime_ns)


def changing(path: Path) -> FileError:
    """Say that a file is no longer what it was a moment ago."""
    return FileError(f"{path} was written to while it was read; wait until it is whole, and do it again.")


@dataclass(frozen=True)
class StoredPixels:
    """An image that lies uncompressed in a file.

    Attributes
    ----------
    path : Path
    dtype : numpy dtype
        With the file's byte order.
    offset : int
        Of the first pixel, bytes.
    shape : tuple of int
        (height, width); rows follow one another without a gap.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, int]

    def read(self) -> NDArray[Any]:
        """Read all of it: an array of `shape`, read-only.

        Raises
        ------
        FileError
            Where the file cannot be read, or has become shorter.
        """
        count = self.shape[0] * self.shape[1]
        try:
            pixels = np.fromfile(self.path, self.dtype, count, offset=self.offset)
        except MemoryError as error:
            raise FileError(f"{self.path} does not fit into memory; bin it to read it.") from error
        except OSError as error:
            raise reading_failed(self.path, error) from error
        if pixels.size < count:
            raise changing(self.path)
        pixels.setflags(write=False)
        return pixels.reshape(self.shape)

    @contextmanager
    def opened(self, stamp: Stamp | None) -> Iterator[Windows]:
        """Open the file, to read windows of it.

        Parameters
        ----------
        stamp : Stamp or None
            Of the file when the pixels were found; a window of a file that has another one is an error.

        Raises
        ------
        FileError
            Where the file cannot be opened.
        """
        try:
            file = FileIO(str(self.path))
        except OSError as error:
            raise reading_failed(self.path, error) from error
        with file:
            yield Windows(self, file, stamp)


def in_memory(found: StoredPixels | NDArray[Any]) -> NDArray[Any]:
    """Return an image (height, width), read where it is not yet."""
    return found.read() if isinstance(found, StoredPixels) else found


class Windows:
    """Gives windows of an open file, ``windows[y0:y1, x0:x1]``, without steps; see :class:`StoredPixels`."""

    def __init__(self, stored: StoredPixels, file: FileIO, stamp: Stamp | None) -> None:
        self._stored, self._file, self._stamp = stored, file, stamp

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the whole image."""
        return self._stored.shape

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Read a window, in the file's data type.

        Raises
        ------
        FileError
            Where the file cannot be read, or has changed.
        """
        rows, columns = (range(*one.indices(n)) for one, n in zip(place, self.shape, strict=True))
        window = np.empty((len(rows), len(columns)), self._stored.dtype)
        if window.size == 0:
            return window
        # Whole rows, of which a part is kept: a read for each row takes longer, most of all over a network.
        at_once = max(1, _PIECE // (self.shape[1] * self._stored.dtype.itemsize))
        try:
            for first in range(rows.start, rows.stop, at_once):
                piece = self._rows(first, min(at_once, rows.stop - first))
                window[first - rows.start :][: len(piece)] = piece[:, columns.start : columns.stop]
            about = os.fstat(self._file.fileno())
        except OSError as error:
            raise reading_failed(self._stored.path, error) from error
        if self._stamp != (about.st_size, about.st_mtime_ns):
            raise changing(self._stored.path)
        return window

    def _rows(self, first: int, count: int) -> NDArray[Any]:
        piece = np.empty((count, self.shape[1]), self._stored.dtype)
        self._file.seek(self._stored.offset + first * piece.strides[0])
        left = piece.view(np.uint8).reshape(-1).data
        while len(left):
            read = self._file.readinto(left)
            if not read:
                raise changing(self._stored.path)
            left = left[read:]
        return piece


@dataclass(frozen=True, eq=False)
class LocatedMicrograph:
    """A micrograph whose pixels lie in their file, or, where that is compressed, in memory.

    Attributes
    ----------
    name : str
        See :func:`napari_topaz.micrograph.micrograph_name`.
    file : MicrographFile or None
        None for a micrograph made in memory.
    pixels : StoredPixels or ndarray of shape (height, width)
    pixel_size : float or None
        Å/px; None where the file does not say.
    stamp : Stamp or None
        Of the file when it was found; None where the pixels were in memory before.
    """

    name: str
    file: MicrographFile | None
    pixels: StoredPixels | NDArray[Any]
    pixel_size: float | None
    stamp: Stamp | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (int(self.pixels.shape[0]), int(self.pixels.shape[1]))

    def read(self) -> NDArray[Any]:
        """Read all pixels.

        Raises
        ------
        FileError
            Where the file cannot be read, or has changed.
        """
        pixels = in_memory(self.pixels)
        if self.file is not None and self.stamp not in (None, stamp_of(self.file.path)):
            raise changing(self.file.path)
        return pixels

    def opened(self) -> AbstractContextManager[Windows | NDArray[Any]]:
        """Open the file; the image gives windows, ``image[y0:y1, x0:x1]``, which see :class:`Windows`."""
        if isinstance(self.pixels, StoredPixels):
            return self.pixels.opened(self.stamp)
        return nullcontext(self.pixels)
