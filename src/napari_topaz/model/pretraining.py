"""The supervised loop of pretraining: steps on regions whose particles are all known."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_topaz.model.adamw import AdamW
from napari_topaz.model.interruption import restore_state, state_of
from napari_topaz.model.networks import Classifier
from napari_topaz.model.objectives import cvir
from napari_topaz.model.sampling import Regions
from napari_topaz.model.training import draw_tiles, learning_rate
from napari_topaz.settings import PretrainSettings, TrainSettings

#: Tiles are scaled by a log-normal factor and shifted by a normal one of these standard deviations: no
#: two microscopes and no two normalisations give particles the same contrast.
GAIN, OFFSET = 0.25, 0.2


class Pretraining:
    """Network and optimiser, which can be put away after any step and taken up again.

    Parameters
    ----------
    network : Classifier
        Trained in place.
    settings : PretrainSettings
        Learning rate, number of steps, seed.
    """

    def __init__(self, network: Classifier, settings: PretrainSettings) -> None:
        self.network, self._settings = network, settings
        self.done = 0
        self.device = next(network.parameters()).device
        self._generator = torch.Generator(self.device).manual_seed(settings.seed)
        self._optimiser = AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._course = TrainSettings(learning_rate=settings.learning_rate)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Else cuDNN takes convolutions whose sums differ from run to run: one seed would give many models.
        torch.backends.cudnn.deterministic = True

    def step(self, regions: Regions) -> Tensor:
        """Take one step; returns the loss, a scalar on the device.

        It is `cvir` at π = 0, where every particle is labelled: cross-entropy with the weights that
        training on labels has, so that scores mean the same before and after.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self._course, self.done / self._settings.steps, self.done)
        self.network.train()
        batch = draw_tiles(regions, self.network, self._generator)
        images = self._shaken(batch.images).contiguous(memory_format=torch.channels_last)
        loss = cvir(self.network(images).flatten(), batch.classes.flatten(), 0.0)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.done += 1
        return loss.detach()

    def _shaken(self, images: Tensor) -> Tensor:
        draw = torch.randn((2, len(images), 1, 1, 1), generator=self._generator, device=self.device)
        return images * (GAIN * draw[0]).exp() + OFFSET * draw[1]

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on, by name, on the CPU."""
        tensors = state_of({"network": self.network}, self._optimiser, self._generator)
        return tensors | {"done": torch.tensor(self.done)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go back to a :meth:`state`.

        Raises
        ------
        KeyError, RuntimeError, TypeError
            Where it is that of another network.
        """
        restore_state(tensors, {"network": self.network}, self._optimiser, self._generator)
        self.done = int(tensors["done"])
