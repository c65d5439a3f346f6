"""RELION STAR files.

Coordinates are in pixels of the micrograph; the value is taken as the 0-based centre, as Topaz
does: ``rlnCoordinateX`` 12 is the centre of the thirteenth column.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import starfile

from napari_topaz.files.atomic import replace_file
from napari_topaz.files.columns import picks_of_table, table_of
from napari_topaz.files.errors import FileError, reading_failed
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.micrograph import micrograph_name
from napari_topaz.picks import Picks

#: RELION's figure of merit of a pick that has none.
NO_SCORE = "-999"
#: RELION 4's autopick.star lists one coordinate file per micrograph in these columns.
_LIST = ("rlnMicrographName", "rlnMicrographCoordinates")
_WRITTEN_BY = "# Written by napari-topaz"


def read_star(path: Path) -> dict[str, Picks]:
    """Read the picks of a STAR file, with or without optics groups.

    Without ``rlnMicrographName`` they belong to the micrograph the file is named after
    (``a_01_autopick.star``). RELION 4's list of coordinate files is followed. Scores are
    ``rlnAutopickFigureOfMerit``; RELION's −999 is none.

    Raises
    ------
    FileError
        Where the file has no coordinates, or cells that are no numbers.
    """
    blocks = _blocks(path)
    tables = [block for block in blocks.values() if isinstance(block, pd.DataFrame)]
    for table in tables:
        if set(_LIST) <= set(table.columns):
            return _follow(table, path)
    for table in tables:
        if "rlnCoordinateX" in table.columns and "rlnCoordinateY" in table.columns:
            return _without_dummies(picks_of_table(table, path))
    columns = sorted({str(column) for table in tables for column in table.columns})
    raise FileError(
        f"{path} has no table with rlnCoordinateX and rlnCoordinateY (its columns: "
        f"{', '.join(columns) or 'none'}); give a STAR file of particles."
    )


def write_star(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write picks as RELION ≥ 3.1 reads them: one optics group and a table of particles.

    A file for one micrograph of a folder (``options.one_each``) has, like RELION's own, a single
    block without names. Scores are written where any pick has one.
    """
    table = table_of(picks)
    columns = {"rlnCoordinateX": table["x"], "rlnCoordinateY": table["y"]}
    if (table["score"] != "").any():
        columns["rlnAutopickFigureOfMerit"] = table["score"].replace("", NO_SCORE)
    blocks: dict[str, Any] = {"": pd.DataFrame(columns)}
    if not options.one_each:
        names = table["micrograph"].map(options.star_name).map(quoted)
        particles = pd.DataFrame({"rlnMicrographName": names, **columns, "rlnOpticsGroup": "1"})
        blocks = {"optics": _optics(options.pixel_size), "particles": particles}
    with replace_file(path) as part:
        part.write_text(star_text(blocks), "utf-8")


def star_text(blocks: Mapping[str, Any]) -> str:
    """Return the text of a STAR file; starfile's first line has the time in it, ours has not.

    The same blocks give the same file, byte for byte.
    """
    _, _, rest = starfile.to_string(dict(blocks)).partition("\n")
    return f"{_WRITTEN_BY}\n{rest}"


def _blocks(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb"):  # starfile takes a folder or a forbidden file for an empty one
            pass
        blocks: dict[str, Any] = starfile.read(path, always_dict=True, parse_as_string=list(_LIST))
    except OSError as error:
        raise reading_failed(path, error) from error
    except Exception as error:  # starfile lets whatever its parsing meets through
        raise FileError(
            f"{path} is not a well-formed STAR file ({_first_line(error)}); repair it."
        ) from error
    finally:
        linecache.clearcache()  # starfile reads through it, and would see old lines after a failure
    if not blocks:
        raise FileError(f"{path} has no data block, so it is not a STAR file; give one of particles.")
    return blocks


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _follow(table: pd.DataFrame, path: Path) -> dict[str, Picks]:
    """Read the coordinate files that a RELION 4 list names, relative to the project's folder."""
    found: dict[str, Picks] = {}
    for text, entry in table[list(_LIST)].itertuples(index=False):
        places = [Path(entry), *(parent / entry for parent in path.absolute().parents)]
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            raise FileError(f"{path} names {entry}, which does not exist; run from RELION's project folder.")
        if place.suffix.lower() != ".star":
            raise FileError(f"{path} names {entry}, which is not a STAR file; give those files themselves.")
        parts = list(read_star(place).values())
        if parts:
            found[micrograph_name(text)] = sum(parts, Picks())
    return found


def _without_dummies(picks: dict[str, Picks]) -> dict[str, Picks]:
    """Turn RELION's −999 into "no score"."""
    return {
        name: Picks(one.yx, scores=_nan_where(one.scores, float(NO_SCORE)), kinds=one.kinds)
        for name, one in picks.items()
    }


def _nan_where(scores: Any, dummy: float) -> Any:
    scores = scores.copy()
    scores[scores == dummy] = float("nan")
    return scores


def _optics(pixel_size: float | None) -> pd.DataFrame:
    optics = {"rlnOpticsGroup": ["1"], "rlnOpticsGroupName": ["opticsGroup1"]}
    if pixel_size is not None:
        optics |= {
            key: [f"{pixel_size:.6f}"] for key in ("rlnMicrographOriginalPixelSize", "rlnImagePixelSize")
        }
    return pd.DataFrame(optics)


def quoted(name: str) -> str:
    """Quote what starfile itself does not: a "#" begins a comment."""
    return f'"{name}"' if "#" in name and " " not in name else name
