"""Seeing and labelling in a real window: mouse and keys as the operating system delivers them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_topaz.gui.gestures import GESTURES
from napari_topaz.gui.keys import KEYS
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind, Picks

from .conftest import DIAMETER, PIXEL_SIZE

pytestmark = pytest.mark.gui
LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
NO_KEY, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


class Window:
    """A window with an open folder; places are (y, x) in pixels of the micrograph."""

    def __init__(self, viewer, dock: ParticlePicker, qtbot: QtBot) -> None:
        self.viewer, self.dock, self.qtbot = viewer, dock, qtbot
        self.session = session_of(viewer)
        self.workspace = self.session.workspace
        self.canvas = viewer.window._qt_viewer.canvas.native

    def at(self, place: tuple[float, float]) -> QPoint:
        camera, size = self.viewer.scene.camera, self.canvas.size()
        y, x = np.asarray(place) * PIXEL_SIZE - np.asarray(camera.center)[-2:]
        return QPoint(round(x * camera.zoom + size.width() / 2), round(y * camera.zoom + size.height() / 2))

    def drag(self, *places: tuple[float, float], button=LEFT, keys=NO_KEY) -> None:
        points = [self.at(place) for place in places]
        QTest.mousePress(self.canvas, button, keys, points[0])
        for point in points[1:]:
            self.qtbot.wait(20)  # napari looks at moves every few milliseconds
            move(self.canvas, button, keys, point)
        self.qtbot.wait(20)
        QTest.mouseRelease(self.canvas, button, keys, points[-1])

    click = drag

    def key(self, key: Qt.Key, keys=NO_KEY) -> None:
        QTest.keyClick(self.canvas, key, keys)

    @property
    def labels(self) -> Picks:
        return self.workspace.labels(self.workspace.current)

    def near(self, *places: tuple[float, float]) -> bool:
        """Whether the labels are there, as near as the screen's pixels allow."""
        reach = 1.5 / (self.viewer.scene.camera.zoom * PIXEL_SIZE)
        drawn = np.asarray(self.viewer.layers["labels"].data)
        assert drawn.tolist() == self.labels.yx.tolist()
        return len(drawn) == len(places) and bool(np.allclose(drawn, np.reshape(places, (-1, 2)), atol=reach))


def move(widget, button, keys, point: QPoint) -> None:
    """QTest's own moves have no button."""
    from qtpy.QtCore import QEvent, QPointF
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(point),
        QPointF(widget.mapToGlobal(point)),
        Qt.MouseButton.NoButton,
        button,
        keys,
    )
    QApplication.sendEvent(widget, event)


@pytest.fixture
def window(make_napari_viewer: Callable, qtbot: QtBot, folder: Path) -> Window:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1100, 700)
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    dock.opening.open_paths([folder])
    qtbot.waitUntil(lambda: dock.layers.shown == "m_1", timeout=10_000)
    preprocess = dock.workspace.options.preprocess
    dock.workspace.change(preprocess=preprocess.model_copy(update={"diameter": DIAMETER}))
    qtbot.wait(200)
    return Window(viewer, dock, qtbot)


def test_click_drag_erase_and_reject(window: Window) -> None:
    centre = np.array(window.viewer.scene.camera.center)
    window.click((100, 100))
    window.click((100, 200))
    assert window.near((100, 100), (100, 200))
    window.drag((100, 200), (120, 220), (150, 250))
    assert window.near((100, 100), (150, 250))
    window.click((200, 300), button=RIGHT)
    assert window.labels.kinds.tolist() == [Kind.PARTICLE, Kind.PARTICLE, Kind.NOT_PARTICLE]
    window.drag((90, 90), (110, 110), (200, 300), keys=SHIFT)
    assert window.near((150, 250))
    window.click((150, 250), button=MIDDLE)
    assert window.near()
    np.testing.assert_allclose(window.viewer.scene.camera.center, centre)  # the view stood still
    window.drag((100, 100), (150, 150), (180, 180))
    assert window.near()
    assert not np.allclose(window.viewer.scene.camera.center, centre)  # a drag elsewhere moves it


def test_rejecting_a_pick_and_undo_and_redo_by_keys(window: Window) -> None:
    window.workspace.set_candidates("m_1", Picks([[100, 100], [100, 200]], [2.0, 1.0]))
    window.click((102, 198), button=RIGHT)
    assert window.labels.yx.tolist() == [[100, 200]]
    window.workspace.step(1)
    window.qtbot.waitUntil(lambda: window.dock.layers.shown == "m_2")
    window.click((50, 60))
    assert window.near((50, 60))
    control = Qt.KeyboardModifier.ControlModifier
    window.key(Qt.Key.Key_Z, control)
    assert window.near()
    window.key(Qt.Key.Key_Z, control)
    window.qtbot.waitUntil(lambda: window.dock.layers.shown == "m_1")  # where something changed
    assert len(window.labels) == 0
    window.key(Qt.Key.Key_Z, control | SHIFT)
    assert window.labels.yx.tolist() == [[100, 200]]
    window.key(Qt.Key.Key_Y, control)
    window.qtbot.waitUntil(lambda: window.dock.layers.shown == "m_2")
    assert window.near((50, 60))
    assert window.viewer.dims.ndisplay == 2


