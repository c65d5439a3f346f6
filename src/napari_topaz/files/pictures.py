"""PNG and JPEG, as previews and 8-bit data sets have them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.micrograph import MicrographHeader

#: Pillow's modes that are grey already; all others are converted to 8-bit grey (Rec. 601).
_GREY = ("L", "I;16", "I;16B", "I", "F")


def read_picture_header(path: Path) -> MicrographHeader:
    """Read the shape; the pixel size is never known.

    Raises
    ------
    FileError
        Where the file is not a PNG or JPEG picture.
    """
    with _open(path) as image:
        return MicrographHeader((image.height, image.width), None, 1, f"{image.format} ({image.mode})")


def read_picture_pixels(path: Path, section: int) -> NDArray[Any]:
    """Read the picture (`section` must be 0) as a read-only array (height, width), grey.

    Raises
    ------
    FileError
        See :func:`read_picture_header`; also where the file is cut short.
    """
    with _open(path) as image:
        try:
            pixels = np.array(image if image.mode in _GREY else image.convert("L"))
        except MemoryError as error:
            raise FileError(f"{path} does not fit into memory; convert it to MRC.") from error
        except Exception as error:  # Pillow lets struct, zlib, index and type errors of its codecs through
            raise FileError(f"{path} is damaged ({error}); copy it again.") from error
    pixels.setflags(write=False)
    return pixels


def _open(path: Path) -> Image.Image:
    try:
        refuse_special(path)
        with warnings.catch_warnings():
            # Pillow takes more than 89 Mpx for an attack, but super-resolution cameras have them.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(path, formats=("PNG", "JPEG"))
    except FileError:
        raise
    except UnidentifiedImageError as error:
        raise FileError(f"{path} is not a PNG or JPEG picture; copy it again.") from error
    except Image.DecompressionBombError as error:
        raise FileError(f"{path} claims more pixels than are safe to read; convert it to MRC.") from error
    except OSError as error:
        raise reading_failed(path, error) from error
    except Exception as error:
        raise FileError(f"{path} is damaged ({error}); copy it again.") from error
