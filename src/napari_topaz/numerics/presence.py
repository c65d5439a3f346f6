"""What scores mean, from a few labelled particles, many picks that nobody has looked at, and their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, log_expit

#: Slope that is expected before any label is seen, and the standard deviation of its logarithm. The slopes
#: that fitted best were between .5 and 1.6 for models trained on 10 labels, .7 and 1 for 100
#: (benchmarks/results/calibration_development.md).
SLOPE, SPREAD = 1.1, 0.35
#: Slopes that are tried.
SLOPES = np.exp(np.linspace(np.log(0.1), np.log(4.0), 61))
#: No more of the picks than this are particles, and no fewer.
MOST, LEAST = 0.98, 1e-6


@dataclass(frozen=True)
class Precision:
    """Probability that a pick of a score is a particle: sigmoid(slope · score + offset).

    Attributes
    ----------
    slope, offset : float
    """

    slope: float = 1.0
    offset: float = 0.0

    def logits_of(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of the probability of each score, in their shape."""
        return np.asarray(self.slope * np.asarray(scores, np.float64) + self.offset)

    def of(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each score, in their shape."""
        return np.asarray(expit(self.logits_of(scores)))


def fit_precision(
    picks: ArrayLike,
    particles: float,
    labels: ArrayLike = (),
    weights: ArrayLike = 1.0,
    *,
    slope: float = SLOPE,
) -> Precision:
    """Fit the precision of picks as a logistic function of their score.

    For a slope a, the offset b(a) follows from the number m of particles among the n picks: Σ pᵢ = m with
    pᵢ = sigmoid(a sᵢ + b). Particles then have the scores of the picks with the density pᵢ / m, so that
    labels with scores tⱼ, a sample of the particles, have the likelihood Π p(tⱼ) / m. With a log-normal
    prior round the expected one the most probable slope is taken. These are presence-only data with a known
    prevalence, from which alone two coefficients are not known well (Ward, Hastie, Barry, Elith &
    Leathwick, *Biometrics* 65, 554 (2009)); the likelihood is that of a weighted distribution (Lele & Keim,
    *Ecology* 87, 3021 (2006)) with the prevalence fixed.

    Parameters
    ----------
    picks : array_like of float, shape (n,)
        Scores of all picks down to low ones, labelled or not.
    particles : float
        m, the number of particles among them.
    labels : array_like of float, shape (k,)
        Scores of labelled particles.
    weights : array_like of float, shape (k,) or ()
        How much each of them counts: 1 where the model has not seen it.
    slope : float
        The one that is expected.

    Raises
    ------
    ValueError
        Where there are no picks.
    """
    scores, known = np.asarray(picks, np.float64), np.asarray(labels, np.float64)
    counts = np.asarray(weights, np.float64)
    if not len(scores):
        raise ValueError("Without picks nobody knows what scores mean.")
    m = float(np.clip(particles, LEAST * len(scores), MOST * len(scores)))
    fits = [Precision(float(a), _offset(float(a) * scores, m)) for a in SLOPES]
    likelihoods = [float((counts * log_expit(fit.logits_of(known))).sum()) for fit in fits]
    evidence = np.array(likelihoods) - 0.5 * (np.log(SLOPES / slope) / SPREAD) ** 2
    return fits[int(np.argmax(evidence))]


def _offset(logits: NDArray[np.float64], particles: float) -> float:
    """Return b with Σ sigmoid(logits + b) = particles."""
    middle = float(np.log(particles / len(logits)) - np.log1p(-particles / len(logits)))
    low, high = middle - float(logits.max()) - 1.0, middle - float(logits.min()) + 1.0
    return float(brentq(lambda b: float(expit(logits + b).sum()) - particles, low, high))


def best_threshold(logits: ArrayLike, particles: float, beta: float = 1.0) -> tuple[float, float]:
    """Return the threshold with the highest expected F_β, and the precision expected there.

    Of the k picks with the highest probabilities, Σ pᵢ are particles, so that
    F_β = (1 + β²) Σ pᵢ / (k + β² · particles) is expected.

    Parameters
    ----------
    logits : array_like of float, shape (n,)
        Of the probabilities of all picks.
    particles : float
        How many there are, found or not.
    beta : float
        Weight of the recall.

    Raises
    ------
    ValueError
        Where there are no picks.
    """
    ranked = -np.sort(-np.asarray(logits, np.float64))
    if not len(ranked):
        raise ValueError("Without picks there is no threshold.")
    found, picked = np.cumsum(expit(ranked)), np.arange(1, len(ranked) + 1)
    # Equal scores are one step.
    steps = np.flatnonzero(np.diff(ranked, append=-np.inf))
    expected = (1 + beta**2) * found[steps] / (picked[steps] + beta**2 * particles)
    best = steps[int(np.argmax(expected))]
    return float(ranked[best]), float(found[best] / picked[best])
