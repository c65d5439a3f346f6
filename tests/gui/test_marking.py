"""Marks of micrographs in the window: table, boxes, menu, keys; saved, and told to the jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_topaz.events import Started
from napari_topaz.files.session import SESSION_FOLDER, SavedSession, read_session, write_session
from napari_topaz.gui import listing, opening, tasks
from napari_topaz.gui.arranging import LABELS, PICKS, STATE
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.marks import Mark, MarkBook, State
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks

pytestmark = pytest.mark.gui

THREE = [[50, 60], [100, 200], [150, 90]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_topaz.gui.autosave.QUIET", 0.1)


@pytest.fixture
def open_dock(make_napari_viewer: Callable, qtbot: QtBot) -> Iterator[Callable[[Path], ParticlePicker]]:
    def make(folder: Path) -> ParticlePicker:
        _, dock = make_napari_viewer().window.add_plugin_dock_widget("napari-topaz", "Particle picker")
        dock.opening.open_paths([folder])
        qtbot.waitUntil(lambda: dock.layers.shown is not None, timeout=20_000)
        return dock

    yield make
    WorkerBase.await_workers(5000)


def cell(dock: ParticlePicker, name: str, column: int, role: int = Qt.ItemDataRole.DisplayRole) -> object:
    table = dock.micrographs.table
    return table.data(table.index(table.row_of(name), column), role)


def press(dock: ParticlePicker, key: str) -> None:
    """Press a key with the picture active."""
    (does,) = [function for one, function in dock._viewer.keymap.items() if str(one) == key]
    does(dock._viewer)


def says(dock: ParticlePicker) -> str:
    return str(dock.job_bar._message.text())


def shown(dock: ParticlePicker) -> list[str]:
    table = dock.micrographs.table
    return [table.name_of(row) for row in range(table.rowCount())]


def test_marks_are_shown_saved_and_restored(qtbot: QtBot, open_dock: Callable, folder: Path) -> None:
    states = {"m_2": "finished seen", "gone": "excluded", "m_3": "excluded finished"}
    write_session(folder / SESSION_FOLDER, SavedSession(states=states))
    dock = open_dock(folder)
    assert [cell(dock, name, STATE) for name in ("m_1", "m_2", "m_3")] == ["○", "●", "·"]
    dock.workspace.set_labels("m_1", Picks.labels(THREE))
    dock.micrographs.marks_row.boxes[Mark.COMPLETE].click()
    assert cell(dock, "m_1", STATE) == "◐ ■"
    assert cell(dock, "m_1", STATE, Qt.ItemDataRole.ToolTipRole) == "Labelled; all particles are labelled."
    assert "all particles are labelled here" in dock.micrographs.marks_row.button.text()
    press(dock, "E")
    assert cell(dock, "m_1", STATE) == "✕ ■"
    assert cell(dock, "m_1", 0, Qt.ItemDataRole.FontRole).strikeOut()
    assert cell(dock, "m_1", PICKS) == "–"
    assert dock.micrographs.marks_row.boxes[Mark.EXCLUDED].isChecked()
    assert dock.layers.shown == "m_1", "what is shown can be excluded"
    qtbot.waitUntil(lambda: not dock.keeper.saver.pending, timeout=20_000)
    found = read_session(folder / SESSION_FOLDER)
    assert found is not None
    assert found.session.states == {
        "m_1": "complete excluded seen",
        "m_2": "finished seen",
        "gone": "excluded",
    }


def test_many_micrographs_with_the_same_marks_share_them() -> None:
    book, names = MarkBook({"x": "seen finished"}), [f"m_{k}" for k in range(100)]
    for name in names:
        book.see(name)
    book.put(names, Mark.EXCLUDED, on=True)
    book.put(names, Mark.EXCLUDED, on=False)
    book.put(names, Mark.FINISHED, on=True)
    assert book.words("m_0") == {"seen", "finished"}
    assert {id(book.words(name)) for name in (*names, "x")} == {id(book.words("x"))}


def test_looking_alone_makes_no_session(qtbot: QtBot, open_dock: Callable, folder: Path) -> None:
    dock = open_dock(folder)
    press(dock, "U")
    qtbot.waitUntil(lambda: dock.layers.shown == "m_2")
    assert not dock.keeper.saver.pending
    press(dock, "F")
    assert dock.workspace.decisions.state("m_2") == State.FINISHED
    assert dock.keeper.saver.pending
    press(dock, "U")
    qtbot.waitUntil(lambda: dock.layers.shown == "m_3")
    assert cell(dock, "m_3", STATE) == "○"


def test_ticks_say_plainly_what_they_mean(open_dock: Callable, folder: Path) -> None:
    dock = open_dock(folder)
    boxes = dock.micrographs.marks_row.boxes
    boxes[Mark.COMPLETE].click()
    assert "m_1 has no labelled particle: ticked like this, all there counts as background." in says(dock)
    dock.workspace.set_labels("m_1", Picks.labels(THREE))
    boxes[Mark.EMPTY].click()
    assert "m_1 has labelled particles: remove them first" in says(dock)
    assert not boxes[Mark.EMPTY].isChecked(), "it springs back"
    assert boxes[Mark.COMPLETE].isChecked()
    dock.workspace.show("m_2")
    boxes[Mark.EMPTY].click()
    assert dock.workspace.decisions.ticks.empty == {"m_2"}
    dock.workspace.set_labels("m_2", Picks.labels(THREE))
    assert "not ticked any more" in says(dock)
    assert not boxes[Mark.EMPTY].isChecked()


def test_the_menu_decides_about_all_selected_rows(qtbot: QtBot, open_dock: Callable, folder: Path) -> None:
    dock = open_dock(folder)
    view = dock.micrographs.view
    view.selectAll()
    menu = dock.micrographs.menu_at(view.visualRect(dock.micrographs.table.index(1, 0)).center())
    assert menu is not None
    (exclude,) = [a for a in menu.actions() if a.text().startswith("Excluded")]
    exclude.trigger()
    assert dock.workspace.decisions.names_in_use == set()
    qtbot.waitUntil(lambda: "All micrographs are excluded" in dock.hint.text())
    assert not dock.training.button.isEnabled()
    assert "All micrographs are excluded" in dock.training.button.toolTip()
    dock.workspace.undo()
    assert len(dock.workspace.decisions.names_in_use) == 3
    assert dock.micrographs.menu_at(view.rect().bottomRight()) is None


def test_jobs_are_told(
    qtbot: QtBot, open_dock: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(folder)
    workspace = dock.workspace
    workspace.change(preprocess=PreprocessSettings(diameter=40))
    # Without it the guess that is shown meanwhile loads torch, which outlasts this test.
    workspace.change(train=TrainSettings(start="random"))
    for name in ("m_1", "m_2"):
        workspace.set_labels(name, Picks.labels(THREE))
    workspace.decisions.put(["m_1"], Mark.COMPLETE, on=True)
    workspace.decisions.put(["m_2"], Mark.EXCLUDED, on=True)
    workspace.decisions.put(["m_3"], Mark.EMPTY, on=True)
    told: list[tuple] = []

    def training(learning, labels, stop, start):
        told.append(([s.name for s in learning.sources], set(labels), learning.ticks))
        yield Started("Training", 1)
        return None

    monkeypatch.setattr(Learning, "training", training)
    monkeypatch.setattr(dock.actions_, "_take_trained", lambda model: None)
    dock.actions_.train()
    qtbot.waitUntil(lambda: bool(told) and dock.job_bar.running is None, timeout=20_000)
    assert told == [(["m_1", "m_3"], {"m_1"}, Ticks(frozenset({"m_1"}), frozenset({"m_3"})))]
    picked: list[list[str]] = []

    def picking(sources, *more):
        picked.append([s.name for s in sources])
        yield Started("Picking", 1)
        return {}

    monkeypatch.setattr(tasks, "picking", picking)
    workspace.model = SimpleNamespace(
        knows_preprocessing=True, is_general=False, calibrated=False, card=SimpleNamespace(threshold=0.0)
    )
    dock.actions_.pick_all()
    qtbot.waitUntil(lambda: bool(picked) and dock.job_bar.running is None, timeout=20_000)
    assert picked == [["m_1", "m_3"]]
    workspace.model = None


def test_sorting_and_finding_in_the_window(
    qtbot: QtBot, open_dock: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_topaz.gui.micrographs_panel.MANY", 3)
    dock = open_dock(folder)
    panel, table = dock.micrographs, dock.micrographs.table
    assert not panel.find_row.isHidden()
    dock.workspace.set_labels("m_3", Picks.labels(THREE))
    panel.view.sortByColumn(LABELS, Qt.SortOrder.DescendingOrder)
    qtbot.waitUntil(lambda: shown(dock) == ["m_3", "m_1", "m_2"])
    assert panel.view.selectionModel().selectedRows()[0].row() == 1, "m_1 is shown still"
    dock.workspace.set_labels("m_2", Picks.labels([*THREE, [9, 9]]))
    assert shown(dock) == ["m_3", "m_1", "m_2"], "rows do not move under the mouse"
    dock.workspace.step(-1)
    assert dock.workspace.current == "m_3"
    panel.find.setText("M_1")
    qtbot.waitUntil(lambda: shown(dock) == ["m_1"])
    assert not panel.view.selectionModel().hasSelection()
    table.refresh_counts("m_3")  # which is not shown
    panel.find.clear()
    panel.states.setCurrentText("with labels")
    qtbot.waitUntil(lambda: shown(dock) == ["m_2", "m_3"])
    panel.states.setCurrentText("all")
    panel.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    qtbot.waitUntil(lambda: shown(dock) == ["m_1", "m_2", "m_3"])


def test_a_long_list_is_arranged_while_the_window_goes_on(
    qtbot: QtBot, open_dock: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(folder)
    monkeypatch.setattr("napari_topaz.gui.micrograph_table.SLICE", 0.0)
    monkeypatch.setattr("napari_topaz.gui.arranging.AT_ONCE", 1)
    table = dock.micrographs.table
    table.want(text="m_2")
    assert table.rowCount() == 3, "nothing is blocked"
    qtbot.waitUntil(lambda: shown(dock) == ["m_2"])


def test_a_folder_that_takes_long_is_looked_through_behind_the_window(
    qtbot: QtBot, open_dock: Callable, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = open_dock(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.mrc").write_bytes((folder / "m_1.mrc").read_bytes())
    go, find = threading.Event(), opening.find_micrographs

    def slow(paths: list) -> list[MicrographFile]:
        go.wait(20)
        return find(paths)

    monkeypatch.setattr(opening, "find_micrographs", slow)
    monkeypatch.setattr(listing, "AT_ONCE", 0.01)
    dock.opening.open_paths([other])
    assert dock.workspace.names == ["m_1", "m_2", "m_3"]
    assert dock.micrographs.folder_button.text() == "Looking …"
    go.set()
    qtbot.waitUntil(lambda: dock.workspace.names == ["z"], timeout=20_000)
    assert dock.micrographs.folder_button.text() == "Open folder …"
    go.clear()
    dock.opening.open_paths([tmp_path / "nothing here"])
    go.set()
    qtbot.waitUntil(lambda: "nothing here" in says(dock), timeout=20_000)
    assert dock.workspace.names == ["z"]
