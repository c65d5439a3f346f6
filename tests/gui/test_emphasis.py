"""The next step is in view, in a small window too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_topaz.gui import dialogs, sample_data
from napari_topaz.gui.emphasis import Emphasis
from napari_topaz.picks import Kind

pytestmark = pytest.mark.gui


def in_view(scroll: QScrollArea, widget: QWidget) -> bool:
    """Whether the whole widget is seen."""
    return not widget.visibleRegion().isEmpty() and widget.visibleRegion().boundingRect() == widget.rect()


def test_a_new_step_is_scrolled_to_once(qtbot: QtBot) -> None:
    scroll, inside = QScrollArea(), QWidget()
    qtbot.addWidget(scroll)
    column = QVBoxLayout(inside)
    top, bottom = QPushButton("top"), QPushButton("bottom")
    for widget in (top, QWidget(), bottom):
        column.addWidget(widget)
    column.itemAt(1).widget().setFixedHeight(1000)
    scroll.setWidget(inside)
    scroll.resize(200, 200)
    scroll.show()
    emphasis = Emphasis(scroll, {"top": top, "bottom": bottom}, {})
    emphasis.show("bottom")
    qtbot.waitUntil(lambda: in_view(scroll, bottom))
    assert "background" in bottom.styleSheet()
    scroll.verticalScrollBar().setValue(0)  # she looks elsewhere
    emphasis.show("bottom")
    qtbot.wait(50)
    assert in_view(scroll, top)
    emphasis.show(None)
    emphasis.show("bottom")
    qtbot.waitUntil(lambda: in_view(scroll, bottom))
    assert top.styleSheet() == ""


def test_a_step_that_is_shown_already_is_not_coloured_again(qtbot: QtBot) -> None:
    scroll, button, coloured = QScrollArea(), QPushButton("save"), []
    qtbot.addWidget(scroll)
    qtbot.addWidget(button)
    emphasis = Emphasis(scroll, {"save": button}, {})
    button.setStyleSheet = coloured.append  # type: ignore[method-assign]
    emphasis.show(None)
    assert not coloured
    emphasis.show("save")
    assert len(coloured) == 1


def test_what_a_step_is_about_is_in_view_too(qtbot: QtBot) -> None:
    scroll, inside = QScrollArea(), QWidget()
    qtbot.addWidget(scroll)
    column = QVBoxLayout(inside)
    button, number = QPushButton("save"), QPushButton("number")
    for widget in (QWidget(), button, number):
        column.addWidget(widget)
    column.itemAt(0).widget().setFixedHeight(1000)
    scroll.setWidget(inside)
    scroll.resize(200, 200)
    scroll.show()
    Emphasis(scroll, {"save": button}, {}, {"save": number}).show("save")
    qtbot.waitUntil(lambda: in_view(scroll, button) and in_view(scroll, number))


def test_a_step_is_scrolled_to_again_where_a_dock_hides_it(qtbot: QtBot) -> None:
    scroll, inside = QScrollArea(), QWidget()
    qtbot.addWidget(scroll)
    column = QVBoxLayout(inside)
    top, save = QPushButton("top"), QPushButton("save")
    for widget in (top, QWidget(), save):
        column.addWidget(widget)
    column.itemAt(1).widget().setFixedHeight(400)
    scroll.setWidget(inside)
    scroll.resize(200, 600)
    scroll.show()
    Emphasis(scroll, {"save": save}, {}).show("save")
    qtbot.waitUntil(lambda: in_view(scroll, save))
    scroll.resize(200, 560)  # a message below: she may be looking elsewhere
    scroll.verticalScrollBar().setValue(0)
    qtbot.wait(50)
    scroll.resize(200, 250)  # the gallery below
    qtbot.waitUntil(lambda: in_view(scroll, save))
    scroll.verticalScrollBar().setValue(0)
    scroll.resize(200, 210)
    qtbot.wait(50)
    assert in_view(scroll, top)


def test_a_short_list_is_low_and_train_is_in_view(
    qtbot: QtBot, make_napari_viewer: Callable, folder: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 800)
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    dock.opening.open_paths([folder])
    qtbot.waitUntil(lambda: dock.layers.shown == "m_1", timeout=20_000)
    assert dock.micrographs.view.sizeHint().height() < 110
    preprocess = dock.workspace.options.preprocess.model_copy(update={"diameter": 40.0})
    dock.workspace.change(preprocess=preprocess)
    spread = [[50, 30 * k] for k in range(1, 11)]
    dock.workspace.label("m_1", spread, Kind.PARTICLE)
    qtbot.waitUntil(lambda: "background" in dock.training.button.styleSheet())
    qtbot.waitUntil(lambda: in_view(dock, dock.training.button))


def test_where_picks_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert dialogs.start_folder(tmp_path / "data" / "micrographs") == tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    assert dialogs.start_folder(None) == tmp_path
    assert dialogs.start_folder(sample_data._place()) == tmp_path  # not into the cache
    monkeypatch.chdir("/")  # where a desktop starts programs
    assert dialogs.start_folder(sample_data._place()) == tmp_path / "home"
