"""The training loop: draws minibatches and takes steps; knows no files, no events, no held-out set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from napari_topaz.model.adamw import AdamW
from napari_topaz.model.autoencoder import decoder, reconstruction_loss
from napari_topaz.model.interruption import restore_state, state_of
from napari_topaz.model.networks import Classifier
from napari_topaz.model.objectives import INDEPENDENT, WHOLE_SAMPLE, WITH_SLACK, MovingMean, by_name
from napari_topaz.model.sampling import (
    IGNORED,
    MASKED,
    UNLABELLED,
    Regions,
    eight_symmetries,
    random_rotations,
)
from napari_topaz.settings import TrainSettings

#: A minibatch of tiles: so many tiles of so many × so many outputs, half of them round labels.
TILES, TILE_OUTPUTS = 16, 16
#: Of those round labels, no more than this part lies round labelled negatives.
MOST_NEGATIVE = 0.5
#: From so many labels on, beside those held out, tiles lie in eight symmetries.
ENOUGH_LABELS = 20
#: A minibatch of patches (Bepler et al. 2018).
POSITIVE_PATCHES, UNLABELLED_PATCHES = 16, 240
#: Patches at labelled negatives, beside those, where there are any.
NEGATIVE_PATCHES = 8
#: A minibatch of boxes: so many positive and so many negative ones.
BOXES = 64
#: The autoencoder is for few labels (Bepler et al. 2018).
AUTOENCODER_LABELS = 250
#: Steps over which the learning rate rises.
WARM_UP = 20


@dataclass(frozen=True)
class Minibatch:
    """Images of shape (b, 1, size, size) and the classes of their outputs (b, m, m).

    Those of `anywhere` were drawn without a look at the labels.
    """

    images: Tensor
    classes: Tensor
    anywhere: slice = field(default_factory=lambda: slice(0, 0))


def uses_tiles(settings: TrainSettings) -> bool:
    """Whether minibatches are tiles."""
    if settings.sampling == "auto":
        return settings.objective not in INDEPENDENT
    return settings.sampling == "tiles"


def draw_tiles(
    regions: Regions, network: Classifier, generator: torch.Generator, *, mirror: bool = True
) -> Minibatch:
    """Draw tiles, half of them round random labels and half anywhere, in four or eight symmetries."""
    centres = tile_centres(regions, network, generator)
    turns = eight_symmetries(generator.device)
    chosen = turns[torch.randint(8 if mirror else 4, (TILES,), generator=generator, device=generator.device)]
    drawn = regions.cut(centres, chosen, TILE_OUTPUTS, network.stride, network.field)
    return Minibatch(*drawn, anywhere=slice(0, TILES - TILES // 2))


def draw_turned_tiles(
    regions: Regions, network: Classifier, generator: torch.Generator, *, mirror: bool = True
) -> Minibatch:
    """Draw tiles as :func:`draw_tiles` does, but at any angle where labels are few.

    Interpolation takes more than half of the variance of white noise, and keeps a network from learning by
    heart the noise round ten labels; turning alone is worth a third of it. With thirty labels nothing is
    gained: in strong noise a network then does better with what it will see
    (benchmarks/results/ablation_development.md).
    """
    if len(regions.positives) >= ENOUGH_LABELS:
        return draw_tiles(regions, network, generator, mirror=mirror)
    centres = tile_centres(regions, network, generator)
    turns = random_rotations(TILES, generator, mirror=mirror)
    drawn = regions.cut(centres, turns, TILE_OUTPUTS, network.stride, network.field, smooth=True)
    return Minibatch(*drawn, anywhere=slice(0, TILES - TILES // 2))


def tile_centres(regions: Regions, network: Classifier, generator: torch.Generator) -> Tensor:
    """Draw centres (image, y, x) of tiles, the first half anywhere, the others round labels; (TILES, 3).

    Every label has the same chance, particle or not: were a fixed part of the tiles round the negatives, the
    surroundings of one or two of them would be seen in every step.
    """
    jitter = network.stride * (TILE_OUTPUTS - 1) / 2
    half = TILES // 2
    anywhere = regions.random_anywhere(TILES - half, generator)
    if len(regions.negatives):
        labelled = regions.random_either(half, jitter, generator, MOST_NEGATIVE)
    else:
        labelled = regions.random_labels(half, jitter, generator, "positives")
    return torch.cat([anywhere, labelled])


def draw_patches(
    regions: Regions,
    network: Classifier,
    generator: torch.Generator,
    *,
    mirror: bool = True,
    whole_sample: bool = False,
) -> Minibatch:
    """Draw 16 positive and 240 unlabelled regions one by one, at random angles.

    With `whole_sample` the 240 come from anywhere, whatever their class. Where there are labelled
    negatives, 8 of their regions come on top.
    """
    anywhere = regions.random_anywhere if whole_sample else regions.random_unlabelled
    drawn = [regions.random_positives(POSITIVE_PATCHES, generator), anywhere(UNLABELLED_PATCHES, generator)]
    if len(regions.negatives):
        drawn.append(regions.random_labels(NEGATIVE_PATCHES, 0.0, generator, "negatives"))
    centres = torch.cat(drawn)
    turns = random_rotations(len(centres), generator, mirror=mirror)
    images, classes = regions.cut(centres, turns, 1, network.stride, network.field, smooth=True)
    return Minibatch(images, classes, slice(POSITIVE_PATCHES, POSITIVE_PATCHES + UNLABELLED_PATCHES))


def draw_boxes(
    regions: Regions, network: Classifier, generator: torch.Generator, *, mirror: bool = False
) -> Minibatch:
    """Draw as many positive as negative regions one by one, in quarter turns (Zhu et al. 2017).

    Negatives are unlabelled regions; where there are labelled negatives, half of them are those (all,
    where no region is unlabelled).
    """
    labelled = 0
    if len(regions.negative_pixels):
        labelled = BOXES // 2 if regions.has_unlabelled else BOXES
    drawn = [regions.random_positives(BOXES, generator)]
    if labelled:
        drawn.append(regions.random_negatives(labelled, generator))
    if labelled < BOXES:
        drawn.append(regions.random_unlabelled(BOXES - labelled, generator))
    turns = eight_symmetries(generator.device)
    which = torch.randint(8 if mirror else 4, (2 * BOXES,), generator=generator, device=generator.device)
    images, classes = regions.cut(torch.cat(drawn), turns[which], 1, network.stride, network.field)
    return Minibatch(images, classes, anywhere=slice(BOXES + labelled, None))


def drawing_of(
    settings: TrainSettings,
) -> Callable[[Regions, Classifier, torch.Generator], Minibatch]:
    """Return the function that draws minibatches as the settings want them."""
    if uses_tiles(settings):
        return partial(draw_turned_tiles, mirror=settings.mirror)
    if settings.sampling == "boxes":
        return partial(draw_boxes, mirror=settings.mirror)
    return partial(draw_patches, mirror=settings.mirror, whole_sample=settings.objective in WHOLE_SAMPLE)


def as_labels(batch: Minibatch, *, whole_sample: bool) -> Tensor:
    """Classes as an objective takes them, shape (n,).

    With `whole_sample` the unlabelled regions are all of those drawn anywhere but under masks, labelled
    positives included, and only those: round labels there are too many particles.
    """
    labels = batch.classes
    if whole_sample:
        anywhere = torch.zeros_like(labels, dtype=torch.bool)
        anywhere[batch.anywhere] = True
        labels = torch.where(labels == UNLABELLED, IGNORED, labels)
        labels = torch.where(anywhere & (labels != MASKED), UNLABELLED, labels)
    return labels.flatten()


def learning_rate(settings: TrainSettings, done: float, step: int) -> float:
    """Learning rate of a step; `done` is the finished fraction of the training."""
    if settings.schedule == "constant":
        return settings.learning_rate
    rise = min(1.0, (step + 1) / WARM_UP)
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class Loss:
    """The objective of the settings, with the autoencoder term where it is wanted.

    Parameters
    ----------
    network : Classifier
        Gives the features.
    settings : TrainSettings
        Objective and weights.
    prior : float
        π of the unlabelled regions.
    labels : int
        Number of labelled particles: γ = `settings.autoencoder` / labels, and 0 for more than 250
        (Bepler et al. 2018).
    """

    def __init__(self, network: Classifier, settings: TrainSettings, prior: float, labels: int) -> None:
        self._network, self._prior = network, prior
        self._objective = by_name(settings.objective)
        self._options: dict[str, object] = {}
        if settings.slack is not None and settings.objective in WITH_SLACK:
            self._options["slack"] = settings.slack
        if settings.objective == "ge-kl" and settings.expectation_decay:
            self._options["moving"] = MovingMean(settings.expectation_decay)
        self._whole = settings.objective in WHOLE_SAMPLE
        self._gamma = settings.autoencoder / max(labels, 1) if labels <= AUTOENCODER_LABELS else 0.0
        device = next(network.parameters()).device
        self._decoder = decoder(network.channels).to(device) if self._gamma else None
        self._reconstructed = settings.reconstructed

    def parameters(self) -> list[nn.Parameter]:
        """Weights beside the network's that are trained with it."""
        return [p for module in self.modules().values() for p in module.parameters()]

    def modules(self) -> dict[str, nn.Module]:
        """What is trained beside the network, by name."""
        return {} if self._decoder is None else {"decoder": self._decoder}

    @property
    def moving(self) -> MovingMean | None:
        """What the objective remembers of earlier minibatches; None where that is nothing."""
        found = self._options.get("moving")
        return found if isinstance(found, MovingMean) else None

    def __call__(self, batch: Minibatch, generator: torch.Generator) -> Tensor:
        """Loss of a minibatch, a scalar."""
        features = self._network.features(batch.images.contiguous(memory_format=torch.channels_last))
        logits = self._network.head(features)[:, 0].flatten()
        loss = self._objective(
            logits, as_labels(batch, whole_sample=self._whole), self._prior, **self._options
        )
        if self._decoder is None:
            return loss
        stride = self._network.stride
        drawn = reconstruction_loss(
            self._decoder, features, batch.images, stride, generator, self._reconstructed
        )
        return loss + self._gamma * drawn


