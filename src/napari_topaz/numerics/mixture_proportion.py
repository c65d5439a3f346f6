"""How many particles there are among picks of which a few are known to be particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

#: Probability with which the bound of the recall holds that chooses a bin. With less, a bin of a few labels
#: is taken that happens to look pure; with more, always all picks. Chosen on planted normal scores.
CONFIDENCE = 0.9999
#: Draws of the bootstrap, its seed, and the quantiles that are reported.
DRAWS, SEED, QUANTILES = 500, 0, (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class ParticleCount:
    """Result of :func:`count_particles`.

    Attributes
    ----------
    particles : float
        Estimated number of particles: the median of the bootstrap.
    low, high : float
        Its quantiles of 5 and 95 %: what another draw of labels might have given.
    """

    particles: float
    low: float
    high: float


def count_particles(
    scores: ArrayLike, hits: ArrayLike, labels: int, *, confidence: float = CONFIDENCE
) -> ParticleCount:
    """Estimate the number of particles from the picks with the highest scores.

    Labels are a random sample of the particles, so that the fraction of labels with a score of t or
    more estimates that of particles, R(t). Of the N(t) picks down to there at most N(t) are particles,
    and nearly all are where t is high: N(t) / R(t), which is the number of particles over the precision
    at t, bounds it from above, and tightly in the purest "bin" of top scores. This is the *best bin*
    estimator of Garg et al., "Mixture Proportion Estimation and PU Learning: A Modern Approach" (NeurIPS
    2021), Algorithm 1: of all bins that one is taken whose upper confidence bound is lowest. Three
    things are different, as there are dozens of labels and not thousands. The bound is the exact one
    of a binomial proportion (Clopper & Pearson, Biometrika 1934), since theirs (Dvoretzky, Kiefer &
    Wolfowitz) says nothing for so few; the picks are all there are and no sample of them, so
    that N needs no bound; and the median over a bootstrap of the labels is taken (Breiman, "Bagging
    predictors", 1996), as the best bin jumps with every label.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Of all picks, by a model that has not seen the labels.
    hits : array_like of bool, shape (n,)
        Whether a label lies there; a label is hit by one pick at most.
    labels : int
        Number of labels, found or not.
    confidence : float
        Of the bound that chooses a bin, in (0, 1).

    Raises
    ------
    ValueError
        Where no label is found, or more than there are.
    """
    scores, hits = np.asarray(scores, np.float64), np.asarray(hits, bool)
    if hits.sum() > labels:
        raise ValueError(f"{hits.sum()} hits of {labels} labels: a label was hit twice.")
    if not hits.any():
        raise ValueError("No label is among the picks, so that particles cannot be counted.")
    # A bin ends at a label: below it picks are added, and the recall is the same. Equal scores are one step.
    picks = np.sort(np.searchsorted(np.sort(-scores), -scores[hits], side="right"))
    drawn = np.random.default_rng(SEED).multinomial(labels, np.full(labels, 1 / labels), size=DRAWS)
    found = np.cumsum(drawn[:, : len(picks)], axis=1)
    found = found[found[:, -1] > 0]
    quantiles = np.quantile(_best_bins(picks, found, labels, confidence), QUANTILES)
    low, middle, high = np.maximum(quantiles, labels)  # every label is a particle
    return ParticleCount(float(middle), float(low), float(high))


def _best_bins(
    picks: NDArray[np.intp], found: NDArray[np.int64], labels: int, confidence: float
) -> NDArray[np.float64]:
    """Return N/R in the best bin of each draw.

    `picks`, shape (bins,), counts the picks of each bin, `found`, shape (draws, bins), the labels there.
    """
    k = np.arange(1, labels + 1)
    lowest = np.append(np.nan, betaincinv(k, labels - k + 1, 1 - confidence))[np.maximum(found, 1)]
    best = np.where(found > 0, picks / lowest, np.inf).argmin(axis=1)
    return np.asarray(picks[best] * labels / found[np.arange(len(found)), best], np.float64)
