"""Reads labels and targets from files of picks, and asks where they seem to be in the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject

from napari_topaz.events import Event
from napari_topaz.gui import dialogs, tasks
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.placement import Misplaced
from napari_topaz.numerics.placement import Placement
from napari_topaz.picks import Picks


class Reading(QObject):
    """Reads picks in a thread; nothing is moved unless the user says so.

    Parameters
    ----------
    workspace : Workspace
        Whose micrographs they are for.
    job_bar : JobBar
        Runs the job, shows messages, and is the dialog's parent.
    """

    def __init__(self, workspace: Workspace, job_bar: JobBar, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace, self._job_bar = workspace, job_bar
        self._misplaced: Misplaced | None = None

    def read(self, title: str, path: Path, take: Callable[[dict[str, Picks]], None]) -> None:
        """Read a file; `take` gets the picks that the user wants."""
        self._read(title, path, take, None, look=True)

    def _read(
        self,
        title: str,
        path: Path,
        take: Callable[[dict[str, Picks]], None],
        placement: Placement | None,
        *,
        look: bool,
    ) -> None:
        self._misplaced, sources = None, self._workspace.sources
        self._job_bar.start(
            title,
            lambda stop: tasks.loading_labels(path, sources, placement, look=look),
            on_event=self._note,
            on_result=lambda found: self._take(title, path, take, found),
        )

    def _note(self, event: Event) -> None:
        if isinstance(event, Misplaced):
            self._misplaced = event

    def _take(
        self, title: str, path: Path, take: Callable[[dict[str, Picks]], None], found: dict[str, Picks]
    ) -> None:
        misplaced = self._misplaced
        if misplaced is None:
            take(found)
            return
        answer = dialogs.ask_placement(self._job_bar, path, misplaced)
        if answer == "move":
            self._read(title, path, take, misplaced.finding.placement, look=False)
        elif answer == "keep":
            take(found)
        else:
            self._job_bar.say(f"Nothing was read from {path.name}.")
