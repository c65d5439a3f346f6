"""Downsampling by cropping in Fourier space."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

#: Pixels that are transformed at a time: they and their spectrum stay in a core's cache, and memory for the
#: whole spectrum is never needed.
PIXELS_AT_ONCE = 1 << 17


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


def fourier_crop(
    image: NDArray[np.number],
    shape: tuple[int, int],
    clean: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda rows: rows,
) -> NDArray[np.float32]:
    """Downsample an image by keeping its low frequencies.

    Pixel (i, j) of the result lies at (i · H/h, j · W/w) of the original: there is no shift by half
    a pixel. The mean is kept.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        All pixels finite.
    shape : tuple of int
        (h, w) of the result, at most (H, W).
    clean : callable, optional
        Done to a copy of some rows at a time before they are transformed; may change it.

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
        return clean(_float32(image))
    columns = fft.fft(_low_columns(image, width // 2 + 1, clean), axis=1, overwrite_x=True)
    low = np.concatenate(
        [columns[:, : (height + 1) // 2], columns[:, image.shape[0] - height // 2 :]], axis=1
    )
    low *= np.float32(height * width / image.size)
    small = fft.irfft2(low.T, s=shape, overwrite_x=True)
    return np.asarray(small, np.float32)


def _low_columns(
    image: NDArray[np.number], count: int, clean: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.complex64]:
    """Return the first `count` columns of the rows' Fourier transforms, as rows: shape (count, H)."""
    height, width = image.shape
    low = np.empty((count, height), np.complex64)
    part = np.empty((min(height, max(1, PIXELS_AT_ONCE // width)), width), np.float32)
    for start in range(0, height, len(part)):
        rows = part[: min(len(part), height - start)]
        _float32(image[start : start + len(rows)], rows)
        low[:, start : start + len(rows)] = fft.rfft(clean(rows), axis=1)[:, :count].T
    return low


def _float32(image: NDArray[np.number], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Copy pixels; what is beyond float32 becomes infinite, which `clean` may look for."""
    out = np.empty(image.shape, np.float32) if out is None else out
    with np.errstate(over="ignore"):
        out[:] = image
    return out
