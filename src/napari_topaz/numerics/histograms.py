"""Histograms that keep the moments of their pixels: what is left of a micrograph in a few kilobytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Bins between these percentiles and a quarter of their distance beyond; two more for the rest.
BINS = 512
RANGE = (0.1, 99.9)
#: A dataset is centred on zero where its typical micrograph has a mean below so many standard deviations.
CENTRED = 1.0

#: Histograms of micrographs, shape (micrographs, BINS + 2, 3), as of :func:`histogram_of`.
Histograms = NDArray[np.float64]


def histogram_of(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Count the pixels of an image in bins, and keep mean and variance of each bin.

    Parameters
    ----------
    image : ndarray
        Finite pixels, in any shape.

    Returns
    -------
    ndarray of float64, shape (BINS + 2, 3)
        Number, mean and variance; the first and the last bin have what lies outside of the others.
    """
    x = np.asarray(image, np.float32).ravel()
    low, high = (float(value) for value in np.percentile(x, RANGE))
    if low == high:
        low, high = float(x.min()), float(x.max())
    low, high = low - (high - low) / 4, high + (high - low) / 4
    scale = BINS / (high - low) if high > low else 0.0
    which = np.clip(np.floor((x - np.float32(low)) * np.float32(scale)), -1, BINS).astype(np.intp) + 1
    origin = float(x[0])  # squares are summed relative to a pixel value near the others
    offset = (x - np.float32(origin)).astype(np.float64)
    sums = [np.bincount(which, weights, BINS + 2) for weights in (None, offset, offset * offset)]
    count, first, second = (np.asarray(column, np.float64) for column in sums)
    filled = np.maximum(count, 1)
    variance = np.maximum(second / filled - (first / filled) ** 2, 0.0)
    return np.stack([count, np.where(count > 0, first / filled + origin, 0.0), variance], axis=1)


def is_constant(histogram: NDArray[np.float64]) -> bool:
    """Whether all pixels of a micrograph are alike, by its histogram."""
    return np.count_nonzero(histogram[:, 0]) == 1 and not histogram[:, 2].any()


def means_of(histograms: Histograms) -> NDArray[np.float64]:
    """Return the mean of each micrograph, shape (micrographs,)."""
    return np.asarray((histograms[..., 0] * histograms[..., 1]).sum(axis=1) / histograms[..., 0].sum(axis=1))


def rms_of(histograms: Histograms) -> NDArray[np.float64]:
    """Return the root mean square of each micrograph, shape (micrographs,)."""
    count, x, variance = np.moveaxis(histograms, -1, 0)
    return np.asarray(np.sqrt((count * (x**2 + variance)).sum(axis=1) / count.sum(axis=1)))


def quantiles(histogram: NDArray[np.float64], percents: Sequence[float]) -> NDArray[np.float64]:
    """Return percentiles of a micrograph by its histogram, to a bin; as many as there are `percents`."""
    filled = histogram[histogram[:, 0] > 0]
    cumulated = np.cumsum(filled[:, 0])
    which = np.searchsorted(cumulated, np.asarray(percents) / 100 * cumulated[-1])
    return np.asarray(filled[np.minimum(which, len(filled) - 1), 1])


def is_centred(histograms: Histograms) -> bool:
    """Whether scales cannot be told from means: those are near zero, or of both signs."""
    means = means_of(histograms)
    levels = np.abs(means) / np.sqrt(np.maximum(rms_of(histograms) ** 2 - means**2, 1e-300))
    return bool(np.median(levels) < CENTRED or len(set(np.sign(means))) > 1)


def pooled_std(histograms: Histograms, scales: NDArray[np.float64]) -> float:
    """Standard deviation of all pixels, each micrograph divided by its scale, of shape (micrographs,)."""
    count = histograms[..., 0]
    y, spread = histograms[..., 1] / scales[:, None], histograms[..., 2] / scales[:, None] ** 2
    mean = (count * y).sum() / count.sum()
    return math.sqrt((count * ((y - mean) ** 2 + spread)).sum() / count.sum())
