"""Random worlds: simulated micrographs unlike one another, to learn from before the first label.

A world is a particle, a microscope and a state of the ice, drawn at random; each micrograph of a
pretraining comes from a world of its own, so that what is learnt is what particles of any shape have in
common and dirt has not (domain randomisation, Tobin et al., *IROS* 2017, 23).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_topaz.choices import SHAPES
from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate.micrographs import simulate

#: Edge of a micrograph after downsampling, px.
EDGE = 320
#: Diameters of particles after downsampling (px), about the default of 19, and in Å.
PIXELS, ANGSTROMS = (12.0, 32.0), (90.0, 350.0)
#: Electrons per Å² for a particle of 180 Å. The contrast grows with the thickness, and a particle of
#: twice the diameter is as clear with 2⁻⁴ of the dose.
DOSES, OF_DIAMETER = (0.4, 30.0), 180.0
#: Shapes that are less dense along the beam than a globule get more electrons.
FAINT, BRIGHTER = frozenset({"rod", "disc", "ring", "barrel", "y-shape", "l-shape"}), 4.0
#: Fraction of the micrograph that discs of the diameter would cover.
COVERED = (0.02, 0.6)


#: Many micrographs were filtered before anybody picks them: this fraction here.
FILTERED = 0.5
#: Cut-offs of such filters, in cycles per diameter, and their orders (Butterworth).
LOW_PASS, HIGH_PASS, ORDERS = (2.0, 10.0), (0.05, 0.6), (2, 8)
#: Fraction with bars at the edges, and their widths in diameters: motion correction leaves such.
BARRED, BARS = 0.15, (0.1, 2.0)


@dataclass(frozen=True)
class World:
    """How one micrograph is simulated and filtered, and how it becomes the network's input.

    Attributes
    ----------
    simulate : SimulateSettings
    preprocess : PreprocessSettings
    low_pass, high_pass : float
        Cut-offs in cycles per px; infinite and 0 where there is no filter.
    order : int
        Of the filter.
    bars : tuple of int
        Widths (px) of the bars at top, bottom, left and right.
    """

    simulate: SimulateSettings
    preprocess: PreprocessSettings
    low_pass: float = math.inf
    high_pass: float = 0.0
    order: int = 2
    bars: tuple[int, int, int, int] = (0, 0, 0, 0)

    def micrograph(self) -> tuple[Micrograph, Picks]:
        """Return the micrograph and the particles that can be seen in it."""
        micrograph, truth = simulate(self.simulate, 0)
        pixels = self._barred(self._filtered(micrograph.pixels))
        top, bottom, left, right = self.bars
        low, high = (top, left), (pixels.shape[0] - bottom, pixels.shape[1] - right)
        seen = truth[np.all((truth.yx >= low) & (truth.yx < high), axis=1)]
        return Micrograph(micrograph.name, pixels, micrograph.pixel_size), seen

    def _filtered(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.low_pass == math.inf and self.high_pass == 0:
            return pixels
        k2 = fft.fftfreq(pixels.shape[0])[:, None] ** 2 + fft.rfftfreq(pixels.shape[1]) ** 2
        passed = 1 / (1 + (k2 / self.low_pass**2) ** self.order)
        if self.high_pass > 0:
            passed *= 1 - 1 / (1 + (k2 / self.high_pass**2) ** self.order)
        passed[0, 0] = 1  # the mean stays
        return np.asarray(fft.irfft2(fft.rfft2(pixels) * passed, s=pixels.shape), np.float32)

    def _barred(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Repeat the pixels beside a bar over its width."""
        top, bottom, left, right = self.bars
        inside = pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]
        return np.pad(inside, ((top, bottom), (left, right)), mode="edge")


def random_world(seed: int, index: int, without: Collection[str] = ()) -> World:
    """Draw a world.

    Parameters
    ----------
    seed, index : int
        The same two give the same world, whatever was drawn before.
    without : collection of str
        Shapes that are left out.
    """
    # Far from the small seeds that people give to the simulator: no particle of a test was seen before.
    rng = np.random.default_rng([seed, index, 0x746F70])
    pixels, diameter = _log_uniform(rng, *PIXELS), _log_uniform(rng, *ANGSTROMS)
    shape = str(rng.choice([s for s in SHAPES if s not in without]))
    binned = rng.uniform(1.0, 2.0)
    dose = _log_uniform(rng, *DOSES) * (BRIGHTER if shape in FAINT else 1.0)
    low = rng.uniform(0.5, 2.5)
    covered = _log_uniform(rng, *COVERED)
    settings = SimulateSettings(
        micrographs=1,
        size=round(EDGE * binned),
        pixel_size=diameter / pixels / binned,
        shape=shape,
        diameter=diameter,
        particles=max(2, round(covered * EDGE**2 / (np.pi / 4 * pixels**2))),
        dose=float(np.clip(dose * (OF_DIAMETER / diameter) ** 4, 0.05, 200.0)),
        spacing=rng.uniform(0.5, 1.3),
        preferred_views=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
        defocus_low=low,
        defocus_high=low,
        carbon=0.25,
        contaminations=float(rng.choice([0.0, rng.uniform(0.0, 30.0)])),
        gold=float(rng.choice([0.0, 0.0, rng.uniform(0.0, 10.0)])),
        gold_diameter=rng.uniform(50.0, 200.0),
        ice_gradient=0.1 * rng.uniform(0.0, 1.0) ** 2,
        fragments=rng.uniform(0.0, 0.6),
        ice_grain=_log_uniform(rng, 0.05, 0.4),
        b_factor=rng.uniform(50.0, 500.0),
        astigmatism=float(rng.choice([0.0, rng.uniform(0.0, 0.3)])),
        zero_mean=bool(rng.random() < 0.2),
        seed=int(rng.integers(2**30, 2**31)),
    )
    normalise = str(rng.choice(["gmm", "gmm", "affine"]))
    preprocess = PreprocessSettings(diameter=diameter, particle_pixels=pixels, normalise=normalise)
    across = pixels * binned
    low_pass = _log_uniform(rng, *LOW_PASS) / across if rng.random() < FILTERED else math.inf
    high_pass = _log_uniform(rng, *HIGH_PASS) / across if rng.random() < FILTERED else 0.0
    barred = (rng.random(4) < 0.5) & (rng.random() < BARRED)
    widths = [round(_log_uniform(rng, *BARS) * across) * int(side) for side in barred]
    return World(
        settings,
        preprocess,
        low_pass=low_pass,
        high_pass=high_pass,
        order=int(rng.integers(*ORDERS, endpoint=True)),
        bars=(widths[0], widths[1], widths[2], widths[3]),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
