"""The canvas: the phase of the wave over the micrograph and a margin round it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_topaz.settings import SimulateSettings

#: Random streams of effects that draw from a generator of their own; never renumber them, never use 0.
GOLD, ASTIGMATISM = 1, 2


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is simulated, with a margin, so that nothing wraps around or begins at the edge.

    Attributes
    ----------
    settings : SimulateSettings
    index : int
        Of the micrograph.
    rng : numpy.random.Generator
        Of this micrograph, drawn from in the order of the steps.
    phase : ndarray of float32, shape (length, length)
        Phase shift in radians; added to.
    margin : int
        Pixels before the micrograph begins.
    """

    settings: SimulateSettings
    index: int
    rng: np.random.Generator
    phase: NDArray[np.float32]
    margin: int

    @property
    def diameter(self) -> float:
        """Of the particle, in pixels."""
        return self.settings.diameter / self.settings.pixel_size

    @property
    def area(self) -> float:
        """Of the canvas, in micrographs."""
        return self.phase.size / self.settings.size**2

    @property
    def middle(self) -> tuple[slice, slice]:
        """Where the micrograph lies."""
        span = slice(self.margin, self.margin + self.settings.size)
        return span, span

    def anywhere(self, n: int, rng: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Random coordinates on the canvas, shape (n, 2)."""
        return np.asarray((rng or self.rng).uniform(0, len(self.phase), (n, 2)))

    def stream(self, effect: int) -> np.random.Generator:
        """Return a generator of one effect's own, which leaves the others' numbers as they are."""
        return np.random.default_rng([self.settings.seed, self.index, effect])


def empty_canvas(settings: SimulateSettings, index: int) -> Canvas:
    """Return a canvas without anything on it."""
    least = min(settings.diameter / settings.pixel_size, settings.size)
    length = fft.next_fast_len(settings.size + 2 * math.ceil(least), real=True)
    phase = np.zeros((length, length), np.float32)
    rng = np.random.default_rng([settings.seed, index])
    return Canvas(settings, index, rng, phase, (length - settings.size) // 2)
