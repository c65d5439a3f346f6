"""What the mouse does, without a window: napari's own callbacks get the events of a mouse."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

from napari_topaz.gui.gestures import LEFT, MIDDLE, RIGHT
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import DIAMETER, PIXEL_SIZE, SHAPE, Stage

RADIUS = DIAMETER / PIXEL_SIZE / 2


class Mouse:
    """A mouse over the active layer; places are (y, x) in pixels of the micrograph."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def drag(self, *places: tuple[float, float], button: int = LEFT, keys: tuple[str, ...] = ()) -> None:
        self.press(places[0], button=button, keys=keys)
        for place in places[1:]:
            self.move(place)
        self.release()

    click = drag

    def press(self, place: tuple[float, float], button: int = LEFT, keys: tuple[str, ...] = ()) -> None:
        self._how, self._place = (button, [SimpleNamespace(name=key) for key in keys]), place
        mouse_press_callbacks(self.layer, self._event("mouse_press"))

    def move(self, place: tuple[float, float]) -> None:
        self._place = place
        mouse_move_callbacks(self.layer, self._event("mouse_move"))

    def release(self) -> None:
        mouse_release_callbacks(self.layer, self._event("mouse_release"))

    @property
    def layer(self) -> Any:
        return self._stage.viewer.layers.selection.active

    def _event(self, type_: str) -> Any:
        yx = np.asarray(self._place, float)
        event = SimpleNamespace(
            type=type_,
            button=self._how[0],
            modifiers=self._how[1],
            pos=yx[::-1].copy(),  # one pixel of the screen per pixel of the micrograph
            position=tuple(yx * PIXEL_SIZE),
            is_dragging=type_ == "mouse_move",
            dims_displayed=[0, 1],
            view_direction=None,
            handled=False,
        )
        return ReadOnlyWrapper(event, exceptions=("handled",))


@pytest.fixture
def mouse(stage: Stage) -> Mouse:
    return Mouse(stage)


def labels(stage: Stage) -> list[tuple[float, float, int]]:
    found = stage.workspace.labels("a")
    assert stage["labels"].data.tolist() == found.yx.tolist()  # what is drawn is what there is
    assert np.all(stage["labels"].shown)
    return [(*yx, int(kind)) for yx, kind in zip(found.yx.tolist(), found.kinds, strict=True)]


def some_picks(stage: Stage) -> None:
    stage.workspace.set_candidates("a", Picks([[60, 60], [60, 160], [60, 260]], [3.0, 2.0, 1.0]))


def test_a_click_labels_and_a_second_one_takes_it_back(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70))
    assert labels(stage) == [(50, 70, Kind.PARTICLE)]
    stage.layers.label_next(Kind.NOT_PARTICLE)
    mouse.click((150, 70))
    assert labels(stage)[1] == (150, 70, Kind.NOT_PARTICLE)
    stage.layers.label_next(Kind.PARTICLE)
    mouse.click((52, 70))
    assert labels(stage) == [(150, 70, Kind.NOT_PARTICLE)]


def test_a_hand_that_trembles_still_clicks_where_it_began(stage: Stage, mouse: Mouse) -> None:
    mouse.drag((50, 70), (51, 72), (50, 73))
    assert labels(stage) == [(50, 70, Kind.PARTICLE)]


def test_a_drag_elsewhere_labels_nothing_and_leaves_the_view_to_napari(stage: Stage, mouse: Mouse) -> None:
    mouse.press((150, 70))
    mouse.move((170, 90))
    assert stage["labels"].mouse_pan
    mouse.release()
    assert labels(stage) == []


def test_a_drag_moves_a_label_in_one_step(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70))
    mouse.click((150, 70), button=RIGHT)
    mouse.press((52, 71))
    assert not stage["labels"].mouse_pan  # the view stays where it is
    mouse.move((70, 90))
    assert stage["labels"].data[0].tolist() == [70, 90]  # she sees it move
    assert stage.workspace.labels("a").yx[0].tolist() == [50, 70]
    mouse.move((80, 100))
    mouse.release()
    assert labels(stage) == [(80, 100, Kind.PARTICLE), (150, 70, Kind.NOT_PARTICLE)]
    assert stage["labels"].mouse_pan
    stage.workspace.undo()
    assert labels(stage) == [(50, 70, Kind.PARTICLE), (150, 70, Kind.NOT_PARTICLE)]
    stage.workspace.redo()
    assert labels(stage)[0] == (80, 100, Kind.PARTICLE)


def test_a_label_that_is_dragged_out_goes_back(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70))
    mouse.drag((50, 70), (30, 40), (-20, 40))
    assert labels(stage) == [(50, 70, Kind.PARTICLE)]
    mouse.click((-5, 40))
    mouse.click((SHAPE[0] + 3, 40), button=RIGHT)
    assert len(labels(stage)) == 1


def test_a_pick_that_is_dragged_becomes_a_label_where_it_is_dropped(stage: Stage, mouse: Mouse) -> None:
    some_picks(stage)
    mouse.drag((61, 161), (64, 165), (67, 166))
    assert labels(stage) == [(67, 166, Kind.PARTICLE)]
    assert stage["picks"].data.tolist() == [[60, 60], [60, 260]]


