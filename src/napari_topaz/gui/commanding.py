"""Keeps the fold *As a command* up to date, and copies the line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication, QCheckBox, QWidget

from napari_topaz.files.session_places import user_folder
from napari_topaz.gui.as_command import Command, Situation, pick_command, train_command
from napari_topaz.gui.command_panel import CommandPanel
from napari_topaz.gui.general import is_guess
from napari_topaz.gui.job_bar import JobBar, Latest
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.session import Session
from napari_topaz.gui.tasks import MODEL_SUFFIX

if TYPE_CHECKING:
    from napari_topaz.gui.saving import Saving

#: How long nothing must change before the line is made again, in ms.
QUIET = 300
#: Folder in that of the session, for what commands need.
FOLDER = "commands"


class Commanding(QObject):
    """The line that does what *Pick all* and *Save picks*, or *Train*, do; `parent` is the dock.

    Parameters
    ----------
    go_on : QCheckBox
        Whether training goes on from the present model.
    """

    def __init__(
        self,
        session: Session,
        job_bar: JobBar,
        saving: Saving,
        panel: CommandPanel,
        go_on: QCheckBox,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._job_bar = session, session.workspace, job_bar
        self._saving, self._panel, self._go_on = saving, panel, go_on
        self._command: Command | None = None
        #: Makes the line in a thread; of several changes only the latest counts.
        self.latest = Latest(self)
        #: Writes what a line needs: not given up for a line that follows.
        self.writing = Latest(self)
        self._soon = timer(self, self._make, QUIET)
        panel.wanted.connect(self._make)
        panel.copy.connect(self.copy)
        go_on.toggled.connect(self._look_again)
        workspace = self._workspace
        links: list[Link] = [
            (workspace.files_changed, self._look_again),
            (workspace.picks_changed, self._look_again),
            (workspace.labels_changed, self._look_again),
            (workspace.options_changed, self._look_again),
            (workspace.model_changed, self._look_again),
            (workspace.decisions.marks.changed, self._look_again),
            (session.masks.changed, self._look_again),
        ]
        job_bar.running_changed.connect(self._look_again)
        connect_until_destroyed(parent, links, self.latest.close, self.writing.close)

    def copy(self) -> None:
        """Write what the line needs, then put it on the clipboard."""
        command = self._command
        if command is None:
            return
        self.writing.ask(
            command.write_files,
            wanted=lambda: True,
            on_done=lambda files: self._copied(command, files),
            on_failed=lambda why: self._job_bar.say(why, error=True),
        )

    def _copied(self, command: Command, files: list[Path]) -> None:
        QApplication.clipboard().setText(command.line)
        needs = f"; what it needs is in {self._folder()}" if files else ""
        self._job_bar.say(f"The command is on the clipboard{needs}.")

    def _look_again(self, *_: object) -> None:
        if self._panel.opened:
            self._soon.start()

    def _make(self, *_: object) -> None:
        if not self._panel.opened:
            return
        situation, make = self._situation(), pick_command
        if self._panel.chosen == "train":
            start = (
                self._workspace.model
                if self._go_on.isChecked() and not is_guess(self._workspace.model)
                else None
            )
            how, output = (
                Learning.of(self._session).how(start),
                self._saving.folder() / f"model{MODEL_SUFFIX}",
            )
            make = partial(train_command, how=how, start=start, output=output)
        self.latest.ask(
            lambda: make(situation), wanted=lambda: True, on_done=self._take, on_failed=self._fail
        )

    def _take(self, command: Command) -> None:
        self._command = command
        kinds = sorted({path.name.split("-")[0] for path in command.files if path.suffix != ".geojson"})
        kinds += ["masks"] if any(path.suffix == ".geojson" for path in command.files) else []
        parts = [f"Copy also writes {', '.join(kinds)} to {self._folder()}."] if kinds else []
        left = self._workspace.unpicked
        if self._panel.chosen == "pick" and left:
            are = "is" if left == 1 else "are"
            parts.append(f"It picks all micrographs; {left} {are} not picked here yet.")
        self._panel.show_line(command.text, " ".join(parts))

    def _fail(self, why: str) -> None:
        self._command = None
        self._panel.show_line("", why)

    def _folder(self) -> Path:
        """Where what has no file yet is written: into the session, or where nobody else writes."""
        keeper = self._session.keeper
        beside = keeper.folder if keeper.read_only is None else None
        return (beside or user_folder()) / FOLDER

    def _situation(self) -> Situation:
        workspace, decisions = self._workspace, self._workspace.decisions
        return Situation(
            sources=workspace.sources,
            excluded=frozenset(decisions.marks.excluded & workspace.list.of.keys()),
            options=workspace.options,
            labels=workspace.all_labels,
            masks=self._session.masks.all,
            ticks=decisions.ticks,
            model=workspace.model,
            folder=self._folder(),
            output=self._saving.target,
            saving=self._saving.settings,
            diameter=workspace.diameter(),
        )
