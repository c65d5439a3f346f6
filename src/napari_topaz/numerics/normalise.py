"""Normalisation of one micrograph: outliers, mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlog1py, xlogy

from napari_topaz.choices import NORMALISATIONS
from napari_topaz.numerics.dataset_mixture import dataset_moments
from napari_topaz.settings.fitted import DatasetMixture

#: Bins of the histogram the mixture is fitted to.
BINS = 4096
#: Starting weights of the upper component; a single Gaussian is tried as well.
STARTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
#: Beta prior of the weight of the upper component.
ALPHA, BETA = 900.0, 1.0
#: Rounds of expectation maximisation, and the movement (in σ) below which it ends earlier.
ROUNDS, STILL = 200, 1e-6
#: Pixels from which median and spread of a large image are estimated.
SAMPLE = 1 << 20
#: Standard deviation of a Gaussian over its median absolute deviation.
MAD_TO_STD = 1.4826


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


def fill_missing(image: NDArray[np.number]) -> NDArray[np.float32]:
    """Replace pixels that are NaN or infinite by the median of the others.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Any real data type.

    Returns
    -------
    ndarray of float32, shape (height, width)
        A new array.

    Raises
    ------
    ValueError
        If no pixel is finite.
    """
    with np.errstate(over="ignore"):
        filled = np.array(image, np.float32, order="C")
    if np.issubdtype(image.dtype, np.integer) or np.isfinite(filled.sum(dtype=np.float64)):
        return filled
    good = np.isfinite(filled)
    if not good.any():
        raise ValueError("The image has no finite pixel: every one is NaN or infinite.")
    filled[~good] = np.median(filled[good])
    return filled


def clip_outliers(image: NDArray[np.number], k: float) -> NDArray[np.float32]:
    """Clip hot and dead pixels.

    Parameters
    ----------
    image : ndarray of shape (height, width)
    k : float
        Clip at the median ± k · 1.4826 · median absolute deviation; 0 clips nothing. Of images of
        more than a million pixels, the two are estimated from evenly spread ones.

    Returns
    -------
    ndarray of float32, shape (height, width)
        A new array without NaN or infinite pixels.

    Raises
    ------
    ValueError
        If no pixel is finite, or `k` is negative.
    """
    if not k >= 0:
        raise ValueError(f"Pixels cannot be clipped at {k} standard deviations.")
    filled = fill_missing(image)
    if k:
        centre, spread = _robust_spread(filled)
        np.clip(filled, centre - k * spread, centre + k * spread, out=filled)
    return filled


def _robust_spread(image: NDArray[np.float32]) -> tuple[float, float]:
    """Return median and robust standard deviation (0 for a constant image)."""
    # An odd step visits all columns of an image whose width is a power of two.
    sample = image.ravel()[:: max(1, image.size // SAMPLE) | 1]
    centre = float(np.median(sample))
    spread = MAD_TO_STD * float(np.median(np.abs(sample - np.float32(centre))))
    # Counting detectors at a low dose: more than half of the pixels have one value.
    return centre, spread or float(image.std(dtype=np.float64))


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
    bins = _histogram(np.asarray(image, np.float32).ravel())
    count, first, second = (float(column.sum()) for column in bins.T)
    mean = first / count
    variance = max(second / count - mean**2, 0.0)
    if variance <= (1e-6 * float(np.ptp(bins[:, 1] / bins[:, 0]))) ** 2:
        return Mixture(np.full(2, mean + _origin(image)), 0.0, 1.0, math.inf)
    candidates = _expectation_maximisation(bins)
    candidates = np.vstack([candidates, [mean, mean, variance, 1.0]])
    posterior = _log_posterior(bins, candidates)
    low, high, variance, weight = (float(value) for value in candidates[posterior.argmax()])
    means = np.array([low, high]) + _origin(image)
    return Mixture(means, math.sqrt(variance), weight, float(posterior.max()))


def _origin(image: NDArray[np.floating]) -> float:
    """Return a pixel value near the others, subtracted before squares are summed."""
    return float(image.ravel()[0])


def _histogram(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Σ1, Σx and Σx² of each non-empty bin, shape (bins, 3), x relative to `_origin`.

    The sums are of the pixels themselves: binning costs no precision in the moments.
    """
    x = pixels - np.float32(_origin(pixels))
    low, high = float(x.min()), float(x.max())
    scale = BINS / (high - low) if high > low else 0.0
    which = np.minimum((x - np.float32(low)) * np.float32(scale), BINS - 1).astype(np.intp)
    x64 = x.astype(np.float64)
    sums = [np.bincount(which, weights, BINS) for weights in (None, x64, x64 * x64)]
    found = np.stack(sums, axis=1).astype(np.float64)
    return found[found[:, 0] > 0]


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


def _expectation_maximisation(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the parameters that every start arrives at, shape (starts, 4)."""
    count, first, second = bins.sum(axis=0)
    floor = 1e-9 * (second / count - (first / count) ** 2)
    x = bins[:, 1] / bins[:, 0]
    now = _first_guesses(bins)
    for _ in range(ROUNDS):
        before = now
        upper, upper_first = (expit(_log_odds(now, x)) @ bins[:, :2]).T
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
    with np.errstate(divide="ignore"):
        log_weights = np.log1p(-weight), np.log(weight)
    exponents = [
        log_weight[:, None] - (x - mean[:, None]) ** 2 / (2 * variance[:, None])
        for mean, log_weight in zip((low, high), log_weights, strict=True)
    ]
    likelihood = np.logaddexp(*exponents) @ count - count.sum() * np.log(2 * math.pi * variance) / 2
    prior = xlogy(ALPHA - 1, weight) + xlog1py(BETA - 1, -weight) + math.log(ALPHA)
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
