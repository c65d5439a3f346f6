"""The elements that ablation.py compares: each is the default recipe with one thing changed.

What is an option of the package is set as one. What did not earn a place in the package lives here, as a
context in which the package's functions are replaced while one model is trained.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from napari_topaz.jobs import train as job
from napari_topaz.model import objectives, training
from napari_topaz.model.networks import Classifier
from napari_topaz.model.sampling import Regions, random_rotations

#: Decay per step of the moving average of weights.
DECAY = 0.98
#: Weight of the squared distance from the weights that training started from (L2-SP, Li et al. 2018).
PULL = 1e-2
#: Standard deviation of noise added to tiles, of the ice's.
NOISE = 0.3
#: Outputs of a tile within a particle are hardly independent: so many count for one.
CORRELATED = 20


@dataclass(frozen=True)
class Element:
    """One thing changed.

    Attributes
    ----------
    says : str
        What is changed, for the table.
    settings : mapping
        Options of training.
    context : callable
        Gives the context to train in.
    preprocess : mapping
        Options of preprocessing.
    """

    says: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    preprocess: Mapping[str, Any] = field(default_factory=dict)


def eight_symmetries() -> AbstractContextManager[object]:
    """Tiles in eight symmetries, however few the labels are."""
    return patch.object(training, "draw_turned_tiles", training.draw_tiles)


def any_angle() -> AbstractContextManager[object]:
    """Tiles at any angle, interpolated, however many the labels are."""
    return patch.object(training, "ENOUGH_LABELS", sys.maxsize)


@contextmanager
def nearest_pixels() -> Iterator[None]:
    """Tiles at any angle of the nearest pixels: turned, with all of their noise."""

    def bilinear(self: Regions, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return self.pixels[self._index(image, y, x)]

    with any_angle(), patch.object(Regions, "_bilinear", bilinear):
        yield


@contextmanager
def any_size() -> Iterator[None]:
    """Tiles at any angle, and particles in them up to a tenth smaller or larger."""

    def turned(n: int, generator: torch.Generator, *, mirror: bool = True) -> Tensor:
        size = 0.9 + 0.2 * torch.rand(n, generator=generator, device=generator.device)
        return random_rotations(n, generator, mirror=mirror) * size[:, None, None]

    with any_angle(), patch.object(training, "random_rotations", turned):
        yield


@contextmanager
def noisy_tiles() -> Iterator[None]:
    """Noise added to every tile."""
    plain = training.draw_turned_tiles

    def draw(
        regions: Regions, network: Classifier, generator: torch.Generator, **more: Any
    ) -> training.Minibatch:
        batch = plain(regions, network, generator, **more)
        noise = torch.randn(batch.images.shape, generator=generator, device=batch.images.device)
        return training.Minibatch(batch.images + NOISE * noise, batch.classes, batch.anywhere)

    with patch.object(training, "draw_turned_tiles", draw):
        yield


@contextmanager
def frozen_statistics() -> Iterator[None]:
    """Batch normalisation keeps the statistics of the start."""
    plain = Classifier.train

    def train(self: Classifier, mode: bool = True) -> Classifier:
        plain(self, mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    with patch.object(Classifier, "train", train):
        yield


@contextmanager
def pulled_back() -> Iterator[None]:
    """A penalty on the squared distance from the start."""
    plain = training.Loss

    class Loss(plain):  # type: ignore[misc, valid-type]
        def __init__(self, network: Classifier, *more: Any) -> None:
            super().__init__(network, *more)
            self._trained = list(network.parameters())
            self._start = [p.detach().clone() for p in self._trained]

        def __call__(self, batch: training.Minibatch, generator: torch.Generator) -> Tensor:
            away = sum(((p - s) ** 2).sum() for p, s in zip(self._trained, self._start, strict=True))
            return super().__call__(batch, generator) + PULL * away

    with patch.object(training, "Loss", Loss):
        yield


@contextmanager
def averaged_weights() -> Iterator[None]:
    """Epochs are judged, and kept, with a moving average of the weights."""
    steps, close = training.train_steps, job._Run.close_epoch
    averages: dict[int, nn.Module] = {}

    def train_steps(network: Classifier, *more: Any) -> Iterator[Tensor]:
        average = torch.optim.swa_utils.AveragedModel(
            network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY), use_buffers=True
        )
        averages[id(network)] = average.module
        for loss in steps(network, *more):
            average.update_parameters(network)
            yield loss

    def close_epoch(self: Any, *more: Any) -> Any:
        network = self.model.network
        now = {k: v.clone() for k, v in network.state_dict().items()}
        network.load_state_dict(averages[id(network)].state_dict())
        try:
            return close(self, *more)
        finally:
            network.load_state_dict(now)

    with (
        patch.object(training, "train_steps", train_steps),
        patch.object(job._Run, "close_epoch", close_epoch),
    ):
        yield


def effective_number() -> AbstractContextManager[object]:
    """GE-binomial on tiles, for the number of regions that are independent of one another.

    Of N correlated regions N / CORRELATED are taken to be independent: the number of positives follows
    Binomial(N / CORRELATED, π), and its expectation and variance are those of the minibatch over CORRELATED.
    """

    def ge_binomial(logits: Tensor, labels: Tensor, prior: float, slack: float = 1.0) -> Tensor:
        unlabelled = (labels == 0).nonzero()[:, 0]
        few = unlabelled[::CORRELATED]
        chosen = torch.cat([few, (labels.abs() == 1).nonzero()[:, 0]])
        return objectives.ge_binomial(logits[chosen], labels[chosen], prior, slack)

    return patch.object(training, "by_name", lambda name: ge_binomial)


#: What is compared, by name; "default" is what a user gets.
ELEMENTS: dict[str, Element] = {
    "default": Element("the default recipe"),
    "random-start": Element("random weights at the start, not the general model's", {"start": "random"}),
    "no-symmetries": Element("scores of the micrograph alone, not the mean of eight", {"symmetries": "none"}),
    "last-epoch": Element("no labels held out, the last epoch is kept", {"held_out": 0.0}),
    "pn": Element("objective pn", {"objective": "pn"}),
    "pn-pi": Element("objective pn-pi", {"objective": "pn-pi"}),
    "nnpu": Element("objective nnpu", {"objective": "nnpu"}),
    "ge-kl": Element("objective ge-kl", {"objective": "ge-kl"}),
    "ge-binomial": Element("objective ge-binomial, on patches", {"objective": "ge-binomial"}),
    "ge-binomial-effective": Element(
        "objective ge-binomial on tiles, with the effective number of independent regions",
        {"objective": "ge-binomial", "sampling": "tiles"},
        effective_number,
    ),
    "patches": Element("patches drawn one by one, not tiles", {"sampling": "patches"}),
    "eight-symmetries": Element("tiles in eight symmetries only", context=eight_symmetries),
    "any-angle": Element("tiles at any angle with many labels too", context=any_angle),
    "nearest-pixels": Element("tiles at any angle, of the nearest pixels", context=nearest_pixels),
    "any-size": Element("tiles at any angle, particles up to 10 % smaller or larger", context=any_size),
    "noise": Element(f"noise of {NOISE} σ added to tiles", context=noisy_tiles),
    "averaged-weights": Element(f"moving average of weights, decay {DECAY}", context=averaged_weights),
    "pull": Element(f"pulled back to the start, weight {PULL}", context=pulled_back),
    "frozen-statistics": Element("batch norm with the start's statistics", context=frozen_statistics),
    "self-supervised": Element("with the papers' autoencoder", {"autoencoder": 10.0}),
    "twice-as-long": Element("twice the steps an epoch", {"steps": 100}),
    "half-as-long": Element("half the steps an epoch", {"steps": 25}),
    "smaller": Element("particles 16 px wide, not 19", preprocess={"particle_pixels": 16.0}),
    "small-rate": Element(
        "learning rate of ten labels, in a crowd, too", {"learning_rate": 5e-4 * math.sqrt(10 / 60)}
    ),
    "one-rate": Element("learning rate 5e-4 however few the labels are", {"learning_rate": 5e-4}),
    "twice-the-rate": Element("learning rate 1e-3", {"learning_rate": 1e-3}),
}
