"""A micrograph: where it lies, and its pixels once it has been read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Suffixes of compressed files.
COMPRESSIONS = (".gz", ".bz2")
#: What is a suffix of a micrograph or movie. All else after a dot belongs to the name: some programs
#: write names without suffix, and "a.frames" must be what "a.frames.mrc" is.
SUFFIXES = (
    *(".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".tif", ".tiff", ".png", ".jpg", ".jpeg"),
    *(".eer", ".dm3", ".dm4", ".hdf", ".h5", ".ser", ".raw", ".spi", ".img", ".npy"),
)


def micrograph_name(path: str | Path) -> str:
    """Return the name by which files, picks and layers refer to one micrograph.

    The name is the file name without folder and suffix; RELION's prefix for the section of a
    stack is kept.

    Parameters
    ----------
    path : str or Path
        A path, or a name as written in a STAR file or table, for example ``MotionCorr/a_01.mrc``,
        ``a_01.mrc.gz`` or ``000003@stack.mrcs``.

    Returns
    -------
    str
        For the examples above: ``a_01``, ``a_01`` and ``000003@stack``.
    """
    text = str(path).strip()
    section, at, rest = text.partition("@")
    if not (at and section.isdigit()):
        section, rest = "", text
    name = rest.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    while (name := name.strip()).lower().endswith(SUFFIXES + COMPRESSIONS):
        head = name.rpartition(".")[0]
        if not head:
            break
        name = head
    return f"{int(section):06d}@{name}" if section else name


@dataclass(frozen=True)
class MicrographFile:
    """One micrograph on disk: a file, or one section of a stack.

    Attributes
    ----------
    path : Path
        The file.
    section : int or None
        0-based section of a stack that holds several micrographs; None for a single image.
    header : MicrographHeader or None
        What the file said when it was found, for those who ask thousands at a time; no part of what it is.
    """

    path: Path
    section: int | None = None
    header: MicrographHeader | None = field(default=None, compare=False, repr=False)

    @cached_property
    def name(self) -> str:
        """The micrograph's name (see :func:`micrograph_name`)."""
        return micrograph_name(self.star_name)

    @property
    def star_name(self) -> str:
        """The file as RELION writes it: ``000003@folder/stack.mrcs`` (1-based) or just the path."""
        return str(self.path) if self.section is None else f"{self.section + 1:06d}@{self.path}"


@dataclass(frozen=True)
class MicrographHeader:
    """What a micrograph's file says without its pixels being read.

    Attributes
    ----------
    shape : tuple of int
        (height, width) in pixels.
    pixel_size : float or None
        Å per pixel; None where the file does not say.
    sections : int
        Number of micrographs in the file.
    kind : str
        Format and data type, for people, for example ``"MRC mode 2 (float32)"``.
    """

    shape: tuple[int, int]
    pixel_size: float | None
    sections: int
    kind: str


@dataclass(frozen=True, eq=False)
class Micrograph:
    """A micrograph with its pixels.

    Attributes
    ----------
    name : str
        See :func:`micrograph_name`.
    pixels : ndarray of shape (height, width)
        Any real data type, row 0 first as stored in the file; may be read-only.
    pixel_size : float or None
        Å per pixel; None where it is not known.
    file : MicrographFile or None
        Where it came from; None for a micrograph made in memory.
    """

    name: str
    pixels: NDArray[Any]
    pixel_size: float | None = None
    file: MicrographFile | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or 0 in self.pixels.shape:
            raise ValueError(
                f"Micrograph {self.name!r} must be a non-empty 2-D image, but its shape is "
                f"{self.pixels.shape}."
            )
        if self.pixel_size is not None and not (np.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise ValueError(f"The pixel size of {self.name!r} must be positive, not {self.pixel_size} Å.")

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (int(self.pixels.shape[0]), int(self.pixels.shape[1]))