def test_shift_and_a_drag_erase_what_they_pass_in_one_step(stage: Stage, mouse: Mouse) -> None:
    for x in (50, 100, 150, 350):
        mouse.click((200, x))
    mouse.click((230, 100), button=RIGHT)
    before = labels(stage)
    mouse.press((200, 40), keys=("Shift",))
    mouse.move((200, 160))  # quick: between the two there was no event
    assert stage["labels"].shown.tolist() == [False, False, False, True, True]
    mouse.release()
    assert labels(stage) == [(200, 350, Kind.PARTICLE), (230, 100, Kind.NOT_PARTICLE)]
    stage.workspace.undo()
    assert labels(stage) == before


def test_erasing_picks_rejects_them(stage: Stage, mouse: Mouse) -> None:
    some_picks(stage)
    mouse.drag((60, 50), (60, 170), button=MIDDLE)
    assert labels(stage) == [(60, 60, Kind.NOT_PARTICLE), (60, 160, Kind.NOT_PARTICLE)]
    assert stage["picks"].data.tolist() == [[60, 260]]
    mouse.click((60, 60), keys=("Shift",))  # taken back: the pick is there again
    assert labels(stage) == [(60, 160, Kind.NOT_PARTICLE)]
    assert stage["picks"].data.tolist() == [[60, 60], [60, 260]]


def test_shift_and_a_click_beside_everything_is_no_step(stage: Stage, mouse: Mouse) -> None:
    mouse.click((200, 50))
    stage.workspace.undo()
    mouse.click((100, 100), keys=("Shift",))
    assert stage.workspace.history.can_go_forth


def test_a_right_click_rejects_a_pick_exactly_where_it_is(stage: Stage, mouse: Mouse) -> None:
    some_picks(stage)
    mouse.click((60 + 0.9 * RADIUS, 160), button=RIGHT)
    assert labels(stage) == [(60, 160, Kind.NOT_PARTICLE)]
    assert stage["picks"].data.tolist() == [[60, 60], [60, 260]]
    mouse.click((62, 161), button=RIGHT)
    assert labels(stage) == []
    mouse.drag((60, 160), (60, 180), button=RIGHT)
    assert labels(stage) == []


def test_a_right_click_on_a_label_makes_it_no_particle(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70))
    mouse.click((55, 75), button=RIGHT)
    assert labels(stage) == [(50, 70, Kind.NOT_PARTICLE)]


def test_other_keys_and_other_modes_are_left_to_napari(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70), keys=("Control",))
    mouse.click((50, 70), keys=("Shift", "Alt"))
    assert labels(stage) == []
    stage["labels"].mode = "pan_zoom"
    mouse.click((50, 70))
    mouse.click((50, 70), button=RIGHT)
    assert labels(stage) == []
    stage["labels"].mode = "add"
    mouse.click((50, 70))
    assert labels(stage) == [(50, 70, Kind.PARTICLE)]  # once


def test_gestures_work_on_layers_that_came_back(stage: Stage, mouse: Mouse) -> None:
    stage.viewer.layers.clear()
    stage.layers.restore()
    mouse.click((50, 70))
    assert labels(stage) == [(50, 70, Kind.PARTICLE)]


def test_the_ruler_measures_once(stage: Stage, mouse: Mouse) -> None:
    measured: list[float] = []
    stage.layers.gestures.measured.connect(measured.append)
    mouse.click((200, 50))
    stage.layers.gestures.ruler = True
    mouse.press((100, 100))
    mouse.move((130, 140))
    assert stage["labels"].data[-1].tolist() == [115, 120]
    assert stage["labels"].size[-1] == pytest.approx(50)
    assert not stage["labels"].mouse_pan
    mouse.release()
    assert measured == [pytest.approx(50)]
    assert not stage.layers.gestures.ruler
    assert labels(stage) == [(200, 50, Kind.PARTICLE)]
    assert stage["labels"].size.tolist() == [2 * RADIUS]
    mouse.drag((100, 100), (130, 140))
    assert len(measured) == 1


def test_a_click_with_the_ruler_measures_nothing(stage: Stage, mouse: Mouse) -> None:
    measured: list[float] = []
    stage.layers.gestures.measured.connect(measured.append)
    stage.layers.gestures.ruler = True
    mouse.click((100, 100))
    assert (measured, labels(stage)) == ([], [])


def test_without_a_diameter_gestures_go_by_what_is_drawn(stage: Stage, mouse: Mouse) -> None:
    stage.workspace.change(preprocess=PreprocessSettings(diameter=None))
    mouse.click((50, 70))
    mouse.drag((50, 70), (50, 90), (60, 100))
    assert labels(stage) == [(60, 100, Kind.PARTICLE)]
    mouse.click((61, 100), keys=("Shift",))
    assert labels(stage) == []


def test_other_picks_may_come_while_she_drags(stage: Stage, mouse: Mouse) -> None:
    some_picks(stage)
    mouse.press((60, 50), keys=("Shift",))
    stage.workspace.set_candidates("a", Picks([[200, 200]], [3.0]))
    mouse.move((60, 170))
    mouse.release()
    assert labels(stage) == [(60, 60, Kind.NOT_PARTICLE), (60, 160, Kind.NOT_PARTICLE)]
    assert stage["picks"].data.tolist() == [[200, 200]]
    some_picks(stage)
    mouse.press((60, 260))
    stage.workspace.set_candidates("a", Picks())
    mouse.move((80, 280))
    mouse.release()
    assert labels(stage)[-1] == (80, 280, Kind.PARTICLE)


def test_labels_may_go_while_she_drags_one(stage: Stage, mouse: Mouse) -> None:
    mouse.click((50, 70))
    mouse.press((50, 70))
    stage.workspace.undo()
    mouse.move((80, 100))
    mouse.release()
    assert labels(stage) == []
