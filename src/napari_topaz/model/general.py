"""The general model of the package: weights learnt from simulated particles of many shapes.

It gives a first guess where there are no labels, and training its start where there are some. How it was
made and what it is bad at stands in docs/general_model.md; ``napari-topaz pretrain`` makes another one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from napari_topaz.model.networks import Classifier
from napari_topaz.model.picker import GENERAL, PickerModel
from napari_topaz.settings import NetworkSettings

#: Where its weights lie.
WEIGHTS = Path(__file__).with_name("weights") / "particles.safetensors"
#: Diameters of the particles that it knows, preprocessed pixels; a little beyond what it has seen.
KNOWN_DIAMETERS = (10.0, 38.0)


@lru_cache(maxsize=1)
def general_model() -> PickerModel:
    """Return the general model, on the CPU. It does not know a diameter: that is the user's.

    Its card says what it is, see :attr:`PickerModel.is_general`.
    """
    return PickerModel.load(WEIGHTS).with_card(pretrained=GENERAL)


def suits(network: NetworkSettings, diameter: float) -> bool:
    """Whether its weights are a start for this network and a particle so wide (preprocessed pixels)."""
    same_network = network == general_model().card.network
    return same_network and KNOWN_DIAMETERS[0] <= diameter <= KNOWN_DIAMETERS[1]


def for_inverted(model: PickerModel) -> PickerModel:
    """Return the model whose scores of an image are those of `model` for its negative.

    Exactly so, as the network begins with a convolution: its weights change their sign.
    """
    inverted = model.snapshot()
    with torch.no_grad():
        _first_convolution(inverted.network).weight.neg_()
    inverted = inverted.with_card(average=_negative(model.card.average))
    return replace(inverted, name=model.name)


def _negative(image: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(-value for value in row) for row in image)


def _first_convolution(network: Classifier) -> nn.Conv2d:
    return next(m for m in network.modules() if isinstance(m, nn.Conv2d))
