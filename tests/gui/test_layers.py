"""What is drawn, and what her clicks mean."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from napari_topaz.gui.looks import LOOKS, METADATA
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, PreprocessSettings

from .conftest import DIAMETER, PIXEL_SIZE, SHAPE, Stage


def test_all_layers_share_units_scale_and_axes(stage: Stage) -> None:
    image, *others = stage.viewer.layers
    assert [str(u) for layer in stage.viewer.layers for u in layer.units] == ["angstrom"] * 8
    assert all(layer.axis_labels == ("y", "x") for layer in stage.viewer.layers)
    assert all(tuple(layer.scale) == (PIXEL_SIZE, PIXEL_SIZE) for layer in others)
    bin_ = stage.layers.picture.bin
    assert bin_ == 3
    assert tuple(image.scale) == (3 * PIXEL_SIZE,) * 2
    assert tuple(image.translate) == (PIXEL_SIZE,) * 2  # centre of the first block of 3 × 3
    assert stage.viewer.canvas.overlays.scale_bar.visible


def test_a_pixel_of_the_image_lies_where_a_point_of_the_original_lies(stage: Stage) -> None:
    image = stage.viewer.layers[0]
    world = image.data_to_world((10, 20))  # its block covers rows 30 … 32, columns 60 … 62
    assert stage["labels"].world_to_data(world) == pytest.approx((31, 61))


def test_circles_have_the_diameter_of_the_particle(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    assert stage["labels"].size.tolist() == [DIAMETER / PIXEL_SIZE]
    stage.workspace.change(preprocess=PreprocessSettings(diameter=100))
    assert stage["labels"].size.tolist() == [50]
    stage["labels"].add([100, 20])
    assert stage["labels"].size.tolist() == [50, 50]


def test_clicks_are_in_the_workspace_at_once_and_nothing_is_lost_on_switching(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    stage["labels"].add([200.5, 300.25])
    assert stage.workspace.labels("a").yx.tolist() == [[10, 20], [200.5, 300.25]]
    stage.show("b")
    assert len(stage["labels"].data) == 0
    stage["labels"].add([5, 6])
    stage.show("a")
    assert stage["labels"].data.tolist() == [[10, 20], [200.5, 300.25]]
    assert stage.workspace.labels("b").yx.tolist() == [[5, 6]]


def test_deleting_and_moving_labels(stage: Stage) -> None:
    for yx in ([10, 20], [50, 60], [100, 200]):
        stage["labels"].add(yx)
    stage["labels"].selected_data = {1}
    stage["labels"].remove_selected()
    assert stage.workspace.labels("a").yx.tolist() == [[10, 20], [100, 200]]
    stage["labels"].data = np.array([[11, 20], [100, 200]])
    assert stage.workspace.labels("a").yx.tolist() == [[11, 20], [100, 200]]


def test_kinds_of_labels_look_different_and_keep_their_kind(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    stage.layers.label_next(Kind.NOT_PARTICLE)
    stage["labels"].add([100, 200])
    stage["labels"].add([200, 100])
    assert stage.workspace.labels("a").kinds.tolist() == [1, 2, 2]
    stage["labels"].selected_data = {0}
    stage["labels"].remove_selected()
    assert stage.workspace.labels("a").kinds.tolist() == [2, 2]
    stage.workspace.undo()
    assert [str(s) for s in stage["labels"].symbol] == ["disc", "x", "x"]
    assert stage["labels"].features["kind"].tolist() == [LOOKS[Kind(k)][0] for k in (1, 2, 2)]
    assert len(np.unique(stage["labels"].border_color, axis=0)) == 2


def test_a_second_click_on_a_label_takes_it_back(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    stage["labels"].add([11, 21])
    assert len(stage["labels"].data) == 0
    stage["labels"].add([100, 21])
    assert len(stage.workspace.labels("a")) == 1


def test_undo_redraws(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    stage.workspace.undo()
    assert len(stage["labels"].data) == 0


def test_the_threshold_filters_what_is_drawn_and_what_would_be_saved(stage: Stage) -> None:
    stage.workspace.set_candidates("a", Picks([[10, 10], [50, 50], [90, 90]], [3.0, 2.0, 1.0]))
    stage.workspace.change(pick=PickSettings(threshold=1.5))
    assert stage["picks"].data.tolist() == [[10, 10], [50, 50]]
    assert stage["picks"].features["score"].tolist() == [3, 2]
    drawn = stage["picks"].data
    np.testing.assert_array_equal(drawn, stage.workspace.result("a").yx)


def test_a_pick_she_deletes_is_no_particle(stage: Stage) -> None:
    stage.workspace.set_candidates("a", Picks([[10, 10], [50, 50], [90, 90]], [3.0, 2.0, 1.0]))
    stage["picks"].selected_data = {1}
    stage["picks"].remove_selected()
    labels = stage.workspace.labels("a")
    assert labels.yx.tolist() == [[50, 50]]
    assert labels.kinds.tolist() == [Kind.NOT_PARTICLE]
    assert stage["picks"].data.tolist() == [[10, 10], [90, 90]]


def test_a_pick_she_adds_is_a_label(stage: Stage) -> None:
    stage.workspace.set_candidates("a", Picks([[10, 10]], [3.0]))
    stage["picks"].add([200, 200])
    assert stage.workspace.labels("a").yx.tolist() == [[200, 200]]
    assert stage.workspace.labels("a").kinds.tolist() == [Kind.PARTICLE]
    assert stage["picks"].data.tolist() == [[10, 10]]
    assert stage["labels"].data.tolist() == [[200, 200]]


def heat(name: str) -> ScoreMap:
    logits = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    return ScoreMap(name, logits, (SHAPE[0] / 20, SHAPE[1] / 30), 2, SHAPE)


def test_the_heat_map_lies_on_the_micrograph(stage: Stage) -> None:
    stage.layers.show_scores(heat("a"))
    layer = stage["heat map"]
    assert tuple(layer.scale) == pytest.approx((SHAPE[0] / 20 * PIXEL_SIZE, SHAPE[1] / 30 * PIXEL_SIZE))
    assert tuple(layer.translate) == (0, 0)
    world = layer.data_to_world((4, 3))
    assert stage["picks"].world_to_data(world) == pytest.approx((4 * SHAPE[0] / 20, 3 * SHAPE[1] / 30))
    assert layer.colormap.colors[0, 3] == 0  # low scores leave the micrograph visible


def test_scores_of_another_micrograph_are_not_drawn(stage: Stage) -> None:
    stage.layers.show_scores(heat("b"))
    assert stage["heat map"].data.shape == (2, 2)
    stage.layers.show_scores(heat("a"))
    assert stage["heat map"].data.shape == (20, 30)
    stage.show("b")
    assert stage["heat map"].data.shape == (2, 2)


def test_the_colours_turn_at_the_threshold(stage: Stage) -> None:
    stage.layers.show_scores(heat("a"))
    for threshold in (0.5, -1.0):
        stage.workspace.change(pick=PickSettings(threshold=threshold))
        assert np.mean(stage["heat map"].contrast_limits) == pytest.approx(threshold)


def test_another_pixel_size_moves_all_layers_together(stage: Stage) -> None:
    stage["labels"].add([10, 20])
    stage.layers.show_scores(heat("a"))
    stage.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER, pixel_size=5.0))
    assert tuple(stage["labels"].scale) == (5, 5)
    assert stage["labels"].data.tolist() == [[10, 20]]
    assert stage["heat map"].scale == pytest.approx([SHAPE[0] / 20 * 5, SHAPE[1] / 30 * 5])


def test_removed_layers_come_back_with_what_was_in_them(stage: Stage) -> None:
    told: list[bool] = []
    stage.layers.lost_changed.connect(lambda: told.append(True))
    stage["labels"].add([10, 20])
    stage.viewer.layers.remove("labels")
    assert stage.layers.lost == ["labels"]
    assert stage.workspace.labels("a").yx.tolist() == [[10, 20]]
    stage.layers.restore()
    assert stage.layers.lost == []
    assert stage["labels"].data.tolist() == [[10, 20]]
    stage["labels"].add([100, 100])
    assert len(stage.workspace.labels("a")) == 2
    stage.viewer.layers.clear()
    assert len(stage.layers.lost) == 4
    stage.layers.restore()
    assert [layer.name for layer in stage.viewer.layers][1:] == ["heat map", "picks", "labels"]
    assert len(told) == 1 + 1 + 4 + 1


def test_her_layers_cannot_be_deleted_by_accident(stage: Stage) -> None:
    stage.viewer.layers.selection = set(stage.viewer.layers)
    stage.viewer.layers.remove_selected()
    assert len(stage.viewer.layers) == 4


def test_the_layers_know_what_the_writer_needs(stage: Stage) -> None:
    assert stage["picks"].metadata[METADATA]["name"] == "a"
    assert stage["picks"].metadata[METADATA]["pixel_size"] == PIXEL_SIZE
    stage.show("b")
    assert stage["labels"].metadata[METADATA]["name"] == "b"


def test_nothing_is_labelled_beyond_the_edges(stage: Stage) -> None:
    labels, height = stage["labels"], SHAPE[0]
    labels.add([100, 200])
    for beyond in ([-1, 20], [100, -3], [height, 20], [20, SHAPE[1]]):
        labels.add(beyond)
    assert stage.workspace.labels("a").yx.tolist() == [[100, 200]] == labels.data.tolist()
    labels.add([height - 0.6, 20])
    labels.data = np.array([[100, 200], [height + 5, 20]])  # as dragging does
    assert stage.workspace.labels("a").yx.tolist() == [[100, 200]] == labels.data.tolist()
    stage.workspace.undo()
    assert len(stage.workspace.labels("a")) == 2
    stage.workspace.set_candidates("a", Picks([[50, 50]], [3.0]))
    stage["picks"].add([-20, 50])
    assert len(stage.workspace.labels("a")) == 2
    assert stage["picks"].data.tolist() == [[50, 50]]


def test_layers_that_she_removes_are_not_kept_by_the_lock(stage: Stage) -> None:
    def heard() -> int:
        gc.collect()
        return len(stage.workspace.lock.changed)

    before = heard()
    for _ in range(3):
        for name in ("picks", "labels"):
            stage[name].locked = False
            stage.viewer.layers.remove(name)
        stage.layers.restore()
    assert heard() == before
    stage.workspace.lock.set("Another window has it.")
    assert not stage["labels"].editable
