"""What the microscope makes of the scene: transfer of contrast, absorption, electrons that are counted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_topaz.simulate.canvas import ASTIGMATISM, Canvas

#: Wavelength (Å) at 300 kV, spherical aberration (Å), amplitude contrast.
WAVELENGTH, ABERRATION, AMPLITUDE = 0.0197, 2.7e7, 0.1
#: Å in a µm.
MICROMETRE = 1e4
#: Absorption by the carbon film, and length (Å) after which gold lets 1/e through.
CARBON_ABSORPTION, GOLD_LENGTH = 0.15, 90.0
#: Value of a hot pixel relative to the mean.
HOT_VALUE = 6.0
#: Electrons per pixel above which Gaussian noise stands in for Poisson's.
MANY_ELECTRONS = 30.0


def contrast_of(canvas: Canvas) -> NDArray[np.float32]:
    """Return the contrast of the phase object behind the lens, (height, width): relative intensity − 1."""
    settings = canvas.settings
    low, high = settings.defocus_low * MICROMETRE, settings.defocus_high * MICROMETRE
    chi = _phase_of_lens(canvas, canvas.rng.uniform(low, high))
    spectrum = fft.rfft2(canvas.phase)
    spectrum *= chi
    return np.asarray(-2 * fft.irfft2(spectrum, s=canvas.phase.shape, overwrite_x=True), np.float32)


def _phase_of_lens(canvas: Canvas, defocus: float) -> NDArray[np.float32]:
    """Transfer, sin γ(k) exp(−B k² / 4) for the frequencies of a real Fourier transform; defocus in Å."""
    length, settings = len(canvas.phase), canvas.settings
    rows = fft.fftfreq(length, settings.pixel_size).astype(np.float32)[:, None]
    columns = fft.rfftfreq(length, settings.pixel_size).astype(np.float32)
    k2 = rows**2 + columns**2
    chi = np.float32(math.pi * WAVELENGTH * defocus) * k2
    if settings.astigmatism > 0:
        axis = 2 * canvas.stream(ASTIGMATISM).uniform(0, math.pi)
        half = math.pi * WAVELENGTH * settings.astigmatism * MICROMETRE / 2
        # k² cos(2 (α − α₀)), written out.
        chi += np.float32(half * math.cos(axis)) * (columns**2 - rows**2)
        chi += np.float32(half * math.sin(axis) * 2) * (columns * rows)
    chi -= np.float32(math.pi / 2 * ABERRATION * WAVELENGTH**3) * k2**2
    # Amplitude contrast is a constant phase of the transfer function.
    chi += np.float32(math.asin(AMPLITUDE))
    np.sin(chi, out=chi)
    chi *= np.exp(np.float32(-settings.b_factor / 4) * k2)
    return chi


def expected_intensity(
    canvas: Canvas,
    contrast: NDArray[np.float32],
    film: NDArray[np.float32] | None,
    beads: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return the relative intensity behind lens, uneven ice, carbon and gold, of the micrograph.

    Parameters
    ----------
    canvas : Canvas
    contrast : ndarray of float32
        Of the canvas.
    film : ndarray of float32 or None
        Fraction of carbon of every pixel of the canvas.
    beads : ndarray, shape (n, 3)
        (y, x, radius) of gold beads on the canvas.
    """
    expected = 1 + contrast[canvas.middle]
    expected *= _uneven_ice(canvas)
    if film is not None:
        expected *= 1 - np.float32(CARBON_ABSORPTION) * film[canvas.middle]
    for bead in beads - [canvas.margin, canvas.margin, 0]:
        where, thickness = bead_thickness(bead, expected.shape)
        expected[where] *= np.exp(-thickness * np.float32(canvas.settings.pixel_size / GOLD_LENGTH))
    return expected


def bead_thickness(
    bead: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Return where in an image a sphere, (y, x, radius), lies, and its thickness there, in pixels."""
    y, x, radius = bead
    first = np.maximum(0, np.ceil(bead[:2] - radius)).astype(int)
    # Never before the first one: a sphere beyond the image has an empty place.
    last = np.maximum(first, np.minimum(shape, np.floor(bead[:2] + radius) + 1)).astype(int)
    rows, columns = np.ogrid[first[0] : last[0], first[1] : last[1]]
    inside = radius**2 - (rows - y) ** 2 - (columns - x) ** 2
    where = slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))
    return where, np.asarray(2 * np.sqrt(np.maximum(inside, 0)), np.float32)


def _uneven_ice(canvas: Canvas) -> NDArray[np.float32]:
    """Transmission of ice whose thickness changes slowly, about 1."""
    along = np.linspace(-1, 1, canvas.settings.size)
    tilt_y, tilt_x, bowl_y, bowl_x = canvas.rng.normal(0, canvas.settings.ice_gradient, 4)
    down, across = tilt_y * along + bowl_y * along**2, tilt_x * along + bowl_x * along**2
    return np.asarray(np.outer(np.exp(-down), np.exp(-across)), np.float32)


def count_electrons(canvas: Canvas, expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the electrons in each pixel, (height, width), for a relative intensity, which is used up."""
    rng, settings = canvas.rng, canvas.settings
    np.maximum(expected, 0.05, out=expected)
    mean = settings.dose * settings.pixel_size**2
    expected *= np.float32(mean)
    counted = _count(expected, rng) if mean <= MANY_ELECTRONS else _count_many(expected, rng)
    hot = rng.integers(0, counted.size, rng.poisson(settings.hot_pixels * counted.size / 1e6))
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
