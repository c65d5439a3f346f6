"""The training loop: draws minibatches and takes steps; knows no files, no events, no held-out set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_topaz.model.networks import Classifier
from napari_topaz.model.objectives import INDEPENDENT, WHOLE_SAMPLE, by_name
from napari_topaz.model.sampling import (
    IGNORED,
    UNLABELLED,
    Regions,
    eight_symmetries,
    random_rotations,
)
from napari_topaz.settings import TrainSettings

#: A minibatch of tiles: so many tiles of so many × so many outputs, half of them round labels.
TILES, TILE_OUTPUTS = 16, 16
#: A minibatch of patches (Bepler et al. 2018).
POSITIVE_PATCHES, UNLABELLED_PATCHES = 16, 240
#: Steps over which the learning rate rises.
WARM_UP = 20


@dataclass(frozen=True)
class Minibatch:
    """Images of shape (b, 1, size, size) and the classes of their outputs (b, m, m)."""

    images: Tensor
    classes: Tensor


def uses_tiles(settings: TrainSettings) -> bool:
    """Whether minibatches are tiles."""
    if settings.sampling == "auto":
        return settings.objective not in INDEPENDENT
    return settings.sampling == "tiles"


def draw_tiles(regions: Regions, network: Classifier, generator: torch.Generator) -> Minibatch:
    """Draw tiles, half of them round random labels and half anywhere, in eight symmetries."""
    jitter = network.stride * (TILE_OUTPUTS - 1) / 2
    half = TILES // 2
    centres = [regions.random_anywhere(TILES - half, generator)]
    n_negative = half // 2 if len(regions.negatives) else 0
    centres.append(regions.random_labels(half - n_negative, jitter, generator, "positives"))
    if n_negative:
        centres.append(regions.random_labels(n_negative, jitter, generator, "negatives"))
    turns = eight_symmetries(generator.device)
    chosen = turns[torch.randint(8, (TILES,), generator=generator, device=generator.device)]
    return Minibatch(*regions.cut(torch.cat(centres), chosen, TILE_OUTPUTS, network.stride, network.field))


def draw_patches(regions: Regions, network: Classifier, generator: torch.Generator) -> Minibatch:
    """Draw positive and unlabelled regions one by one, at random angles, mirrored at random."""
    positive = regions.random_positives(POSITIVE_PATCHES, generator)
    anywhere = regions.random_anywhere(UNLABELLED_PATCHES, generator)
    centres = torch.cat([positive, anywhere])
    turns = random_rotations(len(centres), generator)
    images, classes = regions.cut(centres, turns, 1, network.stride, network.field, smooth=True)
    return Minibatch(images, classes)


def as_labels(classes: Tensor, *, whole_sample: bool) -> Tensor:
    """Classes as an objective takes them, shape (n,).

    With `whole_sample` what is ignored near a label counts as unlabelled.
    """
    labels = classes.flatten()
    return torch.where(labels == IGNORED, UNLABELLED, labels) if whole_sample else labels


def learning_rate(done: float, step: int, peak: float) -> float:
    """Rise over the first steps, then fall as a cosine; `done` is the finished fraction."""
    return peak * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def train_steps(
    network: Classifier,
    regions: Regions,
    settings: TrainSettings,
    prior: float,
    progress: Callable[[int], float],
) -> Iterator[Tensor]:
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

    Yields
    ------
    Tensor
        The loss of each step, a scalar still on the device.
    """
    device = regions.pixels.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    objective = by_name(settings.objective)
    whole = settings.objective in WHOLE_SAMPLE
    tiles = uses_tiles(settings)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = 0
    while True:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress(step), step, settings.learning_rate)
        network.train()
        batch = (draw_tiles if tiles else draw_patches)(regions, network, generator)
        logits = network(batch.images.contiguous(memory_format=torch.channels_last))
        loss = objective(logits.flatten(), as_labels(batch.classes, whole_sample=whole), prior)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        yield loss.detach()
