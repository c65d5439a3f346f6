"""EMAN ``.box`` files: one micrograph, one box a line: x y width height [score].

Axis order x, y. In pixels of the micrograph; y counts rows from the first row of the file (EMAN calls
that edge the lower one, and draws it at the bottom). x, y is

* format ``box``: the box's corner next to pixel (0, 0), 0-based ("the lower left corner of the box":
  EMAN wiki, *Eman2OtherFiles*; crYOLO and RELION agree). Our coordinate is **corner + size / 2**: that
  is the pixel with index size / 2 of the box, where EMAN2 and RELION put the origin of an image; the
  outline's middle would lie half a pixel before it.
* format ``box-centre``: the centre, as some scripts write it. Nothing in a file tells the two apart.

crYOLO counts y from the *other* edge where it worked on TIFF, PNG or JPEG: convert with a flip.
Resolution: none is lost, fractions of pixels are written. Scores where all picks have one; no kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import digits, moved_digits, numbers, only_one, stem_name, text_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Picks

_COLUMNS = ("x", "y", "width", "height", "score")
#: EMAN1 wrote this in the place of a score, for "an ordinary particle".
_EMAN1_MARK = -3.0


def read_box(path: Path) -> dict[str, Picks]:
    """Read the boxes of the micrograph that the file is named after; no lines, no entry.

    Raises
    ------
    FileError
        Where a line has fewer than four cells or one that is no number.
    """
    return _read(path, half=0.5)


def read_box_centre(path: Path) -> dict[str, Picks]:
    """Read boxes whose x, y is their centre (see :func:`read_box`)."""
    return _read(path, half=0.0)


def write_box(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write the boxes of one micrograph, with scores where every pick has one.

    Raises
    ------
    FileError
        Where there are several micrographs, or the size of the box is not known.
    """
    _write(path, picks, options, half=0.5)


def write_box_centre(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write boxes whose x, y is their centre (see :func:`write_box`)."""
    _write(path, picks, options, half=0.0)


def size_of(path: Path, options: WriteOptions) -> int:
    """Return the edge of a box in pixels, or refuse to write boxes without it."""
    if not options.box_size:
        raise FileError(f"{path} needs the size of the box in pixels; give a box size or another format.")
    return options.box_size


def _read(path: Path, half: float) -> dict[str, Picks]:
    lines = text_of(path, "boxes as lines of x y width height").splitlines()
    rows = [line.replace(",", " ").split() for line in lines if line.strip() and not line.startswith("#")]
    if not rows:
        return {}
    count = min(len(row) for row in rows)
    if count < 4:
        raise FileError(
            f"{path} has a line of {count} cells, but a box is x y width height [score]; "
            "give an EMAN box file, or choose the format."
        )
    columns = {
        name: numbers(pd.Series([row[k] for row in rows], name=name), path, gaps=name == "score")
        for k, name in enumerate(_COLUMNS[:count])
    }
    return {stem_name(path): _picks(columns, half)}


def _picks(columns: Mapping[str, NDArray[np.float64]], half: float) -> Picks:
    # In float64, so that corner + size/2 is rounded once.
    y = columns["y"] + columns["height"] * half
    x = columns["x"] + columns["width"] * half
    scores = columns.get("score")
    if scores is not None and (scores == _EMAN1_MARK).all():
        scores = None
    return Picks(np.stack([y, x], axis=1), scores)  # type: ignore[arg-type]


def _write(path: Path, picks: Mapping[str, Picks], options: WriteOptions, half: float) -> None:
    _, one = only_one(path, picks, "boxes")
    edge = size_of(path, options)
    size = str(edge)
    rows = [[x, y, size, size] for y, x in moved_digits(one.yx, -edge * half)]
    if not np.isnan(one.scores).any():
        rows = [[*row, score] for row, score in zip(rows, digits(one.scores), strict=True)]
    write_text(path, "".join("\t".join(row) + "\n" for row in rows))