class Steps(Iterator[Tensor]):
    """Training steps without end; made by :func:`train_steps`, begun when the first is taken."""

    def __init__(
        self,
        network: Classifier,
        regions: Regions,
        settings: TrainSettings,
        prior: float,
        progress: Callable[[int], float],
    ) -> None:
        self._network, self._regions, self._settings = network, regions, settings
        self._prior, self._progress = prior, progress
        self._draw = drawing_of(settings)
        #: Number of steps taken.
        self.taken = 0

    @cached_property
    def _tools(self) -> tuple[Loss, AdamW, torch.Generator]:
        # Else cuDNN takes convolutions whose sums differ from run to run: one seed would give many models.
        torch.backends.cudnn.deterministic = True
        network, settings = self._network, self._settings
        generator = torch.Generator(self._regions.pixels.device).manual_seed(settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            loss_of = Loss(network, settings, self._prior, len(self._regions.positives))
        trained = [*network.parameters(), *loss_of.parameters()]
        rate, decay = settings.learning_rate, settings.weight_decay
        optimiser = AdamW(trained, lr=rate, weight_decay=decay)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return loss_of, optimiser, generator

    def __next__(self) -> Tensor:
        loss_of, optimiser, generator = self._tools
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(self._settings, self._progress(self.taken), self.taken)
        self._network.train()
        loss = loss_of(self._draw(self._regions, self._network, generator), generator)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        self.taken += 1
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on, by name, on the CPU."""
        loss_of, optimiser, generator = self._tools
        tensors = state_of({"network": self._network, **loss_of.modules()}, optimiser, generator)
        if loss_of.moving is not None and loss_of.moving.mean is not None:
            tensors["moving"] = loss_of.moving.mean.cpu()
        return tensors | {"taken": torch.tensor(self.taken)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to a :meth:`state` of the same training.

        Raises
        ------
        KeyError, RuntimeError, TypeError
            Where it is that of another one, or of another kind of device.
        """
        loss_of, optimiser, generator = self._tools
        restore_state(tensors, {"network": self._network, **loss_of.modules()}, optimiser, generator)
        if loss_of.moving is not None and "moving" in tensors:
            loss_of.moving.mean = tensors["moving"].to(self._regions.pixels.device)
        self.taken = int(tensors["taken"])


def train_steps(
    network: Classifier,
    regions: Regions,
    settings: TrainSettings,
    prior: float,
    progress: Callable[[int], float],
) -> Steps:
    """Take training steps until the caller stops asking.

    Parameters
    ----------
    network : Classifier
        Trained in place, on the device that it and `regions` lie on.
    regions : Regions
        What is drawn from.
    settings : TrainSettings
        Objective, learning rate, seed.
    prior : float
        π of the unlabelled regions.
    progress : callable
        Fraction of the training that is finished, given the number of steps taken.

    Returns
    -------
    Steps
        An iterator of the loss of each step, a scalar still on the device.
    """
    return Steps(network, regions, settings, prior, progress)
