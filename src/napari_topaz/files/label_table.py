"""Labels as CSV that loses nothing: every kind, every name that a file can have, every digit.

The columns are those of the format ``csv`` of picks, which leaves rejected picks out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from napari_topaz.files.columns import digits
from napari_topaz.picks import Kind, Picks

_COLUMNS = ("micrograph", "x", "y", "score", "kind")
_KINDS = {kind.name.lower(): kind for kind in Kind}


def csv_of_labels(labels: Mapping[str, Picks]) -> bytes:
    """Return micrograph, x, y, score, kind; names that are not Unicode keep their bytes."""
    kinds = list(_KINDS)
    text = io.StringIO(newline="")
    # A bare carriage return is not quoted by itself, and "#" begins a comment for our other readers.
    quote_all = any("\r" in name or "#" in name for name in labels)
    lines = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    lines.writerow(_COLUMNS)
    joined = Picks.joined(labels.values())
    names = (name for name, one in labels.items() for _ in range(len(one)))
    x, y, scores = digits(joined.yx[:, 1]), digits(joined.yx[:, 0]), digits(joined.scores)
    lines.writerows(zip(names, x, y, scores, (kinds[k] for k in joined.kinds), strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")


def labels_of_csv(data: bytes) -> tuple[dict[str, Picks], int]:
    """Read labels by micrograph, and count the rows that are none; those are left out.

    Without a line that names the columns all rows are lost.
    """
    lines = _rows(csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline="")))
    head = next(lines, None) or []
    rows = list(lines)
    try:
        where = [head.index(column) for column in _COLUMNS]
    except ValueError:
        return {}, len(rows) + bool(head)
    natural = where == list(range(len(_COLUMNS)))
    whole = rows if natural else [[row[i] for i in where] for row in rows if len(row) > max(where)]
    good = [row for row in whole if _is_label(row)]
    return _by_micrograph(good), len(rows) - len(good)


def _rows(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """All rows that are not empty; one that is not CSV has no cells."""
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error:
            yield []
        else:
            if cells:
                yield cells


def _is_label(row: Sequence[str]) -> bool:
    try:
        name, x, y, score, kind = row
        # A float32 holds no more than that.
        fits = abs(float(x)) < 3.4e38 and abs(float(y)) < 3.4e38
        float(score or "nan")
    except ValueError:
        return False
    return fits and kind in _KINDS and name != ""


def _by_micrograph(rows: Sequence[Sequence[str]]) -> dict[str, Picks]:
    yx = np.array([(float(row[2]), float(row[1])) for row in rows], np.float32).reshape(-1, 2)
    scores = np.array([float(row[3] or "nan") for row in rows], np.float32)
    kinds = np.array([_KINDS[row[4]] for row in rows], np.uint8)
    rows_of: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        rows_of.setdefault(row[0], []).append(index)
    return {name: Picks(yx[at], scores[at], kinds[at]) for name, at in rows_of.items()}
