"""What follows a slider or a model that learns is drawn with as little work as it takes."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from napari_topaz.gui import circles
from napari_topaz.gui.options import Options
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, ReferenceSettings, TrainSettings

from .conftest import SHAPE, Stage


def heat(seed: int, shape: tuple[int, int] = (30, 40)) -> ScoreMap:
    logits = np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)
    return ScoreMap("a", logits, (10.0, 10.0), 1, SHAPE)


def test_another_heat_map_is_written_into_the_one_that_is_drawn(stage: Stage) -> None:
    first, second = heat(1), heat(2)
    kept = first.logits.copy()
    stage.layers.show_scores(first)
    layer, told, drawn = stage["heat map"], Mock(), Mock()
    layer.events.data.connect(told)
    layer.events.set_data.connect(drawn)
    before = layer.thumbnail.copy()
    stage.layers.show_scores(second)
    assert np.array_equal(layer.data, second.logits)
    assert np.array_equal(first.logits, kept)  # somebody may hold it still
    assert not np.shares_memory(layer.data, second.logits)
    assert drawn.called
    assert not told.called  # napari would look how far all layers reach
    assert not np.array_equal(layer.thumbnail, before)


def test_a_heat_map_of_another_grid_takes_its_place(stage: Stage) -> None:
    stage.layers.show_scores(heat(1))
    stage.layers.show_scores(heat(2, (60, 80)))
    assert np.array_equal(stage["heat map"].data, heat(2, (60, 80)).logits)
    stage.layers.show_scores(None)
    assert not stage["heat map"].data.any()
    stage.layers.show_scores(heat(3))
    assert np.array_equal(stage["heat map"].data, heat(3).logits)


def test_the_limits_of_a_new_heat_map_are_its_own(stage: Stage) -> None:
    far = ScoreMap("a", heat(1).logits + 100, (10.0, 10.0), 1, SHAPE)
    for scores in (heat(1), far, heat(2)):
        stage.layers.show_scores(scores)
        low, high = stage["heat map"].contrast_limits
        middle = float(np.median(scores.logits))  # there is no threshold
        assert (low + high) / 2 == pytest.approx(middle, abs=1e-3)
        lowest, highest = stage["heat map"].contrast_limits_range
        assert lowest < scores.logits.min()
        assert highest > scores.logits.max()
        assert highest - lowest < 100


def test_edges_of_a_thousand_circles_are_not_smoothed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circles, "MOST_SMOOTH", 2)
    places = np.array([[10, 20], [100, 200], [200, 300]])
    stage.workspace.set_candidates("a", Picks(places, [3.0, 2.0, 1.0]))
    smoothing = []
    for threshold in (0.0, 1.5, 0.5):
        stage.workspace.change(pick=PickSettings(threshold=threshold))
        smoothing.append((len(stage["picks"].data), stage["picks"].antialiasing))
    assert smoothing == [(3, 0), (2, 1), (3, 0)]
    assert stage["labels"].antialiasing == 1


def test_options_are_compared_without_their_thresholds() -> None:
    plain = Options()
    moved = Options(pick=PickSettings(threshold=1.0), reference=ReferenceSettings(threshold=2.0))
    assert moved != plain
    assert moved.but_thresholds() == plain.but_thresholds()
    assert moved.thresholds == (1.0, 2.0)
    assert Options(train=TrainSettings(epochs=3)).but_thresholds() != plain.but_thresholds()
