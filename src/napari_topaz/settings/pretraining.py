"""Options of pretraining: of the weights that training starts from."""

from __future__ import annotations

from napari_topaz.choices import SHAPES
from napari_topaz.settings.option import Settings, option


class PretrainSettings(Settings):
    """How weights are made from simulated micrographs alone."""

    steps: int = option(16_000, "Training steps.", step=1000, ge=1, le=10_000_000)
    worlds: int = option(
        64, "Simulated micrographs that tiles are drawn from at a time.", step=8, ge=1, le=10_000
    )
    renewed: int = option(
        5, "Steps after which the oldest of them gives way to a new one.", step=1, ge=1, le=100_000
    )
    learning_rate: float = option(3e-3, "Peak learning rate.", step=0.0001, gt=0, le=1)
    weight_decay: float = option(0.01, "Decoupled weight decay of AdamW.", step=0.01, ge=0, le=10)
    without: str = option(
        "none",
        "Shape of particles that is left out, to test on something never seen.",
        choices={"none": "all are there", **SHAPES},
    )
    seed: int = option(0, "Seed of all random numbers.", step=1, ge=0, le=2**31 - 1)
