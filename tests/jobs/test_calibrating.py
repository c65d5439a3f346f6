"""Scores of a trained model are probabilities, and its threshold follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

torch = pytest.importorskip("torch")

from napari_topaz.jobs.calibrating import calibrated, expected_slope, label_weights  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import ModelCard, PickerModel  # noqa: E402
from napari_topaz.numerics.presence import SLOPE  # noqa: E402
from napari_topaz.preprocess import Prepared  # noqa: E402
from napari_topaz.score_map import ScoreMap  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from napari_topaz.training_set import LabelledImage, TrainingSet  # noqa: E402

NONE = np.zeros((0, 2), np.float32)
RADIUS = 4.0


def a_model(pretrained: str = "the general model") -> PickerModel:
    network = NetworkSettings(width=3)
    settings = {"preprocess": PreprocessSettings(), "train": TrainSettings()}
    card = ModelCard(network=network, pretrained=pretrained, **settings)
    return PickerModel(build(network).eval(), card)


def a_set(monkeypatch: pytest.MonkeyPatch, held_out: frozenset[str]) -> tuple[TrainingSet, dict]:
    """Four images with a grid of peaks whose scores are known, particles (unsure ones too) and others."""
    rng, maps, images, truth = np.random.default_rng(1), {}, [], []
    for name in "abcd":
        logits = np.full((64, 64), -20.0, np.float32)
        grid = np.stack(np.meshgrid(np.arange(4, 64, 8), np.arange(4, 64, 8), indexing="ij"), -1)
        places = grid.reshape(-1, 2)
        particle = rng.random(len(places)) < 0.4
        scores = np.where(particle, rng.normal(3, 1.5, len(places)), rng.normal(-1, 1.5, len(places)))
        logits[tuple(places.T)] = scores
        maps[name] = logits
        prepared = Prepared(name, np.zeros((64, 64), np.float32), (64, 64))
        labelled = places[particle][::2].astype(np.float32)
        images.append(LabelledImage(prepared, labelled, NONE))
        truth.append((scores, particle))

    def score(self: PickerModel, prepared: Prepared, *, symmetries: str = "auto") -> ScoreMap:
        values = maps[prepared.name] * self.card.score_slope + self.card.score_offset
        return ScoreMap(prepared.name, values.astype(np.float32), (1.0, 1.0), 0, (64, 64))

    monkeypatch.setattr(PickerModel, "score", score)
    expected = float(np.mean([p.sum() for _, p in truth]))
    made = TrainingSet(tuple(images), held_out, RADIUS, 1.5, expected, False)
    scores, hits = (np.concatenate(values) for values in zip(*truth, strict=True))
    return made, {"scores": scores, "hits": hits}


def test_scores_become_logits_of_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    made, truth = a_set(monkeypatch, frozenset("ab"))
    model = calibrated(a_model(), made)
    assert model.calibrated
    logits = model.card.score_slope * truth["scores"] + model.card.score_offset
    assert expit(logits).sum() == pytest.approx(truth["hits"].sum(), rel=0.02)
    above = logits >= model.card.threshold
    assert model.card.expected_precision == pytest.approx(truth["hits"][above].mean(), abs=0.06)


def test_the_threshold_is_near_the_best_f1(monkeypatch: pytest.MonkeyPatch) -> None:
    made, truth = a_set(monkeypatch, frozenset())
    model = calibrated(a_model(), made)
    logits = model.card.score_slope * truth["scores"] + model.card.score_offset

    def f1(threshold: float) -> float:
        above = logits >= threshold
        return 2 * truth["hits"][above].sum() / (above.sum() + truth["hits"].sum())

    assert f1(model.card.threshold) > max(map(f1, logits)) - 0.03


def test_a_network_from_random_weights_is_believed_less(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = a_set(monkeypatch, frozenset())
    pretrained, random = (calibrated(a_model(origin), made).card for origin in ("the general model", ""))
    assert random.score_slope < 0.7 * pretrained.score_slope


def test_slopes_fall_with_the_number_of_labels_up_to_a_hundred() -> None:
    assert [expected_slope(n, pretrained=True) for n in (1, 10)] == [SLOPE, SLOPE]
    assert expected_slope(10, pretrained=False) == pytest.approx(0.6)
    assert expected_slope(100, pretrained=True) == pytest.approx(SLOPE * 10**-0.15)
    assert expected_slope(5000, pretrained=True) == expected_slope(100, pretrained=True)


def test_what_was_learnt_from_other_micrographs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live calibrates on one micrograph alone."""
    made, _ = a_set(monkeypatch, frozenset())
    one = replace(made, images=made.images[:1])
    few, many = (calibrated(a_model().with_card(labels=n), one).card for n in (10, 100))
    assert many.score_slope < few.score_slope


def test_labels_that_were_trained_on_count_for_eight_at_most() -> None:
    np.testing.assert_allclose(label_weights([2, 3, 2], 1), [1] * 7)
    np.testing.assert_allclose(label_weights([2, 30, 2], 1), [1] * 2 + [0.25] * 32)
    np.testing.assert_allclose(label_weights([2, 3], 4), [1] * 5)
    assert len(label_weights([], 0)) == 0


def test_labels_that_were_trained_on_move_the_slope_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(held_out: str) -> float:
        made, _ = a_set(monkeypatch, frozenset(held_out))
        expected = expected_slope(sum(len(i.positives) for i in made.images), pretrained=True)
        return abs(np.log(calibrated(a_model(), made).card.score_slope / expected))

    assert 0 < moved("") < moved("abc")


def test_more_weight_on_recall_lowers_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = a_set(monkeypatch, frozenset())
    assert calibrated(a_model(), made, beta=2).card.threshold < calibrated(a_model(), made).card.threshold


def test_complete_labels_count_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    made, truth = a_set(monkeypatch, frozenset())
    complete = replace(made, images=tuple(replace(i, complete=True) for i in made.images), expected=1000.0)
    card = calibrated(a_model(), complete).card
    labels = sum(len(i.positives) for i in made.images)
    logits = card.score_slope * truth["scores"] + card.score_offset
    assert expit(logits).sum() == pytest.approx(labels, rel=0.02)


@pytest.mark.parametrize("first", [True, False])
def test_micrographs_without_a_particle_do_not_crowd_out_those_with(
    monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    made, _ = a_set(monkeypatch, frozenset())
    alone = calibrated(a_model(), made).card
    score, empty = PickerModel.score, np.full((64, 64), -20.0, np.float32)
    peaks = np.random.default_rng(2).normal(-2, 1, 16)
    empty[4::16, 4::16] = peaks.reshape(4, 4)

    def with_empty(self: PickerModel, prepared: Prepared, **how: str) -> ScoreMap:
        return (
            score(self, prepared)
            if prepared.name in "abcd"
            else ScoreMap(prepared.name, empty, (1.0, 1.0), 0, (64, 64))
        )

    monkeypatch.setattr(PickerModel, "score", with_empty)
    image = np.zeros((64, 64), np.float32)
    empties = [
        LabelledImage(Prepared(f"e{k}", image, (64, 64)), NONE, NONE, complete=True) for k in range(12)
    ]
    images = (*empties, *made.images) if first else (*made.images, *empties)
    card = calibrated(a_model(), replace(made, images=images)).card
    assert card.threshold == pytest.approx(alone.threshold, abs=0.3)
    assert card.expected_precision == pytest.approx(alone.expected_precision, abs=0.05)
