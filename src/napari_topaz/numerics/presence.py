"""What scores mean, from a sample of the particles and many picks of which nobody knows what they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

#: Newton steps at most, and the gradient (per pick) at which they end.
STEPS, CLOSE = 100, 1e-9
#: Weight of a prior on the slope, as of so many picks at either end of the scores: a few labels of
#: nearly one score would make it infinite.
PRIOR_PICKS = 1.0


@dataclass(frozen=True)
class Precision:
    """Probability that a pick of a score is a particle: sigmoid(slope · score + offset).

    Attributes
    ----------
    slope, offset : float
    """

    slope: float
    offset: float

    def of(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each score."""
        return np.asarray(expit(self.slope * np.asarray(scores, np.float64) + self.offset))

    def score_at(self, probability: float) -> float:
        """Return the score that has a probability, in (0, 1); −inf where all scores have the same."""
        if self.slope <= 0:
            return -np.inf
        return float((np.log(probability) - np.log1p(-probability) - self.offset) / self.slope)


def precision_of_scores(labels: ArrayLike, picks: ArrayLike, particles: float) -> Precision:
    """Fit the precision of picks as a logistic function of their score, from labelled particles alone.

    Of the n picks with scores sᵢ, m are particles, whose mean score is that of the labels, s̄: labels are a
    sample of them. Among all functions with that number and that mean, Σ pᵢ = m and Σ pᵢ sᵢ = m s̄, the one
    of the largest entropy is pᵢ = sigmoid(a sᵢ + b), and it is where

        m (a s̄ + b) − Σ log(1 + exp(a sᵢ + b))

    is highest: the likelihood of a logistic regression whose positives are known by their sum only. Where
    the densities of scores differ by an exponential tilt it is the model of presence-only data (Ward,
    Hastie, Barry, Elith & Leathwick, *Biometrics* 65, 554 (2009), eq. 4, with π known).

    Parameters
    ----------
    labels : array_like of float, shape (k,)
        Scores of labelled particles that were found, by a model that has not seen them.
    picks : array_like of float, shape (n,)
        Scores of all picks, labelled or not, down to low ones.
    particles : float
        m, the number of particles among the picks.

    Raises
    ------
    ValueError
        Where there are no labels or no picks.
    """
    known, scores = np.asarray(labels, np.float64), np.asarray(picks, np.float64)
    if not len(known) or not len(scores):
        raise ValueError("Labels that were found and picks are needed to know what scores mean.")
    m = float(np.clip(particles, 0.5, len(scores) - 0.5))
    # Standardised, so that the steps are of one size whatever the scores' unit is.
    middle, spread = float(scores.mean()), max(float(scores.std()), 1e-12)
    z, wanted = (scores - middle) / spread, (float(known.mean()) - middle) / spread
    ends = np.array([z.min(), z.max()])
    a, b = 0.0, float(np.log(m / (len(z) - m)))
    for _ in range(STEPS):
        p = expit(a * z + b)
        q = expit(a * ends + b)
        gradient = np.array([m * wanted - p @ z, m - p.sum()])
        gradient += PRIOR_PICKS * np.array([((0.5 - q) * ends).sum(), (0.5 - q).sum()])
        w, v = p * (1 - p), PRIOR_PICKS * q * (1 - q)
        mixed = w @ z + v @ ends
        hessian = np.array([[w @ z**2 + v @ ends**2, mixed], [mixed, w.sum() + v.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        a, b = max(a + step[0], 0.0), b + step[1]
        if np.abs(gradient).max() < CLOSE * len(z):
            break
    return Precision(a / spread, b - a * middle / spread)
