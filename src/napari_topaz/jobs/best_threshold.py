"""Which threshold has the best F_β, of picks that are there already: no training, no new scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_topaz.events import JobError
from napari_topaz.numerics.presence import best_threshold

if TYPE_CHECKING:
    from napari_topaz.numerics.curves import Curve

T = TypeVar("T")
#: Micrographs whose picks are looked at: of more, evenly spaced ones.
MOST_MICROGRAPHS = 500


@dataclass(frozen=True)
class Found:
    """A threshold.

    Attributes
    ----------
    threshold : float
        Lowest score of a pick.
    precision : float
        Of the picks there: measured at targets, or expected from the scores.
    micrographs : int
        So many were looked at.
    measured : bool
        Whether there were targets.
    """

    threshold: float
    precision: float
    micrographs: int
    measured: bool


def evenly(micrographs: Sequence[T]) -> Sequence[T]:
    """Return :data:`MOST_MICROGRAPHS` of them at most, evenly spaced."""
    return micrographs[:: max(1, -(-len(micrographs) // MOST_MICROGRAPHS))]


def by_targets(curve: Curve, micrographs: int, beta: float) -> Found:
    """Return the threshold with the best F_β at targets.

    Parameters
    ----------
    curve : Curve
        Of the picks of all micrographs with targets.
    micrographs : int
        So many they are.
    beta : float
        Weight of the recall: above 1 misses fewer particles, below 1 takes fewer that are none.

    Raises
    ------
    JobError
        Where no pick is at a target.
    """
    f, threshold = curve.best_f(beta)
    if not f:
        raise JobError("No pick is at a target, so that no threshold is better than another.")
    here = curve.index_at(threshold)
    return Found(threshold, float(curve.precision[here or 0]), micrographs, True)


def by_scores(scores: Sequence[NDArray[Any]], beta: float) -> Found:
    """Return the threshold with the best F_β that calibrated scores let expect.

    Where sigmoid(score) is the probability that a pick is a particle, their sum over all picks is the
    number of particles, as the calibration made it on the labelled micrographs
    (:func:`~napari_topaz.numerics.presence.best_threshold`).

    Parameters
    ----------
    scores : sequence of ndarray, shape (n,)
        Logits of all picks of each micrograph, down to low ones.
    beta : float
        Weight of the recall.

    Raises
    ------
    JobError
        Where there are no picks.
    """
    looked_at = evenly(scores)
    logits = np.concatenate([np.empty(0), *looked_at])
    if not len(logits):
        raise JobError("There are no picks to choose a threshold for.")
    threshold, precision = best_threshold(logits, float(expit(logits).sum()), beta)
    return Found(threshold, precision, len(looked_at), False)
