"""Where in the image a pick's particle is centred, and which way it points. Arrays in, arrays out.

A network that learns "within 3 px of a particle" is sure of itself round the whole centre, so that its
scores tell the centre of a rod to a fifth of its radius only. The image tells more: the average of the
labelled particles, turned to all angles, is laid over the neighbourhood of each pick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_topaz.numerics.templates import aligned_averages, disc_mask, rotate

#: Angles at which the average is tried, over a full turn.
ANGLES = 24
#: Low-pass of the image (pixels), particles that are averaged at most.
SMOOTH, MOST = 0.7, 100
#: Largest shift, in radii of the particle.
REACH = 0.42
#: Weight of a score (logit), and the width of the mean round the best place, in units of the highest
#: correlation in reach.
SCORE_WEIGHT, WIDTH = 0.1, 0.04
#: Variance of the turned averages that may be left out, as part of the whole.
LEFT_OUT = 0.005
#: Density fainter than this part of the highest is noise.
FAINT = 0.3
#: Picks whose neighbourhoods are looked at together.
AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Refined:
    """Places and directions of picks.

    Attributes
    ----------
    places : ndarray of float64, shape (n, 2)
        Pixels of the image (y, x).
    angles : ndarray of float64, shape (n,)
        By how many radians the average is turned there, from y towards x (as :func:`~.templates.rotate`).
    """

    places: NDArray[np.float64]
    angles: NDArray[np.float64]


def average_edge(radius: float) -> int:
    """Return the odd edge of the box that holds a particle of that radius, both in pixels."""
    return 2 * math.ceil(radius) + 3


def boxes_at(image: NDArray[np.floating], places: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Cut boxes (n, size, size) centred on fractional places (n, 2), linearly interpolated.

    The image is continued by reflection.
    """
    away = np.arange(size) - size // 2
    y, x = np.asarray(places, np.float64).reshape(-1, 2).T[:, :, None, None]
    wanted = np.broadcast_arrays(y + away[:, None], x + away)
    boxes = map_coordinates(np.asarray(image, np.float32), np.array(wanted), order=1, mode="mirror")
    return np.asarray(boxes, np.float32)


def long_axis(average: ArrayLike) -> tuple[float, float]:
    """Return how elongated a particle is, from its average.

    Parameters
    ----------
    average : array_like of shape (size, size)

    Returns
    -------
    aspect : float
        Ratio of the standard deviations of its density along the axes where it is widest and
        narrowest; density is what exceeds :data:`FAINT` of the highest, in the particle's contrast.
        1 for an average that is all 0.
    angle : float
        Of the long axis from x towards y, in radians.
    """
    image = np.asarray(average, np.float64)
    middle = len(image) // 2
    core = image[middle - 1 : middle + 2, middle - 1 : middle + 2].mean()
    density = np.maximum(np.sign(core) * image, 0)
    density = np.where(density > FAINT * density.max(), density, 0)
    if not density.any():
        return 1.0, 0.0
    yx = np.argwhere(density > 0)
    # A pixel has a width of its own, so that a line of them is not infinitely thin.
    spread = np.cov(yx.T, aweights=density[tuple(yx.T)], ddof=0).reshape(2, 2) + np.eye(2) / 12
    variance, axes = np.linalg.eigh(spread)
    return float(np.sqrt(variance[1] / variance[0])), float(np.arctan2(axes[0, 1], axes[1, 1]))


def evenly(count: int) -> NDArray[np.int64]:
    """Return which of so many particles are averaged: :data:`MOST` at most, evenly drawn."""
    return np.linspace(0, count - 1, min(count, MOST)).astype(np.int64)


def particle_average(boxes: NDArray[np.floating], radius: float) -> NDArray[np.float32]:
    """Average particles after they are turned alike.

    Parameters
    ----------
    boxes : ndarray of shape (n, size, size)
        Centred particles, n ≥ 1; no more than :data:`MOST` of them, evenly drawn, are taken.
    radius : float
        Of the particle, in pixels.

    Returns
    -------
    ndarray of float32, shape (size, size)
        0 beyond the radius, mean 0 within, norm 1; all 0 where the boxes are flat.
    """
    smooth = gaussian_filter(np.asarray(boxes[evenly(len(boxes))], np.float32), (0, SMOOTH, SMOOTH))
    return np.asarray(_within(aligned_averages(smooth, 1, radius)[:1], radius)[0])


def _within(images: NDArray[np.floating], radius: float) -> NDArray[np.float32]:
    """Images (n, size, size) cut to a disc, with mean 0 and norm 1 there."""
    inside = disc_mask(images.shape[-1], radius + 0.5)  # also pixels that it only cuts
    flat = np.where(inside, images - images[:, inside].mean(axis=1)[:, None, None], 0)
    norm = np.linalg.norm(flat, axis=(1, 2), keepdims=True)
    return np.asarray(flat / np.where(norm > 1e-12, norm, 1), np.float32)


