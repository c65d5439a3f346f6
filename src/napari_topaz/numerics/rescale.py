"""Downsampling by cropping in Fourier space."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

#: Rows that are transformed at a time: keeps the memory for a whole spectrum from being needed.
ROWS_AT_ONCE = 256


def small_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return the shape of an image after downsampling.

    Parameters
    ----------
    shape : tuple of int
        (height, width) of the original.
    factor : float
        Downsampling factor, at least 1.

    Returns
    -------
    tuple of int
        ⌊size / factor⌋ per axis, at least 1. The true factor differs a little from `factor` and
        between the axes: it is the ratio of the sizes.

    Raises
    ------
    ValueError
        If `factor` is below 1 or not finite.
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise ValueError(f"The downsampling factor must be at least 1, not {factor}.")
    # A factor such as 512 / 170 must give 170, not 169.
    height, width = (max(1, math.floor(size / factor + 1e-9)) for size in shape)
    return height, width


def fourier_crop(image: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Downsample an image by keeping its low frequencies.

    Pixel (i, j) of the result lies at (i · H/h, j · W/w) of the original: there is no shift by half
    a pixel. The mean is kept.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        All pixels finite.
    shape : tuple of int
        (h, w) of the result, at most (H, W).

    Returns
    -------
    ndarray of float32, shape (h, w)

    Raises
    ------
    ValueError
        If `shape` is empty or larger than the image.
    """
    height, width = shape
    if not (1 <= height <= image.shape[0] and 1 <= width <= image.shape[1]):
        raise ValueError(f"An image of {image.shape} pixels cannot be downsampled to {shape}.")
    if shape == image.shape:
        return np.array(image, np.float32)
    rows = fft.fft(_low_columns(image, width // 2 + 1), axis=0, overwrite_x=True)
    low = np.concatenate([rows[: (height + 1) // 2], rows[image.shape[0] - height // 2 :]])
    low *= np.float32(height * width / image.size)
    small = fft.irfft2(low, s=shape, overwrite_x=True)
    return np.asarray(small, np.float32)


def _low_columns(image: NDArray[np.floating], count: int) -> NDArray[np.complex64]:
    """Return the first `count` columns of the rows' Fourier transforms, shape (H, count)."""
    low = np.empty((image.shape[0], count), np.complex64)
    for start in range(0, len(image), ROWS_AT_ONCE):
        part = np.asarray(image[start : start + ROWS_AT_ONCE], np.float32)
        low[start : start + ROWS_AT_ONCE] = fft.rfft(part, axis=1)[:, :count]
    return low
