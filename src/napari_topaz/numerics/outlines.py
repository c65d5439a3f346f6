"""Outlines of what is marked in a raster, as polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def outlines(marked: NDArray[np.bool_], tolerance: float = 1.0) -> list[NDArray[np.float64]]:
    """Return a polygon round every connected part; holes are filled.

    Parameters
    ----------
    marked : ndarray of bool, shape (rows, columns)
    tolerance : float
        The outline may leave the edges of pixels by this much, pixels of the raster (Douglas & Peucker
        1973); 0 keeps every corner.

    Returns
    -------
    list of ndarray of float64, shape (n, 2)
        Corners (y, x) as fractions of height and width, so that they fit a picture of any size: (0, 0) is the
        upper left corner of the first pixel.
    """
    parts, count = ndimage.label(marked)
    size = np.array(marked.shape, np.float64)
    found = []
    for number, where in enumerate(ndimage.find_objects(parts), 1):
        part = ndimage.binary_fill_holes(parts[where] == number)
        corner = np.array([along.start for along in where], np.float64)
        found.append((_simplified(_walk(part), tolerance) + corner) / size)
    assert len(found) == count
    return found


def _walk(part: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Walk round a connected part without holes, with it on the right hand; corners, shape (n, 2)."""
    padded = np.pad(part, 1)
    follow: dict[tuple[int, int], tuple[int, int]] = {}
    # Each side of a pixel whose neighbour is not marked: (row, column) where it starts and ends.
    for shift, start, end in (
        ((-1, 0), (0, 0), (0, 1)),
        ((0, 1), (0, 1), (1, 1)),
        ((1, 0), (1, 1), (1, 0)),
        ((0, -1), (1, 0), (0, 0)),
    ):
        bare = padded & ~np.roll(padded, (-shift[0], -shift[1]), (0, 1))
        for row, column in (np.argwhere(bare) - 1).tolist():
            follow[row + start[0], column + start[1]] = (row + end[0], column + end[1])
    first = next(iter(follow))
    way, at = [first], follow[first]
    while at != first:
        way.append(at)
        at = follow[at]
    return np.array(way, np.float64)


def _simplified(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Leave out corners that lie within the tolerance of the line that is left (closed ring)."""
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    kept = np.zeros(len(closed), bool)
    kept[[0, far, -1]] = True
    todo = [(0, far), (far, len(closed) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        line, between = closed[last] - closed[first], closed[first + 1 : last] - closed[first]
        length = float(np.hypot(*line))
        across = np.abs(line[0] * between[:, 1] - line[1] * between[:, 0]) / length
        worst = int(np.argmax(across))
        if across[worst] > tolerance:
            middle = first + 1 + worst
            kept[middle] = True
            todo += [(first, middle), (middle, last)]
    simple = closed[kept][:-1]
    return simple if len(simple) > 2 else ring