def test_a_key_rejects_what_is_under_the_mouse(window: Window) -> None:
    window.workspace.set_candidates("m_1", Picks([[100, 100], [100, 200]], [2.0, 1.0]))
    move(window.canvas, Qt.MouseButton.NoButton, NO_KEY, window.at((103, 203)))
    window.qtbot.wait(50)
    window.key(Qt.Key.Key_X)
    assert window.labels.yx.tolist() == [[100, 200]]
    assert window.labels.kinds.tolist() == [Kind.NOT_PARTICLE]


def test_the_ruler_sets_the_diameter_and_undo_takes_it_back(window: Window) -> None:
    row, dock = window.dock.particle.labels, window.dock
    row.ruler_button.click()
    assert row.ruler_button.isChecked()
    window.drag((100, 100), (100, 130), (100, 160))
    measured = window.workspace.options.preprocess.diameter
    assert measured == pytest.approx(60 * PIXEL_SIZE, abs=3 / window.viewer.scene.camera.zoom)
    assert f"{measured:g} Å (it was {DIAMETER:g} Å)" in dock.job_bar.message
    assert dock.particle.number("diameter").value() == measured
    assert not row.ruler_button.isChecked()
    assert len(window.labels) == 0
    window.qtbot.waitUntil(row.undo_button.isEnabled)
    row.undo_button.click()
    assert window.workspace.options.preprocess.diameter == DIAMETER
    window.qtbot.waitUntil(row.redo_button.isEnabled)
    row.redo_button.click()
    assert window.workspace.options.preprocess.diameter == measured
    window.key(Qt.Key.Key_R)
    assert row.ruler_button.isChecked()
    window.key(Qt.Key.Key_Escape)
    assert not row.ruler_button.isChecked()


def test_the_card_of_keys_tells_all_of_them(window: Window) -> None:
    seeing, button = window.dock.seeing, window.dock.particle.labels.keys_button
    window.key(Qt.Key.Key_F1)
    label = seeing.overlay.label
    assert label is not None
    assert label.isVisible()
    assert button.isChecked()
    for told in [*GESTURES, *KEYS]:
        assert told.does in label.text()
    assert label.geometry().bottom() < label.parentWidget().height()
    button.click()
    assert not label.isVisible()
    window.key(Qt.Key.Key_F1)
    assert label.isVisible()
    window.key(Qt.Key.Key_Escape)
    assert not label.isVisible()
    button.click()
    QTest.mouseClick(label, LEFT)
    assert not label.isVisible()
    assert not button.isChecked()


def test_the_buttons_choose_what_clicks_make(window: Window) -> None:
    particle, no_particle = window.dock.particle.labels.kinds.buttons()
    assert particle.isVisible()
    assert particle.isChecked()
    window.qtbot.waitUntil(no_particle.isEnabled)
    no_particle.click()
    window.click((100, 100))
    assert window.labels.kinds.tolist() == [Kind.NOT_PARTICLE]
    particle.click()
    window.click((200, 100))
    assert window.labels.kinds.tolist() == [Kind.NOT_PARTICLE, Kind.PARTICLE]


def test_the_display_changes_the_picture_alone(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, image = window.dock.seeing.panel, window.viewer.layers[0]
    panel.fold.button.click()
    rough = image.data.std()
    low_pass = panel.display.row("low_pass")
    low_pass.lineEdit().selectAll()
    QTest.keyClicks(low_pass.lineEdit(), "60")
    window.qtbot.waitUntil(lambda: window.viewer.layers[0].data.std() < 0.7 * rough)
    panel.display.row("invert").click()
    window.qtbot.waitUntil(lambda: image.colormap.name == "gray_r")
    assert window.workspace.options.display.low_pass == 60
    assert not window.workspace.history.can_go_back
    window.workspace.step(1)
    window.qtbot.waitUntil(lambda: window.dock.layers.shown == "m_2")
    assert image.data.std() < 0.7 * rough


def test_boxes_and_colours_of_scores_with_their_legend(window: Window) -> None:
    panel, picks = window.dock.seeing.panel, window.viewer.layers["picks"]
    window.workspace.set_candidates("m_1", Picks([[100, 100], [100, 200], [50, 50]], [2.5, 1.0, -0.5]))
    assert len(np.unique(picks.border_color, axis=0)) == 1
    assert not panel.legend.isVisible()
    panel.drawing.row("colour_by_score").click()
    window.qtbot.waitUntil(panel.legend.isVisible)
    assert len(np.unique(picks.border_color, axis=0)) == 3
    assert (panel.legend.low.text(), panel.legend.high.text()) == ("-0.5", "2.5")
    window.dock.actions_.choose_threshold(1.0)
    assert panel.legend.low.text() == "1"
    box = panel.drawing.row("outline")
    box.setCurrentIndex(box.findData("box"))
    window.qtbot.waitUntil(lambda: str(picks.symbol[0]) == "square")
    assert picks.size.tolist() == [1.5 * DIAMETER / PIXEL_SIZE] * 2


def test_nothing_happens_in_a_dock_that_is_gone(window: Window) -> None:
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock.deleteLater()
    window.qtbot.wait(100)
    window.key(Qt.Key.Key_R)
    window.key(Qt.Key.Key_F1)
    window.key(Qt.Key.Key_Escape)
    window.session.undo()
    window.click((100, 100))
    assert window.near((100, 100))
