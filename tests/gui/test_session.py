"""A folder is a session: closed or killed, she goes on where she was."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_topaz.events import EpochDone, Started
from napari_topaz.files import session as session_files
from napari_topaz.files.session import DESCRIPTION, LABELS, SESSION_FOLDER, read_session
from napari_topaz.files.session_models import MODELS
from napari_topaz.gui import dialogs
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.marks_row import MARKS
from napari_topaz.gui.options import Options, options_of, plain
from napari_topaz.gui.sample_data import is_sample
from napari_topaz.gui.session import session_of
from napari_topaz.gui.session_texts import restored_text, when
from napari_topaz.jobs.glimpse import Glimpsed
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings

from .conftest import PIXEL_SIZE, SHAPE, micrograph

# -- without a window -----------------------------------------------------------------------------


def test_options_there_and_back() -> None:
    options = replace(
        Options(),
        preprocess=PreprocessSettings(diameter=180, pixel_size=1.2),
        train=TrainSettings(expected=80, epochs=3),
        pick=PickSettings(threshold=1.5),
    )
    assert options_of(plain(options)) == (options, [])


def test_settings_of_another_version_are_named_and_the_rest_is_kept() -> None:
    values = plain(Options())
    values["train"] |= {"expected": 80.0, "warp": 9, "objective": "magic", "epochs": -1}
    values["from the future"] = {"x": 1}
    options, refused = options_of(values)
    assert options == replace(Options(), train=TrainSettings(expected=80))
    assert sorted(refused) == ["train.epochs", "train.objective", "train.warp"]


def test_when_a_session_is_from() -> None:
    from datetime import datetime

    now = datetime(2027, 3, 14, 10, 0)
    assert when(datetime(2027, 3, 12, 14, 5), now) == "of 12 March "
    assert when(datetime(2026, 12, 1), now) == "of 1 December 2026 "
    assert when(datetime(2027, 3, 14, 9, 5), now) == "of today, 09:05, "
    assert when(None, now) == ""


def test_what_was_restored_is_counted() -> None:
    labels = {"a": Picks.labels([[1, 1], [2, 2]]), "gone": Picks.labels([[3, 3]])}
    text = restored_text(session_files.SavedSession(labels=labels), ["a", "b"])
    assert (
        text
        == "Session restored: 2 labels on 1 micrograph. 1 label of 1 micrograph not in this folder are kept."
    )


# -- in a window ----------------------------------------------------------------------------------

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save sooner than she would notice."""
    monkeypatch.setattr("napari_topaz.gui.autosave.QUIET", 0.2)


@pytest.fixture
def viewers(make_napari_viewer: Callable) -> Iterator[Callable]:
    yield make_napari_viewer
    WorkerBase.await_workers(5000)


def open_dock(qtbot: QtBot, viewers: Callable, folder: Path | None = None) -> ParticlePicker:
    _, dock = viewers().window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    if folder is not None:
        dock.opening.open_paths([folder])
        qtbot.waitUntil(lambda: dock.layers.shown is not None)
    return dock


def close(qtbot: QtBot, dock: ParticlePicker) -> None:
    gone: list[bool] = []
    dock.destroyed.connect(lambda *_: gone.append(True))
    dock._viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))


def click(dock: ParticlePicker, *yx: tuple[float, float]) -> None:
    for one in yx:
        dock._viewer.layers["labels"].add(one)


def saved(folder: Path) -> dict[str, list]:
    found = read_session(folder / SESSION_FOLDER)
    return {} if found is None else {name: one.yx.tolist() for name, one in found.session.labels.items()}


def says(dock: ParticlePicker) -> str:
    return str(dock.micrographs.session_line.label.text())


def all_saved(qtbot: QtBot, dock: ParticlePicker) -> None:
    qtbot.waitUntil(lambda: not dock.keeper.saver.pending, timeout=20_000)


