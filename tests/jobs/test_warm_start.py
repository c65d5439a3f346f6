"""Training that starts from a model: from exactly its weights, with its network, and no worse than it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.events import EpochDone, JobError, Warned  # noqa: E402
from napari_topaz.jobs.pick import load_model  # noqa: E402
from napari_topaz.jobs.train import train_on_files  # noqa: E402
from napari_topaz.jobs.validation import Validation  # noqa: E402
from napari_topaz.jobs.warm_start import WARM_LABELS, WARM_LEARNING_RATE, settings_of  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import GENERAL, ModelCard, PickerModel  # noqa: E402
from napari_topaz.model.scoring import score_image  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from worlds import DIAMETER, World, run  # noqa: E402

pytestmark = pytest.mark.slow

PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
STILL = {"epochs": 1, "steps": 1, "expected": 10, "learning_rate": 1e-12}
SHORT = {"epochs": 2, "steps": 4, "expected": 10}


def a_start(*, batch_norm: bool = False, name: str = "start.safetensors", **card) -> PickerModel:
    """A network that nobody trained, as if it had been read from a file."""
    network = NetworkSettings(architecture="conv31", width=5, batch_norm=batch_norm)
    torch.manual_seed(11)
    entries = {"network": network, "preprocess": PREPROCESS, "train": TrainSettings(), **card}
    return PickerModel(build(network).eval(), ModelCard(**entries), name)


def trained(world: World, start: PickerModel | None, settings: dict, preprocess=PREPROCESS, **options):
    """Events and result of a training on all micrographs of the world."""
    job = train_on_files(
        world.files, world.truth, preprocess, TrainSettings(**settings), start=start, **options
    )
    return run(job)


def test_training_goes_on_from_exactly_these_weights(world: World) -> None:
    start = a_start()
    _, model = trained(world, start, STILL)
    image = np.random.default_rng(0).normal(size=(70, 81)).astype("f4")
    np.testing.assert_allclose(
        score_image(model.network, image), score_image(start.network, image), atol=1e-6
    )
    assert model.card.network == start.card.network
    assert model.card.pretrained == "start.safetensors"
    assert model.card.best_epoch == 1


def test_with_batch_norm_too(world: World) -> None:
    start = a_start(batch_norm=True)
    before = {k: v.clone() for k, v in start.network.state_dict().items()}
    events, model = trained(world, start, STILL)
    for name, weight in model.network.named_parameters():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-8)
    # The start itself stays as it is; only the statistics of the norm have seen a minibatch.
    assert all(torch.equal(v, before[k]) for k, v in start.network.state_dict().items())
    snapshot = next(e.model for e in events if isinstance(e, EpochDone))
    assert snapshot.card.pretrained == "start.safetensors"


def test_without_a_start_nothing_is_said_of_one(world: World) -> None:
    _, model = trained(world, None, SHORT, network=NetworkSettings(width=3))
    assert model.card.pretrained == ""
    assert model.card.train.learning_rate == TrainSettings().learning_rate


@pytest.mark.parametrize("given", [{}, {"learning_rate": 3e-3}])
def test_a_warm_start_takes_small_steps_unless_told(world: World, given: dict) -> None:
    _, model = trained(world, a_start(), {**SHORT, **given})
    small = WARM_LEARNING_RATE * min(1, (model.card.labels / WARM_LABELS) ** 0.5)
    assert model.card.train.learning_rate == pytest.approx(given.get("learning_rate", small))


def test_the_rest_of_the_preprocessing_is_the_starts(world: World) -> None:
    own = PREPROCESS.model_copy(update={"clip": 5.0, "normalise": "affine", "pixel_size": 9.0})
    _, model = trained(world, a_start(preprocess=own), SHORT, PreprocessSettings(diameter=70))
    # The pixel size is that of the micrographs to come, not of those that the start has seen.
    expected = own.model_copy(update={"diameter": 70.0, "pixel_size": None})
    assert model.card.preprocess == expected
    assert model.card.pixel_size == 2.0
    _, model = trained(world, a_start(preprocess=own), SHORT, PreprocessSettings())
    assert model.card.preprocess.diameter == DIAMETER


@pytest.mark.parametrize(
    ("network", "option"),
    [({"architecture": "resnet8"}, "--architecture resnet8"), ({"width": 8}, "--width 8")],
)
def test_another_network_than_the_starts_is_refused(world: World, network: dict, option: str) -> None:
    with pytest.raises(JobError, match=rf"{option} contradicts .*start\.safetensors: conv31"):
        trained(world, a_start(), SHORT, network=NetworkSettings(**network))


def test_the_same_network_may_be_named(world: World) -> None:
    _, model = trained(world, a_start(), SHORT, network=NetworkSettings(architecture="conv31", width=5))
    assert model.card.network.architecture == "conv31"


def test_a_start_that_was_better_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_topaz.jobs import train as module

    values = iter([0.95, 0.3, 0.4, 0.95])
    monkeypatch.setattr(module, "validate", lambda *a, **k: Validation(next(values), 1.5, 50))
    start = a_start()
    events, model = trained(world, start, {**SHORT, "learning_rate": 0.1})
    assert [e.kept for e in events if isinstance(e, EpochDone)] == [False, False]
    assert any("is kept" in e.message for e in events if isinstance(e, Warned))
    assert model.card.best_epoch == 0
    assert all(torch.equal(v, start.network.state_dict()[k]) for k, v in model.network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "before", "said"),
    [("a.sav", "b.sav", "a.sav"), ("", "b.sav", "b.sav"), ("", "", "a model that was not saved")],
)
def test_the_card_says_where_the_start_came_from(world: World, name: str, before: str, said: str) -> None:
    _, model = trained(world, a_start(name=name, pretrained=before), STILL)
    assert model.card.pretrained == said


def test_lengths_take_the_place_of_those_in_the_file(tmp_path: Path) -> None:
    path = a_start().save(tmp_path / "m.safetensors")
    model = load_model(path, device="cpu", diameter=90, downsample=3)
    assert model.card.preprocess == PREPROCESS.model_copy(update={"diameter": 90, "downsample": 3})
    assert model.name == "m.safetensors"
    assert load_model(path, device="cpu").card.preprocess == PREPROCESS


def test_few_labels_take_smaller_steps_and_many_larger_ones() -> None:
    start = a_start()
    rates = [settings_of(start, None, labels).learning_rate for labels in (15, 60, 1000)]
    assert rates == pytest.approx([WARM_LEARNING_RATE / 2, WARM_LEARNING_RATE, WARM_LEARNING_RATE])
    general = start.with_card(pretrained=GENERAL)
    rates = [settings_of(general, None, labels).learning_rate for labels in (15, 60, 100, 400, 10**6)]
    expected = [WARM_LEARNING_RATE * part for part in (0.5, 1, 1, 2)]
    assert rates == pytest.approx([*expected, TrainSettings().learning_rate]), "many labels: as from nothing"
    # Few labels are learnt from slowly, but for those of a crowd, from the general model.
    rates = [settings_of(general, None, 15, coverage).learning_rate for coverage in (0.2, 0.49, 0.5, 2.0)]
    assert rates == pytest.approx([WARM_LEARNING_RATE * part for part in (0.5, 0.5, 1, 1)])
    assert settings_of(start, None, 15, 0.6).learning_rate == pytest.approx(WARM_LEARNING_RATE / 2)
    assert settings_of(start, TrainSettings(learning_rate=1e-3), 15).learning_rate == 1e-3
    assert settings_of(None, None, 15) == TrainSettings()
