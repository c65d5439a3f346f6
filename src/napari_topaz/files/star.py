"""RELION STAR files.

Axis order by name. ``rlnCoordinateX`` and ``rlnCoordinateY`` are the particle's centre in pixels of the
aligned and summed micrograph (RELION's documentation, *Conventions*), y counted from the first row of an
MRC file; the value is taken as 0-based, as Topaz does: ``rlnCoordinateX`` 12 is the centre of the
thirteenth column. Resolution: none is lost. Scores are ``rlnAutopickFigureOfMerit``; no kinds.

The shapes of RELION's files: one block with or without ``rlnMicrographName`` (3.0, and all files of one
micrograph); ``data_optics`` and ``data_particles`` (3.1 and later); and ``autopick.star`` or
``manualpick.star`` of an AutoPick or ManualPick job (4 and 5), whose ``data_coordinate_files`` lists
micrographs and their files of coordinates (``NAME_autopick.star``), both relative to the project.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import starfile

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import PICKER_ENDS, picks_of_table, table_of
from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.names import usable_name
from napari_topaz.files.write_options import WriteOptions, project_path
from napari_topaz.micrograph import micrograph_name
from napari_topaz.picks import Picks

#: RELION's figure of merit of a pick that has none.
NO_SCORE = "-999"
#: RELION 4's and 5's autopick.star lists one coordinate file per micrograph in these columns.
_LIST = ("rlnMicrographName", "rlnMicrographCoordinates")
#: What such lists are called in a folder of RELION; the first one is written.
LISTS = ("autopick.star", "manualpick.star")
#: A table without columns, and how long (bytes) one can be.
_NO_COLUMNS, _SHORT = re.compile(r"(\s|#.*\n)*data_\S*\s+loop_\s*"), 1000
_WRITTEN_BY = "# Written by napari-topaz"
#: RELION 3.1's file of a picking job: the name of its micrographs' STAR file, and in its own how theirs end.
SUFFIX_FILE = re.compile(r"coords_suffix_(.+)\.star")


def read_star(path: Path) -> dict[str, Picks]:
    """Read the picks of a STAR file, with or without optics groups.

    Without ``rlnMicrographName`` they belong to the micrograph the file is named after
    (``a_01_autopick.star``). A list of coordinate files (RELION 4 and 5) is followed. Scores are
    ``rlnAutopickFigureOfMerit``; RELION's −999 is none. A loop without columns has no picks.

    Raises
    ------
    FileError
        Where the file has no coordinates, or cells that are no numbers.
    """
    if suffix := SUFFIX_FILE.fullmatch(path.name):
        raise FileError(
            f"{path} only says how the files of picks are called; give those, such as "
            f"{path.parent}/Movies/*_{suffix[1]}.star."
        )
    if _is_empty(path):
        return {}
    blocks = read_blocks(path)
    tables = [block if isinstance(block, pd.DataFrame) else _one_row(block) for block in blocks.values()]
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
        names = table["micrograph"].map({name: quoted(options.star_name(name)) for name in picks})
        particles = pd.DataFrame({"rlnMicrographName": names, **columns, "rlnOpticsGroup": "1"})
        blocks = {"optics": _optics(options.pixel_size), "particles": particles}
    write_text(path, star_text(blocks))


def write_star_list(path: Path, files: Mapping[str, Path], options: WriteOptions) -> None:
    """Write the list of an AutoPick job, ``autopick.star``, for RELION's *Extract* to take.

    What an earlier list names is kept, where the file is still there and the micrograph is not among
    these. These stay together, in their order: a list that is written in two goes is that of one.

    Parameters
    ----------
    path : Path
        The list.
    files : mapping of str to Path
        Files of coordinates by micrograph name.
    """
    new = {name: (options.star_name(name), project_path(file)) for name, file in files.items()}
    listed: dict[str, tuple[str, str]] = {}
    for row in _listed(path):
        if (name := micrograph_name(row[0])) in new:
            listed |= new
        elif Path(row[1]).is_file():
            listed[name] = row
    listed |= new
    rows = [[quoted(cell) for cell in row] for row in listed.values()]
    write_text(path, star_text({"coordinate_files": pd.DataFrame(rows, columns=list(_LIST))}))


def unlisted(files: Sequence[Path]) -> list[Path]:
    """Leave out what is read already through a list that is among the files of a folder.

    RELION's job folder has other STAR files, too (``job.star``): beside a list, only files called as
    those of a picker are taken for picks.
    """
    files = [file for file in files if not SUFFIX_FILE.fullmatch(file.name)] or list(files)
    lists = [file for file in files if file.name in LISTS and _listed(file)]
    if not lists:
        return files
    known = {found.resolve() for file in lists for found in _places(file)}
    return [
        file
        for file in files
        if file.suffix.lower() != ".star"
        or file in lists
        or (file.resolve() not in known and file.stem.endswith(PICKER_ENDS))
    ]


def star_text(blocks: Mapping[str, Any]) -> str:
    """Return the text of a STAR file; starfile's first line has the time in it, ours has not.

    The same blocks give the same file, byte for byte.
    """
    _, _, rest = starfile.to_string(dict(blocks)).partition("\n")
    return f"{_WRITTEN_BY}\n{rest}"


def read_blocks(path: Path) -> dict[str, Any]:
    """Read all blocks by name: tables as data frames, single values as dictionaries.

    Raises
    ------
    FileError
        Where the file cannot be read, or is no STAR file.
    """
    try:
        refuse_special(path)
        with path.open("rb"):  # starfile takes a folder or a forbidden file for an empty one
            pass
        blocks: dict[str, Any] = starfile.read(path, always_dict=True, parse_as_string=list(_LIST))
    except OSError as error:
        raise reading_failed(path, error) from error
    except FileError:
        raise
    except Exception as error:  # starfile lets whatever its parsing meets through
        raise FileError(
            f"{path} is not a well-formed STAR file ({_first_line(error)}); repair it."
        ) from error
    finally:
        linecache.clearcache()  # starfile reads through it, and would see old lines after a failure
    if not blocks:
        raise FileError(f"{path} has no data block, so it is not a STAR file; give one of particles.")
    return blocks


def _is_empty(path: Path) -> bool:
    """Whether all that a file has is a loop without columns, as RELION writes a table without rows."""
    try:
        text = path.read_text("utf-8") if path.is_file() and path.stat().st_size < _SHORT else ""
    except (OSError, UnicodeDecodeError):  # read_blocks says it in a sentence
        return False
    return _NO_COLUMNS.fullmatch(text) is not None


def _one_row(block: Mapping[str, Any]) -> pd.DataFrame:
    """A block without a loop as the table of one row that it is."""
    return pd.DataFrame({key: [str(value)] for key, value in block.items()})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _follow(table: pd.DataFrame, path: Path) -> dict[str, Picks]:
    """Read the coordinate files that a list of RELION 4 or 5 names."""
    found: dict[str, Picks] = {}
    for text, entry in table[list(_LIST)].itertuples(index=False):
        place = _place(entry, path)
        if place is None:
            raise FileError(f"{path} names {entry}, which does not exist; run from RELION's project folder.")
        if place.suffix.lower() != ".star":
            raise FileError(f"{path} names {entry}, which is not a STAR file; give those files themselves.")
        if place.resolve() == path.resolve():
            raise FileError(f"{path} names itself as a file of coordinates; correct that row.")
        parts = list(read_star(place).values())
        name = usable_name(micrograph_name(text), f"{path} has")
        if name in found:
            raise FileError(f"{path} names the micrograph {name!r} twice; remove one of the rows.")
        if parts:
            found[name] = sum(parts, Picks())
    return found


def _place(entry: str, path: Path) -> Path | None:
    """Where a coordinate file lies: entries are relative to the project's folder."""
    places = [Path(entry), *(parent / entry for parent in path.absolute().parents)]
    return next((place for place in places if place.is_file()), None)


def _places(path: Path) -> list[Path]:
    return [place for _, entry in _listed(path) if (place := _place(entry, path)) is not None]


def _listed(path: Path) -> list[tuple[str, str]]:
    """The rows of a list of coordinate files; none where there is no list."""
    if not path.is_file():
        return []
    for block in read_blocks(path).values():
        if isinstance(block, pd.DataFrame) and set(_LIST) <= set(block.columns):
            return [(str(name), str(entry)) for name, entry in block[list(_LIST)].itertuples(index=False)]
    return []


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
