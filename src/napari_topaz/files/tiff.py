"""TIFF: one page is one micrograph."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.stored import StoredPixels
from napari_topaz.micrograph import MicrographHeader

_T = TypeVar("_T")
# What it logs of a damaged file is said in one sentence here; without a handler it goes to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

#: Å per unit: TIFF's own ResolutionUnit (inch, centimetre, …), and ImageJ's by name.
_UNITS = {2: 2.54e8, 3: 1e8, 4: 1e7, 5: 1e4}
_IMAGEJ_UNITS = {"nm": 10.0, "angstrom": 1.0, "å": 1.0, "a": 1.0, "um": 1e4, "µm": 1e4, "micron": 1e4}
#: Outside of these (Å/px) the resolution is meant for printers (72 dpi is 3.5 million Å/px).
_PLAUSIBLE = (0.05, 100.0)
#: A compressed page is held in memory; the largest cameras have a quarter of these bytes.
_MOST_COMPRESSED = 1 << 32


def read_tiff_header(path: Path) -> MicrographHeader:
    """Read shape, pixel size (Å/px; None where it is absent or meant for printers) and pages.

    Raises
    ------
    FileError
        Where the file is not a TIFF file with grey or colour images.
    """

    def header(tiff: tifffile.TiffFile) -> MicrographHeader:
        page = tiff.pages.first
        kind = f"TIFF ({page.dtype}{'' if page.axes == 'YX' else ', colour'})"
        return MicrographHeader(
            (page.imagelength, page.imagewidth), _pixel_size(tiff, page), len(tiff.pages), kind
        )

    return _with_tiff(path, header)


def find_tiff_pixels(path: Path, section: int) -> StoredPixels | NDArray[Any]:
    """Find one page, 0-based; where it is compressed, tiled or in colour, it is read.

    Returns
    -------
    StoredPixels or ndarray of shape (height, width)
        Row 0 first as stored, read-only. Colours become their mean.

    Raises
    ------
    FileError
        See :func:`read_tiff_header`; also where a codec is not installed.
    """

    def pixels(tiff: tifffile.TiffFile) -> StoredPixels | NDArray[Any]:
        page: Any = tiff.pages[section]
        if page.axes == "YX" and page.is_memmappable and page.is_contiguous:
            dtype = np.dtype(tiff.byteorder + page.dtype.char)
            if (missing := page.dataoffsets[0] + page.nbytes - tiff.filehandle.size) > 0:
                raise FileError(f"{path} is cut short, {missing} bytes are missing; copy it again.")
            return StoredPixels(path, dtype, page.dataoffsets[0], page.shape)
        if page.nbytes > _MOST_COMPRESSED:
            raise FileError(f"{path} claims {page.nbytes >> 30} GiB of compressed pixels; convert it to MRC.")
        array = page.asarray()
        if page.axes == "YXS":
            array = array[:, :, :3].mean(axis=2, dtype=np.float32)
        array.setflags(write=False)
        return np.asarray(array)

    return _with_tiff(path, pixels)


def _with_tiff(path: Path, read: Callable[[tifffile.TiffFile], _T]) -> _T:
    """Open, check and read a file, and say in one sentence what is wrong with it."""
    try:
        refuse_special(path)
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if page.axes not in ("YX", "YXS") or 0 in page.shape or page.dtype is None:
                raise FileError(f"{path} has no grey image (axes {page.axes}); save it as 2-D pages.")
            if page.dtype.kind not in "uif":
                raise FileError(f"{path} has {page.dtype} pixels; save it with real numbers.")
            return read(tiff)
    except FileError:
        raise
    except OSError as error:
        raise reading_failed(path, error) from error
    except MemoryError as error:
        raise FileError(f"{path} claims more pixels than fit into memory; save it again.") from error
    except Exception as error:  # tifffile lets struct, zlib, index and key errors through
        remedy = "install imagecodecs" if "imagecodecs" in str(error) else "save it again"
        raise FileError(f"{path} cannot be read as TIFF ({error}); {remedy}.") from error


def _pixel_size(tiff: tifffile.TiffFile, page: Any) -> float | None:
    tag = page.tags.get("XResolution")
    per_unit = tag.value[0] / tag.value[1] if tag is not None and tag.value[1] else 0.0
    if per_unit <= 0:
        return None
    unit = page.tags.get("ResolutionUnit")
    length = _UNITS.get(int(unit.value)) if unit is not None else None
    if tiff.is_imagej:
        name = re.search(r"^unit=(.*)$", page.description, re.MULTILINE)
        # ImageJ writes Å as six ASCII characters.
        text = name[1].strip().lower().replace("\\u00c5", "å") if name else ""
        length = _IMAGEJ_UNITS.get(text, length)
    size = (length or 0.0) / per_unit
    return float(f"{size:.6g}") if _PLAUSIBLE[0] <= size <= _PLAUSIBLE[1] else None
