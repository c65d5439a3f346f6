"""Peaks of all micrographs, and which of them are free of labels. No Qt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_topaz.jobs.nearness import same_as
from napari_topaz.masks import Mask
from napari_topaz.picks import Picks
from napari_topaz.settings import PickSettings

#: Peaks kept of one micrograph, the best ones.
MOST_CANDIDATES = 10_000


class PickBook:
    """Peaks by micrograph name.

    Parameters
    ----------
    labels_of : callable
        (name) -> Picks, the labels of a micrograph.
    reach_of : callable
        (name) -> float, up to how far from a label the nearest peak is the same particle; in pixels.
    """

    def __init__(self, labels_of: Callable[[str], Picks], reach_of: Callable[[str], float]) -> None:
        self._labels_of, self._reach_of = labels_of, reach_of
        self._candidates: dict[str, Picks] = {}
        self._free: dict[str, Picks] = {}
        #: How many of them are at or above a threshold; asked for thousands of micrographs at a time.
        self._counts: dict[str, tuple[float, int]] = {}
        self._stale: set[str | None] = set()
        self._masks: dict[str, Mask] = {}
        #: Micrographs whose peaks count, but were taken at other distances than now, and those.
        self.former: dict[str, PickSettings] = {}
        #: Micrographs whose candidates a reference picker suggested, and the threshold that it proposes.
        self.suggested: dict[str | None, float] = {}
        #: Counts how often picks were forgotten: what was begun before must not count after.
        self.forgotten = 0

    def clear(self) -> None:
        """Forget everything, without a word."""
        self.forgotten += 1
        for kept in (self._candidates, self._free, self._counts, self._stale, self._masks, self.suggested):
            kept.clear()
        self.former.clear()

    def copied(self, labels_of: Callable[[str], Picks], reach_of: Callable[[str], float]) -> PickBook:
        """Return a copy that stays as it is now, for a thread."""
        copy = PickBook(labels_of, reach_of)
        copy._candidates, copy._stale = dict(self._candidates), set(self._stale)
        copy._free, copy._counts = dict(self._free), dict(self._counts)
        copy._masks, copy.suggested = dict(self._masks), dict(self.suggested)
        return copy

    def forget(self, but: str | None = None) -> list[str]:
        """Forget all peaks; those of one micrograph are still drawn. Returns whose were forgotten."""
        self.forgotten += 1
        forgotten = [name for name in self._candidates if name != but]
        self._stale = {but} & set(self._candidates)
        self.suggested.clear()
        self.former.clear()
        for name in forgotten:
            del self._candidates[name]
            self._look_again(name)
        return forgotten

    def outdate(self, old: PickSettings, new: PickSettings) -> None:
        """Let all peaks that count be of the former distances, until others come or she takes those again."""
        self.forgotten += 1
        former = dict.fromkeys(self.picked, old) | self.former
        self.former = {name: how for name, how in former.items() if how != new}

    def put(self, name: str, picks: Picks, *, stale: bool = False, suggested: float | None = None) -> None:
        """Take all peaks of one micrograph.

        `stale` ones (of an earlier model) are drawn, so that nothing flickers, but do not count. So are those
        that a reference picker suggested (with that threshold), until they are labels.
        """
        self._candidates[name] = picks.by_score()[:MOST_CANDIDATES]
        self.suggested.pop(name, None)
        self.former.pop(name, None)
        if suggested is not None:
            self.suggested[name] = suggested
        (self._stale.add if stale or suggested is not None else self._stale.discard)(name)
        self._look_again(name)

    def cover(self, name: str, mask: Mask) -> None:
        """Take the mask of a micrograph, of polygons: peaks under it do not count as long as it is there."""
        self._masks[name] = mask
        self._look_again(name)

    def labels_changed(self, name: str | None = None) -> None:
        """Look again which peaks are at labels: of one micrograph, or of all."""
        if name is None:
            self._free.clear()
            self._counts.clear()
        else:
            self._look_again(name)

    @property
    def picked(self) -> frozenset[str]:
        """Micrographs whose peaks count."""
        return frozenset(self._candidates.keys() - self._stale)

    def is_picked(self, name: str) -> bool:
        """Whether the peaks of a micrograph count."""
        return name in self._candidates and name not in self._stale

    def peaks(self, name: str) -> Picks:
        """All peaks that count, also those at labels, best first."""
        return self._uncovered(name) if self.is_picked(name) else Picks()

    def free(self, name: str) -> Picks:
        """All peaks that are not at a label, best first."""
        if name not in self._free:
            picks, labels = self._uncovered(name), self._labels_of(name)
            # Without labels no length is needed, and no header is read for it.
            same = same_as(picks.yx, labels.yx, self._reach_of(name)) if len(labels) and len(picks) else None
            self._free[name] = picks if same is None else picks[~same]
        return self._free[name]

    def _uncovered(self, name: str) -> Picks:
        picks, mask = self._candidates.get(name, Picks()), self._masks.get(name)
        # Polygons need no shape of the micrograph.
        return picks if mask is None or mask.is_empty else picks[~mask.covers(picks.yx, (1, 1))]

    def count(self, name: str, threshold: float) -> int:
        """How many of the free peaks are at or above a threshold."""
        known = self._counts.get(name)
        if known is None or known[0] != threshold:
            found = np.searchsorted(-self.free(name).scores, -np.float32(threshold), side="right")
            known = self._counts[name] = (threshold, int(found))
        return known[1]

    def _look_again(self, name: str) -> None:
        self._free.pop(name, None)
        self._counts.pop(name, None)
