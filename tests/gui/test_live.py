"""In a real window: the model learns while she clicks, and whatever she does, never two work at once."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

torch = pytest.importorskip("torch")

from napari_topaz.events import EpochDone, JobError, Started, Warned  # noqa: E402
from napari_topaz.files import find_micrographs  # noqa: E402
from napari_topaz.gui import tasks  # noqa: E402
from napari_topaz.gui.general import is_guess  # noqa: E402
from napari_topaz.gui.learning import Learning  # noqa: E402
from napari_topaz.gui.main import ParticlePicker  # noqa: E402
from napari_topaz.gui.session import session_of  # noqa: E402
from napari_topaz.jobs import live_run  # noqa: E402
from napari_topaz.jobs.live_run import RoundDone  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import EpochRecord, ModelCard, PickerModel  # noqa: E402
from napari_topaz.picks import Kind, Picks  # noqa: E402
from napari_topaz.score_map import ScoreMap  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from worlds import DIAMETER, make_world  # noqa: E402

pytestmark = pytest.mark.gui
SMALL = NetworkSettings(architecture="conv31", width=3, batch_norm=False)


class Crowd:
    """Counts jobs that are at work, and remembers the most at once."""

    def __init__(self) -> None:
        self.now = self.most = self.started = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now, self.started = self.now + 1, self.started + 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


class Pretended:
    """Jobs that learn nothing, but tell what a live training and a training tell."""

    def __init__(self) -> None:
        self.crowd = Crowd()
        self.wishes: list[Any] = []
        self.starts: list[Any] = []
        self.warn: str | None = None
        self.error: Exception | None = None

    def live(self, learning, newest, stop, start=None):
        with self.crowd:
            self.starts.append(start)
            yield Started("Preparing micrographs", 1)
            model, step = start, 0
            while not stop.is_set():
                wish = newest.take(0.01)
                if wish is None:
                    continue
                if self.error is not None:
                    raise self.error
                if self.warn is not None:
                    yield Warned(self.warn)
                self.wishes.append(wish)
                labels = sum(map(len, wish.labels.values()))
                if model is None or model.card.labels != labels:
                    step, model = step + 10, a_model(labels)
                logits = np.full((60, 80), float(labels), np.float32)
                score_map = ScoreMap(wish.shown, logits, (4.0, 4.0), 1, (240, 320))
                yield RoundDone(step, 0.5, labels, model, score_map, Picks([[5, 5]], [9.0]), None, True)
            time.sleep(0.1)  # a round that was begun
            return model

    def training(self, learning, labels, stop, start=None):
        with self.crowd:
            yield Started("Training", 1)
            time.sleep(0.1)
            for n in (1, 2):
                model = a_model(1000 + n)
                yield EpochDone(n, 2, 10 * n, 0.5, 0.7 * n, True, 1.0, model.with_card(threshold=-50.0))
            return model.with_card(labels=1000, history=(record(1), record(2)), best_epoch=2)

    def picking(self, sources, model, options, skip, stop, kept):
        with self.crowd:
            yield Started("Picking", 1)
            time.sleep(0.05)
            return {}


def record(n: int) -> EpochRecord:
    return EpochRecord(epoch=n, step=10 * n, loss=1 / n, held_out=None, seconds=n)


def a_model(labels: int) -> PickerModel:
    card = ModelCard(
        network=SMALL,
        preprocess=PreprocessSettings(diameter=DIAMETER),
        train=TrainSettings(),
        pixel_size=2.0,
        labels=labels,
        best_epoch=labels,
        history=tuple(record(n) for n in range(1, labels + 1)),
    )
    return PickerModel(build(SMALL).eval(), card)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    pretended = Pretended()
    monkeypatch.setattr(Learning, "live", lambda *how: pretended.live(*how))
    monkeypatch.setattr(Learning, "training", lambda *how: pretended.training(*how))
    monkeypatch.setattr(tasks, "picking", pretended.picking)
    return pretended


@pytest.fixture
def viewer(make_napari_viewer: Callable) -> Iterator:
    viewer = make_napari_viewer()
    yield viewer
    WorkerBase.await_workers(5000)


@pytest.fixture
def dock(viewer, qtbot: QtBot, tmp_path: Path) -> Iterator[ParticlePicker]:
    """Three micrographs with drawn particles, and the diameter."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    folder = tmp_path / "micrographs"
    folder.mkdir()
    dock.truth = {n: p.yx for n, p in make_world(folder, 3).truth.items()}
    (folder / "truth.star").unlink()
    dock.opening.open_paths([folder])
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0", timeout=20_000)
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER, particle_pixels=16))
    behind = dock.job_bar.behind
    yield dock
    with contextlib.suppress(RuntimeError):  # the dock is closed already
        behind.stop(drop=True)


