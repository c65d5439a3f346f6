"""Reader for napari: a file, several files or a folder become one image layer.

The layer shows the first micrograph as it is stored; its metadata holds all of them, and the dock
takes over from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.files import find_micrographs, read_header, read_micrograph
from napari_topaz.files.errors import FileError
from napari_topaz.gui.display import contrast
from napari_topaz.gui.looks import METADATA
from napari_topaz.micrograph import Micrograph, MicrographFile

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the reader where these are micrographs; None otherwise (never raises).

    Parameters
    ----------
    path : str or sequence of str
        A file or folder, or files.
    """
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    try:
        files = find_micrographs(paths)
        read_header(files[0])
    except (FileError, OSError):
        return None
    return read


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Read the first micrograph; the layer's metadata has them all."""
    files = find_micrographs([path] if isinstance(path, (str, Path)) else list(path))
    return [layer_of(read_micrograph(files[0]), files)]


def layer_of(micrograph: Micrograph, files: Sequence[MicrographFile | Micrograph], **more: Any) -> LayerData:
    """Make layer data of a micrograph; `more` goes to the dock with the list of files."""
    size, pixels = micrograph.pixel_size, micrograph.pixels
    if pixels.dtype.kind == "f" and pixels.dtype.itemsize == 2:  # napari fails on big-endian ones
        pixels = pixels.astype(np.float32)
    unit = "pixel" if size is None else "angstrom"
    about = {
        "name": micrograph.name,
        "scale": (size or 1.0,) * 2,
        "units": (unit,) * 2,
        "axis_labels": ("y", "x"),
        "contrast_limits": contrast(pixels),
        "metadata": {METADATA: {"files": list(files), **more}},
    }
    return pixels, about, "image"
