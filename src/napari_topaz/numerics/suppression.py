"""Non-maximum suppression on a score map, and sub-pixel peaks.

Greedy suppression takes the best score, drops everything within the radius of it, and starts again.
Two shortcuts leave the outcome as it is: a point that beats all others within its own disc is taken at
some time whatever happens elsewhere, so all such points are taken at once; and once few points are
left, they are gone through in order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_topaz.numerics.regions import SLACK, disc_offsets

#: Rounds end where they find fewer picks than this or leave fewer points: then one by one is faster.
FEW_PICKS, FEW_POINTS = 200, 4000
#: Comparisons per pixel of the map that a round may cost; large plateaus would cost far more.
ROUND_COST = 16


def suppress(
    scores: NDArray[np.floating],
    radius_yx: float | tuple[float, float],
    threshold: float = -math.inf,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pick the best score, suppress everything within the radius of it, and repeat.

    Parameters
    ----------
    scores : ndarray of shape (h, w)
        NaN and −∞ are never picked.
    radius_yx : float or tuple of float
        Radius in grid points, or one per axis (y, x) where their steps differ. A point at exactly
        this distance is suppressed.
    threshold : float
        Lowest score of a pick.

    Returns
    -------
    ij : ndarray of int64, shape (n, 2)
        Rows and columns, best first; equal scores in row-major order.
    scores : ndarray of float32, shape (n,)

    Raises
    ------
    ValueError
        If a radius is negative or NaN.
    """
    height, width = scores.shape
    offsets = disc_offsets(radius_yx, limit=(max(height - 1, 0), max(width - 1, 0)))
    pad_y, pad_x = (int(n) for n in offsets.max(axis=0))
    # Suppressed points are −∞. The margin lets discs hang over the edges.
    alive = np.full((height + 2 * pad_y, width + 2 * pad_x), -np.inf, np.float32)
    inner = alive[pad_y : pad_y + height, pad_x : pad_x + width]
    np.copyto(inner, scores, where=np.asarray(scores >= threshold))
    disc = offsets @ np.array([alive.shape[1], 1])
    window = _inner_window(radius_yx, (pad_y, pad_x))
    picked = [*_take_rounds(alive, disc, window), _take_in_order(alive.reshape(-1), disc)]
    rows, columns = np.divmod(np.concatenate(picked), alive.shape[1])
    ij = np.stack([rows - pad_y, columns - pad_x], axis=1).astype(np.int64)
    found = scores[ij[:, 0], ij[:, 1]].astype(np.float32)
    order = np.lexsort((ij[:, 1], ij[:, 0], -found))
    return ij[order], found[order]


def _inner_window(radius_yx: float | tuple[float, float], pad: tuple[int, int]) -> tuple[int, int]:
    """Half height and half width of a rectangle that fits into the disc."""
    both = radius_yx if isinstance(radius_yx, tuple) else (radius_yx, radius_yx)
    half = [
        min(math.floor(min(r, 1e9) / math.sqrt(2) * (1 + SLACK)), p) for r, p in zip(both, pad, strict=True)
    ]
    return half[0], half[1]


def _take_rounds(
    alive: NDArray[np.float32], disc: NDArray[np.int64], window: tuple[int, int]
) -> list[NDArray[np.int64]]:
    """Take all points that beat their whole disc, suppress around them, and repeat.

    Returns flat indices into `alive`, which is changed in place.
    """
    flat, rim = alive.reshape(-1), disc[disc != 0]
    taken: list[NDArray[np.int64]] = []
    while True:
        peaks = np.flatnonzero((alive == _window_maximum(alive, window)) & (alive > -np.inf))
        if len(peaks) * len(disc) > ROUND_COST * alive.size:
            return taken
        # Points that share the best score of their disc wait: their order matters.
        best = peaks[flat[peaks] > flat[peaks[:, None] + rim].max(axis=1, initial=-np.inf)]
        flat[best[:, None] + disc] = -np.inf
        taken.append(best)
        if len(best) < FEW_PICKS or np.count_nonzero(flat > -np.inf) < FEW_POINTS:
            return taken


def _window_maximum(image: NDArray[np.float32], half: tuple[int, int]) -> NDArray[np.float32]:
    """Maximum over the window of ± half around every pixel; −∞ beyond the edges."""
    for axis, reach in enumerate(half):
        if reach:
            image = _line_maximum(image.swapaxes(0, axis), reach).swapaxes(0, axis)
    return image


def _line_maximum(image: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Maximum over ± reach along axis 0, by doubling the length of the line."""
    pad = np.full((reach, image.shape[1]), -np.inf, np.float32)
    line = np.concatenate([pad, image, pad])
    size, length = 2 * reach + 1, 1
    while length < size:
        step = min(length, size - length)
        line = np.maximum(line[: len(line) - step], line[step:])
        length += step
    return line


def _take_in_order(flat: NDArray[np.float32], disc: NDArray[np.int64]) -> NDArray[np.int64]:
    """Go through the points that are left, best first; flat indices of those that are picked."""
    left = np.flatnonzero(flat > -np.inf)
    left = left[np.argsort(-flat[left], kind="stable")]
    # Single items of a bytearray are read several times faster than those of an array.
    free = bytearray(flat.size)
    mask = np.frombuffer(free, np.uint8)
    mask[left] = 1
    taken = []
    for point in left.tolist():
        if free[point]:
            mask[point + disc] = 0
            taken.append(point)
    return np.array(taken, np.int64)


def refine_peaks(scores: NDArray[np.floating], ij: NDArray[np.integer]) -> NDArray[np.float64]:
    """Move peaks to the top of the quadratic surface through their 3 × 3 neighbourhood.

    Parameters
    ----------
    scores : ndarray of shape (h, w)
    ij : ndarray of int, shape (n, 2)
        Rows and columns of the peaks.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Refined rows and columns, at most ½ away per axis. Peaks on the rim of the map, beside a
        value that is not finite, or on a surface without a top stay where they are.
    """
    ij = np.asarray(ij, np.int64).reshape(-1, 2)
    refined = ij.astype(np.float64)
    limit = np.array(scores.shape) - 2
    inner = np.flatnonzero(((ij >= 1) & (ij <= limit)).all(axis=1))
    step = np.arange(-1, 2)
    rows, columns = ij[inner].T
    patches = scores[rows[:, None, None] + step[:, None], columns[:, None, None] + step].astype(np.float64)
    finite = np.isfinite(patches).all(axis=(1, 2))
    refined[inner[finite]] += _tops(patches[finite])
    return refined


def _tops(patches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets of the tops of least-squares quadratic surfaces, (n, 3, 3) → (n, 2); 0 without a top."""
    y, x = patches.mean(axis=2), patches.mean(axis=1)
    slope_y, slope_x = (y[:, 2] - y[:, 0]) / 2, (x[:, 2] - x[:, 0]) / 2
    bend_y, bend_x = y[:, 2] - 2 * y[:, 1] + y[:, 0], x[:, 2] - 2 * x[:, 1] + x[:, 0]
    twist = (patches[:, 2, 2] - patches[:, 2, 0] - patches[:, 0, 2] + patches[:, 0, 0]) / 4
    determinant = bend_y * bend_x - twist**2
    top = (bend_y < 0) & (bend_x < 0) & (determinant > 1e-6 * bend_y * bend_x)
    safe = np.where(top, determinant, 1.0)
    offsets = np.stack([twist * slope_x - bend_x * slope_y, twist * slope_y - bend_y * slope_x], axis=1)
    return np.where(top[:, None], np.clip(offsets / safe[:, None], -0.5, 0.5), 0.0)
