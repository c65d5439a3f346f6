"""The autoencoder term: sizes, targets, and that it teaches the features."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.model.autoencoder import decoder, reconstruction_loss  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.training import Loss, Minibatch  # noqa: E402
from napari_topaz.settings import NetworkSettings, TrainSettings  # noqa: E402


def test_the_decoder_draws_31_pixels() -> None:
    assert decoder(48)(torch.zeros(5, 48, 1, 1)).shape == (5, 1, 31, 31)


@pytest.mark.parametrize("architecture", ["small", "conv31", "resnet8"])
@pytest.mark.parametrize("outputs", [1, 4])
def test_the_target_is_the_middle_of_the_region(architecture: str, outputs: int) -> None:
    network = build(NetworkSettings(architecture=architecture, width=6)).eval()
    size = network.stride * (outputs - 1) + network.field
    images = torch.arange(3.0 * size * size).reshape(3, 1, size, size)
    half = network.field // 2
    centres = images[:, 0, half :: network.stride, half :: network.stride][:, :outputs, :outputs]
    # "Features" that hold the value of the centre; the "decoder" paints it over the whole region.
    loss = reconstruction_loss(
        lambda f: f.expand(-1, 1, 31, 31), centres[:, None], images, network.stride, torch.Generator()
    )
    offsets = torch.arange(31.0) - 15
    expected = ((offsets[:, None] * size + offsets) ** 2).sum()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("outputs", "wanted", "drawn"), [(1, None, 40), (1, 9, 9), (4, None, 64), (4, 7, 7)])
def test_as_many_regions_are_drawn_as_wanted(outputs: int, wanted: int | None, drawn: int) -> None:
    seen = []

    def decode(features: torch.Tensor) -> torch.Tensor:
        seen.append(len(features))
        return torch.zeros(len(features), 1, 31, 31)

    images = torch.ones(40, 1, 31 + 4 * (outputs - 1), 31 + 4 * (outputs - 1))
    features = torch.zeros(40, 3, outputs, outputs)
    loss = reconstruction_loss(decode, features, images, 4, torch.Generator(), wanted)
    assert seen == [drawn]
    assert loss == 31 * 31


def test_the_weight_follows_the_papers() -> None:
    network = build(NetworkSettings(width=6))
    batch = Minibatch(torch.randn(4, 1, 97, 97), torch.zeros(4, 16, 16, dtype=torch.int8))
    settings = TrainSettings(objective="pn", autoencoder=10)

    def value(labels: int, settings: TrainSettings = settings) -> float:
        torch.manual_seed(0)
        return Loss(network, settings, 0.1, labels)(batch, torch.Generator().manual_seed(0)).item()

    plain = value(10, TrainSettings(objective="pn"))
    assert value(251) == pytest.approx(plain)
    assert value(10) - plain == pytest.approx(5 * (value(50) - plain), rel=1e-3)
    assert value(10) - plain > 100  # about 961 pixels of variance 1, times γ = 1


def test_the_term_reaches_features_and_decoder() -> None:
    network = build(NetworkSettings(width=6))
    loss = Loss(network, TrainSettings(objective="pn", autoencoder=10), 0.1, 10)
    batch = Minibatch(torch.randn(4, 1, 97, 97), torch.full((4, 16, 16), 2, dtype=torch.int8))
    loss(batch, torch.Generator()).backward()
    assert all(p.grad.abs().sum() > 0 for p in loss.parameters() if p.ndim > 1)
    assert network.features[0][0].weight.grad.abs().sum() > 0
