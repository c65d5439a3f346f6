"""Precision and recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall at every threshold, highest threshold first.

    Attributes
    ----------
    precision, recall : ndarray of float64, shape (k,)
        Of the picks whose score is at least the threshold.
    thresholds : ndarray of float64, shape (k,)
        The distinct scores, descending.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Σ precision · Δrecall: the area under the curve; 0 without picks."""
        return float(np.sum(self.precision * np.diff(self.recall, prepend=0.0)))

    def precision_at(self, recall: float) -> float:
        """Precision where the recall first reaches `recall`; 0 if it never does."""
        # Recalls are ratios: 3 / 4 must reach 0.75 however it was rounded.
        reached = np.flatnonzero(self.recall >= recall - 1e-12)
        return float(self.precision[reached[0]]) if len(reached) else 0.0

    def best_f(self, beta: float = 1.0) -> tuple[float, float]:
        """Return the highest F_β and its threshold.

        Parameters
        ----------
        beta : float
            Weight of the recall: 1 for equal weights, 2 favours finding all particles.

        Returns
        -------
        f, threshold : float
            The higher threshold where two are equally good; (0, ∞) where no pick is right.
        """
        f = self.f(beta)
        if not f.any():
            return 0.0, float("inf")
        best = int(f.argmax())
        return float(f[best]), float(self.thresholds[best])

    def f(self, beta: float = 1.0) -> NDArray[np.float64]:
        """F_β at every threshold, shape (k,): (1 + β²) P R / (β² P + R), 0 where both are 0."""
        above = (1 + beta**2) * self.precision * self.recall
        below = beta**2 * self.precision + self.recall
        return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

    def index_at(self, threshold: float) -> int | None:
        """Step that holds for the picks of at least `threshold`; None where there are none.

        A score of a float32 and its double must be the same threshold: both are rounded to float32.
        """
        above = np.searchsorted(-self.thresholds.astype(np.float32), -np.float32(threshold), side="right")
        return int(above) - 1 if above else None


def precision_recall(scores: ArrayLike, hits: ArrayLike, n_targets: int) -> Curve:
    """Return precision and recall as the threshold falls.

    Several micrographs are pooled by concatenating their picks and adding up their targets.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Equal scores are one step. Picks without a score (NaN) come last, as if their score were −∞.
    hits : array_like of bool, shape (n,)
        Whether the pick has a target (of its own, see :func:`.matching.match`).
    n_targets : int
        All targets, found or not.

    Returns
    -------
    Curve

    Raises
    ------
    ValueError
        If there are no targets, or more hits than targets, or not as many hits as scores.
    """
    scores, hits = np.asarray(scores, np.float64), np.asarray(hits, bool)
    if scores.ndim != 1 or scores.shape != hits.shape:
        raise ValueError(f"Scores and hits must be lists of one length: {scores.shape} and {hits.shape}.")
    if n_targets < 1:
        raise ValueError("Precision and recall need at least one target.")
    if hits.sum() > n_targets:
        raise ValueError(f"{hits.sum()} hits of {n_targets} targets: a target was hit twice.")
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], len(scores) > 0))
    found = np.cumsum(hits[order])[last]
    return Curve(found / (last + 1), found / n_targets, scores[last])
