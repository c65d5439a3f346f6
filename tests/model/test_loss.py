"""The loss of a minibatch: what the settings say reaches the objective."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.training import Loss, Minibatch  # noqa: E402
from napari_topaz.settings import NetworkSettings, TrainSettings  # noqa: E402


def losses(objective: str, batches: int = 1, **options: float) -> list[float]:
    """Losses of some minibatches, one after the other."""
    torch.manual_seed(0)
    network = build(NetworkSettings(width=6))
    loss = Loss(network, TrainSettings(objective=objective, **options), 0.1, 10)
    classes = torch.zeros(4, 4, 4, dtype=torch.int8)
    classes[0] = 1
    drawn = [Minibatch(torch.randn(4, 1, 49, 49) * (n + 1), classes) for n in range(batches)]
    return [loss(batch, torch.Generator()).item() for batch in drawn]


@pytest.mark.parametrize(
    ("objective", "usual"), [("ge-kl", 10), ("ge-binomial", 1), ("ge-binomial-exact", 1)]
)
def test_slack_weighs_the_expectation(objective: str, usual: float) -> None:
    (nothing,), (once,), (thrice,) = (losses(objective, slack=k) for k in (0, 1, 3))
    assert once - nothing > 1e-3
    assert thrice - nothing == pytest.approx(3 * (once - nothing), rel=1e-4)
    assert losses(objective) == pytest.approx(losses(objective, slack=usual))


def test_the_mean_of_earlier_minibatches_is_kept_where_that_is_wanted() -> None:
    plain, kept = losses("ge-kl", 2), losses("ge-kl", 2, expectation_decay=0.9)
    assert kept[0] == pytest.approx(plain[0], rel=1e-4)
    assert abs(kept[1] - plain[1]) > 1e-4
