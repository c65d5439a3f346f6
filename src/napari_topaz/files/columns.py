"""From columns of text to picks and back: what all tables of coordinates share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.names import unique_names, usable_name
from napari_topaz.micrograph import micrograph_name
from napari_topaz.picks import Kind, Picks

#: Names of columns, in lower case, with "_" for blanks and hyphens, without RELION's prefix; the first is
#: the one we write.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "micrograph": (
        "micrograph",
        "image_name",
        "micrographname",
        "micrograph_name",
        "image",
        "filename",
        "name",
    ),
    "x": ("x", "x_coord", "coordinatex", "coordinate_x", "coord_x", "x_px", "center_x", "centre_x", "axis_1"),
    "y": ("y", "y_coord", "coordinatey", "coordinate_y", "coord_y", "y_px", "center_y", "centre_y", "axis_0"),
    "score": ("score", "autopickfigureofmerit", "confidence", "fom", "logit", "probability"),
    "kind": ("kind",),
}

#: Suffixes of the stem of a file that holds one micrograph's picks.
PICKER_ENDS = ("_autopick", "_manualpick", "_topaz", "_picks", "_info", ".imod", ".via", ".centre")
#: What stands for "no score" in a table, in lower case.
_GAPS = ("", "nan", "<na>", "none")
#: More decimals than a float32 coordinate in a micrograph can have.
_MOST_DECIMALS = 12


def stem_name(path: Path) -> str:
    """Name of the micrograph whose picks a file holds: ``a_01_autopick.star`` is for ``a_01``."""
    stem = path.stem
    for end in PICKER_ENDS:
        if stem.endswith(end) and stem != end:
            return stem.removesuffix(end)
    return stem


def picks_of_table(table: pd.DataFrame, path: Path) -> dict[str, Picks]:
    """Turn a table of text into picks by micrograph.

    Parameters
    ----------
    table : DataFrame
        Cells may be text. Columns in any order, see :data:`ALIASES`; others are ignored. Without
        a micrograph column all rows belong to the micrograph the file is named after.
    path : Path
        For names and messages.

    Returns
    -------
    dict of str to Picks
        In order of first appearance, rows in order; empty for a table without rows.

    Raises
    ------
    FileError
        Where x or y is missing, a cell is no number, or two names are one micrograph.
    """
    found = _recognise(table)
    if "x" not in found or "y" not in found:
        raise FileError(
            f"{path} needs columns for x and y, but has {', '.join(map(str, table.columns)) or 'none'}; "
            f"name them {' or '.join(ALIASES['x'][:2])} and {' or '.join(ALIASES['y'][:2])}."
        )
    yx = np.stack([numbers(table[found[axis]], path) for axis in "yx"], axis=1)
    scores = numbers(table[found["score"]], path, gaps=True) if "score" in found else None
    kinds = _kinds(table[found["kind"]], path) if "kind" in found else None
    picks = Picks(yx, scores, kinds)  # type: ignore[arg-type]
    if "micrograph" not in found:
        return {stem_name(path): picks} if len(picks) else {}
    return _split(picks, table[found["micrograph"]], path)


def numbers(cells: pd.Series, path: Path, *, gaps: bool = False) -> NDArray[np.float64]:
    """Convert a column to numbers that a float32 can hold; with `gaps`, empty cells and "nan" are NaN.

    Raises
    ------
    FileError
        Naming the first cell that is not a finite number.
    """
    values = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    bad = ~(np.abs(values) <= np.finfo(np.float32).max)
    if gaps:
        bad &= np.array([str(cell).strip().lower() not in _GAPS for cell in cells], bool)
    if bad.any():
        row = int(bad.argmax())
        raise FileError(
            f"{path} has {str(cells.iloc[row])!r} in row {row + 1} of column {cells.name}, "
            "where a number is needed; correct or remove that row."
        )
    return values


def table_of(picks: Mapping[str, Picks]) -> pd.DataFrame:
    """Put all picks but rejected ones into one table of text: micrograph, x, y, score, kind.

    Numbers have as many digits as a float32 needs to be read back exactly; no score is "".
    """
    kept = {name: one[one.kinds != Kind.NOT_PARTICLE] for name, one in picks.items()}
    joined = Picks.joined(kept.values())
    names = np.repeat(np.array(list(kept), object), [len(one) for one in kept.values()])
    labels = np.array([kind.name.lower() for kind in Kind], object)
    return pd.DataFrame(
        {
            "micrograph": pd.Series(names, dtype=object),
            "x": digits(joined.yx[:, 1]),
            "y": digits(joined.yx[:, 0]),
            "score": digits(joined.scores),
            "kind": labels[joined.kinds],
        }
    )


def digits(values: NDArray[np.float32]) -> NDArray[np.object_]:
    """Shortest text that is read back as the same float32; NaN is "". Any shape, which is kept."""
    text = np.asarray(values, np.float32).astype(str).astype(object)
    text[np.isnan(values)] = ""
    return text


def moved_digits(values: NDArray[np.float32], offset: float) -> list[list[str]]:
    """Text of values + offset with as few decimals as give back exactly the same float32 values.

    Parameters
    ----------
    values : ndarray of float32, shape (n, k)
        Coordinates.
    offset : float
        From our origin to the format's; the reader takes it off again in float64.
    """
    exact = values.astype(np.float64) + offset
    for decimals in range(_MOST_DECIMALS + 1):
        rounded = exact.round(decimals)
        if np.array_equal((rounded - offset).astype(np.float32), values):
            return [[f"{value:.{decimals}f}" for value in row] for row in rounded]
    return [[repr(float(value)) for value in row] for row in exact]


def text_of(path: Path, what: str) -> str:
    """Read a text file.

    Raises
    ------
    FileError
        Where it is none, or cannot be read; `what` says what to give instead.
    """
    try:
        refuse_special(path)
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text file; give {what}.") from error
    except OSError as error:
        raise reading_failed(path, error) from error


def only_one(path: Path, picks: Mapping[str, Picks], what: str) -> tuple[str, Picks]:
    """Return name and picks of the one micrograph that a file can hold, without rejected picks.

    Raises
    ------
    FileError
        Where there are several; `what` is what the file holds.
    """
    if len(picks) > 1:
        raise FileError(f"{path} can hold the {what} of one micrograph, not of {len(picks)}; give a folder.")
    name, one = next(iter(picks.items()), ("", Picks()))
    return name, one[one.kinds != Kind.NOT_PARTICLE]


def _recognise(table: pd.DataFrame) -> dict[str, str]:
    """Which column means what; earlier aliases win."""
    plain = {
        re.sub(r"[\s-]+", "_", str(key).strip().lower()).removeprefix("_").removeprefix("rln"): str(key)
        for key in table
    }
    hits = {what: [plain[a] for a in aliases if a in plain] for what, aliases in ALIASES.items()}
    return {what: columns[0] for what, columns in hits.items() if columns}


def _kinds(cells: pd.Series, path: Path) -> NDArray[np.uint8]:
    known = {kind.name.lower(): kind for kind in Kind} | {str(int(kind)): kind for kind in Kind}
    text = cells.astype(str).str.strip().str.lower().replace({"": "pick", "nan": "pick"})
    wrong = ~text.isin(list(known))
    if wrong.any():
        raise FileError(
            f"{path} has the kind {text[wrong].iloc[0]!r}; "
            f"it must be {', '.join(kind.name.lower() for kind in Kind)} or empty."
        )
    return np.asarray(text.map(known), np.uint8)


def _split(picks: Picks, names: pd.Series, path: Path) -> dict[str, Picks]:
    codes, texts = pd.factorize(names.fillna("").astype(str).str.strip())
    if "" in texts:
        raise FileError(f"{path} has a row without a micrograph's name; correct or remove that row.")
    for text in texts:
        usable_name(micrograph_name(str(text)), f"{path} has")
    unique = list(unique_names([str(text) for text in texts], f"micrographs in {path}"))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(texts)))
    parts: Sequence[NDArray[np.intp]] = np.split(order, ends[:-1]) if len(texts) else []
    return {name: picks[part] for name, part in zip(unique, parts, strict=True)}
