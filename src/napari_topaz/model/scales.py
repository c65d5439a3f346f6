"""Scores of a micrograph at several sizes of the particle, joined by how sure each of them is.

A network that learnt from particles of one width is less sure of wider ones, and a user who has labelled
nothing yet may be wrong about the diameter. Scores of the image made smaller count by the particles that they
find: the excess of its peaks' probabilities over one half, to a power.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.special import expit

from napari_topaz.numerics.normalise import normalise
from napari_topaz.numerics.peaks import local_maxima
from napari_topaz.numerics.rescale import fourier_crop, small_shape

#: Power of the excess; how many times the scores at the given size count beside it.
POWER, TRUST = 8.0, 6.0
#: Excess that every size has at least, in particles: without any they count alike.
LEAST = 1.0


def smaller(image: NDArray[np.float32], scale: float, method: str) -> NDArray[np.float32]:
    """Return a preprocessed image, `scale` times smaller and normalised again.

    Parameters
    ----------
    image : ndarray of float32, shape (h, w)
    scale : float
        At least 1.
    method : str
        How it is normalised, of :data:`napari_topaz.choices.NORMALISATIONS`.
    """
    height, width = small_shape((image.shape[0], image.shape[1]), scale)
    return normalise(fourier_crop(image, (height, width)), method, None).image


def excess(logits: NDArray[np.float32]) -> float:
    """Return by how much the probabilities of the peaks above one half exceed it, summed."""
    peaks = logits[tuple(local_maxima(logits, 0.0).T)]
    return float((expit(peaks.astype(np.float64)) - 0.5).sum())


def joined(maps: Sequence[NDArray[np.float32]], sizes: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
    """Return the weighted mean of logits of one micrograph.

    Parameters
    ----------
    maps : sequence of ndarray of float32, shape (rows, columns) each
        Logits of probabilities, those at the given size first, all on grids of one stride.
    sizes : sequence of (int, int)
        Height and width of the image that each belongs to.

    Returns
    -------
    ndarray of float32
        On the grid of the first.
    """
    weights = np.array([(LEAST + excess(one)) ** POWER for one in maps])
    weights[0] *= TRUST
    weights /= weights.sum()
    total = weights[0] * maps[0]
    for weight, one, size in zip(weights[1:], maps[1:], sizes[1:], strict=True):
        ratio = np.array(size) / np.array(sizes[0])
        places = np.indices(maps[0].shape) * ratio[:, None, None]
        total += weight * map_coordinates(one, places, order=3, mode="nearest")
    return np.asarray(total, np.float32)
