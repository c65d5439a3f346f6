"""Boxes round particles: cutting them from an image, their background, their averages.

The particle's centre is pixel ``size // 2`` of the box, the centre of rotation in RELION. Boxes are
cut at the nearest whole pixel: a centre is at most half a pixel off, and no pixel is interpolated.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_topaz.numerics.rescale import fourier_crop

#: Low-pass of single particles for the eye, as part of the box: their noise would hide them.
SMOOTH = 0.016


def box_corners(yx: NDArray[np.floating], size: int) -> NDArray[np.int64]:
    """Return the first pixel (y, x) of the boxes round centres `yx` (n, 2); it may be negative."""
    return np.floor(np.asarray(yx, np.float64) + 0.5).astype(np.int64) - size // 2


def boxes_fit(corners: NDArray[np.int64], size: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of the boxes (corners of shape (n, 2)) that lie wholly within an image of `shape`."""
    return np.asarray(((corners >= 0) & (corners + size <= np.asarray(shape))).all(axis=1))


class Image(Protocol):
    """An image that gives windows ``image[y0:y1, x0:x1]``: an array, or a file that reads them then."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width)."""

    def __getitem__(self, place: tuple[slice, slice], /) -> NDArray[Any]:
        """Give a window."""


def cut_box(image: Image, corner: NDArray[np.int64], size: int, edge: str = "drop") -> NDArray[np.float32]:
    """Cut one box.

    Parameters
    ----------
    image : Image of shape (H, W)
        Only the window that has the box is asked for. Pixels that are not finite become the mean of
        the box's others.
    corner : ndarray of int64, shape (2,)
        First pixel of the box, see :func:`box_corners`.
    size : int
        Edge of the box, at most that of the image.
    edge : str
        How the image is continued beyond its edges: a key of :data:`napari_topaz.choices.EDGES`.

    Returns
    -------
    ndarray of float32, shape (size, size)

    Raises
    ------
    ValueError
        Where the box reaches beyond the image and `edge` is "drop".
    """
    rows, columns = (start + np.arange(size) for start in corner)
    seen = np.outer((rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1]))
    if edge == "drop" and not seen.all():
        raise ValueError(f"A box of {size} px at {corner.tolist()} reaches beyond {image.shape} px.")
    continued = _reflected if edge == "reflect" else _repeated
    along = (continued(rows, image.shape[0]), continued(columns, image.shape[1]))
    starts = [int(places.min()) for places in along]
    ends = [int(places.max()) + 1 for places in along]
    window = image[starts[0] : ends[0], starts[1] : ends[1]]
    if not seen.all():  # only where the box is at an edge must pixels be gathered
        window = window[np.ix_(along[0] - starts[0], along[1] - starts[1])]
    box = np.array(window, np.float32)
    known = np.isfinite(box) & (seen if edge == "mean" else True)
    if not known.all():
        box[~known] = box[known].mean(dtype=np.float64) if known.any() else 0
    return box


def _repeated(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    return np.clip(places, 0, length - 1)


def _reflected(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Mirror places beyond the ends, without the end itself twice; once is enough for a box inside."""
    return np.asarray(_repeated(length - 1 - np.abs(length - 1 - np.abs(places)), length))


def background_mask(size: int, diameter: float) -> NDArray[np.bool_]:
    """Mask (size, size) of the pixels outside a circle of `diameter` px round pixel ``size // 2``.

    Raises
    ------
    ValueError
        Where the circle leaves fewer than two pixels.
    """
    mask = np.asarray(_distances(size) > diameter / 2)
    if mask.sum() < 2:
        raise ValueError(f"A circle of {diameter:g} px leaves no background in a box of {size} px.")
    return mask


def normalise_background(box: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the background mean 0 and standard deviation 1; a constant one only mean 0.

    Box and mask (true where it is background) have the shape (height, width), and so has the result.
    """
    values = box[mask].astype(np.float64)
    mean, std = float(values.mean()), float(values.std())
    scale = std if std > 1e-6 * abs(mean) else 1.0
    return np.asarray((box - mean) / scale, np.float32)


def thumbnail(box: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """Smooth and downsample one particle for the eye, and give it mean 0 and standard deviation 1.

    Parameters
    ----------
    box : ndarray of float32, shape (size, size)
    edge : int
        Of the result; a smaller box stays as large as it is.

    Returns
    -------
    ndarray of float32, shape (min(edge, size),) * 2
    """
    smooth = gaussian_filter(box, SMOOTH * len(box), mode="nearest")
    edge = min(edge, len(box))
    small = fourier_crop(smooth, (edge, edge))
    std = float(small.std())
    return np.asarray((small - small.mean()) / (std or 1), np.float32)


def rotational_average(image: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average an image over all rotations round pixel ``size // 2``.

    Parameters
    ----------
    image : ndarray of shape (size, size)

    Returns
    -------
    average : ndarray of float32, shape (size, size)
        The profile, spread out again; the corners continue its last value.
    profile : ndarray of float64, shape (size // 2,)
        Mean over the pixels at each distance (a pixel counts for the two nearest whole distances).
    """
    size = len(image)
    distance = _distances(size)
    lower = np.floor(distance).astype(np.int64)
    part = distance - lower
    total, weight = (
        np.bincount(lower.ravel(), ((1 - part) * v).ravel(), lower.max() + 2)
        + np.bincount(lower.ravel() + 1, (part * v).ravel(), lower.max() + 2)
        for v in (image, np.ones_like(part))
    )
    profile = (total / np.maximum(weight, 1e-12))[: max(size // 2, 1)]
    spread = np.interp(distance, np.arange(len(profile)), profile)
    return spread.astype(np.float32), profile


def _distances(size: int) -> NDArray[np.float64]:
    """Distance of each pixel of a box from its centre, pixel ``size // 2``."""
    along = np.arange(size, dtype=np.float64) - size // 2
    return np.asarray(np.hypot(along[:, None], along))