def click(dock: ParticlePicker, *which: int, name: str = "mic_0") -> None:
    for k in which:
        dock.workspace.label(name, dock.truth[name][[k]], Kind.PARTICLE)


def go_live(qtbot: QtBot, dock: ParticlePicker, jobs: Pretended, labels: int = 5) -> None:
    click(dock, *range(labels))
    dock.training.live.setChecked(True)
    qtbot.waitUntil(lambda: learnt(dock) == labels)


def learnt(dock: ParticlePicker) -> int | None:
    model = dock.workspace.model
    return None if model is None else model.card.labels


def still(qtbot: QtBot, dock: ParticlePicker) -> None:
    """Wait until nothing is at work any more."""
    qtbot.waitUntil(lambda: not dock.job_bar.behind.busy and dock.job_bar.running is None)
    qtbot.wait(50)


def test_it_waits_for_the_fifth_label_and_then_learns_from_every_click(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended
) -> None:
    dock.training.live.setChecked(True)
    click(dock, 0, 1, 2, 3)
    qtbot.waitUntil(lambda: "1 more label." in dock.training.summary.text())
    assert jobs.crowd.started == 0
    viewer.layers["labels"].add(dock.truth["mic_0"][4])
    qtbot.waitUntil(lambda: learnt(dock) == 5)
    assert viewer.layers["heat map"].data[0, 0] == 5
    assert len(viewer.layers["picks"].data) == 1
    assert "Live · 5 labels · up to date" in dock.training.summary.text()
    viewer.layers["labels"].add(dock.truth["mic_0"][5])
    qtbot.waitUntil(lambda: learnt(dock) == 6)
    assert viewer.layers["heat map"].data[0, 0] == 6
    assert jobs.crowd.started == 1  # the same job goes on
    assert dock.training.button.isEnabled()


def test_it_shows_a_guess_until_the_fifth_label_and_learns_from_its_weights_then(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended
) -> None:
    assert "Live" in dock.training.summary.text()  # said before it is ticked
    dock.training.live.setChecked(True)
    qtbot.waitUntil(lambda: is_guess(dock.workspace.model), timeout=30_000)
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_0"), timeout=20_000)
    dock.actions_.choose_threshold(3.0)
    click(dock, 0, 1, 2, 3, 4)
    qtbot.waitUntil(lambda: learnt(dock) == 5)
    assert jobs.starts == [None]  # live learning takes the general model itself, for the labels' contrast
    assert dock.workspace.options.pick.threshold is None  # that was one of other scores


def test_a_guess_that_fails_is_not_tried_again_and_again(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER, particle_pixels=64, downsample=12))
    dock.training.live.setChecked(True)
    qtbot.waitUntil(lambda: "preprocessed pixels" in dock.job_bar.message, timeout=30_000)
    dock.job_bar.say("")
    click(dock, 0, 1)
    qtbot.wait(200)
    assert dock.job_bar.message == ""
    click(dock, 2, 3, 4)
    qtbot.waitUntil(lambda: learnt(dock) == 5)


