"""Places about which she could not say whether there is a particle; they are not asked about again. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal

from napari_topaz.jobs.nearness import near_to
from napari_topaz.picks import Picks

#: Digits after the point in the session, pixels.
DECIMALS = 2


class Skipped:
    """Places by micrograph name, in pixels of the micrograph.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self) -> None:
        self._of: dict[str, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, name: str, yx: ArrayLike) -> None:
        """Note a place."""
        here = np.asarray(yx, np.float32).reshape(1, 2)
        self._of[name] = np.concatenate([self._of.get(name, np.empty((0, 2), np.float32)), here])
        self.changed.emit()

    def clear(self) -> None:
        """Ask about them again."""
        self._of.clear()
        self.changed.emit()

    def others(self, name: str, candidates: Picks, reach: float) -> Picks:
        """Return the candidates of a micrograph that are farther than `reach` from every skipped place."""
        if name not in self._of:
            return candidates
        return candidates[~near_to(candidates.yx, self._of[name], reach)]

    def plain(self) -> dict[str, Any]:
        """Return what is kept in the session."""
        return (
            {"places": {n: np.round(yx, DECIMALS).tolist() for n, yx in self._of.items()}} if self._of else {}
        )

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take what :meth:`plain` gave in place of all; nothing of it where something makes no sense."""
        found = {str(n): np.array(yx, np.float32) for n, yx in dict(values.get("places", {})).items()}
        if any(yx.ndim != 2 or yx.shape[1] != 2 or not np.isfinite(yx).all() for yx in found.values()):
            raise ValueError("A skipped place needs two finite numbers.")
        self._of = found
