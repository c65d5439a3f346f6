"""In a real window: what she clicks and types, from an empty window to saved picks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from napari_topaz.events import EpochDone, Started, StepDone
from napari_topaz.files import read_picks, write_mrc
from napari_topaz.files.errors import FileError
from napari_topaz.gui import dialogs, save_dialog, tasks
from napari_topaz.gui.form import NumberBox
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import SimulateSettings
from napari_topaz.simulate import simulate

pytestmark = pytest.mark.gui
WORLD = SimulateSettings(micrographs=3, size=512, particles=25, dose=60)


@pytest.fixture
def world(simulated, tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder of micrographs without a session, and where the particles are."""
    folder = tmp_path / "world"
    shutil.copytree(simulated[0], folder)
    return folder, simulated[1]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    folder, truth = tmp_path_factory.mktemp("world"), {}
    for index in range(WORLD.micrographs):
        micrograph, picks = simulate(WORLD, index)
        write_mrc(folder / f"mic_{index}.mrc", micrograph.pixels, micrograph.pixel_size)
        truth[f"mic_{index}"] = picks.yx
    return folder, truth


@pytest.fixture
def viewer(make_napari_viewer: Callable) -> Iterator:
    viewer = make_napari_viewer()
    yield viewer
    WorkerBase.await_workers(5000)


@pytest.fixture
def dock(viewer, qtbot: QtBot) -> ParticlePicker:
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    return dock


def press(qtbot: QtBot, button: QPushButton) -> None:
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def type_in(qtbot: QtBot, box: NumberBox, text: str) -> None:
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), text)


def open_world(qtbot: QtBot, dock: ParticlePicker, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogs, "ask_folder", lambda parent: folder)
    press(qtbot, dock.micrographs.folder_button)
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0")


def click_in_picture(viewer, yx: np.ndarray) -> None:
    """What napari does when she clicks there: the labels are active, and clicks add."""
    layer = viewer.layers.selection.active
    assert (layer.name, layer.mode) == ("labels", "add")
    layer.add(np.asarray(yx))


def idle(dock: ParticlePicker) -> bool:
    return dock.job_bar.running is None and not dock.job_bar.preview.busy


