"""Normalisation of one micrograph: mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.choices import NORMALISATIONS
from napari_topaz.numerics.dataset_mixture import dataset_moments
from napari_topaz.numerics.outliers import fill_missing
from napari_topaz.settings.fitted import DatasetMixture

#: Bins of the histogram the mixture is fitted to. Which start wins is seen on one of so many times
#: fewer, unless its bins are wider than this part of a component's standard deviation.
BINS, COARSER, WIDEST = 4096, 16, 0.25
#: Starting weights of the upper component; a single Gaussian is tried as well.
STARTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
#: Beta prior of the weight of the upper component.
ALPHA, BETA = 900.0, 1.0
#: Rounds of expectation maximisation, those of the winner on the finer histogram, and the movement
#: (in σ) below which it ends earlier.
ROUNDS, LAST_ROUNDS, STILL = 200, 60, 1e-6


@dataclass(frozen=True, eq=False)
class Normalised:
    """A normalised image: (original − mean) / std.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width)
    mean, std : float
        What was subtracted and divided by; std is 1 where the image has no spread.
    """

    image: NDArray[np.float32]
    mean: float
    std: float


@dataclass(frozen=True, eq=False)
class Mixture:
    """Two Gaussians with one variance.

    Attributes
    ----------
    means : ndarray of float64, shape (2,)
        Lower and upper mean.
    std : float
        Their common standard deviation.
    weight : float
        Fraction of pixels that belong to the upper one.
    log_posterior : float
        Of the pixels and the weight's prior.
    """

    means: NDArray[np.float64]
    std: float
    weight: float
    log_posterior: float


def fit_mixture(image: NDArray[np.floating]) -> Mixture:
    """Fit two Gaussians with a shared variance to the pixels of an image.

    Expectation maximisation on a histogram, from several starting weights of the upper component
    at once; the best posterior under a Beta(900, 1) prior of that weight wins. The single Gaussian
    is a candidate, too.

    Parameters
    ----------
    image : ndarray
        Finite pixels, in any shape.

    Returns
    -------
    Mixture
        For a constant image `std` is 0.
    """
    histogram = _histogram(np.asarray(image, np.float32).ravel())
    bins = _filled(histogram)
    count, first, second = (float(column.sum()) for column in bins.T)
    mean = first / count
    variance = max(second / count - mean**2, 0.0)
    if variance <= (1e-6 * float(np.ptp(bins[:, 1] / bins[:, 0]))) ** 2:
        return Mixture(np.full(2, mean + _origin(image)), 0.0, 1.0, math.inf)
    candidates = np.vstack([_best_of_the_starts(histogram, bins), [mean, mean, variance, 1.0]])
    posterior = _log_posterior(bins, candidates)
    low, high, variance, weight = (float(value) for value in candidates[posterior.argmax()])
    means = np.array([low, high]) + _origin(image)
    return Mixture(means, math.sqrt(variance), weight, float(posterior.max()))


def _origin(image: NDArray[np.floating]) -> float:
    """Return a pixel value near the others, subtracted before squares are summed."""
    return float(image.ravel()[0])


def _histogram(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Σ1, Σx and Σx² of each bin, shape (BINS, 3), x relative to `_origin`.

    The sums are of the pixels themselves: binning costs no precision in the moments.
    """
    x = pixels - np.float32(_origin(pixels))
    low, high = float(x.min()), float(x.max())
    scale = BINS / (high - low) if high > low else 0.0
    which = np.minimum((x - np.float32(low)) * np.float32(scale), BINS - 1).astype(np.intp)
    x64 = x.astype(np.float64)
    sums = [np.bincount(which, weights, BINS) for weights in (None, x64, x64 * x64)]
    return np.stack(sums, axis=1).astype(np.float64)


