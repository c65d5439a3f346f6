"""The fold *As a command*: the line follows what she does, and Copy writes what it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QWidget

from napari_topaz.cli import main
from napari_topaz.files import find_micrographs, read_picks
from napari_topaz.files.session import SESSION_FOLDER
from napari_topaz.gui import commanding as commanding_module
from napari_topaz.gui import save_dialog
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.as_command import CONTINUED, Command
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.picks_panel import PicksPanel
from napari_topaz.gui.saving import Saving
from napari_topaz.gui.session import session_of
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.masks import Mask
from napari_topaz.model.general import general_model
from napari_topaz.picks import Kind
from napari_topaz.settings import PickSettings, PreprocessSettings, SavingSettings, TrainSettings
from worlds import DIAMETER, World, make_world

pytestmark = pytest.mark.gui


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "world", 2)


@pytest.fixture
def dock(qtbot: QtBot, world: World, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr("napari_topaz.gui.commanding.QUIET", 0)
    parent, bar, picks, training = QWidget(), JobBar(), PicksPanel(), TrainingPanel()
    for widget in (parent, bar, picks, training):
        qtbot.addWidget(widget)
    session = session_of(ViewerModel())
    session.keeper.open(find_micrographs([world.folder]))
    session.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    saving = Saving(session, bar, Actions(session, bar, parent), picks, training, parent)
    panel = picks.command
    yield SimpleNamespace(
        session=session, workspace=session.workspace, saving=saving, panel=panel, bar=bar, training=training
    )
    until(qtbot, lambda: not saving.commanding.latest.busy and bar.running is None)
    session.keeper.leave()


def until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Wait for it: threads may be slow where much else runs."""
    qtbot.waitUntil(condition, timeout=30_000)


def line(dock: SimpleNamespace) -> str:
    """What is shown, in one line."""
    return dock.panel.line.toPlainText().replace(CONTINUED, " ")


def test_without_a_model_it_says_why_and_nothing_is_made_while_it_is_closed(
    qtbot: QtBot, dock: SimpleNamespace
) -> None:
    dock.workspace.set_model(general_model())
    qtbot.wait(50)
    assert line(dock) == ""
    dock.workspace.set_model(None)
    dock.panel.fold.button.click()
    until(qtbot, lambda: "Train a model first" in dock.panel.says.text())
    assert not dock.panel.button.isEnabled()
    assert dock.panel.line.isHidden()
    dock.workspace.set_model(general_model())
    until(qtbot, dock.panel.button.isEnabled)
    assert line(dock).startswith("napari-topaz pick ")


def test_it_follows_and_copy_gives_a_line_that_works(
    qtbot: QtBot, dock: SimpleNamespace, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, folder = dock.workspace, world.folder / SESSION_FOLDER / "commands"
    workspace.set_model(general_model())
    dock.panel.fold.button.click()
    until(qtbot, lambda: f"--diameter {DIAMETER:g} " in line(dock))
    assert "2 are not picked here yet" in dock.panel.says.text()
    workspace.change(pick=PickSettings(threshold=-0.5, symmetries="none"))
    until(qtbot, lambda: "--threshold -0.5 --symmetries none" in line(dock))
    workspace.label("mic_0", world.truth["mic_0"].yx[:2], Kind.PARTICLE)
    dock.session.masks.put({"mic_0": Mask((np.array([[0, 0], [0, 99], [99, 99]], np.float32),))})
    workspace.decisions.put(["mic_1"], Mark.EXCLUDED, on=True)
    for words in ("--exclude mic_1", f"--masks {folder}", f"--labels {folder}"):
        until(qtbot, lambda words=words: words in line(dock))
    answer = (tmp_path / "mine.csv", SavingSettings(format="csv"))
    monkeypatch.setattr(save_dialog, "ask_save_picks", lambda *_: answer)
    dock.saving.ask()
    until(qtbot, lambda: f"--output {tmp_path / 'mine_2.csv'}" in line(dock))
    assert "Copy also writes labels, masks to" in dock.panel.says.text()
    assert not folder.exists()
    dock.panel.button.click()
    until(qtbot, lambda: "on the clipboard" in dock.bar.message)
    assert str(folder) in dock.bar.message
    copied = QApplication.clipboard().text()
    assert copied == line(dock)
    assert "\\\n  --exclude mic_1 \\\n" in dock.panel.line.toPlainText()
    assert main([*copied.split()[1:], "--quiet"]) == 0
    assert list(read_picks(tmp_path / "mine_2.csv")) == ["mic_0"]


def test_training_is_a_line_too(qtbot: QtBot, dock: SimpleNamespace, world: World) -> None:
    workspace, panel = dock.workspace, dock.panel
    panel.fold.button.click()
    panel.choice.setCurrentIndex(1)
    until(qtbot, lambda: "Label some particles" in panel.says.text())
    workspace.label("mic_0", world.truth["mic_0"].yx[:5], Kind.PARTICLE)
    workspace.change(train=TrainSettings(expected=12.0, steps=7, mirror=False))
    until(qtbot, lambda: "--expected 12 --mirror" in line(dock).replace("--no-", "--"))
    assert line(dock).startswith("napari-topaz train ")
    assert "--steps 7" in line(dock)
    assert "--pretrained" not in line(dock)
    model = general_model().with_card(labels=9, preprocess=PreprocessSettings(diameter=DIAMETER))
    workspace.set_model(model)
    dock.training.go_on.setChecked(True)
    until(qtbot, lambda: "--pretrained" in line(dock))


def test_a_session_of_somebody_else_is_not_written_to(
    qtbot: QtBot, dock: SimpleNamespace, user_data: Path
) -> None:
    dock.workspace.lock.set("Another window has it.")
    assert dock.saving.commanding._folder() == user_data / "napari-topaz" / "commands"


def test_copy_is_not_given_up_for_a_line_that_follows(
    qtbot: QtBot, dock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    commanding, go_on = dock.saving.commanding, threading.Event()
    dock.workspace.set_model(general_model())
    dock.panel.fold.button.click()
    until(qtbot, dock.panel.button.isEnabled)
    first, make = line(dock), commanding_module.pick_command
    monkeypatch.setattr(commanding_module, "pick_command", lambda it: (go_on.wait(30), make(it))[1])
    dock.workspace.change(pick=PickSettings(threshold=-0.5))
    until(qtbot, lambda: commanding.latest.busy)
    dock.panel.button.click()
    dock.workspace.change(pick=PickSettings(threshold=-0.25))
    qtbot.wait(50)  # that line waits now
    go_on.set()
    until(qtbot, lambda: "on the clipboard" in dock.bar.message)
    assert QApplication.clipboard().text() == first  # what was in view
    until(qtbot, lambda: "--threshold -0.25" in line(dock))


def test_a_copy_that_fails_says_so_and_the_line_stays(
    qtbot: QtBot, dock: SimpleNamespace, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.workspace.set_model(general_model())
    dock.panel.fold.button.click()
    until(qtbot, dock.panel.button.isEnabled)

    def refuse(self: Command) -> list[Path]:
        raise OSError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Command, "write_files", refuse)
        dock.panel.button.click()
        until(qtbot, lambda: "The disk is full" in dock.bar.message)
    assert line(dock).startswith("napari-topaz pick")
    dock.panel.button.click()
    until(qtbot, lambda: "on the clipboard" in dock.bar.message)
