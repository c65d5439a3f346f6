"""Options of simulated micrographs."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from napari_topaz.choices import SHAPES
from napari_topaz.settings.option import Settings, option


class SimulateSettings(Settings):
    """Micrographs with known truth."""

    micrographs: int = option(6, "Number of micrographs.", step=1, ge=1, le=1_000_000)
    size: int = option(1024, "Height and width.", unit="px", step=128, ge=64, le=16_384)
    pixel_size: float = option(3.5, "Pixel size.", unit="Å/px", step=0.1, gt=0, le=100)
    shape: str = option("globular", "Shape of the particle.", choices=SHAPES)
    diameter: float = option(180.0, "Diameter of the particle.", unit="Å", step=10, gt=0, le=10_000)
    particles: int = option(80, "Mean number of particles per micrograph.", step=10, ge=0, le=100_000)
    dose: float = option(20.0, "Electron dose; lower is noisier.", unit="e/Å²", step=1, gt=0, le=1000)
    spacing: float = option(
        0.9, "Smallest distance of two particles, in diameters; below 1 they overlap.", step=0.1, ge=0, le=10
    )
    preferred_views: float = option(
        0.0, "How much one view is preferred: 0 all views alike, 1 that view alone.", step=0.1, ge=0, le=1
    )
    defocus_low: float = option(1.2, "Smallest underfocus.", unit="µm", step=0.1, ge=0, le=20)
    defocus_high: float = option(2.8, "Largest underfocus.", unit="µm", step=0.1, ge=0, le=20)
    carbon: float = option(
        0.2, "Fraction of the micrographs with the edge of the carbon film.", step=0.1, ge=0, le=1
    )
    contaminations: float = option(
        7.0, "Mean number of lumps of ice per 0.36 µm × 0.36 µm.", step=1, ge=0, le=1000
    )
    gold: float = option(0.0, "Mean number of gold beads per micrograph.", step=1, ge=0, le=10_000)
    ice_gradient: float = option(
        0.03,
        "How unevenly thick the ice is: standard deviation of tilt and bowl of the intensity.",
        step=0.01,
        ge=0,
        le=1,
    )
    zero_mean: bool = option(False, "Subtract the mean of each micrograph, as some pipelines store them.")
    seed: int = option(0, "Seed of all random numbers.", step=1, ge=0, le=2**31 - 1)
    fragments: float = option(0.35, "Fragments per particle.", step=0.1, ge=0, le=10, advanced=True)
    ice_grain: float = option(
        0.2,
        "Random structure of the ice: standard deviation of its phase times the pixel size.",
        unit="rad·Å",
        step=0.05,
        ge=0,
        le=2,
        advanced=True,
    )
    b_factor: float = option(
        250.0, "Decay of the signal at high frequencies.", unit="Å²", step=50, ge=0, le=10_000, advanced=True
    )
    astigmatism: float = option(
        0.0,
        "Largest minus smallest underfocus of one micrograph; its axis is random.",
        unit="µm",
        step=0.05,
        ge=0,
        le=5,
        advanced=True,
    )
    gold_diameter: float = option(
        100.0, "Diameter of the gold beads.", unit="Å", step=10, gt=0, le=5000, advanced=True
    )
    hot_pixels: float = option(
        4.0, "Hot pixels per million, of six times the mean.", step=1, ge=0, le=100_000, advanced=True
    )

    @model_validator(mode="after")
    def _defocus_in_order(self) -> Self:
        if self.defocus_low > self.defocus_high:
            raise ValueError(
                f"defocus_low is {self.defocus_low:g} µm, but must not be above defocus_high, "
                f"{self.defocus_high:g} µm."
            )
        return self
