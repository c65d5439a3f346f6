"""Are scores what they claim: the predicted against the observed fraction of hits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

#: Bins of equal width between 0 and 1.
BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """Table of predicted and observed precision, one row per bin that has picks, lowest first.

    Attributes
    ----------
    low, high : ndarray of float64, shape (k,)
        The bin, as a probability.
    count : ndarray of int64, shape (k,)
        Picks in it.
    predicted : ndarray of float64, shape (k,)
        Mean of sigmoid(score) over them.
    observed : ndarray of float64, shape (k,)
        Fraction of them that are hits.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Mean distance of predicted and observed over all picks; NaN without picks."""
        if not len(self.count):
            return float("nan")
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.count))

    def rows(self) -> list[dict[str, float]]:
        """The table as plain values, a mapping per bin."""
        columns = {name: value.tolist() for name, value in vars(self).items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def calibrate(scores: ArrayLike, hits: ArrayLike, bins: int = BINS) -> Calibration:
    """Compare sigmoid(score) with the fraction of hits.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Logits; those that are NaN are left out.
    hits : array_like of bool, shape (n,)
        Whether the pick has a target.
    bins : int
        Bins of equal width between 0 and 1.

    Raises
    ------
    ValueError
        If there are not as many hits as scores, or no bins.
    """
    scores, hits = np.asarray(scores, np.float64), np.asarray(hits, bool)
    if scores.ndim != 1 or scores.shape != hits.shape:
        raise ValueError(f"Scores and hits must be lists of one length: {scores.shape} and {hits.shape}.")
    if bins < 1:
        raise ValueError(f"A calibration needs at least one bin, not {bins}.")
    known = ~np.isnan(scores)
    claimed = expit(scores[known])
    which = np.minimum((claimed * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    filled = count > 0
    predicted, observed = (
        np.bincount(which, weights=values, minlength=bins)[filled] / count[filled]
        for values in (claimed, hits[known])
    )
    edges = np.linspace(0, 1, bins + 1)
    return Calibration(edges[:-1][filled], edges[1:][filled], count[filled], predicted, observed)
