"""Peaks of a coarse map between its grid points, and which of them stay when they are too near.

A network of stride 4 scores a particle of 19 px on five points a side. Two particles side by side then
have no peak each on the grid, and a greedy choice of grid points takes flanks for particles. The map
is therefore interpolated before its peaks are sought, and distances are those of the refined places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter
from scipy.spatial import cKDTree

from napari_topaz.numerics.regions import SLACK

#: Peaks are sought on a grid of at least so many points per particle radius, where that takes no more
#: than :data:`FINEST` points in place of one.
POINTS_PER_RADIUS, FINEST = 9.0, 4


def finer_factor(radius: float) -> int:
    """Return into how many steps one of the grid is divided; `radius` of the particle in grid points.

    Raises
    ------
    ValueError
        If the radius is negative or NaN.
    """
    if not radius >= 0:
        raise ValueError(f"A radius must not be negative: {radius}.")
    return FINEST if radius == 0 else min(FINEST, max(1, math.ceil(POINTS_PER_RADIUS / radius)))


def finer(scores: NDArray[np.floating], factor: int) -> NDArray[np.float32]:
    """Interpolate a map by cubic B-splines; its own points keep their values.

    Unser, IEEE Signal Process. Mag. 16(6), 22 (1999); the map is continued by reflection.

    Parameters
    ----------
    scores : ndarray of shape (h, w)
    factor : int
        Steps that one step of the grid becomes.

    Returns
    -------
    ndarray of float32, shape ((h − 1) · factor + 1, (w − 1) · factor + 1)
        −∞ in the cells of the grid that have a corner which is not finite, but for their other corners.
    """
    given = np.asarray(scores, np.float32)
    known = np.isfinite(given)
    if factor == 1 or not known.any():
        return np.where(np.isnan(given), np.float32(-np.inf), given)
    smooth = given if known.all() else np.where(known, given, given[known].min())
    fine = spline_filter(smooth, order=3, output=np.float32, mode="mirror")
    for axis in (1, 0):
        fine = _finer_lines(fine.swapaxes(0, axis), factor).swapaxes(0, axis)
    if not known.all():
        for axis in (0, 1):
            known = _known_lines(known.swapaxes(0, axis), factor).swapaxes(0, axis)
        fine[~known] = -np.inf
    fine[::factor, ::factor] = np.where(np.isnan(given), np.float32(-np.inf), given)
    return fine


def _finer_lines(coefficients: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Values of splines along axis 0, from their coefficients."""
    n = len(coefficients)
    if n == 1:
        return coefficients
    padded = np.pad(coefficients, ((1, 1), (0, 0)), mode="reflect")
    fine = np.empty(((n - 1) * factor + 1, coefficients.shape[1]), np.float32)
    for phase in range(factor):
        t, rows = phase / factor, n if phase == 0 else n - 1
        weights = ((1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3)
        part = np.float32(weights[0] / 6) * padded[:rows]
        for k in (1, 2, 3) if phase else (1, 2):
            part += np.float32(weights[k] / 6) * padded[k : rows + k]
        fine[phase::factor] = part
    return fine


def _known_lines(known: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Along axis 0: points between two known ones, and those themselves."""
    fine = np.repeat(known[:-1] & known[1:], factor, axis=0)
    fine = np.concatenate([fine, known[-1:]])
    fine[::factor] = known
    return fine


def local_maxima(scores: NDArray[np.floating], threshold: float = -math.inf) -> NDArray[np.int64]:
    """Find the points that no neighbour beats; of equal neighbours the first in row-major order.

    Parameters
    ----------
    scores : ndarray of shape (h, w)
        NaN and −∞ are no peaks.
    threshold : float
        Lowest score of a peak.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Rows and columns, in row-major order.
    """
    padded = np.pad(np.asarray(scores, np.float32), 1, constant_values=-np.inf)
    padded[np.isnan(padded)] = -np.inf
    inner, highest = padded[1:-1, 1:-1], padded
    highest = np.maximum(np.maximum(highest[:-2], highest[1:-1]), highest[2:])
    highest = np.maximum(np.maximum(highest[:, :-2], highest[:, 1:-1]), highest[:, 2:])
    ij = np.argwhere((inner == highest) & (inner > -np.inf) & (inner >= threshold))
    earlier = np.array([[-1, -1], [-1, 0], [-1, 1], [0, -1]])
    around = (ij[:, None] + earlier + 1).reshape(-1, 2)
    beats = inner[tuple(ij.T)][:, None] > padded[tuple(around.T)].reshape(-1, len(earlier))
    return np.asarray(ij[beats.all(axis=1)], np.int64)


@dataclass(frozen=True, eq=False)
class Ellipses:
    """Elongated particles: the distance that picks keep is that of an ellipse round each.

    Attributes
    ----------
    angles : ndarray of float64, shape (n,)
        Of the long axis from x towards y, in radians.
    aspect : float
        Long over short axis, at least 1.
    """

    angles: NDArray[np.float64]
    aspect: float


def spaced(
    places: NDArray[np.floating],
    scores: NDArray[np.floating],
    radius: float,
    ellipses: Ellipses | None = None,
) -> NDArray[np.int64]:
    """Take the best, drop all within the radius of it, and repeat.

    Parameters
    ----------
    places : ndarray of shape (n, 2)
        (y, x), continuous.
    scores : ndarray of shape (n,)
    radius : float
        In units of `places`; what lies at exactly this distance is dropped.
    ellipses : Ellipses, optional
        Dropped is then what has its centre in the ellipse of what is taken, or the centre of what is
        taken in its own; the radius is half the long axis.

    Returns
    -------
    ndarray of int64, shape (m,)
        Indices of what is taken, best first; of equal scores the first.

    Raises
    ------
    ValueError
        If the radius is negative or NaN, or an aspect ratio is below 1.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    ranked = np.asarray(places, np.float64).reshape(-1, 2)[order]
    turned = None if ellipses is None else replace(ellipses, angles=ellipses.angles[order])
    return np.asarray(order[_left(len(ranked), _too_near(ranked, radius, turned))], np.int64)


def settled(
    places: NDArray[np.floating],
    moved: NDArray[np.floating],
    radius: float,
    ellipses: Ellipses | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Move what :func:`spaced` took, as far as it keeps its distance.

    One after the other goes to its new place; where that is too near to a better one it stays where it is,
    and where that is too near as well, it is dropped. No worse one ever matters: a higher threshold
    leaves the others as they are.

    Parameters
    ----------
    places, moved : ndarray of shape (n, 2)
        Where they are, best first, and where they should go.
    radius, ellipses
        As they were taken with.

    Returns
    -------
    kept : ndarray of int64, shape (m,)
        Indices, best first.
    places : ndarray of float64, shape (m, 2)
    """
    count = len(places)
    both = np.concatenate([np.asarray(yx, np.float64).reshape(-1, 2) for yx in (moved, places)])
    twice = None if ellipses is None else replace(ellipses, angles=np.tile(ellipses.angles, 2))
    pairs = _too_near(both, radius, twice)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    ends = np.searchsorted(pairs[:, 0], np.arange(2 * count + 1)).tolist()
    free, kept = np.ones(2 * count, bool), []
    for rank in range(count):
        chosen = next((place for place in (rank, count + rank) if free[place]), None)
        if chosen is not None:
            kept.append(chosen)
            free[pairs[ends[chosen] : ends[chosen + 1], 1]] = False
    chosen_places = np.array(kept, np.int64)
    return chosen_places % max(count, 1), both[chosen_places]


def _too_near(ranked: NDArray[np.float64], radius: float, ellipses: Ellipses | None) -> NDArray[np.intp]:
    """Pairs (better, worse) of which one must go, shape (n, 2)."""
    if not radius >= 0:
        raise ValueError(f"A radius must not be negative: {radius}.")
    if ellipses is not None and not ellipses.aspect >= 1:
        raise ValueError(f"An aspect ratio must be at least 1: {ellipses.aspect}.")
    if not len(ranked):
        return np.zeros((0, 2), np.intp)
    pairs = cKDTree(ranked).query_pairs(min(radius, 1e300) * (1 + SLACK), output_type="ndarray")
    if ellipses is not None and radius > 0:
        apart = (ranked[pairs[:, 1]] - ranked[pairs[:, 0]]) / radius
        within = [_in_ellipse(apart, ellipses.angles[pairs[:, k]], ellipses.aspect) for k in (0, 1)]
        pairs = pairs[within[0] | within[1]]
    return np.asarray(pairs, np.intp)


def _in_ellipse(apart: NDArray[np.float64], angles: NDArray[np.float64], aspect: float) -> NDArray[np.bool_]:
    """Whether vectors (n, 2) (y, x) end in the ellipse whose long half-axis is 1."""
    along = apart[:, 1] * np.cos(angles) + apart[:, 0] * np.sin(angles)
    across = apart[:, 0] * np.cos(angles) - apart[:, 1] * np.sin(angles)
    return np.asarray(along**2 + (aspect * across) ** 2 <= (1 + SLACK) ** 2)


def _left(count: int, pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which ranks stay, where of each pair (better, worse) that stays the worse must go."""
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    ends = np.searchsorted(pairs[:, 0], np.arange(count + 1)).tolist()
    stays, worse = np.ones(count, bool), pairs[:, 1]
    for rank in np.unique(pairs[:, 0]).tolist():
        if stays[rank]:
            stays[worse[ends[rank] : ends[rank + 1]]] = False
    return stays