def refine(
    image: NDArray[np.floating],
    average: NDArray[np.floating],
    radius: float,
    places: NDArray[np.floating],
    scores: NDArray[np.floating],
    step: tuple[float, float],
) -> Refined:
    """Move picks to where the average fits best, without leaving their peak of the scores.

    At each pixel within :data:`REACH` of a pick the best correlation over all angles, divided by the
    highest of them, and the score (times :data:`SCORE_WEIGHT`) add up; the new place is the mean of the
    pixels, weighted by the exponential of that sum over :data:`WIDTH`.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        As the average's particles were cut from; continued by reflection.
    average : ndarray of shape (size, size)
        Of :func:`particle_average`.
    radius : float
        Of the particle, in pixels.
    places : ndarray of shape (n, 2)
        Pixels (y, x).
    scores : ndarray of shape (rows, columns)
        A map of scores; −∞ where there is none.
    step : tuple of float
        Pixels per step of that map.

    Returns
    -------
    Refined
        Inside the image. Picks that correlate with no turned average stay where they are.
    """
    places = np.asarray(places, np.float64).reshape(-1, 2)
    if not len(places):
        return Refined(places, np.zeros(0))
    bank = np.array([rotate(average, 360 * k / ANGLES) for k in range(ANGLES)])
    parts, mixing = _principal(_within(bank, radius))
    reach = max(1.0, REACH * radius)
    away = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    offsets = np.stack(np.meshgrid(away, away, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = np.rint(places).astype(np.int64)[:, None] + offsets  # (n, k, 2)
    components = _correlations(image, parts, pixels)
    score: NDArray[np.float32] = map_coordinates(
        np.asarray(scores, np.float32), (pixels / np.asarray(step)).reshape(-1, 2).T, order=1, mode="nearest"
    ).reshape(pixels.shape[:2])
    near = np.linalg.norm(pixels - places[:, None], axis=2) <= reach
    parts_of = [slice(n, n + AT_ONCE) for n in range(0, len(places), AT_ONCE)]
    found = [_best(places[s], pixels[s], near[s], components[s], score[s], mixing) for s in parts_of]
    moved, which = (np.concatenate(a) for a in zip(*found, strict=True))
    return Refined(np.clip(moved, 0, np.array(image.shape) - 1), 2 * np.pi * which / ANGLES)


def _principal(bank: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Few images (k, size, size) and how they mix (k, angles) to all of the bank, or nearly so."""
    left, strength, right = np.linalg.svd(bank.reshape(len(bank), -1), full_matrices=False)
    share = np.cumsum(strength**2)
    count = int(np.searchsorted(share, (1 - LEFT_OUT) * share[-1])) + 1
    parts = right[:count].reshape(-1, *bank.shape[1:])
    return np.asarray(parts, np.float32), np.asarray((left * strength)[:, :count].T, np.float32)


def _correlations(
    image: NDArray[np.floating], parts: NDArray[np.float32], pixels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Correlation of the smoothed image with each part, centred on pixels (n, k, 2); shape (n, k, parts)."""
    half = parts.shape[1] // 2
    # Pixels of a pick may lie beyond the edge.
    rim = half + max(0, -int(pixels.min(initial=0)))
    rim = max([rim, *(half + int(pixels[..., a].max(initial=0)) - n + 1 for a, n in enumerate(image.shape))])
    level = np.float32(image.mean(dtype=np.float64))  # parts have mean 0: less to round
    smooth = gaussian_filter(np.asarray(image, np.float32) - level, SMOOTH, mode="mirror")
    padded = np.pad(smooth, rim, mode="reflect")
    shape = [fft.next_fast_len(n, real=True) for n in padded.shape]
    spectrum = fft.rfft2(padded, shape)
    rows, columns = pixels[..., 0] + rim - half, pixels[..., 1] + rim - half
    found = [fft.irfft2(spectrum * fft.rfft2(part, shape).conj(), shape)[rows, columns] for part in parts]
    return np.stack(found, axis=-1)


def _best(
    places: NDArray[np.float64],
    pixels: NDArray[np.int64],
    near: NDArray[np.bool_],
    components: NDArray[np.float32],
    score: NDArray[np.float32],
    mixing: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """New places of some picks, and the number of the angle that fits best nearby."""
    every = components @ mixing  # (n, k, angles)
    fit = np.where(near & np.isfinite(score), every.max(axis=2), -np.inf)
    highest = fit.max(axis=1, keepdims=True)
    usable = highest[:, 0] > 1e-6 * np.abs(every).max(initial=1e-30)
    with np.errstate(invalid="ignore"):
        total = fit / np.where(usable[:, None], highest, 1) + SCORE_WEIGHT * score
        total = np.where(np.isfinite(fit), total, -np.inf)
        weight = np.exp((total - total.max(axis=1, keepdims=True)) / WIDTH)
    weight = np.where(usable[:, None], weight, 0)
    sums = np.maximum(weight.sum(axis=1, keepdims=True), 1e-30)
    moved = np.where(usable[:, None], (weight[..., None] * pixels).sum(axis=1) / sums, places)
    top = np.where(usable, weight.argmax(axis=1), 0)
    return moved, every[np.arange(len(places)), top].argmax(axis=1)
