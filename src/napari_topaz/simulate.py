"""Simulated micrographs with known truth, for the demo, sample data and tests.

A weak phase object (particles, fragments of them, contaminations, the grain of the ice) is seen through
a contrast transfer function of an underfocused microscope; absorption, uneven ice, sometimes the edge of
the carbon film, shot noise and a few hot pixels are added. Lengths are in pixels unless a name says Å.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree
from scipy.special import expit

from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.shapes import Blobs, add_projection, make_shape, random_view
from napari_topaz.picks import Picks
from napari_topaz.settings import SimulateSettings

#: Microscope: wavelength (Å) at 300 kV, spherical aberration (Å), amplitude contrast, range of the
#: defocus (Å) and decay of the signal at high frequencies (Å²).
WAVELENGTH, ABERRATION, AMPLITUDE = 0.0197, 2.7e7, 0.1
DEFOCUS, B_FACTOR = (12_000.0, 28_000.0), 250.0
#: Phase shift of protein relative to ice, in radians per Å.
PROTEIN = 1.2e-3
#: Standard deviation of the grain of the ice (radians · Å: falls with the size of a pixel).
ICE_GRAIN = 0.2
#: Smallest distance of two particles, in diameters.
SPACING = 0.9
#: Fragments per particle, contaminations per (3600 Å)², share of micrographs with carbon.
FRAGMENTS, CONTAMINATIONS, CARBON = 0.35, 7.0, 0.2
#: Hot pixels per million, and their value relative to the others.
HOT, HOT_VALUE = 4, 6.0
#: Electrons per pixel above which Gaussian noise stands in for Poisson's.
MANY_ELECTRONS = 30.0


@dataclass(frozen=True, eq=False)
class _Field:
    """The canvas: the micrograph and a margin, so that nothing wraps around or begins at its edge."""

    settings: SimulateSettings
    rng: np.random.Generator
    phase: NDArray[np.float32]
    margin: int

    @property
    def diameter(self) -> float:
        return self.settings.diameter / self.settings.pixel_size

    @property
    def area(self) -> float:
        """Of the canvas, in micrographs."""
        return self.phase.size / self.settings.size**2

    def anywhere(self, n: int) -> NDArray[np.float64]:
        """Random coordinates on the canvas, shape (n, 2)."""
        return np.asarray(self.rng.uniform(0, len(self.phase), (n, 2)))


def simulate(settings: SimulateSettings, index: int, shape: str = "globular") -> tuple[Micrograph, Picks]:
    """Return one simulated micrograph and the particles in it.

    Parameters
    ----------
    settings : SimulateSettings
    index : int
        Number of the micrograph, from 0. The same settings and index give the same micrograph,
        whatever else was simulated before.
    shape : str
        One of :data:`napari_topaz.numerics.shapes.SHAPES`. The particle is the same in all
        micrographs of a seed.

    Returns
    -------
    micrograph : Micrograph
        float32, electrons per pixel; particles are darker than the ice.
    truth : Picks
        Labels: the centres of all particles whose centre lies in the micrograph.

    Raises
    ------
    ValueError
        If the shape is unknown.
    """
    particle = make_shape(
        shape, settings.diameter / settings.pixel_size, np.random.default_rng(settings.seed)
    )
    field = _empty_field(settings, np.random.default_rng([settings.seed, index]))
    film = _carbon_film(field)
    dirt = _add_contaminations(field)
    centres = _place_particles(field, film, dirt)
    _add_particles(field, particle, centres)
    _add_grain(field, film)
    image = _expose(field, _transfer(field), film)
    truth = Picks.labels(centres - field.margin)
    truth = truth[truth.inside(image.shape)]
    return Micrograph(f"simulated_{index:04d}", image, settings.pixel_size), truth


def _empty_field(settings: SimulateSettings, rng: np.random.Generator) -> _Field:
    least = min(settings.diameter / settings.pixel_size, settings.size)
    length = fft.next_fast_len(settings.size + 2 * math.ceil(least), real=True)
    margin = (length - settings.size) // 2
    return _Field(settings, rng, np.zeros((length, length), np.float32), margin)


def _carbon_film(field: _Field) -> NDArray[np.float32] | None:
    """Fraction of carbon of every pixel, in some micrographs: the rim of a round hole cuts a corner."""
    rng, length = field.rng, len(field.phase)
    present, direction, covered = rng.random() < CARBON, rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.3)
    if not present:
        return None
    radius = 1.2 * length
    away = radius - (0.5 - covered) * length
    y, x = (
        np.arange(length, dtype=np.float32) - np.float32(length / 2 + away * part)
        for part in (math.sin(direction), math.cos(direction))
    )
    outside = np.hypot(y[:, None], x) - np.float32(radius)
    return np.asarray(expit(outside / np.float32(max(1.0, field.diameter / 12))))


def _add_contaminations(field: _Field) -> NDArray[np.float64]:
    """Add lumps of ice; returns rows of (y, x, radius), shape (n, 3)."""
    rng = field.rng
    size_in_angstrom = len(field.phase) * field.settings.pixel_size
    n = rng.poisson(CONTAMINATIONS * (size_in_angstrom / 3600) ** 2)
    radii = field.diameter / 2 * np.exp(rng.normal(0.2, 0.5, n))
    centres = field.anywhere(n)
    for centre, radius in zip(centres, radii, strict=True):
        blobs = rng.integers(6, 14)
        spots = np.concatenate([rng.normal(0, 0.35, (blobs, 2)), np.zeros((blobs, 1))], axis=1) * radius
        lump = Blobs(spots, rng.uniform(0.12, 0.3, blobs) * radius, rng.uniform(0.5, 1.5, blobs) / blobs)
        thickness = radius * field.settings.pixel_size * rng.uniform(1.5, 4.0)
        factor = PROTEIN * thickness * radius**2 * 1.5
        add_projection(field.phase, lump, (float(centre[0]), float(centre[1])), float(factor))
    return np.column_stack([centres, radii])


def _place_particles(
    field: _Field, film: NDArray[np.float32] | None, dirt: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Random centres on free ice, not too near to each other, shape (n, 2)."""
    wanted = field.rng.poisson(field.settings.particles * field.area)
    # Places are offered in excess: some are taken. On a full micrograph there are fewer than wanted.
    offered = field.anywhere(8 * wanted)
    free = np.ones(len(offered), bool)
    for y, x, radius in dirt:
        gap = np.hypot(offered[:, 0] - y, offered[:, 1] - x) - radius
        free &= gap > field.diameter / 2
    if film is not None:
        rows, columns = offered.astype(np.intp).T
        free &= film[rows, columns] < 0.05
    offered = offered[free]
    return offered[_apart(offered, SPACING * field.diameter, wanted)]


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


