"""Simple 3-D models of particles: clouds of Gaussian blobs, and their projections.

A new shape is one function and one entry of :data:`SHAPES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

#: Blobs end at this many standard deviations, where a model's size is concerned.
EXTENT = 1.5


@dataclass(frozen=True, eq=False)
class Blobs:
    """A cloud of isotropic Gaussians.

    Attributes
    ----------
    centres : ndarray of float64, shape (n, 3)
        Centred on the centre of mass.
    widths : ndarray of float64, shape (n,)
        Standard deviations.
    weights : ndarray of float64, shape (n,)
        Integrals.
    """

    centres: NDArray[np.float64]
    widths: NDArray[np.float64]
    weights: NDArray[np.float64]

    def part(self, which: NDArray[np.bool_]) -> Blobs:
        """Some of the blobs, on their own centre of mass."""
        centres, weights = self.centres[which], self.weights[which]
        return Blobs(centres - np.average(centres, axis=0, weights=weights), self.widths[which], weights)

    @property
    def radius(self) -> float:
        """Distance from the centre to the farthest end of a blob."""
        return float((np.linalg.norm(self.centres, axis=1) + EXTENT * self.widths).max())


def _globular(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four lobes of different size."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    lobes = (corners + 0.25 * rng.normal(size=(4, 3))) * rng.uniform(0.45, 0.6, (4, 1))
    sizes = np.array([14, 12, 10, 8])
    return np.repeat(lobes, sizes, axis=0) + 0.4 * _ball(sizes.sum(), rng)


def _ball(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random points in a ball of radius 1, shape (n, 3)."""
    points = rng.normal(size=(n, 3))
    points *= rng.uniform(0, 1, (n, 1)) ** (1 / 3) / np.linalg.norm(points, axis=1, keepdims=True)
    return points


def _barrel(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four rings of seven subunits, like a proteasome."""
    angle = 2 * np.pi * np.arange(7) / 7
    rings = [
        np.stack([0.55 * np.cos(angle + turn), 0.55 * np.sin(angle + turn), np.full(7, z)], axis=1)
        for turn, z in zip(rng.uniform(0, 0.9, 4), (-0.75, -0.25, 0.25, 0.75), strict=True)
    ]
    return np.concatenate(rings)


def _rod(rng: np.random.Generator) -> NDArray[np.float64]:
    """A slightly bent rod with a knob at one end."""
    z = np.linspace(-1, 1, 18)
    stick = np.stack([0.15 * z**2, 0.05 * rng.normal(size=18), z], axis=1)
    return np.concatenate([stick, [0.15, 0, 1] + 0.35 * _ball(8, rng)])


@dataclass(frozen=True)
class Shape:
    """How a shape is made.

    Attributes
    ----------
    centres : callable
        Centres of its blobs, shape (n, 3), from a random generator; of a size of about 1.
    width : float
        Standard deviation of the blobs, in the unit of the centres.
    filled : float
        Fraction of the sphere of its diameter that it fills.
    """

    centres: Callable[[np.random.Generator], NDArray[np.float64]]
    width: float
    filled: float


SHAPES = {
    "barrel": Shape(_barrel, width=0.2, filled=0.4),
    "globular": Shape(_globular, width=0.15, filled=0.4),
    "rod": Shape(_rod, width=0.15, filled=0.1),
}


def make_shape(shape: str, diameter: float, rng: np.random.Generator) -> Blobs:
    """Return a model of a shape.

    Parameters
    ----------
    shape : str
        One of :data:`SHAPES`.
    diameter : float
        Longest extent, in the unit that the model shall have.
    rng : numpy.random.Generator
        Decides what the shape leaves open.

    Returns
    -------
    Blobs
        Weights add up to the fraction of the sphere that the shape fills.

    Raises
    ------
    ValueError
        If the shape is unknown.
    """
    if shape not in SHAPES:
        raise ValueError(f"Unknown shape {shape!r}: choose from {', '.join(SHAPES)}.")
    recipe = SHAPES[shape]
    centres = recipe.centres(rng)
    n = len(centres)
    widths = recipe.width * rng.uniform(0.8, 1.2, n)
    cloud = Blobs(centres, widths, np.full(n, recipe.filled / n)).part(np.ones(n, bool))
    scale = diameter / 2 / cloud.radius
    return Blobs(cloud.centres * scale, cloud.widths * scale, cloud.weights)


def random_view(blobs: Blobs, rng: np.random.Generator) -> Blobs:
    """Turn a model to a random orientation."""
    return Blobs(Rotation.random(rng=rng).apply(blobs.centres), blobs.widths, blobs.weights)


def add_projection(canvas: NDArray[np.float32], blobs: Blobs, yx: tuple[float, float], factor: float) -> None:
    """Add the projection of a model along its third axis to an image, in place.

    Parameters
    ----------
    canvas : ndarray of float32, shape (height, width)
    blobs : Blobs
        In pixels. What lies outside of the canvas is cut off.
    yx : tuple of float
        Where its centre goes.
    factor : float
        The integral of a blob is its weight times this.
    """
    reach = float((np.linalg.norm(blobs.centres, axis=1) + 4 * blobs.widths).max())
    spans, profiles = [], []
    for axis, (centre, size) in enumerate(zip(yx, canvas.shape, strict=True)):
        first, last = max(0, round(centre - reach)), min(size, round(centre + reach) + 1)
        if first >= last:
            return
        away = np.arange(first, last) - centre - blobs.centres[:, axis, None]
        profiles.append(np.exp(-((away / blobs.widths[:, None]) ** 2) / 2))
        spans.append(slice(first, last))
    heights = factor * blobs.weights / (2 * np.pi * blobs.widths**2)
    canvas[tuple(spans)] += ((profiles[0] * heights[:, None]).T @ profiles[1]).astype(np.float32)
