"""Particles per micrograph: what is usual, and which micrographs stand out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: From which robust z-score on a micrograph stands out (Iglewicz & Hoaglin 1993, p. 12).
STANDS_OUT = 3.5
#: Standard deviation of a Gaussian over its median absolute deviation.
_MAD_TO_STD = 1.4826
#: What makes the spread of the roots that of large counts from a handful on (Anscombe 1948).
_TO_ROOT = 3 / 8
#: Standard deviation of the square root of a Poisson count, whatever its mean (the same). Where the
#: counts of most micrographs agree better than that, it is no reason to doubt the others.
_ROOT_OF_POISSON = 0.5


@dataclass(frozen=True, eq=False)
class Counts:
    """Particles per micrograph.

    Attributes
    ----------
    counts : ndarray of int, shape (n,)
    z : ndarray of float, shape (n,)
        Robust z-scores of their square roots, see :func:`root_z_scores`.
    """

    counts: NDArray[np.int64]
    z: NDArray[np.float64]

    @classmethod
    def of(cls, counts: ArrayLike) -> Counts:
        """Look at counts, (n,), none of them negative."""
        counts = np.asarray(counts, np.int64).reshape(-1)
        return cls(counts, root_z_scores(counts))

    @property
    def total(self) -> int:
        """All particles."""
        return int(self.counts.sum())

    @property
    def median(self) -> float:
        """Of the micrographs; 0 where there is none."""
        return float(np.median(self.counts)) if len(self.counts) else 0.0

    @property
    def without(self) -> int:
        """How many micrographs have none."""
        return int((self.counts == 0).sum())

    @property
    def outliers(self) -> NDArray[np.intp]:
        """Indices of those that stand out, the farthest first."""
        found = np.flatnonzero(np.abs(self.z) > STANDS_OUT)
        return found[np.argsort(-np.abs(self.z[found]), kind="stable")]


def root_z_scores(counts: ArrayLike) -> NDArray[np.float64]:
    """Return robust z-scores of the square roots of counts (plus 3/8).

    The root gives counts of any mean about the same spread, so that many and few particles are
    judged alike. Median and median absolute deviation are not moved by the outliers themselves; a spread
    below that of chance (Poisson) is taken for that of chance.

    Parameters
    ----------
    counts : array_like of int, shape (n,)

    Returns
    -------
    ndarray of float, shape (n,)

    Raises
    ------
    ValueError
        Where a count is negative.
    """
    roots = np.asarray(counts, np.float64).reshape(-1)
    if not len(roots):
        return roots
    if not roots.min() >= 0:
        raise ValueError("Counts of particles are not negative.")
    roots = np.sqrt(roots + _TO_ROOT)
    off = roots - np.median(roots)
    return off / max(_MAD_TO_STD * float(np.median(np.abs(off))), _ROOT_OF_POISSON)


def envelope(
    values: NDArray[np.int64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return lowest and highest value of as many stretches as a picture has columns.

    Parameters
    ----------
    values : ndarray of int, shape (n,)
    columns : int
        At least 1.

    Returns
    -------
    x : ndarray of float, shape (k,)
        Middle of each stretch; k is at most `columns`, and n where that is less.
    low, high : ndarray of int, shape (k,)
    """
    if not len(values):
        return np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.unique(np.linspace(0, len(values), min(columns, len(values)), endpoint=False).astype(np.intp))
    ends = np.append(starts[1:], len(values))
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return (starts + ends - 1) / 2, low, high
