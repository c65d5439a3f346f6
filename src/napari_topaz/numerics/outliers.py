"""Pixels that are no signal: missing ones are filled, hot and dead ones clipped."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Pixels from which median and spread of a large image are estimated (to a few thousandths of the spread).
SAMPLE = 1 << 17
#: Standard deviation of a Gaussian over its median absolute deviation.
MAD_TO_STD = 1.4826


class MissingPixelsError(ValueError):
    """A part of an image has pixels that are NaN or infinite."""


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
        Clip at the median ± k · 1.4826 · median absolute deviation; 0 clips nothing. Of large
        images, the two are estimated from `SAMPLE` evenly spread pixels or a few more.

    Returns
    -------
    ndarray of float32, shape (height, width)
        A new array without NaN or infinite pixels.

    Raises
    ------
    ValueError
        If no pixel is finite, or `k` is negative.
    """
    _check(k)
    filled = fill_missing(image)
    if k:
        centre, spread = _robust_spread(filled)
        # Counting detectors at a low dose: more than half of the pixels have one value.
        spread = spread or float(filled.std(dtype=np.float64))
        np.clip(filled, centre - k * spread, centre + k * spread, out=filled)
    return filled


def outlier_limits(image: NDArray[np.number], k: float) -> tuple[float, float] | None:
    """Return where :func:`clip_outliers` clips, without a copy of the image.

    Returns
    -------
    tuple of float or None
        Lowest and highest value; None where a sample of the pixels does not tell, as some are
        missing or nearly all are alike.

    Raises
    ------
    ValueError
        If `k` is negative.
    """
    _check(k)
    if not k:
        return -math.inf, math.inf
    centre, spread = _robust_spread(image)
    return (centre - k * spread, centre + k * spread) if math.isfinite(centre) and spread > 0 else None


def clip_rows(rows: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Clip a part of an image in place.

    Raises
    ------
    MissingPixelsError
        If a pixel is NaN or infinite: then the whole image is needed, to fill it.
    """
    low, high = float(rows.min()), float(rows.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MissingPixelsError("Some pixels are NaN or infinite.")
    if low < limits[0] or high > limits[1]:
        np.clip(rows, *limits, out=rows)
    return rows


def _check(k: float) -> None:
    if not k >= 0:
        raise ValueError(f"Pixels cannot be clipped at {k} standard deviations.")


def _robust_spread(image: NDArray[np.number]) -> tuple[float, float]:
    """Return median and robust standard deviation (NaN where pixels of the sample are missing)."""
    # An odd step visits all columns of an image whose width is a power of two.
    with np.errstate(over="ignore", invalid="ignore"):
        sample = np.array(image.ravel()[:: max(1, image.size // SAMPLE) | 1], np.float32)
        centre = float(np.median(sample))
        return centre, MAD_TO_STD * float(np.median(np.abs(sample - np.float32(centre))))
