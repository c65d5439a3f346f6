"""cryoSPARC's ``.cs`` files of particles: a structured array of NumPy, a row a particle.

``location/center_x_frac`` and ``location/center_y_frac`` are the centre as a fraction of the width and
the height in ``location/micrograph_shape`` (height, width): our coordinate is fraction · size, 0-based,
y counted from the first row of the MRC file. ``location/micrograph_path`` names the micrograph (relative
to cryoSPARC's project; with the exposure's uid, 21 digits and "_", before the name),
``location/micrograph_uid`` the exposure. Scores are ``pick_stats/ncc_score``; no kinds. The fields are
those of cryosparc-tools' *Dataset*. That y counts from the first row is what public scripts do which plot
cryoSPARC's picks on its micrographs, or put picks of crYOLO into it; no real export has been looked at here.
Micrographs of cryoSPARC's own motion correction lie upside down beside RELION's of the same movie (pyem,
issue 81): picks that go from one to the other need a flip.

Resolution: fractions are float32, so a coordinate is good to width · 6e-8, under 0.001 px.

Strings are bytes of a fixed width, as cryoSPARC writes them; arrays of objects, which only ``pickle``
could read, are refused. So is the newer compressed stream, which is no NumPy file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_topaz.files.atomic import replace_file
from napari_topaz.files.columns import numbers, picks_of_table
from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.micrographs import read_header
from napari_topaz.files.names import without_uid
from napari_topaz.files.write_options import WriteOptions, project_path
from napari_topaz.micrograph import micrograph_name
from napari_topaz.picks import Kind, Picks

_X, _Y = "location/center_x_frac", "location/center_y_frac"
_PATH, _SHAPE = "location/micrograph_path", "location/micrograph_shape"
_SCORE = "pick_stats/ncc_score"
#: First bytes of cryoSPARC's own, compressed format.
_STREAM = b"\x93CSDAT"


@dataclass(frozen=True)
class _Exposure:
    """What cryoSPARC says of one micrograph."""

    path: str
    shape: tuple[int, int]
    uid: int
    group: int
    pixel_size: float


def read_cryosparc(path: Path) -> dict[str, Picks]:
    """Read the particles of a .cs file, of all micrographs.

    Raises
    ------
    FileError
        Where it is no such file, has no locations (give the passthrough file of the job), or
        would need pickle.
    """
    table = _load(path)
    _need(table, (_X, _Y, _PATH, _SHAPE), path)
    height, width = np.asarray(table[_SHAPE], np.float64).reshape(-1, 2).T
    if len(table) and not (height.min() > 0 and width.min() > 0):
        raise FileError(f"{path} has micrographs of no size in {_SHAPE}; export the particles again.")
    columns = {
        "micrograph": [micrograph_name(text) for text in _texts(table[_PATH])],
        "x": np.asarray(numbers(pd.Series(table[_X], name=_X), path) * width),
        "y": np.asarray(numbers(pd.Series(table[_Y], name=_Y), path) * height),
    }
    if _SCORE in (table.dtype.names or ()):
        columns["score"] = np.asarray(table[_SCORE], np.float64)
    return picks_of_table(pd.DataFrame(columns), path)


def write_cryosparc(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write particles with their location, and scores where any pick has one.

    With ``options.exposures``, a .cs file of exposures or of earlier particles, micrographs have the
    path, uid and exposure group that cryoSPARC knows them by, so that the picks can be joined to them.
    Without, uid are made from the paths: the same picks give the same file.

    Raises
    ------
    FileError
        Where the size of a micrograph is not known, or the exposures lack it.
    """
    kept = {name: one[one.kinds != Kind.NOT_PARTICLE] for name, one in picks.items()}
    known = None if options.exposures is None else _exposures(options.exposures)
    exposures = {name: _exposure(name, known, options, path) for name, one in kept.items() if len(one)}
    scored = any(not np.isnan(one.scores).all() for one in kept.values())
    longest = max((len(e.path.encode()) for e in exposures.values()), default=1)
    parts = [_rows(one, exposures[name], longest, scored) for name, one in kept.items() if len(one)]
    table = np.concatenate([np.empty(0, _dtype(longest, scored)), *parts])
    with replace_file(path) as part, part.open("wb") as file:
        np.lib.format.write_array(file, table, allow_pickle=False)