def test_another_micrograph_is_scored_though_nothing_is_learnt(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    model = dock.workspace.model
    dock.workspace.step(1)
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_1" and viewer.layers["heat map"].data.shape == (60, 80))
    assert [wish.shown for wish in jobs.wishes] == ["mic_0", "mic_1"]
    assert dock.workspace.model is model
    assert dock.workspace.is_picked("mic_0")
    assert dock.workspace.is_picked("mic_1")


def test_fewer_than_five_labels_end_it_and_the_fifth_begins_it_again(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    model = dock.workspace.model
    dock.workspace.undo()
    still(qtbot, dock)
    assert dock.workspace.model is model
    assert "1 more label." in dock.training.summary.text()
    click(dock, 6)
    qtbot.waitUntil(lambda: jobs.crowd.started == 2)
    assert jobs.starts == [None, model]


def test_train_comes_after_it_never_beside_it_and_the_next_click_goes_on(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    qtbot.waitUntil(dock.training.button.isEnabled)
    qtbot.mouseClick(dock.training.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: learnt(dock) == 1000)
    still(qtbot, dock)
    assert jobs.crowd.most == 1
    assert jobs.crowd.started == 2  # no news: the trained model stays as it is
    click(dock, 7)
    qtbot.waitUntil(lambda: jobs.crowd.started == 3)
    assert jobs.starts[-1].card.labels == 1000
    assert jobs.crowd.most == 1


def test_picks_of_all_are_not_forgotten_by_a_live_training(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    qtbot.waitUntil(dock.picks.pick_button.isEnabled)
    qtbot.mouseClick(dock.picks.pick_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: jobs.crowd.started == 2)
    still(qtbot, dock)
    assert learnt(dock) == 5
    assert dock.workspace.is_picked("mic_0")
    assert jobs.crowd.most == 1


def test_any_other_job_waits_until_its_thread_is_free(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    results: list[int] = []

    def job(stop):
        with jobs.crowd:
            yield Started("Saving")
            return 1

    assert dock.job_bar.start("Saving", job, on_result=results.append)
    assert dock.job_bar.running == "Saving"
    assert not results
    qtbot.waitUntil(lambda: results == [1])
    assert jobs.crowd.most == 1
    assert learnt(dock) == 5


def test_switched_off_it_hands_over_what_it_learnt(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    dock.training.live.setChecked(False)
    still(qtbot, dock)
    assert learnt(dock) == 5
    click(dock, 8)
    qtbot.wait(100)
    assert jobs.crowd.started == 1


def test_an_error_is_said_once_and_it_is_off(qtbot: QtBot, dock: ParticlePicker, jobs: Pretended) -> None:
    jobs.error = JobError("All labels lie under masks; hide less.")
    click(dock, 0, 1, 2, 3, 4)
    dock.training.live.setChecked(True)
    qtbot.waitUntil(lambda: "hide less" in dock.job_bar.message)
    assert not dock.training.live.isChecked()
    jobs.error = None
    click(dock, 5)
    qtbot.wait(100)
    assert jobs.crowd.started == 1
    assert dock.training.button.isEnabled()


def test_a_changed_option_begins_it_anew_from_the_present_model(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    dock.workspace.change(train=TrainSettings(expected=50))
    qtbot.waitUntil(lambda: jobs.crowd.started == 2)
    assert jobs.crowd.most == 1
    dock.workspace.change(pick=dock.workspace.options.pick.model_copy(update={"threshold": 1.0}))
    qtbot.wait(600)
    assert jobs.crowd.started == 2  # the threshold is no matter of learning


def test_another_folder_drops_it_and_leaves_its_model_alone(
    qtbot: QtBot, dock: ParticlePicker, jobs: Pretended, tmp_path: Path
) -> None:
    go_live(qtbot, dock, jobs)
    model = dock.workspace.model
    other = tmp_path / "other"
    other.mkdir()
    for name in ("mic_0", "mic_9"):  # one of them is called like one before
        shutil.copyfile(tmp_path / "micrographs" / "mic_1.mrc", other / f"{name}.mrc")
    dock.opening.open_paths([other])
    qtbot.waitUntil(lambda: dock.workspace.names == ["mic_0", "mic_9"])
    still(qtbot, dock)
    assert jobs.crowd.started == 1
    assert dock.workspace.model is model
    assert dock.training.live.isChecked()
    click(dock, 0, 1, 2, 3, 4)
    qtbot.waitUntil(lambda: jobs.crowd.started == 2)


def test_the_dock_can_be_closed_while_it_learns(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    qtbot.waitUntil(lambda: jobs.crowd.now == 0)
    session_of(viewer).workspace.label("mic_0", np.float32([[100, 100]]), Kind.PARTICLE)
    _, again = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    assert not again.training.live.isChecked()
    assert len(again.workspace.labels("mic_0")) == 6
    assert jobs.crowd.started == 1


def test_the_labels_layer_may_go(qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended) -> None:
    go_live(qtbot, dock, jobs)
    viewer.layers["labels"].locked = False
    viewer.layers.remove("labels")
    viewer.layers.remove("heat map")
    click(dock, 5)
    qtbot.waitUntil(lambda: learnt(dock) == 6)
    assert len(dock.workspace.labels("mic_0")) == 6


def test_trainings_and_a_live_one_are_kept_by_name(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended
) -> None:
    go_live(qtbot, dock, jobs)
    click(dock, 5)
    qtbot.waitUntil(lambda: learnt(dock) == 6)
    live = dock.workspace.model
    qtbot.waitUntil(dock.training.button.isEnabled)
    qtbot.mouseClick(dock.training.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: learnt(dock) == 1000)
    still(qtbot, dock)
    panel = dock.training.models
    panel.fold.button.click()
    assert panel.fold.button.text() == "Models (2)"
    assert names(panel) == ["Model 1", "Live 1"]  # the newest first
    assert [panel.list.topLevelItem(n).text(1) for n in (0, 1)] == ["1000", "6"]
    assert panel.list.topLevelItem(0).font(0).bold()
    # use the live one again
    panel.list.setCurrentItem(panel.list.topLevelItem(1))
    qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    assert dock.workspace.model is live
    assert panel.list.topLevelItem(1).font(0).bold()
    assert "Live 1 is in use" in dock.job_bar.message
    still(qtbot, dock)
    assert jobs.crowd.started == 2  # what she chose stays as it is until the next click
    # back to an epoch: with the threshold for picking
    panel.list.setCurrentItem(panel.list.topLevelItem(0).child(0))
    assert panel.use_button.text() == "Back to epoch 1"
    qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: learnt(dock) == 1001, timeout=20_000)
    assert dock.workspace.model.card.best_epoch == 1
    assert dock.workspace.model.card.threshold > -50


def names(panel) -> list[str]:
    return [panel.list.topLevelItem(n).text(0) for n in range(panel.list.topLevelItemCount())]


def test_models_are_renamed_deleted_and_restored_with_the_session(
    qtbot: QtBot, viewer, dock: ParticlePicker, jobs: Pretended, tmp_path: Path
) -> None:
    go_live(qtbot, dock, jobs)
    dock.training.live.setChecked(False)
    still(qtbot, dock)
    for _ in range(2):
        qtbot.waitUntil(dock.training.button.isEnabled)
        qtbot.mouseClick(dock.training.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: dock.job_bar.running is None)
    panel = dock.training.models
    assert names(panel) == ["Model 2", "Model 1", "Live 1"]
    panel.list.topLevelItem(1).setText(0, "Model 2")  # as editing does
    assert "There is a model" in dock.job_bar.message
    assert names(panel) == ["Model 2", "Model 1", "Live 1"]
    panel.list.topLevelItem(1).setText(0, "all carbon")
    panel.list.setCurrentItem(panel.list.topLevelItem(2))
    qtbot.mouseClick(panel.delete_button, Qt.MouseButton.LeftButton)
    assert names(panel) == ["Model 2", "all carbon"]
    session = session_of(viewer)
    session.keeper.leave()
    session.model_files.wait()
    folder = tmp_path / "micrographs" / "napari-topaz-session" / "models"
    files = {path.name for path in folder.glob("kept_*.safetensors")}
    assert len([name for name in files if "_epoch_" not in name]) == 2
    assert len([name for name in files if "_epoch_" in name]) == 2  # those of the last training
    (folder / f".0123abcd.{min(files)}").write_text("half a model")  # a process was killed
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(tmp_path / "micrographs" / "mic_1.mrc", other / "b.mrc")
    dock.opening.open_paths([other])
    qtbot.waitUntil(lambda: dock.workspace.names == ["b"])
    assert names(panel) == []
    dock.opening.open_paths([tmp_path / "micrographs"])
    qtbot.waitUntil(lambda: names(panel) == ["Model 2", "all carbon"])
    qtbot.waitUntil(lambda: learnt(dock) == 1000)
    panel.list.setCurrentItem(panel.list.topLevelItem(1))
    restored = dock.workspace.model
    qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.workspace.model is not restored, timeout=20_000)
    assert "all carbon is in use" in dock.job_bar.message
    panel.list.setCurrentItem(panel.list.topLevelItem(1).child(0))
    assert not panel.use_button.isEnabled()
    assert "of these the figures are left" in panel.use_button.toolTip()
    # Back to an epoch of the last training, though the window was closed.
    panel.list.setCurrentItem(panel.list.topLevelItem(0).child(0))
    assert panel.use_button.text() == "Back to epoch 1"
    qtbot.mouseClick(panel.use_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: learnt(dock) == 1001, timeout=20_000)
    assert dock.workspace.model.card.best_epoch == 1
    session.model_files.wait()
    assert {path.name for path in folder.glob("*kept_*")} == files


@pytest.mark.slow
def test_a_real_one_learns_from_clicks_in_the_picture(
    qtbot: QtBot, viewer, dock: ParticlePicker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "FIRST_STEPS", 15)
    monkeypatch.setattr(live_run, "STEPS", 8)
    dock.workspace.change(network=NetworkSettings(architecture="conv31", width=8))
    dock.training.live.setChecked(True)
    for yx in dock.truth["mic_0"][:6]:
        viewer.layers["labels"].add(yx)
    rested = "Live · {} labels · up to date"
    qtbot.waitUntil(lambda: rested.format(6) in dock.training.summary.text(), timeout=60_000)
    before = viewer.layers["heat map"].data.copy()
    (find_micrographs([dock.workspace.source("mic_0").path.parent])[2].path).unlink()  # a disk fault
    viewer.layers["labels"].add(dock.truth["mic_0"][6])
    qtbot.waitUntil(lambda: rested.format(7) in dock.training.summary.text(), timeout=60_000)
    assert not np.array_equal(before, viewer.layers["heat map"].data)
    assert dock.workspace.is_picked("mic_0")
    click(dock, 0, 1, name="mic_2")
    qtbot.waitUntil(lambda: "mic_2" in dock.job_bar.notes.text, timeout=60_000)
    assert dock.training.live.isChecked()
