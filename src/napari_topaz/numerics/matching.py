"""One-to-one matching of picks and targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree


@dataclass(frozen=True, eq=False)
class Matches:
    """Which target each pick hits.

    Attributes
    ----------
    target_of_pick : ndarray of int64, shape (n,)
        Index of the target; −1 where there is none.
    distance : ndarray of float64, shape (n,)
        Distance to it; NaN where there is none.
    """

    target_of_pick: NDArray[np.int64]
    distance: NDArray[np.float64]

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Mask of the picks that have a target, shape (n,)."""
        return np.asarray(self.target_of_pick >= 0)


def match(targets: ArrayLike, picks: ArrayLike, radius: float) -> Matches:
    """Match picks to targets so that Σ (d² − r²) over the pairs is least.

    Parameters
    ----------
    targets : array_like of shape (m, 2)
    picks : array_like of shape (n, 2)
        In the units and axis order of `targets`.
    radius : float
        Pairs must be nearer than this (d < r).

    Returns
    -------
    Matches
        Every pick has at most one target and every target at most one pick.

    Raises
    ------
    ValueError
        If the radius is not positive, or a coordinate is not finite.
    """
    if not 0 < radius < np.inf:
        raise ValueError(f"The matching radius must be positive, not {radius}.")
    targets, picks = (np.asarray(yx, np.float64).reshape(-1, 2) for yx in (targets, picks))
    matches = Matches(np.full(len(picks), -1, np.int64), np.full(len(picks), np.nan))
    pick, target, distance = _near_pairs(picks, targets, radius)
    if len(pick):
        chosen = _cheapest(pick, target, distance / radius)
        matches.target_of_pick[pick[chosen]] = target[chosen]
        matches.distance[pick[chosen]] = distance[chosen]
    return matches


def _near_pairs(
    picks: NDArray[np.float64], targets: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All pairs nearer than `radius`: indices of picks and targets, and distances."""
    near = cKDTree(picks).sparse_distance_matrix(cKDTree(targets), radius, output_type="ndarray")
    near = near[near["v"] < radius]
    return near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"].astype(np.float64)


def _cheapest(
    pick: NDArray[np.int64], target: NDArray[np.int64], distance: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose the pairs of least Σ (d² − 1), each pick and each target at most once; indices of pairs."""
    picks, pick = np.unique(pick, return_inverse=True)
    targets, target = np.unique(target, return_inverse=True)
    n, m = len(picks), len(targets)
    # Each pick may also take a target of its own at cost 0, so that every pick is matched. Costs are
    # raised by 2: that adds 2n to every solution, and a sparse matrix takes no zeros.
    # Older scipy matches graphs of 32-bit indices only, and there is no need for longer ones.
    rows = np.concatenate([pick, np.arange(n)]).astype(np.int32)
    columns = np.concatenate([target, m + np.arange(n)]).astype(np.int32)
    costs = np.concatenate([distance**2 + 1, np.full(n, 2.0)])
    graph = csr_array(coo_array((costs, (rows, columns)), shape=(n, m + n)))
    row, column = min_weight_full_bipartite_matching(graph)
    number = csr_array(coo_array((np.arange(1, len(pick) + 1), (pick, target)), shape=(n, m)))
    real = column < m
    return np.asarray(number[row[real], column[real]], np.int64).reshape(-1) - 1
