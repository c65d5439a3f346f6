"""Masks: what of one micrograph counts neither for training nor for picking."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

#: Height over width of a raster may differ by this much from that of its micrograph: whole pixels.
SAME_PROPORTIONS = 0.03


@dataclass(frozen=True, eq=False)
class Mask:
    """Polygons, a raster and a margin from the edges; a place under any of them is masked.

    Attributes
    ----------
    polygons : tuple of ndarray of float32, shape (n, 2)
        Corners (y, x) in pixels of the micrograph, in the package's convention. A place is inside where a
        ray from it crosses the outline an odd number of times (even–odd rule).
    raster : ndarray of bool, shape (rows, columns), or None
        True where masked; of any size, spread over the whole micrograph, as a binned picture of it.
    margin : float
        Places nearer to an edge than this are masked, in pixels of the micrograph.
    """

    polygons: tuple[NDArray[np.float32], ...] = ()
    raster: NDArray[np.bool_] | None = field(default=None)
    margin: float = 0.0

    def __post_init__(self) -> None:
        polygons = tuple(np.array(p, np.float32).reshape(-1, 2) for p in self.polygons)
        for polygon in polygons:
            if len(polygon) < 3 or not np.isfinite(polygon).all():
                raise ValueError("A polygon of a mask needs three corners or more, all of them finite.")
            polygon.setflags(write=False)
        object.__setattr__(self, "polygons", polygons)
        if not (self.margin >= 0 and np.isfinite(self.margin)):
            raise ValueError(f"The margin of a mask must not be negative: {self.margin}.")
        if self.raster is not None:
            raster = np.array(self.raster, bool)
            if raster.ndim != 2 or 0 in raster.shape:
                raise ValueError(f"The raster of a mask must be a picture, but its shape is {raster.shape}.")
            raster.setflags(write=False)
            object.__setattr__(self, "raster", raster)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is masked."""
        return not self.polygons and not self.margin and (self.raster is None or not self.raster.any())

    def __add__(self, other: Mask) -> Mask:
        """What either masks; of two rasters the finer one's grid is kept."""
        rasters = [m.raster for m in (self, other) if m.raster is not None]
        raster = None
        if rasters:
            shape = max((r.shape for r in rasters), key=lambda s: s[0] * s[1])
            raster = reduce(or_, (_on(r, *_centres(shape)) for r in rasters))
        return Mask(self.polygons + other.polygons, raster, max(self.margin, other.margin))

    def with_margin(self, margin: float) -> Mask:
        """The same with another margin."""
        return replace(self, margin=margin)

    def rescaled(self, factor: float) -> Mask:
        """Return the mask of a micrograph `factor` times as large."""
        return Mask(tuple(p * np.float32(factor) for p in self.polygons), self.raster, self.margin * factor)

    def covers(self, yx: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which places are masked.

        Parameters
        ----------
        yx : ndarray of shape (n, 2)
            (y, x) in pixels of the micrograph; what lies outside of it is masked by a raster as the nearest
            pixel is.
        shape : tuple of int
            (height, width) of the micrograph.

        Returns
        -------
        ndarray of bool, shape (n,)

        Raises
        ------
        ValueError
            Where the raster has other proportions than the micrograph.
        """
        y, x = np.asarray(yx, np.float64).reshape(-1, 2).T
        covered = ~_within(y, shape[0], self.margin) | ~_within(x, shape[1], self.margin)
        if not self.margin:
            covered[:] = False
        if self.raster is not None:
            self.check(shape)
            covered |= _on(self.raster, (y + 0.5) / shape[0], (x + 0.5) / shape[1])
        for polygon in self.polygons:
            inside = np.zeros(len(y), bool)
            for (y0, x0), (y1, x1) in _edges(polygon):
                crossed = (y0 <= y) != (y1 <= y)
                inside[crossed] ^= x[crossed] < x0 + (y[crossed] - y0) / (y1 - y0) * (x1 - x0)
            covered |= inside
        return covered

    def on_grid(
        self, shape: tuple[int, int], grid: tuple[int, int], step_yx: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """Return which points of a grid are masked; the same as :meth:`covers`, but faster.

        Parameters
        ----------
        shape : tuple of int
            (height, width) of the micrograph.
        grid : tuple of int
            (rows, columns) of the grid, as of preprocessed images and of score maps.
        step_yx : tuple of float
            Point (i, j) lies at (i · step_y, j · step_x) of the micrograph.

        Returns
        -------
        ndarray of bool, shape `grid`

        Raises
        ------
        ValueError
            See :meth:`covers`.
        """
        y, x = (np.arange(n, dtype=np.float64) * step for n, step in zip(grid, step_yx, strict=True))
        covered = np.zeros(grid, bool)
        if self.margin:
            covered |= ~np.logical_and.outer(
                _within(y, shape[0], self.margin), _within(x, shape[1], self.margin)
            )
        if self.raster is not None:
            self.check(shape)
            covered |= _on(self.raster, (y[:, None] + 0.5) / shape[0], (x[None] + 0.5) / shape[1])
        for polygon in self.polygons:
            covered |= _filled(polygon, y, x)
        return covered

    def check(self, shape: tuple[int, int]) -> None:
        """Refuse the raster of a micrograph of another shape (height, width).

        Raises
        ------
        ValueError
            Where the proportions differ.
        """
        if self.raster is None:
            return
        rows, columns = self.raster.shape
        ratio, slack = rows / columns / (shape[0] / shape[1]), SAME_PROPORTIONS + 1 / min(rows, columns)
        if not 1 / (1 + slack) <= ratio <= 1 + slack:
            raise ValueError(
                f"The mask is {columns} × {rows} px (width × height), which is no scaled picture of a "
                f"micrograph of {shape[1]} × {shape[0]} px; check whose it is, or turn it."
            )


def masked_pixels(mask: Mask | None, shape: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of a picture of the whole micrograph, `grid` (rows, columns), are masked."""
    step = (shape[0] / grid[0], shape[1] / grid[1])
    return np.zeros(grid, bool) if mask is None else mask.on_grid(shape, grid, step)


def _within(along: NDArray[np.float64], length: int, margin: float) -> NDArray[np.bool_]:
    """As :meth:`napari_topaz.picks.Picks.inside` has it, along one axis."""
    return np.asarray((along >= margin - 0.5) & (along < length - 0.5 - margin))


def _on(
    raster: NDArray[np.bool_], down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Read a raster at fractions of its height and width."""
    row, column = (
        np.clip(np.floor(at * n).astype(np.intp), 0, n - 1)
        for at, n in zip((down, across), raster.shape, strict=True)
    )
    return np.asarray(raster[row, column])


def _centres(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the pixels of a raster lie, as fractions of its height and width."""
    return (np.arange(shape[0]) + 0.5)[:, None] / shape[0], (np.arange(shape[1]) + 0.5)[None] / shape[1]


def _edges(polygon: NDArray[np.float32]) -> zip[tuple[list[float], list[float]]]:
    corners = polygon.astype(np.float64).tolist()
    return zip(corners, [*corners[1:], corners[0]], strict=True)


def _filled(
    polygon: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Fill a polygon on the grid of `y` (rows) and `x` (columns), both ascending, row by row.

    Every crossing of a row toggles all columns before it (even–odd rule).
    """
    toggles = np.zeros((len(y), len(x) + 1), np.int32)
    for (y0, x0), (y1, x1) in _edges(polygon):
        rows = np.flatnonzero((y0 <= y) != (y1 <= y))
        if len(rows):
            crossing = x0 + (y[rows] - y0) / (y1 - y0) * (x1 - x0)
            toggles[rows, np.searchsorted(x, crossing)] += 1
    after = toggles.cumsum(axis=1)
    # Crossings strictly behind a column: all of its row but those at or before it.
    return np.asarray((after[:, -1:] - after[:, :-1]) % 2 == 1)
