"""Discs on the pixel grid, and the fraction of regions that are positive."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Relative slack when a distance is compared with a radius: 0.6² + 0.8² must not exceed 1.
SLACK = 1e-9


def disc_offsets(
    radius: float | tuple[float, float], limit: tuple[int, int] | None = None
) -> NDArray[np.int64]:
    """Return the pixels of a disc, relative to its centre.

    Parameters
    ----------
    radius : float or tuple of float
        Radius in pixels, or one per axis (y, x); the rim belongs to the disc.
    limit : tuple of int, optional
        Largest |dy| and |dx|; for discs larger than the image.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        (dy, dx) in row-major order.

    Raises
    ------
    ValueError
        If a radius is negative or NaN.
    """
    ry, rx = radius if isinstance(radius, tuple) else (radius, radius)
    if not (ry >= 0 and rx >= 0):
        raise ValueError(f"A radius must not be negative: {radius}.")
    reach_y, reach_x = limit or (math.inf, math.inf)
    ny = math.floor(min(ry * (1 + SLACK), reach_y))
    nx = math.floor(min(rx * (1 + SLACK), reach_x))
    dy, dx = np.mgrid[-ny : ny + 1, -nx : nx + 1]
    # A radius of 0 leaves only 0 on its axis, whatever it is divided by.
    inside = (dy / (ry or 1)) ** 2 + (dx / (rx or 1)) ** 2 <= 1 + SLACK
    return np.stack([dy[inside], dx[inside]], axis=1)


def disc_pixels(radius: float) -> int:
    """Return the number of pixels within `radius` pixels of a pixel (29 for 3)."""
    return len(disc_offsets(radius))


def disc_mask(
    shape: tuple[int, int], centres: NDArray[np.floating], radius: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return the grid points that lie within an ellipse of `radius` round any of the centres.

    Parameters
    ----------
    shape : tuple of int
        (rows, columns) of the grid.
    centres : ndarray of shape (n, 2)
        (row, column), fractional; may lie outside the grid.
    radius : tuple of float
        Half-axes along rows and columns; the rim belongs to the disc.

    Returns
    -------
    ndarray of bool, shape `shape`
    """
    mask = np.zeros(shape, bool)
    for centre in np.asarray(centres, np.float64):
        first = [max(0, math.ceil(c - r)) for c, r in zip(centre, radius, strict=True)]
        last = [min(n, math.floor(c + r) + 1) for c, r, n in zip(centre, radius, shape, strict=True)]
        if first[0] < last[0] and first[1] < last[1]:
            y, x = np.ogrid[first[0] : last[0], first[1] : last[1]]
            far = ((y - centre[0]) / (radius[0] or 1)) ** 2 + ((x - centre[1]) / (radius[1] or 1)) ** 2
            mask[first[0] : last[0], first[1] : last[1]] |= far <= 1 + SLACK
    return mask
