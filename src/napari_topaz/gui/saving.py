"""Saving picks and the model: asks how and where, and remembers it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui import dialogs, save_dialog
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.commanding import Commanding
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.picks_panel import PicksPanel
from napari_topaz.gui.save_where import renamed
from napari_topaz.gui.session import Session
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.micrograph import MicrographFile
from napari_topaz.settings import SavingSettings


class Saving(QObject):
    """Connects the buttons that save with dialogs and jobs.

    Parameters
    ----------
    session : Session
    job_bar : JobBar
    actions : Actions
        Save.
    picks : PicksPanel
    training : TrainingPanel
        Have the buttons.
    parent : QWidget
        The dock.
    """

    def __init__(
        self,
        session: Session,
        job_bar: JobBar,
        actions: Actions,
        picks: PicksPanel,
        training: TrainingPanel,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._workspace, self._actions, self._dock = session.workspace, actions, parent
        #: As she chose them last.
        self.settings = SavingSettings()
        self._target: Path | None = None
        picks.save.connect(self.ask)
        training.save_model.connect(self.ask_model)
        #: Tells the command that would do the same.
        self.commanding = Commanding(session, job_bar, self, picks.command, training.go_on, parent)

    def ask(self) -> None:
        """Ask how and where, then save."""
        what = self._actions.to_save()  # now: a live training does not wait for her answer
        names = what.results.with_something()
        start = renamed(self.folder() / "picks", self.settings, len(names))
        answer = save_dialog.ask_save_picks(self._dock, self.settings, start, names)
        if answer is not None:
            path, self.settings = answer
            self._target = path
            self._actions.save(path, self.settings, what)

    @property
    def target(self) -> Path:
        """Where picks were saved last in this dock, or would be by default."""
        return self._target or self.folder() / "picks"

    def ask_model(self) -> None:
        """Ask where, then save the model."""
        if (path := dialogs.ask_save_model(self._dock, self.folder())) is not None:
            self._actions.save_model(path)

    def folder(self) -> Path:
        """Where dialogs start: where picks were saved last, or beside the folder of micrographs."""
        if self._workspace.saved_to is not None:
            return self._workspace.saved_to.parent
        files = [s for s in self._workspace.sources if isinstance(s, MicrographFile)]
        return dialogs.start_folder(files[0].path.absolute().parent if files else None)
