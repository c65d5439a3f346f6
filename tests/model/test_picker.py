"""Model files: whole or not at all, and never executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from napari_topaz.jobs.pick import score_one  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import CARD_KEY, ModelCard, ModelFileError, PickerModel  # noqa: E402
from napari_topaz.preprocess import Prepared  # noqa: E402
from napari_topaz.settings import (  # noqa: E402
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    TrainSettings,
)


def fresh() -> PickerModel:
    network = NetworkSettings(architecture="small", width=6)
    card = ModelCard(
        network=network, preprocess=PreprocessSettings(diameter=100), train=TrainSettings(), pixel_size=2.0
    )
    return PickerModel(build(network), card)


def test_round_trip(tmp_path: Path) -> None:
    model = fresh().with_card(threshold=1.25, labels=7)
    again = PickerModel.load(model.save(tmp_path / "a.safetensors"))
    assert again.card == model.card
    assert again.card.threshold == 1.25
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]


def test_the_radius_follows_the_pixel_size() -> None:
    assert fresh().radius() == 25
    assert fresh().radius(1.0) == 50
    unknown = fresh().with_card(pixel_size=None)
    with pytest.raises(ValueError, match="--pixel-size"):
        unknown.radius()


def test_scores_are_averaged_as_the_card_says_unless_told_otherwise() -> None:
    model, rng = fresh(), np.random.default_rng(0)
    prepared = Prepared("a", rng.normal(size=(61, 61)).astype("f4"), (122, 122))
    eight, none = (model.score(prepared, symmetries=how).logits for how in ("eight", "none"))
    assert not np.allclose(eight, none)
    np.testing.assert_array_equal(model.score(prepared).logits, eight)
    plain = model.with_card(train=TrainSettings(symmetries="none"))
    np.testing.assert_array_equal(plain.score(prepared).logits, none)
    np.testing.assert_array_equal(plain.score(prepared, symmetries="eight").logits, eight)
    np.testing.assert_array_equal(score_one(prepared, plain, PickSettings()).logits, none)


def _metadata(text: str, path: Path) -> None:
    save_file(fresh().network.state_dict(), path, {CARD_KEY: text})


def _text(path: Path) -> None:
    path.write_text("hello")


def _empty(path: Path) -> None:
    path.touch()


def _truncated(path: Path) -> None:
    fresh().save(path)
    path.write_bytes(path.read_bytes()[:-40])


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))


def _stranger(path: Path) -> None:
    save_file({"a": torch.zeros(3)}, path)


def _no_json(path: Path) -> None:
    _metadata("{", path)


def _not_an_object(path: Path) -> None:
    _metadata("[]", path)


def _unknown_network(path: Path) -> None:
    card = json.loads(fresh().card.model_dump_json())
    card["network"]["architecture"] = "os.system"
    _metadata(json.dumps(card), path)


def _wrong_width(path: Path) -> None:
    card = json.loads(fresh().card.model_dump_json())
    card["network"]["width"] = 12
    _metadata(json.dumps(card), path)


def _newer(path: Path) -> None:
    _metadata(json.dumps({"format_version": 99}), path)


def _folder(path: Path) -> None:
    path.mkdir()


def _missing(path: Path) -> None:
    """Nothing is there."""


@pytest.mark.parametrize(
    "make",
    [
        _text,
        _empty,
        _truncated,
        _pickle,
        _stranger,
        _no_json,
        _not_an_object,
        _unknown_network,
        _wrong_width,
        _newer,
        _folder,
        _missing,
    ],
)
def test_what_is_not_a_model_is_refused_in_one_sentence(make, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    make(path)
    with pytest.raises(ModelFileError, match=r"model\.safetensors") as caught:
        PickerModel.load(path)
    assert "\n" not in str(caught.value)


def test_moving_to_another_device_leaves_the_model_where_it_is() -> None:
    model = fresh()
    assert model.to("cpu") is model
    moved = model.to("meta")  # a device that every machine has
    assert {p.device.type for p in moved.network.parameters()} == {"meta"}
    assert {p.device.type for p in model.network.parameters()} == {"cpu"}


def test_scores_are_calibrated_as_the_card_says() -> None:
    settings = NetworkSettings(width=3)
    card = ModelCard(
        network=settings, preprocess=PreprocessSettings(), train=TrainSettings(symmetries="none")
    )
    model = PickerModel(build(settings).eval(), card)
    image = np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)
    plain = model.score(Prepared("m", image, image.shape)).logits
    assert not model.calibrated
    known = model.with_card(score_slope=0.5, score_offset=-1.0, expected_precision=0.8)
    assert known.calibrated
    np.testing.assert_allclose(
        known.score(Prepared("m", image, image.shape)).logits, 0.5 * plain - 1, rtol=1e-5, atol=1e-6
    )
