"""The general model of the package: there, usable, and the start of every training that it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.jobs.warm_start import general_start, is_bright  # noqa: E402
from napari_topaz.model.general import WEIGHTS, for_inverted, general_model, suits  # noqa: E402
from napari_topaz.model.picker import PickerModel  # noqa: E402
from napari_topaz.model.scoring import score_image  # noqa: E402
from napari_topaz.preprocess import Prepared  # noqa: E402
from napari_topaz.settings import NetworkSettings, TrainSettings  # noqa: E402
from napari_topaz.training_set import LabelledImage, TrainingSet  # noqa: E402

NONE = np.zeros((0, 2), np.float32)


def a_set(sign: float, *, labels: int = 8, radius: float = 9.5) -> TrainingSet:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.5, (160, 200)).astype(np.float32)
    yx = rng.uniform(20, 140, (labels, 2)).astype(np.float32)
    y, x = np.ogrid[:160, :200]
    for cy, cx in yx:
        image += sign * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 4.0**2)).astype(np.float32)
    labelled = LabelledImage(Prepared("m", image, image.shape), yx, NONE)
    return TrainingSet((labelled,), frozenset(), radius, 3.0, 10.0, False)


def test_it_does_not_know_a_diameter() -> None:
    model = general_model()
    assert not model.knows_preprocessing
    assert model.card.network == NetworkSettings()


def test_its_card_says_what_it_is_wherever_it_was_saved(tmp_path: Path) -> None:
    saved = PickerModel.load(general_model().save(tmp_path / "guess_of_a_session.safetensors"))
    assert general_model().is_general
    assert saved.is_general
    assert for_inverted(saved).is_general
    assert not saved.with_card(labels=12).is_general
    assert not saved.with_card(pretrained=WEIGHTS.name).is_general


def test_its_negative_scores_the_negative_image_alike() -> None:
    image = np.random.default_rng(0).normal(size=(80, 96)).astype(np.float32)
    model = general_model()
    inverted = for_inverted(model)
    np.testing.assert_allclose(
        score_image(inverted.network, -image), score_image(model.network, image), atol=1e-4
    )
    assert not np.allclose(score_image(model.network, -image), score_image(model.network, image), atol=0.1)


def test_the_negative_of_a_model_looks_for_the_negative_of_its_particle() -> None:
    known = general_model().with_card(average=((1.0, -2.0),))
    assert for_inverted(known).card.average == ((-1.0, 2.0),)
    assert for_inverted(general_model()).card.average == ()


@pytest.mark.parametrize(("sign", "bright"), [(-1.0, False), (1.0, True), (0.0, False)])
def test_bright_particles_are_noticed(sign: float, bright: bool) -> None:
    assert is_bright(a_set(sign)) is bright


def test_two_labels_in_noise_prove_nothing_by_being_alike() -> None:
    """Their own spread is no measure: it is below a fourth of their mean in one of thirteen pairs."""
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        image = rng.normal(0, 0.5, (160, 200)).astype(np.float32)
        labelled = LabelledImage(Prepared("m", image, image.shape), rng.uniform(20, 140, (2, 2)), NONE)
        found += is_bright(TrainingSet((labelled,), frozenset(), 9.5, 3.0, 10.0, False))
    assert found == 0
    assert is_bright(a_set(1.0, labels=2))


def test_one_label_proves_nothing() -> None:
    assert not is_bright(a_set(1.0, labels=1))


def test_training_starts_from_it_where_it_fits() -> None:
    settings = TrainSettings()
    start = general_start(a_set(-1.0), settings, None)
    assert start is general_model()
    flipped = general_start(a_set(1.0), settings, None)
    assert flipped is not None
    assert flipped is not start
    assert general_start(a_set(-1.0), TrainSettings(start="random"), None) is None
    assert general_start(a_set(-1.0), settings, NetworkSettings(architecture="conv31")) is None
    assert general_start(a_set(-1.0, radius=30.0), settings, None) is None


def test_what_it_suits() -> None:
    assert suits(NetworkSettings(), 19.0)
    assert not suits(NetworkSettings(), 60.0)
    assert not suits(NetworkSettings(width=8), 19.0)
    assert not suits(NetworkSettings(batch_norm=False), 19.0)
