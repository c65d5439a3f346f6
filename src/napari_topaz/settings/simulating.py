"""Options of simulated micrographs."""

from __future__ import annotations

from napari_topaz.settings.option import Settings, option


class SimulateSettings(Settings):
    """Micrographs with known truth."""

    micrographs: int = option(6, "Number of micrographs.", step=1, ge=1, le=1_000_000)
    size: int = option(1024, "Height and width.", unit="px", step=128, ge=64, le=16_384)
    pixel_size: float = option(3.5, "Pixel size.", unit="Å/px", step=0.1, gt=0, le=100)
    diameter: float = option(180.0, "Diameter of the particle.", unit="Å", step=10, gt=0, le=10_000)
    particles: int = option(80, "Mean number of particles per micrograph.", step=10, ge=0, le=100_000)
    dose: float = option(20.0, "Electron dose; lower is noisier.", unit="e/Å²", step=1, gt=0, le=1000)
    seed: int = option(0, "Seed of all random numbers.", step=1, ge=0, le=2**31 - 1)