def test_from_an_empty_window_to_saved_picks(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, truth = world
    assert "Open a folder" in dock.hint.text()
    assert not dock.training.button.isEnabled()
    open_world(qtbot, dock, folder, monkeypatch)
    qtbot.waitUntil(lambda: "diameter" in dock.hint.text())
    type_in(qtbot, dock.particle.number("diameter"), "180")
    qtbot.waitUntil(lambda: "Click the centres" in dock.hint.text())
    for name in ("mic_0", "mic_1"):
        dock.micrographs.view.selectRow(dock.micrographs.table.row_of(name))
        qtbot.waitUntil(lambda name=name: dock.layers.shown == name)
        for yx in truth[name][:8]:
            click_in_picture(viewer, yx)
    dock.particle.advanced.button.click()
    steps = next(form.row("steps") for name, form in dock.particle._forms if "steps" in form.names)
    epochs = next(form.row("epochs") for name, form in dock.particle._forms if "epochs" in form.names)
    type_in(qtbot, steps, "15")
    type_in(qtbot, epochs, "2")
    qtbot.waitUntil(lambda: dock.hint.text() == "Press Train.")
    press(qtbot, dock.training.button)
    assert dock.job_bar.running == "Training"
    qtbot.waitUntil(lambda: dock.job_bar.running is None, timeout=60_000)
    assert "Training is done" in dock.job_bar.message
    assert len(dock.training._loss) >= 2
    qtbot.waitUntil(lambda: idle(dock) and len(viewer.layers["picks"].data) > 0, timeout=20_000)
    assert viewer.layers["heat map"].data.shape != (2, 2)
    press(qtbot, dock.picks.pick_button)
    qtbot.waitUntil(lambda: idle(dock), timeout=30_000)
    assert all(dock.workspace.is_picked(name) for name in truth)
    path = tmp_path / "picks.star"
    monkeypatch.setattr(save_dialog, "ask_save_picks", lambda parent, settings, *_: (path, settings))
    press(qtbot, dock.picks.save_button)
    qtbot.waitUntil(lambda: idle(dock) and path.exists())
    saved = read_picks(path)
    assert set(saved) == set(truth)
    shown = dock.layers.shown
    drawn = np.concatenate([viewer.layers["labels"].data, viewer.layers["picks"].data])
    np.testing.assert_allclose(saved[shown].yx, drawn, atol=1e-3)  # what is drawn is what is saved
    assert "Saved to picks.star" in dock.hint.text()


def test_without_labels_train_cannot_be_pressed_and_says_why(
    qtbot: QtBot, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_world(qtbot, dock, world[0], monkeypatch)
    type_in(qtbot, dock.particle.number("diameter"), "180")
    qtbot.waitUntil(lambda: "at least" in dock.training.button.toolTip())
    qtbot.mouseClick(dock.training.button, Qt.MouseButton.LeftButton)
    assert dock.job_bar.running is None
    assert not dock.picks.pick_button.isEnabled()
    assert "Train a model first" in dock.picks.pick_button.toolTip()


def ready(qtbot: QtBot, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened and labelled."""
    open_world(qtbot, dock, world[0], monkeypatch)
    type_in(qtbot, dock.particle.number("diameter"), "180")
    dock.workspace.label("mic_0", world[1]["mic_0"][:6], Kind.PARTICLE)


class OutOfMemoryError(RuntimeError):
    """Like torch's."""


def test_out_of_memory_leaves_the_dock_usable(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(qtbot, dock, world, monkeypatch)

    def broken(*args: object):
        yield Started("Training", 10)
        raise OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learning, "training", broken)
    press(qtbot, dock.training.button)
    qtbot.waitUntil(lambda: dock.job_bar.running is None)
    assert "out of memory" in dock.job_bar.message
    qtbot.waitUntil(dock.training.button.isEnabled)
    click_in_picture(viewer, world[1]["mic_0"][10])
    assert len(dock.workspace.labels("mic_0")) == 7


def test_the_labels_layer_can_be_deleted_and_brought_back(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(qtbot, dock, world, monkeypatch)
    labels = viewer.layers["labels"].data.copy()
    assert len(labels) == 6
    viewer.layers.selection = {viewer.layers["labels"]}
    viewer.layers.remove_selected()  # as the bin below the list does: the layer is locked
    assert "labels" in viewer.layers
    viewer.layers.remove("labels")
    qtbot.waitUntil(lambda: not dock.restore.isHidden())
    qtbot.mouseClick(dock.restore, Qt.MouseButton.LeftButton)
    np.testing.assert_array_equal(viewer.layers["labels"].data, labels)
    qtbot.waitUntil(dock.restore.isHidden)


def endless(stopped: list[bool]) -> Callable:
    def job(learning, labels, stop, start):
        yield Started("Training", 1000)
        for step in range(1000):
            if stop.is_set():
                stopped.append(True)
                return None
            time.sleep(0.01)
            yield StepDone(step, 1000, 1.0, 0.0)

    return job


def test_closing_the_dock_stops_the_job_and_reopening_it_finds_everything(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(qtbot, dock, world, monkeypatch)
    stopped: list[bool] = []
    monkeypatch.setattr(Learning, "training", endless(stopped))
    press(qtbot, dock.training.button)
    qtbot.waitUntil(lambda: len(dock.training._loss) > 2)
    viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    qtbot.waitUntil(lambda: stopped == [True])
    _, again = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    assert again is not dock
    assert len(again.workspace.labels("mic_0")) == 6
    viewer.layers["labels"].add([400, 400])
    assert (
        again.micrographs.table.data(again.micrographs.table.index(0, 1), Qt.ItemDataRole.DisplayRole) == "7"
    )


def test_each_epoch_scores_what_is_shown_and_stale_results_are_dropped(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(qtbot, dock, world, monkeypatch)
    scored: list[str] = []
    card = SimpleNamespace(threshold=0.0, history=(), best_epoch=1, labels=6)
    model = SimpleNamespace(card=card, knows_preprocessing=True, is_general=False, calibrated=False)

    def score(source, model, options, pixel_size, cache, last):
        scored.append(source.name)
        logits = np.zeros((8, 8), np.float32)
        return ScoreMap(source.name, logits, (64, 64), 1, (512, 512)), Picks([[5, 5]], [len(scored)])

    def train(learning, labels, stop, start):
        yield Started("Training", 3)
        for epoch in (1, 2, 3):
            yield EpochDone(epoch, 3, epoch, 1.0, 0.5, True, 1.0, model)
            time.sleep(0.05)
        return model

    monkeypatch.setattr(tasks, "scoring", score)
    monkeypatch.setattr(Learning, "training", train)
    press(qtbot, dock.training.button)
    qtbot.waitUntil(lambda: idle(dock) and len(scored) > 1)
    assert set(scored) == {"mic_0"}
    assert dock.workspace.is_picked("mic_0")
    dock.workspace.step(1)
    qtbot.waitUntil(lambda: scored[-1] == "mic_1" and idle(dock))
    assert viewer.layers["heat map"].data.shape == (8, 8)
    assert dock.training._best == 2


def test_a_file_that_cannot_be_read_is_named(qtbot: QtBot, dock: ParticlePicker, tmp_path: Path) -> None:
    (tmp_path / "broken.mrc").write_bytes(b"no micrograph")
    dock.opening.open_paths([tmp_path])
    qtbot.waitUntil(lambda: "broken.mrc" in dock.job_bar.message, timeout=20_000)
    dock.opening.open_paths([tmp_path / "missing"])
    assert "missing" in dock.job_bar.message


def test_a_file_that_fails_at_once_is_still_named(
    qtbot: QtBot, dock: ParticlePicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.mrc").write_bytes(b"no micrograph")
    failed: Future[Any] = Future()
    failed.set_exception(FileError("broken.mrc is no micrograph."))
    monkeypatch.setattr(session_of(dock._viewer).pictures, "get", lambda *_: failed)
    dock.opening.open_paths([tmp_path])
    qtbot.waitUntil(lambda: "broken.mrc" in dock.job_bar.message, timeout=20_000)


def test_layers_of_the_reader_are_taken_over(qtbot: QtBot, viewer, dock: ParticlePicker, world) -> None:
    folder = world[0]
    viewer.open(str(folder / "mic_0.mrc"), plugin="napari-topaz")
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0")
    viewer.open([str(folder / "mic_1.mrc"), str(folder / "mic_2.mrc")], plugin="napari-topaz")
    qtbot.waitUntil(lambda: len(dock.workspace.names) == 3 and len(viewer.layers) == 4)


def test_the_keys_go_through_the_micrographs(
    qtbot: QtBot, viewer, dock: ParticlePicker, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_world(qtbot, dock, world[0], monkeypatch)
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_1")
    qtbot.keyClick(canvas, Qt.Key.Key_PageUp)
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0")


def test_both_themes(qtbot: QtBot, viewer, dock: ParticlePicker) -> None:
    def background() -> str:
        return dock.training.plot.widget.backgroundBrush().color().name()

    dark = background()
    viewer.theme = "light"
    assert background() != dark


def test_opening_the_dock_leaves_torch_alone(tmp_path: Path) -> None:
    code = (
        "import sys, napari; v = napari.Viewer(show=False);"
        "v.window.add_plugin_dock_widget('napari-topaz', 'Particle picker');"
        "v.close(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
