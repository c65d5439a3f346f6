"""Masks in the viewer: kept by micrograph, drawn, taken back, and picks are seen through them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.mask_layer import MaskLayer
from napari_topaz.gui.workspace import Workspace
from napari_topaz.masks import Mask
from napari_topaz.picks import Picks
from napari_topaz.settings import PickSettings

from .conftest import PIXEL_SIZE, SHAPE, Stage

SQUARE = np.array([(10, 20), (10, 40), (30, 40), (30, 20)], np.float32)
PICKS = Picks(np.array([(20, 30), (200, 300), (25, 35)], np.float32), np.array([3.0, 2.0, 1.0]))


@pytest.fixture
def book(workspace: Workspace) -> MaskBook:
    return MaskBook(workspace)


@pytest.fixture
def layer(stage: Stage, book: MaskBook) -> MaskLayer:
    return MaskLayer(stage.viewer, stage.workspace, stage.layers, book)


def test_picks_under_a_mask_neither_show_nor_count(workspace: Workspace, book: MaskBook) -> None:
    workspace.set_candidates("a", PICKS)
    told: list[str] = []
    workspace.picks_changed.connect(told.append)
    book.put({"a": Mask((SQUARE,))})
    assert told == ["a"]
    for picks in (
        workspace.candidates("a"),
        workspace.peaks("a"),
        workspace.picks("a"),
        workspace.result("a"),
    ):
        assert picks.yx.tolist() == [[200, 300]]
    assert workspace.count("a") == 1
    workspace.set_candidates("a", PICKS)  # of another model, or of a job that knows no masks
    assert workspace.count("a") == 1
    book.put({"a": Mask()})
    assert workspace.count("a") == 3
    assert book.all == {}


def test_undo_and_redo(workspace: Workspace, book: MaskBook) -> None:
    told: list[str] = []
    book.changed.connect(told.append)
    book.put({"a": Mask((SQUARE,))})
    book.put({"a": Mask((SQUARE,)), "b": Mask()})  # nothing new, so no step
    book.put({"a": Mask((SQUARE, SQUARE + 9)), "b": Mask((SQUARE,))})
    assert told == ["a", ""]
    assert workspace.undo() is None
    assert (len(book.of("a").polygons), len(book.of("b").polygons)) == (1, 0)
    assert workspace.undo() == "a"
    assert book.all == {}
    workspace.redo()
    workspace.redo()
    assert (len(book.of("a").polygons), len(book.of("b").polygons)) == (2, 1)


def test_what_is_there_already_is_not_added_twice(book: MaskBook) -> None:
    book.put({"a": Mask((SQUARE,))})
    far = SQUARE + 100
    assert book.add({"a": Mask((SQUARE * 0.5 + 12, far)), "b": Mask()}) == {"a": 1}
    np.testing.assert_array_equal(book.of("a").polygons, [SQUARE, far])


def test_masks_are_saved_and_restored(workspace: Workspace, book: MaskBook) -> None:
    assert book.plain() == {}
    book.put({"a": Mask((SQUARE, SQUARE + 50)), "gone": Mask((SQUARE,))})
    saved = json.loads(json.dumps(book.plain()))
    workspace.set_candidates("a", PICKS)
    book.restore({})
    assert workspace.count("a") == 3
    book.restore(saved)
    np.testing.assert_array_equal(book.of("a").polygons, [SQUARE, SQUARE + 50])
    assert list(book.all) == ["a", "gone"]
    assert workspace.count("a") == 1
    with pytest.raises(ValueError, match="three corners"):
        book.restore({"polygons": {"a": [[[1, 2]]]}})
    assert list(book.all) == ["a", "gone"]


def test_a_layer_comes_with_the_first_mask_only(stage: Stage, book: MaskBook, layer: MaskLayer) -> None:
    layer.draw()
    assert "masks" not in stage.viewer.layers
    active = stage.viewer.layers.selection.active
    book.put({"a": Mask((SQUARE,))})
    drawn = stage["masks"]
    np.testing.assert_array_equal(drawn.data, [SQUARE])
    assert tuple(drawn.scale) == (PIXEL_SIZE, PIXEL_SIZE)
    assert drawn.units == stage["picks"].units
    assert stage.viewer.layers.selection.active is active
    stage.show("b")
    layer.draw()
    assert len(drawn.data) == 0
    stage.show("a")
    layer.draw()
    assert len(drawn.data) == 1


def test_what_she_draws_belongs_to_the_micrograph_she_sees(
    stage: Stage, book: MaskBook, layer: MaskLayer
) -> None:
    layer.draw()
    layer.begin("add_polygon")
    assert layer.drawing
    drawn = stage["masks"]
    drawn.add_polygons([SQUARE])
    np.testing.assert_array_equal(book.of("a").polygons, [SQUARE])
    drawn.add_rectangles([SQUARE + 60])
    drawn.add_lines([np.array([(0, 0), (9, 9)])])
    drawn.add_ellipses([np.array([(100, 100), (100, 140), (120, 140), (120, 100)])])
    polygons = book.of("a").polygons
    assert len(polygons) == 3
    assert polygons[2].min(axis=0) == pytest.approx([100, 100], abs=0.1)
    assert polygons[2].max(axis=0) == pytest.approx([120, 140], abs=0.1)
    stage.show("b")
    layer.draw()
    assert not layer.drawing
    assert book.of("b").is_empty
    drawn.add_polygons([SQUARE + 1])
    assert len(book.of("a").polygons) == 3
    assert len(book.of("b").polygons) == 1
    drawn.selected_data = {0}
    drawn.remove_selected()
    assert book.of("b").is_empty
    stage.workspace.undo()
    assert len(drawn.data) == 1


def test_removing_the_layer_loses_nothing(stage: Stage, book: MaskBook, layer: MaskLayer) -> None:
    book.put({"a": Mask((SQUARE,))})
    layer.draw()
    stage.viewer.layers.remove("masks")
    assert len(book.of("a").polygons) == 1
    layer.draw()
    assert len(stage["masks"].data) == 1


def test_the_margin_is_shown(stage: Stage, book: MaskBook, layer: MaskLayer) -> None:
    stage.workspace.change(pick=PickSettings(margin=20 * PIXEL_SIZE))
    layer.draw_margin()
    sides = stage["margin"].data
    assert len(sides) == 4
    grid = Mask(tuple(sides)).on_grid(SHAPE, SHAPE, (1.0, 1.0))
    np.testing.assert_array_equal(grid, Mask(margin=20).on_grid(SHAPE, SHAPE, (1.0, 1.0)))
    stage.workspace.change(pick=PickSettings())
    layer.draw_margin()
    assert len(stage["margin"].data) == 0
    assert book.all == {}
