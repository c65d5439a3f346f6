"""EMAN ``.box`` files: one micrograph, one box a line: x y width height [score].

x, y is the box's corner next to pixel (0, 0), in pixels of the micrograph. Our coordinate is
**corner + size / 2**: that is the pixel with index size / 2 of the box, where EMAN2 and RELION put
the origin of an image; the outline's middle would lie half a pixel before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_topaz.files.atomic import replace_file
from napari_topaz.files.columns import digits, numbers, stem_name
from napari_topaz.files.errors import FileError, reading_failed
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Kind, Picks

_COLUMNS = ("x", "y", "width", "height", "score")
#: EMAN1 wrote this in the place of a score, for "an ordinary particle".
_EMAN1_MARK = -3.0
#: More decimals than a float32 coordinate in a micrograph can have.
_MOST_DECIMALS = 12


def read_box(path: Path) -> dict[str, Picks]:
    """Read the boxes of the micrograph that the file is named after; no lines, no entry.

    Raises
    ------
    FileError
        Where a line has fewer than four cells or one that is no number.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file; give boxes as lines of x y width height.") from error
    except OSError as error:
        raise reading_failed(path, error) from error
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
    return {stem_name(path): _picks(columns)}


def write_box(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write the boxes of one micrograph, with scores where every pick has one.

    Raises
    ------
    FileError
        Where there are several micrographs, or the size of the box is not known.
    """
    if len(picks) > 1:
        raise FileError(f"{path} can hold the boxes of one micrograph, not of {len(picks)}; give a folder.")
    if not options.box_size:
        raise FileError(f"{path} needs the size of the box in pixels; give a box size or another format.")
    one = next(iter(picks.values()), Picks())
    one = one[one.kinds != Kind.NOT_PARTICLE]
    corner = _corners(one.yx, options.box_size / 2)
    size = str(options.box_size)
    rows = [[x, y, size, size] for y, x in corner]
    if not np.isnan(one.scores).any():
        rows = [[*row, score] for row, score in zip(rows, digits(one.scores), strict=True)]
    with replace_file(path) as part:
        part.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")


def _picks(columns: Mapping[str, NDArray[np.float64]]) -> Picks:
    # In float64, so that corner + size/2 is rounded once.
    y = columns["y"] + columns["height"] / 2
    x = columns["x"] + columns["width"] / 2
    scores = columns.get("score")
    if scores is not None and (scores == _EMAN1_MARK).all():
        scores = None
    return Picks(np.stack([y, x], axis=1), scores)  # type: ignore[arg-type]


def _corners(yx: NDArray[np.float32], half: float) -> list[list[str]]:
    """Text of yx − half with as few decimals as give back exactly yx."""
    exact = yx.astype(np.float64) - half
    for decimals in range(_MOST_DECIMALS + 1):
        rounded = exact.round(decimals)
        if np.array_equal((rounded + half).astype(np.float32), yx):
            return [[f"{value:.{decimals}f}" for value in row] for row in rounded]
    return [[repr(float(value)) for value in row] for row in exact]