def test_she_goes_on_where_she_was(qtbot: QtBot, viewers: Callable, folder: Path) -> None:
    dock = open_dock(qtbot, viewers, folder)
    assert "New session" in says(dock)
    assert not (folder / SESSION_FOLDER).exists(), "looking alone leaves nothing behind"
    dock.particle.number("diameter").lineEdit().selectAll()
    qtbot.keyClicks(dock.particle.number("diameter").lineEdit(), "40")
    click(dock, (50, 60), (100, 200))
    dock.workspace.step(1)
    qtbot.waitUntil(lambda: dock.layers.shown == "m_2")
    dock.layers.label_next(Kind.NOT_PARTICLE)
    click(dock, (150, 160))
    dock.actions_.choose_threshold(1.25)
    all_saved(qtbot, dock)
    assert "Saved at" in says(dock)
    click(dock, (20, 30))  # the last one is saved as she closes
    close(qtbot, dock)
    again = open_dock(qtbot, viewers, folder)
    assert "restored: 4 labels on 2 micrographs" in says(again)
    qtbot.waitUntil(lambda: again.layers.shown == "m_2")
    workspace = again.workspace
    assert workspace.labels("m_1").yx.tolist() == [[50, 60], [100, 200]]
    assert workspace.labels("m_2").yx.tolist() == [[150, 160], [20, 30]]
    assert workspace.labels("m_2").kinds.tolist() == [Kind.NOT_PARTICLE] * 2
    assert workspace.options.preprocess.diameter == 40
    assert workspace.threshold == 1.25
    assert again.particle.number("diameter").value() == 40
    np.testing.assert_array_equal(again._viewer.layers["labels"].data, [[150, 160], [20, 30]])
    assert not workspace.history.can_go_back


def test_labels_of_a_micrograph_that_is_gone_stay_in_the_file(
    qtbot: QtBot, viewers: Callable, folder: Path
) -> None:
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    dock.workspace.label("m_3", [[7, 8]], Kind.PARTICLE)
    close(qtbot, dock)
    (folder / "m_3.mrc").rename(folder.parent / "m_3.mrc")
    again = open_dock(qtbot, viewers, folder)
    assert "1 label of 1 micrograph not in this folder" in says(again)
    assert list(again.workspace.all_labels) == ["m_1"]
    click(again, (90, 90))
    all_saved(qtbot, again)
    assert saved(folder) == {"m_1": [[50, 60], [90, 90]], "m_3": [[7, 8]]}