def _add_particles(field: _Field, particle: Blobs, centres: NDArray[np.float64]) -> None:
    """Add a random view at every centre, and fragments anywhere."""
    rng, settings = field.rng, field.settings
    # Of a full sphere: the integral of the phase shift over the projection, in radians · px².
    factor = PROTEIN * math.pi / 6 * settings.diameter**3 / settings.pixel_size**2
    for y, x in centres:
        strength = factor * rng.uniform(0.75, 1.15)
        add_projection(field.phase, random_view(particle, rng), (y, x), strength)
    for y, x in field.anywhere(rng.poisson(FRAGMENTS * len(centres))):
        view = random_view(particle, rng)
        cut = np.quantile(view.centres[:, 2], rng.uniform(0.25, 0.6))
        fragment = random_view(view.part(view.centres[:, 2] <= cut), rng)
        add_projection(field.phase, fragment, (y, x), factor)


def _add_grain(field: _Field, film: NDArray[np.float32] | None) -> None:
    """Add the random structure of the ice, and the stronger one of carbon."""
    grain = field.rng.standard_normal(field.phase.shape, np.float32)
    grain *= np.float32(ICE_GRAIN / field.settings.pixel_size)
    if film is not None:
        grain *= 1 + film
    field.phase[...] += grain


def _transfer(field: _Field) -> NDArray[np.float32]:
    """Contrast of the phase object behind the lens: relative intensity − 1, of the whole canvas."""
    length, defocus = len(field.phase), field.rng.uniform(*DEFOCUS)
    rows = fft.fftfreq(length, field.settings.pixel_size).astype(np.float32)
    columns = fft.rfftfreq(length, field.settings.pixel_size).astype(np.float32)
    k2 = rows[:, None] ** 2 + columns**2
    chi = np.float32(math.pi * WAVELENGTH * defocus) * k2
    chi -= np.float32(math.pi / 2 * ABERRATION * WAVELENGTH**3) * k2**2
    # Amplitude contrast is a constant phase of the transfer function.
    chi += np.float32(math.asin(AMPLITUDE))
    np.sin(chi, out=chi)
    chi *= np.exp(np.float32(-B_FACTOR / 4) * k2)
    del k2
    spectrum = fft.rfft2(field.phase)
    spectrum *= chi
    return np.asarray(-2 * fft.irfft2(spectrum, s=field.phase.shape, overwrite_x=True), np.float32)


def _expose(
    field: _Field, contrast: NDArray[np.float32], film: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Count electrons: the micrograph without the margin."""
    rng, size = field.rng, field.settings.size
    middle = slice(field.margin, field.margin + size)
    expected = 1 + contrast[middle, middle]
    expected *= _uneven_ice(size, rng)
    if film is not None:
        expected *= 1 - np.float32(0.15) * film[middle, middle]
    np.maximum(expected, 0.05, out=expected)
    mean = field.settings.dose * field.settings.pixel_size**2
    expected *= np.float32(mean)
    counted = _count(expected, rng) if mean <= MANY_ELECTRONS else _count_many(expected, rng)
    hot = rng.integers(0, counted.size, rng.poisson(HOT * counted.size / 1e6))
    counted.flat[hot] = np.float32(mean * HOT_VALUE)
    return counted


def _count(expected: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Electrons that arrive where `expected` are expected."""
    return np.asarray(rng.poisson(expected), np.float32)


def _count_many(expected: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The same with Gaussian noise: ten times faster, and no different where they are many."""
    noise = rng.standard_normal(expected.shape, np.float32)
    noise *= np.sqrt(expected)
    noise += expected
    return noise


def _uneven_ice(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Transmission of ice whose thickness changes slowly, shape (size, size), about 1."""
    along = np.linspace(-1, 1, size)
    tilt_y, tilt_x, bowl_y, bowl_x = rng.normal(0, 0.03, 4)
    down, across = tilt_y * along + bowl_y * along**2, tilt_x * along + bowl_x * along**2
    return np.asarray(np.outer(np.exp(-down), np.exp(-across)), np.float32)
