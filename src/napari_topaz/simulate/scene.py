"""What lies in the ice: carbon film, contaminations, gold, particles and fragments, the grain of the ice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import expit

from napari_topaz.numerics.shapes import Blobs, add_projection, random_view
from napari_topaz.simulate.canvas import GOLD, Canvas
from napari_topaz.simulate.microscope import bead_thickness

#: Phase shift of protein relative to ice, and the one gold is given, in radians per Å.
PROTEIN, GOLD_PHASE = 1.2e-3, 4e-3
#: Edge (Å) of the square whose mean number of contaminations is the option.
CONTAMINATED = 3600


def carbon_film(canvas: Canvas) -> NDArray[np.float32] | None:
    """Fraction of carbon of every pixel, shape of the phase, in some micrographs: the rim of a hole."""
    rng, length = canvas.rng, len(canvas.phase)
    present = rng.random() < canvas.settings.carbon
    direction, covered = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.3)
    if not present:
        return None
    radius = 1.2 * length
    away = radius - (0.5 - covered) * length
    y, x = (
        np.arange(length, dtype=np.float32) - np.float32(length / 2 + away * part)
        for part in (math.sin(direction), math.cos(direction))
    )
    outside = np.hypot(y[:, None], x) - np.float32(radius)
    return np.asarray(expit(outside / np.float32(max(1.0, canvas.diameter / 12))))


def add_contaminations(canvas: Canvas) -> NDArray[np.float64]:
    """Add lumps of ice; returns rows of (y, x, radius), shape (n, 3)."""
    rng = canvas.rng
    size_in_angstrom = len(canvas.phase) * canvas.settings.pixel_size
    n = rng.poisson(canvas.settings.contaminations * (size_in_angstrom / CONTAMINATED) ** 2)
    radii = canvas.diameter / 2 * np.exp(rng.normal(0.2, 0.5, n))
    centres = canvas.anywhere(n)
    for centre, radius in zip(centres, radii, strict=True):
        blobs = rng.integers(6, 14)
        spots = np.concatenate([rng.normal(0, 0.35, (blobs, 2)), np.zeros((blobs, 1))], axis=1) * radius
        lump = Blobs(spots, rng.uniform(0.12, 0.3, blobs) * radius, rng.uniform(0.5, 1.5, blobs) / blobs)
        thickness = radius * canvas.settings.pixel_size * rng.uniform(1.5, 4.0)
        factor = PROTEIN * thickness * radius**2 * 1.5
        add_projection(canvas.phase, lump, (float(centre[0]), float(centre[1])), float(factor))
    return np.column_stack([centres, radii])


def add_gold(canvas: Canvas) -> NDArray[np.float64]:
    """Add the phase of gold beads; returns rows of (y, x, radius), shape (n, 3).

    Beads of one size, to a tenth. Their absorption is the microscope's to apply.
    """
    settings = canvas.settings
    rng = canvas.stream(GOLD)
    n = rng.poisson(settings.gold * canvas.area)
    radii = settings.gold_diameter / settings.pixel_size / 2 * rng.uniform(0.9, 1.1, n)
    beads = np.column_stack([canvas.anywhere(n, rng), radii])
    for bead in beads:
        where, thickness = bead_thickness(bead, canvas.phase.shape)
        canvas.phase[where] += np.float32(GOLD_PHASE * settings.pixel_size) * thickness
    return beads


def place_particles(
    canvas: Canvas, film: NDArray[np.float32] | None, dirt: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Random centres on free ice, not too near to each other, shape (n, 2)."""
    wanted = canvas.rng.poisson(canvas.settings.particles * canvas.area)
    # Places are offered in excess: some are taken. On a full micrograph there are fewer than wanted.
    offered = canvas.anywhere(8 * wanted)
    free = np.ones(len(offered), bool)
    for y, x, radius in dirt:
        gap = np.hypot(offered[:, 0] - y, offered[:, 1] - x) - radius
        free &= gap > canvas.diameter / 2
    if film is not None:
        rows, columns = offered.astype(np.intp).T
        free &= film[rows, columns] < 0.05
    offered = offered[free]
    return offered[_apart(offered, canvas.settings.spacing * canvas.diameter, wanted)]


def _apart(yx: NDArray[np.float64], distance: float, wanted: int) -> NDArray[np.intp]:
    """Indices of the first `wanted` points that keep their distance from those taken before."""
    crowd = cKDTree(yx) if len(yx) else None
    free = np.ones(len(yx), bool)
    taken: list[int] = []
    for number in range(len(yx)):
        if crowd is None or len(taken) == wanted:
            break
        if free[number]:
            taken.append(number)
            free[crowd.query_ball_point(yx[number], distance)] = False
    return np.array(taken, np.intp)


def add_particles(canvas: Canvas, particle: Blobs, centres: NDArray[np.float64]) -> None:
    """Add a random view at every centre, shape (n, 2), (y, x) in pixels, and fragments anywhere."""
    rng, settings = canvas.rng, canvas.settings
    # Of a full sphere: the integral of the phase shift over the projection, in radians · px².
    factor = PROTEIN * math.pi / 6 * settings.diameter**3 / settings.pixel_size**2
    for y, x in centres:
        strength = factor * rng.uniform(0.75, 1.15)
        add_projection(canvas.phase, random_view(particle, rng, settings.preferred_views), (y, x), strength)
    for y, x in canvas.anywhere(rng.poisson(settings.fragments * len(centres))):
        view = random_view(particle, rng)
        cut = np.quantile(view.centres[:, 2], rng.uniform(0.25, 0.6))
        fragment = random_view(view.part(view.centres[:, 2] <= cut), rng)
        add_projection(canvas.phase, fragment, (y, x), factor)


def add_grain(canvas: Canvas, film: NDArray[np.float32] | None) -> None:
    """Add the random structure of the ice, and the stronger one of carbon (of :func:`carbon_film`)."""
    grain = canvas.rng.standard_normal(canvas.phase.shape, np.float32)
    grain *= np.float32(canvas.settings.ice_grain / canvas.settings.pixel_size)
    if film is not None:
        grain *= 1 + film
    canvas.phase[...] += grain