def test_the_second_window_is_told_and_can_go_on_elsewhere(
    qtbot: QtBot, viewers: Callable, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_dock(qtbot, viewers, folder)
    click(first, (50, 60))
    all_saved(qtbot, first)
    second = open_dock(qtbot, viewers, folder)
    assert "open in another window" in says(second)
    assert "not saved" in says(second)
    click(second, (150, 160))
    assert "Only to look at" in second.job_bar.message
    assert not second.keeper.saver.pending
    assert len(second._viewer.layers["labels"].data) == len(second.workspace.labels("m_1")) == 1
    assert saved(folder) == {"m_1": [[50, 60]]}
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.setattr(dialogs, "ask_session_folder", lambda parent: copy)
    qtbot.mouseClick(second.micrographs.session_line.button, Qt.MouseButton.LeftButton)
    all_saved(qtbot, second)
    assert saved(copy) == {"m_1": [[50, 60]]}
    assert "Saved at" in says(second)
    click(second, (150, 160), (20, 20))
    click(first, (30, 30))
    all_saved(qtbot, second)
    all_saved(qtbot, first)
    assert (len(saved(copy)["m_1"]), len(saved(folder)["m_1"])) == (3, 2)
    close(qtbot, second)
    third = open_dock(qtbot, viewers, copy)  # leads to the micrographs
    assert third.workspace.names == ["m_1", "m_2", "m_3"]
    assert len(third.workspace.labels("m_1")) == 3


def test_where_she_may_only_look_nothing_can_be_edited(
    qtbot: QtBot, viewers: Callable, folder: Path, user_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_dock(qtbot, viewers, folder)
    session_of(first._viewer).masks.put({"m_1": Mask((np.array([[5, 5], [5, 40], [40, 40]], float),))})
    click(first, (50, 60))
    all_saved(qtbot, first)
    second = open_dock(qtbot, viewers, folder)
    session, viewer, workspace = session_of(second._viewer), second._viewer, second.workspace
    why = "Only to look at: "
    qtbot.waitUntil(lambda: second.hint.text().startswith(why))
    assert "another window" in second.hint.text()
    assert viewer.title.endswith("(only to look at)")
    assert "only to look at" in second.window().windowTitle()
    layers = [viewer.layers[name] for name in ("labels", "picks", "masks")]
    assert not any(layer.editable for layer in layers)
    assert {str(layer.mode) for layer in layers} == {"pan_zoom"}
    row, models = second.particle.labels, second.training.models
    kinds = row.kinds.buttons()
    off = [*kinds, row.ruler_button, row.centre_button, row.load_button, row.undo_button]
    off += [second.training.button, second.training.live, second.training.go_on]
    off += [second.micrographs.marks_row.boxes[mark] for mark in MARKS]
    off += [second.particle.masks.buttons[name] for name in ("draw", "suggest", "clear", "load")]
    assert [each.isEnabled() for each in off] == [False] * len(off)
    assert {each.toolTip()[: len(why)] for each in off if each is not row.undo_button} == {why}
    assert models._locked.startswith(why)
    # What keys, the menu, and other docks do is refused, too.
    before = workspace.labels("m_1"), workspace.decisions.marks.saved, session.masks.all
    session.reject_under_mouse()
    workspace.label("m_1", [[9, 9]], Kind.PARTICLE)
    workspace.decisions.toggle(Mark.FINISHED)
    session.masks.put({"m_1": Mask()})
    session.undo()
    session.ruler.toggle()
    assert (workspace.labels("m_1"), workspace.decisions.marks.saved, session.masks.all) == before
    assert not session.ruler.out
    # Looking and picking go on, and leave nothing behind.
    workspace.change(display=workspace.options.display.model_copy(update={"low_pass": 60.0}))
    workspace.show("m_2")
    assert not session.keeper.saver.pending
    close(qtbot, second)
    assert not (user_data / "napari-topaz" / "rescued").exists()


def test_she_may_edit_again_where_the_session_goes_on(
    qtbot: QtBot, viewers: Callable, folder: Path, tmp_path: Path
) -> None:
    first = open_dock(qtbot, viewers, folder)
    click(first, (50, 60))
    all_saved(qtbot, first)
    second = open_dock(qtbot, viewers, folder)
    title = second._viewer.title
    second._copy_session(tmp_path)
    assert second._viewer.layers["labels"].editable
    assert str(second._viewer.layers["labels"].mode) == "add"
    assert second._viewer.title == title.removesuffix(" (only to look at)") != title
    qtbot.waitUntil(second.particle.labels.load_button.isEnabled)
    assert second.training.live.isEnabled()
    assert all(box.isEnabled() for box in second.micrographs.marks_row.boxes.values())
    click(second, (150, 160))
    all_saved(qtbot, second)
    assert saved(tmp_path) == {"m_1": [[50, 60], [150, 160]]}


def test_two_windows_on_a_new_folder(qtbot: QtBot, viewers: Callable, folder: Path, user_data: Path) -> None:
    """Neither has a session when it opens; the second to label is told, and what it did is kept."""
    first, second = (open_dock(qtbot, viewers, folder) for _ in range(2))
    click(first, (50, 60))
    all_saved(qtbot, first)
    click(second, (150, 160))
    qtbot.waitUntil(lambda: "not saved" in says(second), timeout=20_000)
    assert saved(folder) == {"m_1": [[50, 60]]}
    click(second, (20, 20))  # too late: she is told
    assert not second._viewer.layers["labels"].editable
    close(qtbot, second)
    rescued = list((user_data / "napari-topaz" / "rescued").iterdir())
    assert len(rescued) == 1
    close(qtbot, first)
    again = open_dock(qtbot, viewers, folder)
    assert str(rescued[0]) in says(again)
    again.opening.open_paths(rescued)
    assert again.workspace.labels("m_1").yx.tolist() == [[150, 160]]


def test_a_window_that_lost_the_session_does_not_write_over_the_other(
    qtbot: QtBot, viewers: Callable, folder: Path
) -> None:
    first, second = (open_dock(qtbot, viewers, folder) for _ in range(2))
    click(first, (50, 60))
    close(qtbot, first)
    click(second, (150, 160))
    qtbot.waitUntil(lambda: "in the meantime" in says(second), timeout=20_000)
    assert saved(folder) == {"m_1": [[50, 60]]}


def test_a_full_disk_is_told_once_and_nothing_is_lost(
    qtbot: QtBot, viewers: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_topaz.gui.autosave.RETRY", 0.1)
    monkeypatch.setattr("napari_topaz.gui.autosave.RETRY_AT_MOST", 0.1)
    tries: list[int] = []
    fsync = os.fsync

    def full(file: int) -> None:
        tries.append(file)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    qtbot.waitUntil(lambda: len(tries) > 2, timeout=20_000)
    assert "No space left on device" in says(dock)
    assert "tried again" in says(dock)
    assert not dock.micrographs.session_line.button.isHidden()
    click(dock, (100, 200))
    monkeypatch.setattr(os, "fsync", fsync)
    qtbot.waitUntil(lambda: "Saved at" in says(dock), timeout=20_000)
    all_saved(qtbot, dock)
    assert saved(folder) == {"m_1": [[50, 60], [100, 200]]}
    assert dock.micrographs.session_line.button.isHidden()


def test_a_folder_that_vanished_is_not_made_anew_and_closing_loses_nothing(
    qtbot: QtBot, viewers: Callable, folder: Path, user_data: Path
) -> None:
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    all_saved(qtbot, dock)
    away = folder.with_name("away")
    folder.rename(away)
    folder.mkdir()  # an empty mount point
    click(dock, (100, 200))
    qtbot.waitUntil(lambda: "not there any more" in says(dock), timeout=20_000)
    assert list(folder.iterdir()) == []
    close(qtbot, dock)
    assert list(folder.iterdir()) == []
    (rescued,) = (user_data / "napari-topaz" / "rescued").iterdir()
    found = read_session(rescued)
    assert found is not None
    assert len(found.session.labels["m_1"]) == 2


def test_another_folder_while_a_save_is_due(
    qtbot: QtBot, viewers: Callable, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)  # micrographs of the same names
    dock = open_dock(qtbot, viewers, folder)
    dock.workspace.change(preprocess=PreprocessSettings(diameter=40, pixel_size=3.0))
    click(dock, (50, 60))
    dock.layers.show_scores(ScoreMap("m_1", np.ones((8, 8), np.float32), (40, 50), 1, SHAPE))
    with qtbot.waitSignal(dock.opening.shown, timeout=20_000):
        dock.opening.open_paths([other])
    assert dock._viewer.layers["heat map"].data.shape == (2, 2), "it was another micrograph's"
    assert saved(folder) == {"m_1": [[50, 60]]}
    assert dock.workspace.all_labels == {}
    assert dock.workspace.options.preprocess == PreprocessSettings(diameter=40)
    assert dock.layers.shown == "m_1"
    assert len(dock._viewer.layers["labels"].data) == 0
    click(dock, (70, 80))
    dock.opening.open_paths([folder])
    assert dock.workspace.labels("m_1").yx.tolist() == [[50, 60]]
    assert dock.workspace.options.preprocess.pixel_size == 3.0
    assert saved(other) == {"m_1": [[70, 80]]}


def test_another_folder_while_something_runs(
    qtbot: QtBot, viewers: Callable, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    end = threading.Event()

    def train(*args: object):
        yield Started("Training", 1)
        end.wait(5)
        return None

    monkeypatch.setattr(Learning, "training", train)
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    dock.job_bar.start("Training", lambda stop: train())
    dock.opening.open_paths([other])
    assert "Training is running" in dock.job_bar.message
    assert len(dock.workspace.labels("m_1")) == 1
    end.set()
    qtbot.waitUntil(lambda: dock.job_bar.running is None)


def test_damaged_and_newer_sessions(qtbot: QtBot, viewers: Callable, folder: Path) -> None:
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    close(qtbot, dock)
    description = folder / SESSION_FOLDER / DESCRIPTION
    whole = description.read_text()
    description.write_text("{")
    dock = open_dock(qtbot, viewers, folder)
    assert "damaged" in says(dock)
    assert len(dock.workspace.labels("m_1")) == 1
    click(dock, (90, 90))
    all_saved(qtbot, dock)
    assert description.with_name("session.json.damaged").read_text() == "{"
    assert len(saved(folder)["m_1"]) == 2
    assert "damaged" in dock.micrographs.session_line.label.toolTip()
    close(qtbot, dock)
    newer = whole.replace('"format_version": 1', '"format_version": 7')
    description.write_text(newer)
    dock = open_dock(qtbot, viewers, folder)
    assert "newer version" in says(dock)
    click(dock, (10, 10))
    close(qtbot, dock)
    assert description.read_text() == newer


def test_sample_data_and_memory_have_no_session(
    qtbot: QtBot, viewers: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("napari_topaz.gui.place.is_sample", lambda path: path == folder)
    assert not is_sample(folder)
    dock = open_dock(qtbot, viewers, folder)
    assert "not saved by themselves" in says(dock)
    click(dock, (50, 60))
    assert not dock.keeper.saver.pending
    close(qtbot, dock)
    assert not (folder / SESSION_FOLDER).exists()
    dock = open_dock(qtbot, viewers)
    dock.keeper.open([micrograph("a")])
    assert "not saved by themselves" in says(dock)


def a_model(best_epoch: int = 0) -> object:
    torch = pytest.importorskip("torch")
    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel

    network = NetworkSettings(architecture="conv31", width=3, batch_norm=False)
    preprocess = PreprocessSettings(diameter=40, pixel_size=PIXEL_SIZE)
    torch.manual_seed(best_epoch)
    card = ModelCard(network=network, preprocess=preprocess, train=TrainSettings(), best_epoch=best_epoch)
    return PickerModel(build(network).eval(), card)


@pytest.mark.slow
def test_a_training_that_is_cut_off_loses_its_last_epoch_at_most(
    qtbot: QtBot, viewers: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [a_model(n) for n in range(4)]
    kept, going_on = (True, True, False), threading.Event()

    def train(*args: object):
        yield Started("Training", 3)
        for epoch in (1, 2, 3):
            yield EpochDone(epoch, 3, epoch, 1.0, 0.5, kept[epoch - 1], 1.0, models[epoch])
        going_on.wait(10)
        return models[0]

    monkeypatch.setattr(Learning, "training", train)
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    dock.actions_.train()
    qtbot.waitUntil(lambda: dock.workspace.model is models[3])
    all_saved(qtbot, dock)
    place = folder / SESSION_FOLDER
    found = read_session(place)
    assert found is not None
    assert found.session.model is not None
    assert found.session.model.endswith("_epoch_02.safetensors"), "the third was not to be kept"
    going_on.set()
    qtbot.waitUntil(lambda: dock.workspace.model is models[0])
    close(qtbot, dock)
    # Beside it lies what the shelf of models keeps.
    assert [path.name for path in (place / MODELS).glob("model_*")] == ["model_0002.safetensors"]
    again = open_dock(qtbot, viewers, folder)
    qtbot.waitUntil(lambda: again.workspace.model is not None, timeout=20_000)
    assert again.workspace.model is not None
    assert again.workspace.model.card == models[0].card  # type: ignore[attr-defined]
    click(again, (90, 90))
    close(qtbot, again)
    # Beside it lies what the shelf of models keeps.
    assert [path.name for path in (place / MODELS).glob("model_*")] == ["model_0002.safetensors"]


@pytest.mark.slow
def test_a_glimpse_of_a_training_is_shown_and_not_saved(
    qtbot: QtBot, viewers: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, learnt, going_on = a_model(1), a_model(2), threading.Event()

    def train(*args: object):
        yield Started("Training", 3)
        yield Glimpsed(10, early)
        going_on.wait(10)
        yield EpochDone(1, 1, 30, 1.0, 0.5, True, 1.0, learnt)
        return learnt

    monkeypatch.setattr(Learning, "training", train)
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    dock.actions_.train()
    qtbot.waitUntil(lambda: dock.workspace.model is early)
    all_saved(qtbot, dock)
    found = read_session(folder / SESSION_FOLDER)
    assert found is not None
    assert found.session.model is None
    going_on.set()
    qtbot.waitUntil(lambda: dock.workspace.model is learnt)
    all_saved(qtbot, dock)
    found = read_session(folder / SESSION_FOLDER)
    assert found is not None
    assert found.session.model is not None
    close(qtbot, dock)


def test_a_model_that_cannot_be_read_leaves_the_rest(qtbot: QtBot, viewers: Callable, folder: Path) -> None:
    dock = open_dock(qtbot, viewers, folder)
    click(dock, (50, 60))
    close(qtbot, dock)
    place = folder / SESSION_FOLDER
    (place / MODELS).mkdir()
    (place / MODELS / "model_0001.safetensors").write_bytes(b"no model")
    text = (place / DESCRIPTION).read_text()
    (place / DESCRIPTION).write_text(text.replace('"model": null', '"model": "model_0001.safetensors"'))
    again = open_dock(qtbot, viewers, folder)
    qtbot.waitUntil(lambda: "model_0001.safetensors is not a model file" in says(again), timeout=20_000)
    assert len(again.workspace.labels("m_1")) == 1


LABEL_ON = """
import sys, napari
from pathlib import Path
from qtpy.QtCore import QTimer
viewer = napari.Viewer(show=True)
_, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
dock.opening.open_paths([Path(sys.argv[1])])
n = 0
def label():
    global n
    if dock.layers.shown is not None:
        viewer.layers["labels"].add((10 + n // 20 * 9, 10 + n % 20 * 9))
        n += 1
        print(n, flush=True)
timer = QTimer()
timer.timeout.connect(label)
timer.start(50)
napari.run()
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_labelling(qtbot: QtBot, viewers: Callable, folder: Path) -> None:
    """Labels that are as old as the longest wait are there, in the order in which they were made."""
    command = [sys.executable, "-c", LABEL_ON, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as window:
        assert window.stdout is not None
        while not (folder / SESSION_FOLDER / LABELS).exists():
            assert window.stdout.readline()
        time.sleep(1)
        at_least = len(saved(folder)["m_1"])
        window.kill()
    dock = open_dock(qtbot, viewers, folder)
    found = dock.workspace.labels("m_1").yx.tolist()
    assert found == [[10 + n // 20 * 9, 10 + n % 20 * 9] for n in range(len(found))]
    assert len(found) >= at_least > 0
    assert "another window" not in says(dock)
    click(dock, (200, 200))
    all_saved(qtbot, dock)
    assert len(saved(folder)["m_1"]) == len(found) + 1
