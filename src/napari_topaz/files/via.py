"""CSV of the VGG Image Annotator (VIA 1 and 2): a region a line, its shape as JSON in a cell.

Columns: filename, file_size, file_attributes, region_count, region_id, region_shape_attributes,
region_attributes (VIA's user guide, *Export annotations as CSV*; Dutta & Zisserman, ACM MM 2019). Shapes:
``point``, ``circle`` and ``ellipse`` with their centre cx, cy; ``rect`` with its corner x, y and width,
height (centre: corner + size / 2). Axis order x, y; 0-based pixels of the picture as VIA shows it, y
counted from its **first** row. A picture that was made from an MRC file may have been turned upside
down: then convert with a flip. Other shapes are refused, for which of their points is the particle?

Scores and kinds stand in region_attributes, as ``score`` and ``kind``. Resolution: none is lost.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import picks_of_table, table_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Picks

#: The column by which a table is known to be of VIA.
SHAPE = "region_shape_attributes"
_COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count", "region_id"),
    *(SHAPE, "region_attributes"),
)
_CENTRED = ("point", "circle", "ellipse")
#: Columns of the table that the shapes become.
_FOUND = ("micrograph", "x", "y", "score", "kind")


def picks_of_via(table: pd.DataFrame, path: Path) -> dict[str, Picks]:
    """Turn VIA's table (cells are text) into picks by micrograph.

    Raises
    ------
    FileError
        Where the file names are missing, a shape is no JSON or none of those above, or no number.
    """
    if "filename" not in table:
        raise FileError(f"{path} has regions of VIA but no column filename; export them again.")
    rows = []
    more = table["region_attributes"] if "region_attributes" in table else [""] * len(table)
    for n, (file, shape, about) in enumerate(zip(table["filename"], table[SHAPE], more, strict=True), 1):
        parsed = _json(shape, n, path)
        if parsed:  # a picture without regions has a line, too
            said = _json(about, n, path)
            rows.append((file, *_centre(parsed, n, path), said.get("score", ""), said.get("kind", "")))
    return picks_of_table(pd.DataFrame(rows, columns=list(_FOUND), dtype=object), path)


def write_via(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write points; VIA knows a picture by its file name and size (−1 where the file is not known)."""
    table = table_of(picks)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, rows in table.groupby("micrograph", sort=False):
        file, size = _file(str(name), options)
        for number, row in enumerate(rows.itertuples(index=False)):
            point = f'{{"name":"point","cx":{row.x},"cy":{row.y}}}'
            said = {"score": str(row.score)} if row.score else {}
            about = json.dumps(said | {"kind": str(row.kind)}, separators=(",", ":"))
            writer.writerow((file, size, "{}", len(rows), number, point, about))
    write_text(path, lines.getvalue())


def _json(cell: Any, row: int, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(cell or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FileError(
            f"{path} has {str(cell)[:40]!r} in row {row}, where VIA has attributes as JSON; export it again."
        )
    return found


def _centre(shape: Mapping[str, Any], row: int, path: Path) -> tuple[Any, Any]:
    name = shape.get("name")
    try:
        if name in _CENTRED:
            return shape["cx"], shape["cy"]
        if name == "rect":
            x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
            return x + width / 2, y + height / 2
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} has a {name} without its numbers in row {row}; correct it.") from error
    raise FileError(
        f"{path} has a region {name!r} in row {row}, which has no centre; "
        "mark particles by points, circles or rectangles."
    )


def _file(name: str, options: WriteOptions) -> tuple[str, int]:
    file = options.files.get(name)
    if file is None:
        return name, -1
    return file.path.name if file.section is None else name, _size(file.path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
