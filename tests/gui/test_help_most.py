"""Where she helps most: questions one by one, in a real window and without one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.going import RING
from napari_topaz.gui.help_most import COUNT, HelpMost
from napari_topaz.gui.help_most_row import HelpMostRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import DIAMETER, PIXEL_SIZE, SHAPE, micrograph

pytestmark = pytest.mark.gui


def peaks(seed: int) -> Picks:
    grid = np.stack(np.meshgrid(np.arange(30, 280, 60), np.arange(30, 380, 60), indexing="ij"), -1)
    yx = grid.reshape(-1, 2).astype(np.float32)
    return Picks(yx, np.random.default_rng(seed).normal(0, 3, len(yx)))


class Bench:
    """A viewer without a window, picked micrographs, and the row."""

    def __init__(self, qtbot: QtBot, *, kept: bool = True) -> None:
        self.qtbot, self.viewer = qtbot, ViewerModel()
        self.session = session_of(self.viewer)
        self.workspace = self.session.workspace
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)])
        self.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
        for k, name in enumerate(self.workspace.names):
            self.workspace.set_candidates(name, peaks(k))
        self.workspace.change(pick=self.workspace.options.pick.model_copy(update={"threshold": 0.0}))
        self.dock = QWidget()
        if kept:
            qtbot.addWidget(self.dock)
        self.bar, self.row = JobBar(self.dock), HelpMostRow(self.dock)
        self.help_most = HelpMost(self.viewer, self.session, self.bar, self.row, self.dock)
        self.gone: list = []
        self.help_most._going.go = lambda name, yx: self.gone.append((name, *yx.tolist()))

    def ask(self) -> None:
        self.row.ask_button.click()
        self.qtbot.waitUntil(lambda: self.bar.running is None, timeout=20000)


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def test_answers_become_labels_and_the_next_question_comes(bench: Bench) -> None:
    assert bench.row.answers.isHidden()
    bench.ask()
    questions = list(bench.help_most._questions)
    assert len(questions) == COUNT
    assert not bench.row.answers.isHidden()
    for asked, button in zip(questions, [bench.row.yes, bench.row.no, bench.row.skip] * 4, strict=False):
        assert bench.help_most.question is asked
        assert asked.name in bench.row.question.text()
        assert bench.gone[-1] == (asked.name, asked.y, asked.x)
        button.click()
    labelled = [
        (name, *map(float, yx), int(kind))
        for name, labels in bench.workspace.all_labels.items()
        for yx, kind in zip(labels.yx, labels.kinds, strict=True)
    ]
    kinds = [Kind.PARTICLE, Kind.NOT_PARTICLE, None] * 4
    given = [(q.name, q.y, q.x, int(k)) for q, k in zip(questions, kinds, strict=False) if k is not None]
    assert sorted(labelled) == sorted(given)
    assert bench.help_most.question is None
    assert "7 answers: 4 particles, 3 not" in bench.row.question.text()
    assert "3 skipped: not asked again." in bench.row.question.text()
    assert bench.row.answers.isHidden()


def test_what_she_has_clicked_herself_meanwhile_stays(bench: Bench) -> None:
    """A label of the same kind at the same place is taken back by the workspace."""
    bench.ask()
    asked = bench.help_most.question
    bench.workspace.label(asked.name, [[asked.y + 2, asked.x]], Kind.PARTICLE)
    bench.row.yes.click()
    assert bench.workspace.labels(asked.name).kinds.tolist() == [Kind.PARTICLE]


def test_no_question_about_what_is_labelled(bench: Bench) -> None:
    bench.ask()
    asked = bench.help_most.question
    bench.row.no.click()
    bench.row.end.click()
    bench.ask()
    places = {(q.name, q.y, q.x) for q in bench.help_most._questions}
    assert (asked.name, asked.y, asked.x) not in places


def test_what_was_skipped_is_not_asked_again_until_nothing_else_is_left(bench: Bench) -> None:
    asked = set()
    for _ in range(30):
        bench.ask()
        while (question := bench.help_most.question) is not None:
            place = (question.name, question.y, question.x)
            assert place not in asked
            asked.add(place)
            bench.row.skip.click()
        if "nothing else to ask" in bench.row.question.text():
            break
    assert len(asked) == sum(len(peaks(k)) for k in (0, 1)), "all candidates were asked about once"
    assert not bench.workspace.all_labels
    bench.ask()
    assert len(bench.help_most._questions) == COUNT


def test_skipped_questions_are_kept_in_the_session(bench: Bench, qtbot: QtBot) -> None:
    bench.ask()
    question = bench.help_most.question
    changes = []
    bench.session.skipped.changed.connect(lambda: changes.append(1))
    bench.row.skip.click()
    assert changes == [1]
    saved = bench.session.keeper._extras.state()
    assert saved["skipped questions"] == {"places": {question.name: [[question.y, question.x]]}}
    later = Bench(qtbot)
    assert later.session.keeper._extras.begin(saved) == []
    here = Picks([[question.y + 1, question.x], [question.y, question.x + DIAMETER]], [1.0, 2.0])
    left = later.session.skipped.others(question.name, here, 0.3 * DIAMETER)
    assert left.yx.tolist() == [[question.y, question.x + DIAMETER]]
    assert later.session.skipped.others("another", here, 0.3 * DIAMETER) is here
    assert later.session.keeper._extras.begin({}) == [], "another folder"
    assert not len(later.session.skipped)


@pytest.mark.parametrize("wrong", [[[1, 2, 3]], [["x", 1]], "here", [[1, float("nan")]]])
def test_a_file_that_somebody_edited_costs_a_notice(bench: Bench, wrong: object) -> None:
    notices = bench.session.keeper._extras.begin({"skipped questions": {"places": {"a": wrong}}})
    assert "skipped questions" in notices[0]
    assert not len(bench.session.skipped)


def test_another_folder_ends_the_questions(bench: Bench) -> None:
    bench.ask()
    bench.workspace.begin([micrograph("c")])
    assert bench.help_most.question is None
    assert bench.row.answers.isHidden()
    bench.help_most.answer(Kind.PARTICLE)
    assert not bench.workspace.all_labels


def test_another_model_while_it_looks_for_questions(bench: Bench) -> None:
    bench.row.ask_button.click()
    bench.workspace.set_model(None)
    bench.qtbot.waitUntil(lambda: bench.bar.running is None, timeout=20000)
    assert bench.help_most.question is None


def test_without_picks_it_says_what_to_do(bench: Bench) -> None:
    bench.workspace.set_model(None)
    bench.workspace.show("b")
    bench.workspace.set_candidates("a", Picks(), stale=True)
    bench.ask()
    assert "train a model and pick" in bench.bar.message
    reason = SimpleNamespace(locked=None, load=None, save_model="Train a model first.")
    bench.help_most.enable(reason)
    assert not bench.row.ask_button.isEnabled()
    assert bench.row.ask_button.toolTip() == "Train a model first."


def test_a_destroyed_dock_asks_nothing(qtbot: QtBot) -> None:
    bench = Bench(qtbot, kept=False)
    bench.ask()
    viewer, workspace, dock = bench.viewer, bench.workspace, bench.dock
    assert {"J", "K", "L"} <= {str(key) for key in viewer.keymap}
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    assert not {"J", "K", "L"} & {str(key) for key in viewer.keymap}
    workspace.begin([micrograph("c")])


def test_in_a_real_window(make_napari_viewer: Callable, qtbot: QtBot, monkeypatch) -> None:
    """Gallery and questions from the dock's buttons: clicks, keys, camera."""
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    assert isinstance(dock, ParticlePicker)
    workspace, layers = dock.workspace, dock.layers
    workspace.add([micrograph("a", 1), micrograph("b", 2)])
    workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    for k, name in enumerate(workspace.names):
        workspace.set_candidates(name, peaks(k))
    qtbot.waitUntil(lambda: layers.shown == "a", timeout=10000)
    dock.picks.help_most.gallery_button.click()
    gallery = viewer.window.dock_widgets["Particle gallery (napari-topaz)"]
    dock.picks.help_most.gallery_button.click()  # once more: still one gallery
    qtbot.waitUntil(lambda: gallery.view.count == 2 * len(peaks(0)), timeout=10000)

    rows = gallery.list.rows
    row = next(k for k in range(len(rows)) if rows.name(k) == "b")
    place, left = gallery.view.place(row).center(), Qt.MouseButton.LeftButton
    for gesture in (qtbot.mouseClick, qtbot.mouseDClick):
        gesture(gallery.view.viewport(), left, Qt.KeyboardModifier.NoModifier, place)
    qtbot.waitUntil(lambda: layers.shown == "b" and RING in viewer.layers, timeout=10000)
    there = rows.picks.yx[row]
    np.testing.assert_allclose(viewer.scene.camera.center[1:], there * PIXEL_SIZE)
    np.testing.assert_allclose(viewer.layers[RING].data, [there])
    assert viewer.layers[RING].units == viewer.layers["labels"].units
    assert viewer.layers.selection.active is viewer.layers["labels"]
    assert not workspace.all_labels

    qtbot.mouseClick(gallery.view.viewport(), left, Qt.KeyboardModifier.NoModifier, place)
    assert workspace.labels("b").kinds.tolist() == [Kind.NOT_PARTICLE]
    qtbot.waitUntil(lambda: len(viewer.layers["labels"].data) == 1)
    workspace.undo()

    monkeypatch.setattr(workspace, "threshold_of", lambda name: 0.0)
    dock.help_most.ask()
    qtbot.waitUntil(lambda: dock.help_most.question is not None, timeout=20000)
    asked = dock.help_most.question
    qtbot.waitUntil(lambda: layers.shown == asked.name)
    np.testing.assert_allclose(viewer.layers[RING].data, [[asked.y, asked.x]])
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_K)
    assert workspace.labels(asked.name).kinds.tolist() == [Kind.NOT_PARTICLE]
    assert dock.help_most.question is not asked
    dock.picks.help_most.end.click()
    assert len(viewer.layers[RING].data) == 0
    assert layers.picture.shape == SHAPE
    WorkerBase.await_workers(5000)
