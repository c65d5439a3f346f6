"""The fold "Masks and edges"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from psygnal import SignalInstance
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_topaz.events import JobError, Started
from napari_topaz.files import find_masks
from napari_topaz.gui import dialogs, masking
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.display import DisplaySettings, picture_of
from napari_topaz.gui.expecting import Expecting
from napari_topaz.gui.expecting_row import ExpectingRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.mask_panel import MaskPanel
from napari_topaz.gui.masking import Masking
from napari_topaz.gui.session import session_of
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import micrograph

pytestmark = pytest.mark.gui

SQUARE = np.array([(10, 20), (10, 40), (30, 40), (30, 20)], np.float32)


class Shown(QObject):
    shown = Signal()


class Bench:
    """A session, the fold, and what connects them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.viewer = ViewerModel()
        self.session = session_of(self.viewer)
        self.workspace, self.book = self.session.workspace, self.session.masks
        self.dock = QWidget()
        qtbot.addWidget(self.dock)
        self.bar, self.panel, self.shown = JobBar(self.dock), MaskPanel(self.dock), Shown(self.dock)
        self.masking = Masking(self.session, self.bar, self.panel, self.shown.shown, self.dock)

    def open(self) -> None:
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)])
        self.workspace.change(preprocess=PreprocessSettings(diameter=40))

    def press(self, name: str) -> None:
        self.masking.show_state()
        assert self.panel.buttons[name].isEnabled(), self.panel.buttons[name].toolTip()
        self.panel.buttons[name].click()

    def text(self) -> str:
        self.masking.show_state()
        return self.panel.status.text()


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def test_buttons_say_why_they_cannot_work(bench: Bench) -> None:
    bench.masking.show_state()
    assert not any(button.isEnabled() for button in bench.panel.buttons.values())
    assert bench.panel.buttons["draw"].toolTip() == "Open micrographs first."
    bench.open()
    bench.masking.show_state()
    enabled = {name for name, button in bench.panel.buttons.items() if button.isEnabled()}
    assert enabled == {"draw", "lasso", "suggest", "suggest_all", "load"}
    assert bench.panel.buttons["clear"].toolTip() == "This micrograph has no mask."
    bench.workspace.change(preprocess=PreprocessSettings())
    bench.masking.show_state()
    assert "diameter" in bench.panel.buttons["suggest"].toolTip()


def test_a_suggestion_is_added_and_taken_back(qtbot: QtBot, bench: Bench, monkeypatch) -> None:
    asked = []

    def suggest(sources, preprocess, **_):
        asked.append(([s.name for s in sources], preprocess.diameter))
        yield Started("Suggesting masks", 1)
        return {s.name: (Mask((SQUARE,)), 0.1) for s in sources}

    monkeypatch.setattr(masking, "suggest_masks", suggest)
    bench.open()
    bench.press("suggest")
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert list(bench.book.all) == ["a"]
    bench.press("suggest_all")  # of those that have none
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert asked == [(["a"], 40), (["b"], 40)]
    assert bench.text() == "1 area hidden here; 1 other micrograph has a mask."
    bench.workspace.undo()
    bench.workspace.undo()
    assert bench.book.all == {}
    bench.workspace.redo()
    bench.press("clear")
    assert bench.book.all == {}


def test_labels_under_a_mask_are_told_and_kept(bench: Bench) -> None:
    bench.open()
    bench.workspace.set_labels("a", Picks.labels([(20, 30), (100, 100)]))
    bench.book.put({"a": Mask((SQUARE,))})
    assert bench.text() == "1 area hidden here. 1 label under the mask: not learnt from, but kept."
    assert len(bench.workspace.result("a")) == 2


def test_the_margin_holds_for_training_picking_and_suggestions(bench: Bench) -> None:
    bench.open()
    bench.panel.margin.stepBy(3)
    options = bench.workspace.options
    assert (options.train.margin, options.pick.margin, options.reference.margin) == (30, 30, 30)
    bench.workspace.change(pick=options.pick.model_copy(update={"margin": 5.0}))
    bench.masking.show_state()
    assert bench.panel.margin.value() == 5


def test_masks_go_to_a_folder_and_come_back(qtbot: QtBot, bench: Bench, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dialogs, "ask_mask_folder", lambda parent: tmp_path)
    bench.open()
    bench.book.put({"a": Mask((SQUARE,)), "b": Mask((SQUARE + 5,))})
    bench.press("save")
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert list(find_masks(tmp_path, ["a", "b"])) == ["a", "b"]
    bench.book.restore({})
    bench.press("load")
    qtbot.waitUntil(lambda: bench.bar.running is None)
    np.testing.assert_array_equal(bench.book.of("b").polygons, [SQUARE + 5])
    (tmp_path / "a_mask.geojson").write_text("{}")
    bench.press("load")
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert "is no GeoJSON" in bench.bar.message
    assert len(bench.book.all) == 2


def test_masks_are_kept_in_the_session(bench: Bench) -> None:
    registered = bench.session.keeper._extras._features["masks"]
    assert isinstance(bench.book.changed, SignalInstance)
    bench.open()
    bench.book.put({"a": Mask((SQUARE,))})
    assert bench.session.keeper._extras.state()["masks"] == {"polygons": {"a": [SQUARE.tolist()]}}
    registered.restore({})
    assert bench.book.all == {}


def test_drawing_begins_on_the_micrograph_that_is_shown(bench: Bench) -> None:
    bench.open()
    settings = DisplaySettings(longest_side=200)
    bench.session.layers.show(picture_of(bench.workspace.source("a"), settings, 2.0))
    bench.shown.shown.emit()
    for name, mode in (("draw", "add_polygon"), ("lasso", "add_polygon_lasso")):
        bench.press(name)
        layer = bench.viewer.layers.selection.active
        assert (layer.name, str(layer.mode)) == ("masks", mode)
        pressed = [one for one, button in bench.panel.buttons.items() if button.isChecked()]
        assert pressed == [name]
    bench.press("lasso")
    assert bench.panel.buttons["lasso"].isChecked(), "once more: it still draws"
    layer.add_polygons([SQUARE])
    assert len(bench.book.of("a").polygons) == 1
    bench.session.layers.label_next(Kind.PARTICLE)
    assert not any(button.isChecked() for button in bench.panel.buttons.values())


def test_a_dock_that_is_gone_is_left_alone(qtbot: QtBot, bench: Bench) -> None:
    bench.open()
    qtbot.wait(20)
    before = bench.panel.status.text()
    bench.dock.destroyed.emit()
    bench.book.put({"a": Mask((SQUARE,))})
    qtbot.wait(20)
    assert bench.panel.status.text() == before


def test_training_and_estimates_get_the_masks(qtbot: QtBot, bench: Bench, monkeypatch) -> None:
    asked = []

    def task(*args):
        asked.append(args)
        yield Started("Training", 1)
        raise JobError("Enough.")

    monkeypatch.setattr(Learning, "training", task)
    monkeypatch.setattr(Learning, "estimating", task)
    bench.open()
    bench.book.put({"a": Mask((SQUARE,))})
    actions = Actions(bench.session, bench.bar, bench.dock)
    expecting = Expecting(bench.session, bench.bar, ExpectingRow(bench.dock), bench.dock)
    for begin in (actions.train, expecting.estimate):
        begin()
        qtbot.waitUntil(lambda: bench.bar.running is None)
    assert [args[0].masks for args in asked] == [bench.book.all] * 2
