"""Tables with a header line: Topaz's (tab-separated) and CSV; VIA's CSV is known by its columns.

Axis order by name (Topaz: image_name, x_coord, y_coord, score; Bepler et al. 2019 and Topaz's user guide).
Coordinates are centres in pixels of the micrograph, 0-based, y counted from the first row of the file,
as in this package. Resolution: none is lost. CSV holds scores and kinds, Topaz's table scores.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import picks_of_table, table_of, text_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.via import SHAPE, picks_of_via
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Picks

#: Characters; pandas takes minutes for tens of thousands of columns.
_LONGEST_HEADER = 10_000


def read_table(path: Path) -> dict[str, Picks]:
    """Read a table whose first line names its columns, in any order.

    Cells are separated by tabs, commas, semicolons or blanks, whichever the first line has. See
    :data:`napari_topaz.files.columns.ALIASES` for the names. Lines that begin with ``#`` are
    comments.

    Raises
    ------
    FileError
        Where the table is empty, has no x and y, or a cell is no number.
    """
    text = text_of(path, "a table of coordinates")
    # VIA 1 begins its header with "#"; else that is a comment.
    text = text.removeprefix("#") if text.startswith("#filename,") else text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise FileError(f"{path} is empty; its first line should name columns, such as micrograph,x,y.")
    if len(lines[0]) > _LONGEST_HEADER:
        raise FileError(f"{path} has a first line of {len(lines[0])} characters; it should name columns.")
    separator = next((mark for mark in "\t,;" if mark in lines[0]), r"\s+")
    try:
        table = pd.read_csv(io.StringIO("\n".join(lines)), sep=separator, dtype=str, keep_default_na=False)
        if not isinstance(table.index, pd.RangeIndex):  # surplus cells, which pandas takes for row labels
            raise ValueError("rows are longer than the first line")
    except ValueError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise FileError(
            f"{path} is not a table ({reason}); every row needs as many cells as columns."
        ) from error
    return picks_of_via(table, path) if SHAPE in table else picks_of_table(table, path)


def write_csv(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write micrograph, x, y, score, kind, separated by commas; no score is an empty cell."""
    del options  # a name is all that this format writes
    _write(path, table_of(picks), ",")


def write_topaz(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write image_name, x_coord, y_coord and, where all picks have one, score, separated by tabs."""
    del options
    table = table_of(picks)[["micrograph", "x", "y", "score"]]
    table.columns = pd.Index(["image_name", "x_coord", "y_coord", "score"])
    if (table["score"] == "").all():
        table = table.drop(columns="score")
    _write(path, table, "\t")


def _write(path: Path, table: pd.DataFrame, separator: str) -> None:
    write_text(path, table.to_csv(None, sep=separator, index=False, lineterminator="\n"))