def _load(path: Path) -> NDArray[Any]:
    try:
        refuse_special(path)
        with path.open("rb") as file:
            if file.read(len(_STREAM)) == _STREAM:
                raise FileError(
                    f"{path} is in cryoSPARC's compressed format; export the result group, or save it with "
                    "cryosparc-tools as a NumPy file."
                )
            file.seek(0)
            table = np.lib.format.read_array(file, allow_pickle=False)
    except FileError:
        raise
    except OSError as error:
        raise reading_failed(path, error) from error
    except Exception as error:  # whatever NumPy's parser of headers meets: syntax, tokens, memory
        raise FileError(f"{path} {_why_not(error)}") from error
    if table.dtype.names is None:
        raise FileError(f"{path} is a NumPy file without named fields; give a .cs file of particles.")
    return table.ravel()


def _why_not(error: Exception) -> str:
    if "allow_pickle" in str(error) and "Object arrays" in str(error):
        return (
            "has an array of Python objects, which could run code when it is read; save it with plain fields."
        )
    return "is no NumPy file, or is cut short; give a .cs file of cryoSPARC, or copy it again."


def _need(table: NDArray[Any], fields: tuple[str, ...], path: Path) -> None:
    missing = [name for name in fields if name not in (table.dtype.names or ())]
    if missing:
        raise FileError(
            f"{path} has no {' and no '.join(missing)}; give the file of the job that has the locations, "
            "often the one called passthrough."
        )


def _texts(cells: NDArray[Any]) -> list[str]:
    return [
        cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for cell in cells.tolist()
    ]


def _exposures(path: Path) -> dict[str, _Exposure]:
    """The exposures of a .cs file, by name with and without the uid before it."""
    table = _load(path)
    fields = table.dtype.names or ()
    blob = "micrograph_blob/path" in fields
    keys = (
        ("micrograph_blob/path", "micrograph_blob/shape", "uid")
        if blob
        else (_PATH, _SHAPE, "location/micrograph_uid")
    )
    _need(table, keys, path)
    sizes = "micrograph_blob/psize_A" if blob else "location/micrograph_psize_A"
    group = next((g for g in ("location/exp_group_id", "ctf/exp_group_id") if g in fields), None)
    found: dict[str, _Exposure] = {}
    for k, text in enumerate(_texts(table[keys[0]])):
        height, width = (int(n) for n in table[keys[1]][k])
        exposure = _Exposure(
            text,
            (height, width),
            int(table[keys[2]][k]),
            int(table[group][k]) if group else 1,
            float(table[sizes][k]) if sizes in fields else 0.0,
        )
        found[micrograph_name(text)] = exposure
    plain = Counter(without_uid(name) for name in found)
    return found | {short: found[name] for name in found if plain[short := without_uid(name)] == 1}


def _exposure(
    name: str, known: Mapping[str, _Exposure] | None, options: WriteOptions, path: Path
) -> _Exposure:
    if known is not None:
        found = known.get(name) or known.get(without_uid(name))
        if found is None:
            raise FileError(
                f"{options.exposures} has no exposure {name!r}, or two; give the one of all micrographs."
            )
        return found
    file = options.files.get(name)
    shape = read_header(file).shape if file is not None else options.shapes.get(name)
    if shape is None:
        raise FileError(
            f"{path} needs the size of {name!r}, as it holds fractions; give micrographs or exposures."
        )
    text = project_path(file.path) if file is not None else name
    return _Exposure(text, shape, _uid(text), 1, options.pixel_size or 0.0)


def _dtype(longest: int, scored: bool) -> np.dtype[Any]:
    fields: list[Any] = [
        ("uid", "<u8"),
        ("location/micrograph_uid", "<u8"),
        ("location/exp_group_id", "<u4"),
        (_PATH, f"S{longest}"),
        (_SHAPE, "<u4", (2,)),
        ("location/micrograph_psize_A", "<f4"),
        (_X, "<f4"),
        (_Y, "<f4"),
    ]
    return np.dtype([*fields, (_SCORE, "<f4")] if scored else fields)


def _rows(picks: Picks, exposure: _Exposure, longest: int, scored: bool) -> NDArray[Any]:
    rows = np.zeros(len(picks), _dtype(longest, scored))
    rows["uid"] = [_uid(f"{exposure.path} {exposure.uid} {n}") for n in range(len(picks))]
    rows["location/micrograph_uid"], rows["location/exp_group_id"] = exposure.uid, exposure.group
    rows[_PATH], rows[_SHAPE] = exposure.path.encode(), exposure.shape
    rows["location/micrograph_psize_A"] = exposure.pixel_size
    for field, axis in ((_Y, 0), (_X, 1)):
        rows[field] = picks.yx[:, axis].astype(np.float64) / exposure.shape[axis]
    if scored:
        rows[_SCORE] = picks.scores
    return rows


def _uid(text: str) -> int:
    """A number of 64 bits that belongs to a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
