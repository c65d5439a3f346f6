"""EMAN2's ``info/NAME_info.json``: what EMAN2 knows of one micrograph, the boxes among it.

``"boxes"`` is a list of [x, y, type] or [x, y, type, score]. Axis order x, y; x, y is the **centre** of
the box ("json files contain x/y coordinates of the box center": 3DEM-conventions, *EMAN2*), 0-based, in
pixels of the micrograph, y counted from the first row of the file, which EMAN2 draws at the bottom.
``"manual"`` is a box that a person set: a label here (:attr:`Kind.PARTICLE`); all else (``"auto_…"``)
is a pick. Resolution: none is lost. Scores where the pick has one; kinds as said.

What else the file says (the CTF, the quality) stays as it is when boxes are written into it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.files.atomic import write_text
from napari_topaz.files.columns import only_one, stem_name, text_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.write_options import WriteOptions
from napari_topaz.picks import Kind, Picks

_MANUAL, _AUTO = "manual", "auto_topaz"


def read_eman_json(path: Path) -> dict[str, Picks]:
    """Read the boxes of the micrograph that the file is named after.

    Raises
    ------
    FileError
        Where it is no JSON, has no list of boxes, or a box has no two numbers.
    """
    content = _content(path)
    if "boxes" not in content:
        keys = ", ".join(map(repr, list(content)[:5])) or "nothing"
        raise FileError(f'{path} has no "boxes", but {keys}; give an info file of EMAN2 with boxes.')
    boxes = content["boxes"]
    if not isinstance(boxes, list):
        raise FileError(f'{path} has "boxes" that are no list; give an info file of EMAN2.')
    rows = [_row(box, number, path) for number, box in enumerate(boxes, 1)]
    if not rows:
        return {}
    y, x, scores, kinds = zip(*rows, strict=True)
    yx = np.stack([np.asarray(y), np.asarray(x)], axis=1)
    return {stem_name(path): Picks(yx, np.asarray(scores), np.asarray(kinds, np.uint8))}


def write_eman_json(path: Path, picks: Mapping[str, Picks], options: WriteOptions) -> None:
    """Write the boxes of one micrograph; other entries of a file that is there are kept.

    Raises
    ------
    FileError
        Where there are several micrographs, or the file that is there is no JSON.
    """
    del options
    _, one = only_one(path, picks, "boxes")
    content = _content(path) if path.exists() else {}
    content["boxes"] = [_box(*row) for row in zip(one.yx, one.scores, one.kinds, strict=True)]
    write_text(path, json.dumps(content, indent=1) + "\n")


def _content(path: Path) -> dict[str, Any]:
    text = text_of(path, "an info file of EMAN2 (JSON)")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise FileError(f"{path} is not well-formed JSON ({reason}); repair it or remove it.") from error
    if not isinstance(content, dict):
        raise FileError(f'{path} is not an object with "boxes"; give an info file of EMAN2.')
    return content


def _row(box: Any, number: int, path: Path) -> tuple[float, float, float, Kind]:
    """Return y, x, score and kind of one entry."""
    values = [_number(v) for v in box[:2]] if isinstance(box, list) else []
    if len(values) < 2 or None in values:
        raise FileError(
            f'{path} has {json.dumps(box)[:60]} as box {number}, but a box is [x, y, "type"]; '
            "correct or remove it."
        )
    kind = Kind.PARTICLE if len(box) > 2 and box[2] == _MANUAL else Kind.PICK
    score = _number(box[3]) if len(box) > 3 else None
    return float(values[1] or 0), float(values[0] or 0), np.nan if score is None else score, kind


def _number(value: Any) -> float | None:
    """The number, if it is one that a float32 can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= float(np.finfo(np.float32).max) else None


def _box(yx: Any, score: Any, kind: Any) -> list[Any]:
    entry = [_short(yx[1]), _short(yx[0]), _MANUAL if kind == Kind.PARTICLE else _AUTO]
    return entry if np.isnan(score) else [*entry, _short(score)]


def _short(value: np.float32) -> float:
    """The float with the fewest digits that is the same float32."""
    return float(str(value))
