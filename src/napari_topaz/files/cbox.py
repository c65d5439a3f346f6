"""crYOLO's ``.cbox`` files: one micrograph, a STAR file with the block ``data_cryolo``.

Axis order x, y. ``_CoordinateX`` and ``_CoordinateY`` are the box's corner next to pixel (0, 0), 0-based,
in pixels of the micrograph, y counted from the first row of an MRC file; ``_Width`` and ``_Height`` are
its size, so that our coordinate is corner + size / 2 as in ``.box``. ``_Confidence`` is the score;
``_EstWidth`` and ``_EstHeight`` (the size that crYOLO estimates), ``_CoordinateZ``, ``_Depth``, ``_Angle``
and ``_filamentid`` are of no use here. ``<NA>`` stands for nothing. ``data_global`` names the version of
the format, ``data_cryolo_include`` the slices of a tomogram that are looked at. Source: public programs that
write such files for crYOLO, Scipion among them; it has not been checked against a file of crYOLO's own.

crYOLO counts y from the *other* edge where it worked on TIFF, PNG or JPEG: convert with a flip.
Its own confidences lie between 0 and 1; what is written here are the picks' scores as they are.
Resolution: none is lost. No kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from napari_topaz.files.atomic import write_text
from napari_topaz.files.box import size_of
from napari_topaz.files.columns import digits, moved_digits, numbers, only_one, stem_name
from napari_topaz.files.errors import FileError
from napari_topaz.files.star import read_blocks, star_text
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Picks

_NEEDED = ("CoordinateX", "CoordinateY", "Width", "Height")
_NOTHING = "<NA>"


def read_cbox(path: Path) -> dict[str, Picks]:
    """Read the boxes of the micrograph that the file is named after.

    Raises
    ------
    FileError
        Where the block of boxes is missing, lacks columns, or a cell is no number.
    """
    block = read_blocks(path).get("cryolo")
    if not isinstance(block, pd.DataFrame) or not set(_NEEDED) <= set(block.columns):
        raise FileError(
            f"{path} has no table data_cryolo with {', '.join('_' + name for name in _NEEDED)}; "
            "give a .cbox file of crYOLO 1.8 or later."
        )
    x, y, width, height = (numbers(block[name], path) for name in _NEEDED)
    scores = numbers(block["Confidence"], path, gaps=True) if "Confidence" in block else None
    picks = Picks(np.stack([y + height / 2, x + width / 2], axis=1), scores)  # type: ignore[arg-type]
    return {stem_name(path): picks} if len(picks) else {}


def write_cbox(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write the boxes of one micrograph.

    Raises
    ------
    FileError
        Where there are several micrographs, or the size of the box is not known.
    """
    _, one = only_one(path, picks, "boxes")
    edge = size_of(path, options)
    corners = moved_digits(one.yx, -edge / 2)
    size, scores = str(edge), np.where(np.isnan(one.scores), _NOTHING, digits(one.scores))
    columns = {
        "CoordinateX": [x for _, x in corners],
        "CoordinateY": [y for y, _ in corners],
        "CoordinateZ": _NOTHING,
        "Width": size,
        "Height": size,
        "Depth": _NOTHING,
        "EstWidth": size,
        "EstHeight": size,
        "Confidence": scores,
        "NumBoxes": _NOTHING,
        "Angle": _NOTHING,
    }
    blocks = {
        "global": {"cbox_format_version": "1.0"},
        "cryolo": pd.DataFrame(columns, index=range(len(one))),
        "cryolo_include": pd.DataFrame({"slice_index": []}),
    }
    write_text(path, star_text(blocks))
