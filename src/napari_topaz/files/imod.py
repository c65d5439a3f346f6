"""IMOD's point text: a point a line, x y z, as ``model2point`` writes and ``point2model`` reads it.

Axis order x, y, z; in pixels of the image, x and y counted from the **outer edge** of the first pixel:
the centre of pixel (0, 0) lies at (0.5, 0.5) (IMOD's model coordinates), so our coordinate is x − 0.5,
y − 0.5. Row 0 of the file is y 0; 3dmod draws it at the bottom. z is the 0-based section. A line may
begin with the numbers of object and contour (``model2point -object``, ``-contour``): the last three
cells count. Where any z is not 0, the file is for a stack, and its picks belong to sections of it.
Source: IMOD's manual pages *model2point*, *point2model*.

Resolution: none is lost (``model2point -integer`` rounds). No scores, no kinds, one micrograph a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import moved_digits, numbers, only_one, stem_name, text_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Picks

#: From the outer edge of a pixel to its centre.
_HALF = 0.5
_LAST_SECTION = 10**6


def read_imod(path: Path) -> dict[str, Picks]:
    """Read the points of the micrograph, or of the stack, that the file is named after.

    Raises
    ------
    FileError
        Where a line has another number of cells than 3, 4 or 5, or one that is no number.
    """
    lines = text_of(path, "points as lines of x y z").splitlines()
    rows = [line.replace(",", " ").split() for line in lines if line.strip() and not line.startswith("#")]
    counts = {len(row) for row in rows}
    if len(counts) > 1 or not counts <= {3, 4, 5}:
        raise FileError(
            f"{path} has lines of {' and '.join(map(str, sorted(counts)))} cells, but IMOD's points are "
            "x y z, perhaps after object and contour; write it with model2point."
        )
    if not rows:
        return {}
    x, y, z = (
        numbers(pd.Series([row[k] for row in rows], name=axis), path)
        for k, axis in ((-3, "x"), (-2, "y"), (-1, "z"))
    )
    if abs(z).max() > _LAST_SECTION:
        raise FileError(
            f"{path} has a point at z {abs(z).max():g}, where no stack has a section; correct it."
        )
    picks = Picks(np.stack([y, x], axis=1) - _HALF)  # type: ignore[arg-type]
    sections, name = np.rint(z).astype(np.int64), stem_name(path)
    if not sections.any():
        return {name: picks}
    if sections.min() < 0:
        raise FileError(f"{path} has a point at z {sections.min()}, before the first section; correct it.")
    return {f"{k + 1:06d}@{name}": picks[sections == k] for k in np.unique(sections)}


def write_imod(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write the points of one micrograph, all in section 0.

    Raises
    ------
    FileError
        Where there are several micrographs.
    """
    del options
    _, one = only_one(path, picks, "points")
    rows = (f"{x} {y} 0\n" for y, x in moved_digits(one.yx, _HALF))
    write_text(path, "".join(rows))
