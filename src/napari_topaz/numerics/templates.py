"""Templates: averages of particles, turned, resampled and aligned. Arrays in, arrays out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter1d
from scipy.sparse import csr_array

#: Pixels by which an image is continued before a spline is put through it, as scipy does.
AROUND = 12
#: Lobes of the windowed sinc that resamples.
LOBES = 3
#: Rounds of alignment, and the angles tried in each.
ROUNDS, ANGLES = 12, 36
#: Part of the rotational average in an aligned one: few noisy particles agree on noise, too.
SYMMETRIC = 0.25
#: An average of fewer particles than this, or than this part of an even share, is that of outliers.
FEWEST, LEAST_SHARE = 3, 0.25


def disc_mask(size: int, radius: float | None = None) -> NDArray[np.bool_]:
    """Pixels within `radius` of pixel (size // 2, size // 2), shape (size, size).

    Without a radius it is the largest disc that fits.
    """
    centre, largest = size // 2, (size - 1) // 2
    away = np.arange(size) - centre
    reach = largest if radius is None else min(radius, largest)
    return np.asarray(away[:, None] ** 2 + away**2 <= reach**2)


def rotate(image: NDArray[np.floating], angle: float) -> NDArray[np.float32]:
    """Turn a square image about pixel (size // 2, size // 2) by `angle` degrees, counter-clockwise (y down).

    Shape (size, size), which is kept. Cubic interpolation; what comes from beyond the edge is the nearest
    pixel.
    """
    source = _sources(image.shape[0], angle)
    return np.asarray(map_coordinates(image.astype(np.float32), source, order=3, mode="nearest"))


def _sources(size: int, angle: float) -> NDArray[np.float64]:
    """Where the pixels (y, x) of a turned image come from, shape (2, size, size)."""
    turn = math.radians(angle)
    y, x = (c - size // 2 for c in np.mgrid[:size, :size])
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.stack([cosine * y + sine * x, cosine * x - sine * y]) + size // 2


def rotations(images: NDArray[np.floating], angles: NDArray[np.floating]) -> NDArray[np.float32]:
    """Turn many square images by many angles, as :func:`rotate` turns one by one.

    A cubic spline's coefficients are found once for an image, and an angle is one sparse matrix for all.

    Parameters
    ----------
    images : ndarray of shape (n, size, size)
    angles : ndarray of shape (k,)
        Degrees.

    Returns
    -------
    ndarray of float32, shape (n, k, size, size)
    """
    n, size = images.shape[:2]
    wide: NDArray[np.floating] = np.pad(
        np.asarray(images, np.float32), ((0, 0), (AROUND, AROUND), (AROUND, AROUND)), mode="edge"
    )
    for axis in (1, 2):
        wide = spline_filter1d(wide, 3, axis, np.float64, "nearest")
    coefficients = wide.reshape(n, -1).T.astype(np.float32)
    found = np.empty((n, len(angles), size * size), np.float32)
    for k, angle in enumerate(angles):
        found[:, k] = (_turning(size, angle) @ coefficients).T
    return found.reshape(n, len(angles), size, size)


def _turning(size: int, angle: float) -> csr_array:
    """From spline coefficients, `AROUND` pixels wider on each side, to the pixels of the turned image."""
    places = _sources(size, angle).reshape(2, -1) + AROUND
    width = size + 2 * AROUND
    low = np.floor(places).astype(int)
    weights, taps = _spline_weights(places - low), np.arange(-1, 3)
    y, x = np.clip(low[:, :, None] + taps, 0, width - 1)
    columns = (y[:, :, None] * width + x[:, None, :]).ravel()
    values = (weights[0][:, :, None] * weights[1][:, None, :]).ravel().astype(np.float32)
    rows = np.repeat(np.arange(size * size), len(taps) ** 2)
    return csr_array((values, (rows, columns)), (size * size, width**2))


def _spline_weights(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the four nearest coefficients of a cubic B-spline, `t` beyond the second, shape (…, 4)."""
    outer, inner = (1 - t) ** 3 / 6, 2 / 3 - t**2 * (2 - t) / 2
    return np.stack([outer, inner, 1 - outer - inner - t**3 / 6, t**3 / 6], axis=-1)


def rotational_average(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Average a square image over all rotations about pixel (size // 2, size // 2).

    Each pixel becomes the mean of its ring, linear between rings; beyond the largest ring that fits it
    is the mean of that ring. Shape (size, size), which is kept.
    """
    size = image.shape[0]
    away = np.arange(size) - size // 2
    distance = np.minimum(np.hypot(away[:, None], away), (size - 1) // 2)
    low = np.minimum(distance.astype(int), max((size - 1) // 2 - 1, 0))
    part = distance - low
    inside = disc_mask(size)
    length = int(low.max()) + 2
    sums, weights = np.zeros(length), np.zeros(length)
    for ring, weight in ((low, 1 - part), (low + 1, part)):
        sums += np.bincount(ring[inside], (weight * image)[inside], length)
        weights += np.bincount(ring[inside], weight[inside], length)
    profile = sums / np.maximum(weights, 1e-12)
    return np.asarray(profile[low] * (1 - part) + profile[low + 1] * part, np.float32)


def resample(image: NDArray[np.floating], factor: float, size: int) -> NDArray[np.float32]:
    """Shrink (or enlarge) a square image about its centre, low-passed for the new pixels.

    Parameters
    ----------
    image : ndarray of shape (n, n)
        Centred on pixel (n // 2, n // 2); continued by its edge pixels.
    factor : float
        Old pixels per new pixel.
    size : int
        Of the result, which is centred on pixel (size // 2, size // 2).

    Returns
    -------
    ndarray of float32, shape (size, size)
    """
    n, wide = image.shape[0], max(1.0, factor)
    wanted = (np.arange(size) - size // 2) * factor + n // 2
    reach = math.ceil(LOBES * wide)
    around = np.arange(-reach, reach + 1) + np.floor(wanted).astype(int)[:, None]
    away = (around - wanted[:, None]) / wide
    weights = np.where(np.abs(away) < LOBES, np.sinc(away) * np.sinc(away / LOBES), 0)
    matrix = np.zeros((size, n))
    np.add.at(matrix, (np.arange(size)[:, None], np.clip(around, 0, n - 1)), weights)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return np.asarray(matrix @ image @ matrix.T, np.float32)


def aligned_averages(boxes: NDArray[np.floating], count: int, radius: float) -> NDArray[np.float32]:
    """Turn and sort particles so that they agree, and average them.

    k-means over classes and rotations: every particle goes to the class, and takes the angle, with
    which it correlates best; then the averages are formed anew. Each is mixed with its rotational
    average, as the particles partly agree on their noise.

    Parameters
    ----------
    boxes : ndarray of shape (n, size, size)
        Centred particles.
    count : int
        Averages wanted, at most n; 0 for a single rotational average without alignment.
    radius : float
        Of the disc that is compared, in pixels.

    Returns
    -------
    ndarray of float32, shape (k, size, size)
        1 ≤ k ≤ max(`count`, 1): averages of a few outliers are left out. The one of most particles first.
    """
    if count == 0:
        return rotational_average(boxes.mean(axis=0))[None]
    turned = rotations(boxes, np.arange(ANGLES) * 360 / ANGLES)
    inside = disc_mask(boxes.shape[1], radius)
    pixels = _unit(turned[:, :, inside])
    centres = _first_centres(pixels, min(count, len(boxes)))
    for _ in range(ROUNDS):
        which, angle = _best_class_and_angle(pixels, centres)
        chosen = pixels[np.arange(len(boxes)), angle]
        sums = [chosen[which == k].sum(axis=0) if (which == k).any() else c for k, c in enumerate(centres)]
        centres = _unit(np.array(sums))
    which, angle = _best_class_and_angle(pixels, centres)
    sizes = np.bincount(which, minlength=len(centres))
    enough = min(max(FEWEST, LEAST_SHARE * len(boxes) / len(centres)), sizes.max())
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= enough]
    aligned = turned[np.arange(len(boxes)), angle]
    averages = [aligned[which == k].mean(axis=0) for k in order]
    return np.array([(1 - SYMMETRIC) * a + SYMMETRIC * rotational_average(a) for a in averages], np.float32)


def centre_contrast(image: NDArray[np.floating], diameter: float) -> float:
    """Return how much brighter a centred particle is than the ring round it (negative: darker).

    Parameters
    ----------
    image : ndarray of shape (size, size)
    diameter : float
        Of the particle, in pixels; the ring lies outside of it, as far as the image goes.
    """
    size = image.shape[0]
    away = np.arange(size) - size // 2
    distance = np.hypot(away[:, None], away)
    core, ring = distance <= 0.35 * diameter, distance >= min(0.5 * diameter, size // 2)
    return float(image[core].mean() - image[ring].mean())


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Along the last axis: mean 0, norm 1 (or all 0)."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(norm > 0, norm, 1), np.float32)


def _first_centres(pixels: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The box most like the others, then always the one least like those taken, shape (count, pixels)."""
    mean = _unit(pixels.mean(axis=(0, 1)))
    taken = [pixels[int((pixels @ mean).max(axis=1).argmax()), 0]]
    while len(taken) < count:
        likeness = (pixels @ np.array(taken).T).max(axis=(1, 2))
        taken.append(pixels[int(likeness.argmin()), 0])
    return np.array(taken)


def _best_class_and_angle(
    pixels: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of class and angle, each of shape (n,), from boxes (n, angles, pixels)."""
    likeness = pixels @ centres.T
    which = likeness.max(axis=1).argmax(axis=1)
    return which, likeness[np.arange(len(pixels)), :, which].argmax(axis=1)
