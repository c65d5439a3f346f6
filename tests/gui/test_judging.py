"""In a real window: targets are compared while the user works, particles are exported."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import starfile
from napari.qt.threading import WorkerBase
from qtpy.QtWidgets import QLabel

from napari_topaz.files import write_mrc, write_picks
from napari_topaz.gui import dialogs, judging
from napari_topaz.gui.export_dialog import ExportDialog
from napari_topaz.gui.targets import Question
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings, StackSettings

pytestmark = pytest.mark.gui
TRUTH = Picks.labels([[50, 60], [100, 200], [150, 90]])


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    yield viewer
    WorkerBase.await_workers(5000)


@pytest.fixture
def dock(viewer, qtbot, tmp_path):
    """Two micrographs, of which one is picked: two of its three particles, and a mistake."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    for name, seed in (("a", 1), ("b", 2)):
        pixels = np.random.default_rng(seed).normal(100, 5, (220, 300))
        write_mrc(tmp_path / "mics" / f"{name}.mrc", pixels, 2.0)
    dock.opening.open_paths([tmp_path / "mics"])
    qtbot.waitUntil(lambda: dock.layers.shown == "a")
    dock.workspace.change(preprocess=PreprocessSettings(diameter=40))
    dock.workspace.set_candidates("a", Picks([[50, 60], [20, 20], [101, 199]], [4.0, 3.0, 2.0]))
    return dock


def idle(dock) -> bool:
    return dock.job_bar.running is None and not dock.judging.latest.busy


def load_targets(dock, qtbot, tmp_path: Path, monkeypatch) -> None:
    write_picks(tmp_path / "truth.star", {"a": TRUTH, "b": TRUTH})
    monkeypatch.setattr(dialogs, "ask_targets", lambda parent: tmp_path / "truth.star")
    qtbot.waitUntil(dock.picks.judging.targets_button.isEnabled)
    dock.picks.judging.targets_button.click()
    qtbot.waitUntil(lambda: len(dock.judging.targets) == 6)
    qtbot.waitUntil(lambda: idle(dock))


def test_the_curve_follows_picks_and_threshold(dock, qtbot, tmp_path, monkeypatch) -> None:
    panel = dock.picks.judging
    assert panel.plot.isHidden()
    load_targets(dock, qtbot, tmp_path, monkeypatch)
    # Of three targets: a hit, a miss, a hit.
    qtbot.waitUntil(lambda: "Average precision 0.56 on 1 micrograph" in panel.summary.text())
    assert not panel.plot.isHidden()
    np.testing.assert_allclose(panel.plot._line.getData(), [[1 / 3, 1 / 3, 2 / 3], [1, 0.5, 2 / 3]])
    dock.picks.threshold_chosen.emit(2.5)
    qtbot.waitUntil(lambda: "F1 0.40 (precision 0.50, recall 0.33)" in panel.summary.text())
    np.testing.assert_allclose(np.ravel(panel.plot._here.getData()), [1 / 3, 0.5])
    dock.workspace.set_candidates("a", Picks(TRUTH.yx, [4.0, 3.0, 2.0]))  # as after an epoch
    qtbot.waitUntil(lambda: "Average precision 1.00" in panel.summary.text())
    dock.workspace.set_candidates("b", Picks([[5, 5]], [4.0]))
    qtbot.waitUntil(lambda: "on 2 micrographs" in panel.summary.text())


def test_targets_before_any_picks(dock, qtbot, tmp_path, monkeypatch) -> None:
    dock.workspace._picks_are_new(dock.workspace._picks.forget())
    load_targets(dock, qtbot, tmp_path, monkeypatch)
    qtbot.waitUntil(lambda: "none of their micrographs is picked" in dock.picks.judging.summary.text())


def test_particles_are_exported(dock, qtbot, tmp_path, monkeypatch) -> None:
    asked = []

    def settings_of(parent, settings):
        asked.append(settings)
        return settings.model_copy(update={"invert": True})

    monkeypatch.setattr(judging, "ask_stack_settings", settings_of)
    monkeypatch.setattr(dialogs, "ask_stack", lambda parent, beside: tmp_path / "out")
    qtbot.waitUntil(dock.picks.judging.export_button.isEnabled)
    dock.picks.judging.export_button.click()
    qtbot.waitUntil(lambda: "particles" in dock.job_bar.message, timeout=20_000)
    assert asked == [StackSettings(box_size=30)], "one and a half diameters of 20 px"
    assert "3 particles of 1 micrograph " in dock.job_bar.message, dock.job_bar.message
    table = starfile.read(tmp_path / "out" / "particles.star")["particles"]
    assert sorted(table.rlnCoordinateX) == [20, 60, 199]
    picture = dock.findChild(QLabel, "montage")
    assert picture.pixmap().width() > 100
    picture.close()


def test_the_dialog_wants_a_possible_box(qtbot) -> None:
    dialog = ExportDialog(StackSettings())
    qtbot.addWidget(dialog)
    ok = dialog.buttons.buttons()[0]
    assert not ok.isEnabled()
    dialog.form.row("box_size")._set_and_tell(64)
    assert ok.isEnabled()
    dialog.form.row("downsample_to")._set_and_tell(128)
    assert not ok.isEnabled()
    dialog.form.row("downsample_to")._set_and_tell(32)
    assert dialog.value() == StackSettings(box_size=64, downsample_to=32)


def test_an_answer_about_targets_that_are_gone_is_dropped(dock, qtbot, monkeypatch) -> None:
    """She opens another folder while peaks and targets of the one before are compared."""
    go_on, begun, answer = threading.Event(), threading.Event(), Question.answer

    def slow(question):
        begun.set()
        go_on.wait(30)
        return answer(question)

    monkeypatch.setattr(Question, "answer", slow)
    dock.workspace.set_model(None)
    dock.workspace.set_candidates("a", Picks([[50, 60]], [4.0]))
    dock.judging.targets.set({"a": TRUTH})
    qtbot.waitUntil(begun.is_set)
    dock.judging.targets.set({})
    qtbot.wait(50)
    go_on.set()
    qtbot.waitUntil(lambda: not dock.judging.latest.busy)
    assert dock.judging._found is None
    monkeypatch.setattr(Question, "answer", answer)
    dock.judging.targets.set({"a": TRUTH})
    qtbot.waitUntil(lambda: dock.judging._found is not None)
    dock.judging.targets.set({})
    qtbot.waitUntil(lambda: dock.judging._found is None)
