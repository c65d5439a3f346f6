"""Standard deviations of the boxes round pixels, and the range of those of particles.

Zhu, Ouyang & Mao 2017 drop picks whose box is brighter in contrast (ice, carbon) or flatter (nothing)
than those of the particles that the picker learnt from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates, uniform_filter


def box_deviations(image: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Return the standard deviation of the box round each pixel.

    Parameters
    ----------
    image : ndarray of shape (H, W)
        It is continued by reflection.
    size : int
        Edge of the box, odd.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    ValueError
        If the size is not a positive odd number.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"The edge of a box must be a positive odd number, not {size}.")
    # The mean is taken off first: it may be thousands of times the deviation.
    level = np.asarray(image, np.float64)
    level = level - level.mean()
    mean = uniform_filter(level, size, mode="mirror")
    square = uniform_filter(level**2, size, mode="mirror")
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)), np.float32)


def deviations_at(deviations: NDArray[np.floating], places: ArrayLike) -> NDArray[np.float32]:
    """Interpolate deviations on a grid linearly at `places` (n, 2) (row, column); shape (n,)."""
    places = np.asarray(places, np.float64).reshape(-1, 2)
    found = map_coordinates(np.asarray(deviations, np.float32), places.T, order=1, mode="nearest")
    return np.asarray(found, np.float32)
