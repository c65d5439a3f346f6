"""Simple 3-D models of particles: clouds of Gaussian blobs, and their projections.

A new shape is one function and one entry of :data:`SHAPES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
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

    @property
    def length(self) -> float:
        """Longest extent: the largest distance of the ends of two blobs."""
        ends = EXTENT * self.widths
        return float((cdist(self.centres, self.centres) + ends[:, None] + ends).max())


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
    x = np.linspace(-1, 1, 18)
    stick = np.stack([x, 0.15 * x**2, 0.05 * rng.normal(size=18)], axis=1)
    return np.concatenate([stick, [0.95, 0.15, 0] + 0.25 * _ball(8, rng)])


def _ring(rng: np.random.Generator) -> NDArray[np.float64]:
    """Eleven subunits round a hole."""
    angle = 2 * np.pi * np.arange(11) / 11
    return np.stack([np.cos(angle), np.sin(angle), 0.05 * rng.normal(size=11)], axis=1)


def _l_shape(rng: np.random.Generator) -> NDArray[np.float64]:
    """Two arms at a right angle, the one longer and bent out of the plane."""
    x, y = np.linspace(0, 1.4, 11), np.linspace(0.14, 1.1, 8)
    bend = 0.1 * rng.normal()
    long = np.stack([x, np.zeros(11), bend * x**2], axis=1)
    return np.concatenate([long, np.stack([np.zeros(8), y, np.zeros(8)], axis=1)])


def _y_shape(rng: np.random.Generator) -> NDArray[np.float64]:
    """Three arms of two domains each, on hinges, like an antibody."""
    arms = []
    for turn in 2 * np.pi * np.arange(3) / 3 + 0.2 * rng.normal(size=3):
        along = np.array([np.cos(turn), np.sin(turn), 0.15 * rng.normal()])
        domains = np.repeat([0.35, 0.9], 7)[:, None] * along
        arms.append(domains + 0.22 * _ball(14, rng))
    return np.concatenate(arms)


def _disc(rng: np.random.Generator) -> NDArray[np.float64]:
    """A flat disc of lipid with a domain of protein on one face."""
    disc = _ball(70, rng)
    domain = np.array([0.1, 0, 0.6]) + 0.4 * _ball(20, rng)
    return np.concatenate([disc * [1, 1, 0.18], domain])


def _shell(rng: np.random.Generator) -> NDArray[np.float64]:
    """A hollow shell: two subunits in each of the 60 asymmetric units of an icosahedron."""
    subunits = np.array([[0.15, 0.1, 1.0], [0.45, 0.3, 1.0]]) + 0.05 * rng.normal(size=(2, 3))
    subunits /= np.linalg.norm(subunits, axis=1, keepdims=True)
    return np.concatenate([turn.apply(subunits) for turn in Rotation.create_group("I")])


@dataclass(frozen=True)
class Shape:
    """How a shape is made.

    Attributes
    ----------
    centres : callable
        Centres of its blobs, shape (n, 3), from a random generator; of a size of about 1. The third
        axis is the one along which preferred views look: tall shapes from the top, flat ones from above.
    width : float
        Standard deviation of the blobs, in the unit of the centres.
    filled : float
        Fraction of the sphere of its diameter that it fills.
    round : bool
        Whether its diameter is that of the sphere round its centre of mass that holds it; otherwise it
        is its longest extent.
    """

    centres: Callable[[np.random.Generator], NDArray[np.float64]]
    width: float
    filled: float
    round: bool = False


#: By the names of :data:`napari_topaz.choices.SHAPES`.
SHAPES = {
    "globular": Shape(_globular, width=0.15, filled=0.4, round=True),
    "barrel": Shape(_barrel, width=0.2, filled=0.4),
    "rod": Shape(_rod, width=0.15, filled=0.1),
    "ring": Shape(_ring, width=0.2, filled=0.2),
    "l-shape": Shape(_l_shape, width=0.14, filled=0.12),
    "y-shape": Shape(_y_shape, width=0.14, filled=0.15),
    "disc": Shape(_disc, width=0.15, filled=0.25),
    "shell": Shape(_shell, width=0.12, filled=0.35),
}


def make_shape(shape: str, diameter: float, rng: np.random.Generator) -> Blobs:
    """Return a model of a shape.

    Parameters
    ----------
    shape : str
        One of :data:`SHAPES`.
    diameter : float
        Longest extent, in the unit that the model shall have; of a globular one, whose lobes are drawn,
        the sphere round the centre of mass that holds it (its longest extent is a tenth to a sixth shorter).
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
    scale = diameter / 2 / cloud.radius if recipe.round else diameter / cloud.length
    return Blobs(cloud.centres * scale, cloud.widths * scale, cloud.weights)


def random_view(blobs: Blobs, rng: np.random.Generator, preference: float = 0.0) -> Blobs:
    """Turn a model to a random orientation.

    Parameters
    ----------
    blobs : Blobs
    rng : numpy.random.Generator
        As many numbers are drawn whatever the preference is.
    preference : float
        Mean resultant length of the directions of view, which follow a von Mises–Fisher distribution
        about the model's third axis: 0 is uniform on the sphere, 1 is that axis alone. The angle in
        the plane of the image is always uniform.
    """
    turn = Rotation.random(None, rng)
    if preference > 0:
        before, tilt, after = turn.as_euler("zyz")
        nearer = math.acos(_concentrate(math.cos(tilt), preference))
        turn = Rotation.from_euler("zyz", [before, nearer, after])
    return Blobs(turn.apply(blobs.centres), blobs.widths, blobs.weights)


def _concentrate(cosine: float, preference: float) -> float:
    """Turn a uniform cosine of the tilt into one of a von Mises–Fisher distribution.

    The inverse of its cumulative distribution on the sphere (Wood, Commun. Stat. Simul. 23, 157 (1994));
    κ of a mean resultant length as by Banerjee et al., JMLR 6, 1345 (2005), eq. 4.4, within 3 %.
    """
    if preference >= 1:
        return 1.0
    kappa = preference * (3 - preference**2) / (1 - preference**2)
    share = (cosine + 1) / 2
    found = 1 + math.log(share + (1 - share) * math.exp(-2 * kappa)) / kappa
    return min(1.0, max(-1.0, found))


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
