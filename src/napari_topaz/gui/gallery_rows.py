"""The picks and labels of many micrographs as one list in some order. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_topaz.jobs.nearness import scores_at
from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    from napari_topaz.gui.workspace import Workspace

#: Orders and what they are called.
ORDERS = {
    "best": "Best score first",
    "worst": "Worst score first",
    "kind": "Particles, rejected, then the rest",
}
#: In that order.
RANKS = np.array([2, 0, 1], np.uint8)  # by Kind: PICK, PARTICLE, NOT_PARTICLE
#: A label this close (px) to where a pick was stands for it.
SAME_PLACE = 1.0


@dataclass(frozen=True, eq=False)
class Rows:
    """One particle each.

    Attributes
    ----------
    names : tuple of str
        Micrographs.
    which : ndarray of int32, shape (n,)
        Place of the row's micrograph among them.
    picks : Picks
        Where it is (pixels of that micrograph), its score (NaN where there is none) and its kind.
    """

    names: tuple[str, ...]
    which: NDArray[np.int32]
    picks: Picks

    def __len__(self) -> int:
        return len(self.which)

    def name(self, row: int) -> str:
        """Micrograph of a row."""
        return self.names[int(self.which[row])]

    def count(self, kind: Kind) -> int:
        """How many rows are of a kind."""
        return int((self.picks.kinds == kind).sum())

    def find(self, name: str, yx: NDArray[np.float32]) -> int | None:
        """Return the row that lies there, or None."""
        if name not in self.names:
            return None
        on_it = np.flatnonzero(self.which == self.names.index(name))
        there = on_it[(np.abs(self.picks.yx[on_it] - yx) <= SAME_PLACE).all(axis=1)]
        return int(there[0]) if len(there) else None


def part_of(workspace: Workspace, name: str, before: Picks | None = None) -> Picks:
    """Return labels and picks of one micrograph, in the order in which they lie.

    Parameters
    ----------
    workspace : Workspace
    name : str
        The micrograph.
    before : Picks, optional
        What this function returned last time: a pick that has become a label keeps its score, also
        where it was only suggested.
    """
    labels, picks = workspace.labels(name), workspace.picks(name)
    scores = scores_at(labels.yx, workspace.peaks(name), SAME_PLACE)
    if before is not None:
        scores = np.where(np.isnan(scores), scores_at(labels.yx, before, SAME_PLACE), scores)
    part = Picks(labels.yx, scores, labels.kinds) + picks.as_kind(Kind.PICK)
    return part[np.lexsort((part.yx[:, 1], part.yx[:, 0]))]


def joined(parts: Mapping[str, Picks]) -> Rows:
    """Return all parts, one micrograph after the other."""
    counts = [len(part) for part in parts.values()]
    which = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    return Rows(tuple(parts), which, Picks.joined(parts.values()))


def ordered(rows: Rows, order: str, kinds: NDArray[np.uint8] | None = None) -> Rows:
    """Return the rows in one of :data:`ORDERS`; those without a score come last, ties stay as they are.

    Parameters
    ----------
    rows : Rows
    order : str
    kinds : ndarray of uint8, shape (n,), optional
        Kinds that count for the order in place of the rows' own.
    """
    scores = rows.picks.scores
    by_score = np.argsort(scores if order == "worst" else -scores, kind="stable")
    if order == "kind":
        ranks = RANKS[rows.picks.kinds if kinds is None else kinds]
        by_score = by_score[np.argsort(ranks[by_score], kind="stable")]
    return Rows(rows.names, rows.which[by_score], rows.picks[by_score])
