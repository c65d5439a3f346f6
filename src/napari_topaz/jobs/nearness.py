"""Which points lie near others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_topaz.picks import Picks


def near_to(yx: NDArray[np.float32], others: NDArray[np.float32], reach: float) -> NDArray[np.bool_]:
    """Mask of the points (n, 2) that lie within `reach` of any of the others (m, 2)."""
    if not len(yx) or not len(others):
        return np.zeros(len(yx), bool)
    distance, _ = cKDTree(others).query(yx)
    return np.asarray(distance <= reach)


def same_as(yx: NDArray[np.float32], others: NDArray[np.float32], reach: float) -> NDArray[np.bool_]:
    """Mask of the points (n, 2) that are the nearest to one of the others (m, 2), within `reach` of it.

    What is farther is another particle, however little: picks keep their distance from each other already.
    """
    same = np.zeros(len(yx), bool)
    if len(yx) and len(others):
        distance, which = cKDTree(yx).query(others)
        same[np.asarray(which)[distance <= reach]] = True
    return same


def scores_at(yx: NDArray[np.float32], picks: Picks, reach: float) -> NDArray[np.float32]:
    """Score of the pick nearest to each point (n, 2); NaN where none is within reach."""
    if not len(yx) or not len(picks):
        return np.full(len(yx), np.nan, np.float32)
    distance, which = cKDTree(picks.yx).query(yx)
    return np.where(distance <= reach, picks.scores[which], np.nan).astype(np.float32)