def _filled(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bins that have pixels, shape (bins, 3)."""
    return histogram[histogram[:, 0] > 0]


def _best_of_the_starts(histogram: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the starts arrive at, shape (starts, 4); of the best one alone where that is clear.

    EM needs hundreds of rounds from eleven starts: on coarser bins they cost a tenth, and end within some
    thousandths of σ of where they end on the finer ones. The best of them goes on from there.
    """
    coarse = _filled(histogram.reshape(-1, COARSER, 3).sum(axis=1))
    width = COARSER / BINS * float(np.ptp(bins[:, 1] / bins[:, 0]))
    if len(coarse) > 2:
        found = _expectation_maximisation(coarse, _first_guesses(coarse), ROUNDS)
        if width <= WIDEST * math.sqrt(found[:, 2].min()):
            best = found[_log_posterior(coarse, found).argmax()]
            return _expectation_maximisation(bins, best[None], LAST_ROUNDS)
    return _expectation_maximisation(bins, _first_guesses(bins), ROUNDS)


def _first_guesses(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (low mean, high mean, variance, weight) for every start, shape (starts, 4)."""
    count, first, second = bins.sum(axis=0)
    cumulated = np.cumsum(bins[:, :2], axis=0)
    weights = np.asarray(STARTS)
    cut = np.searchsorted(cumulated[:, 0], (1 - weights) * count)
    cut = np.clip(cut, 0, len(bins) - 2)
    below, below_sum = cumulated[cut].T
    low, high = below_sum / below, (first - below_sum) / (count - below)
    weights = 1 - below / count
    variance = second / count - (1 - weights) * low**2 - weights * high**2
    return np.stack([low, high, np.maximum(variance, 1e-9 * second / count), weights], axis=1)


def _expectation_maximisation(
    bins: NDArray[np.float64], now: NDArray[np.float64], rounds: int
) -> NDArray[np.float64]:
    """Return the parameters that every start arrives at, shape (starts, 4)."""
    count, first, second = bins.sum(axis=0)
    floor = 1e-9 * (second / count - (first / count) ** 2)
    x = bins[:, 1] / bins[:, 0]
    for _ in range(rounds):
        before = now
        # A logistic function by way of tanh, which numpy computes with vector instructions.
        probabilities = 0.5 + 0.5 * np.tanh(0.5 * _log_odds(now, x))
        upper, upper_first = (probabilities @ bins[:, :2]).T
        lower = np.maximum(count - upper, 1e-9)
        upper = np.maximum(upper, 1e-9)
        low, high = (first - upper_first) / lower, upper_first / upper
        variance = np.maximum((second - lower * low**2 - upper * high**2) / count, floor)
        weight = (upper + ALPHA - 1) / (count + ALPHA + BETA - 2)
        now = np.stack([low, high, variance, np.clip(weight, 1e-12, 1 - 1e-12)], axis=1)
        moved = np.abs(now[:, :2] - before[:, :2]) / np.sqrt(variance)[:, None]
        if max(moved.max(), np.abs(now[:, 3] - before[:, 3]).max()) < STILL:
            break
    return now


def _log_odds(parameters: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of the upper component, shape (starts, bins): linear in x, as the variance is shared."""
    low, high, variance, weight = parameters.T
    slope = (high - low) / variance
    offset = np.log(weight) - np.log1p(-weight) - slope * (high + low) / 2
    return np.asarray(slope[:, None] * x + offset[:, None])


def _log_posterior(bins: NDArray[np.float64], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log posterior of each row of `parameters`, shape (rows,)."""
    count, x = bins[:, 0], bins[:, 1] / bins[:, 0]
    low, high, variance, weight = parameters.T
    with np.errstate(divide="ignore"):  # of the single Gaussian
        log_weights = np.log1p(-weight), np.log(weight)
    exponents = [
        log_weight[:, None] - (x - mean[:, None]) ** 2 / (2 * variance[:, None])
        for mean, log_weight in zip((low, high), log_weights, strict=True)
    ]
    likelihood = np.logaddexp(*exponents) @ count - count.sum() * np.log(2 * math.pi * variance) / 2
    prior = (ALPHA - 1) * log_weights[1] + math.log(ALPHA)  # with BETA = 1
    return np.asarray(likelihood + prior)


def _mixture_moments(image: NDArray[np.float32], dataset: DatasetMixture | None) -> tuple[float, float]:
    """Mean and standard deviation of the upper component."""
    mixture = fit_mixture(image)
    # Two values only, for example: each component is a spike, and dividing by its width makes no sense.
    if mixture.std <= 1e-3 * float(image.std(dtype=np.float64)):
        return _plain_moments(image, dataset)
    return float(mixture.means[1]), mixture.std


def _plain_moments(image: NDArray[np.float32], dataset: DatasetMixture | None) -> tuple[float, float]:
    return float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))


def _no_moments(image: NDArray[np.float32], dataset: DatasetMixture | None) -> tuple[float, float]:
    return 0.0, 1.0


#: Mean and standard deviation to normalise by, for each of :data:`napari_topaz.choices.NORMALISATIONS`.
MOMENTS: dict[str, Callable[[NDArray[np.float32], DatasetMixture | None], tuple[float, float]]] = {
    "gmm": _mixture_moments,
    "gmm-dataset": dataset_moments,
    "affine": _plain_moments,
    "none": _no_moments,
}


def normalise(
    image: NDArray[np.number], method: str = "gmm", dataset: DatasetMixture | None = None
) -> Normalised:
    """Normalise an image.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        NaN and infinite pixels are replaced by the median of the others.
    method : str
        ``gmm`` (mean and standard deviation of the upper component of :func:`fit_mixture`),
        ``gmm-dataset`` (those of the dominant component of `dataset`, times the image's scale),
        ``affine`` (mean and standard deviation) or ``none``.
    dataset : DatasetMixture, optional
        Of :func:`~napari_topaz.numerics.dataset_mixture.fit_dataset`; where it is not given, the
        image is the whole dataset.

    Returns
    -------
    Normalised
        A constant image becomes zeros (as stored, with ``none``).

    Raises
    ------
    ValueError
        If no pixel is finite, or the method is unknown.
    """
    if method not in MOMENTS:
        raise ValueError(f"Unknown normalisation {method!r}: choose from {', '.join(NORMALISATIONS)}.")
    filled = fill_missing(image)
    mean, std = MOMENTS[method](filled, dataset)
    # A spread below the resolution of float32 is rounding, not signal.
    if std <= 1e-7 * abs(mean):
        std = 1.0
        mean = float(filled.flat[0]) if np.ptp(filled) == 0 else mean
    filled -= np.float32(mean)
    filled /= np.float32(std)
    return Normalised(filled, mean, std)
