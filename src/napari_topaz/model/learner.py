"""A network that goes on learning while its labels change."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_topaz.model.adamw import AdamW
from napari_topaz.model.networks import Classifier
from napari_topaz.model.sampling import Regions
from napari_topaz.model.training import Loss, drawing_of
from napari_topaz.settings import TrainSettings


class Learner:
    """Network, optimiser and random numbers, which outlive the labels that are learnt from.

    The autoencoder is left out: its decoder would have to be learnt anew with each label.

    Parameters
    ----------
    network : Classifier
        Trained in place, on the device that it lies on.
    settings : TrainSettings
        Objective, sampling, weight decay, seed.
    """

    def __init__(self, network: Classifier, settings: TrainSettings) -> None:
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._settings = settings.model_copy(update={"autoencoder": 0.0})
        self._draw = drawing_of(self._settings)
        self._generator = torch.Generator(next(network.parameters()).device).manual_seed(settings.seed)
        self._optimiser = AdamW(network.parameters(), weight_decay=settings.weight_decay)
        self._regions: Regions | None = None

    def learn_from(self, regions: Regions, prior: float) -> None:
        """Draw from these regions from now on; `prior` is π of the unlabelled ones."""
        self._loss = Loss(self._network, self._settings, prior, len(regions.positives))
        self._regions = regions

    def step(self, rate: float) -> Tensor:
        """Take a step with that learning rate; returns the loss, a scalar still on the device.

        Raises
        ------
        ValueError
            Where there is nothing to learn from yet.
        """
        if self._regions is None:
            raise ValueError("There are no regions to learn from.")
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        loss = self._loss(self._draw(self._regions, self._network, self._generator), self._generator)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.detach()
