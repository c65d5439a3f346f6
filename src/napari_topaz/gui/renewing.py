"""Lets the picks of all micrographs follow other distances, where their scores are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui import tasks
from napari_topaz.gui.job_bar import JobBar, Latest
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.session import Session
from napari_topaz.picks import Picks

#: How long she may take from digit to digit, in ms; the shown micrograph comes first.
TYPING = 600
#: So long are peaks taken before they are shown, in seconds.
TURN = 0.3


class Renewing(QObject):
    """Takes peaks anew in a thread, some micrographs at a time, while no job runs; `parent` is the dock.

    Picks whose scores are not kept stay as they are, at the former distances: *Pick all* renews them.
    """

    def __init__(self, session: Session, job_bar: JobBar, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._job_bar = session, session.workspace, job_bar
        self._latest = Latest(self)
        self._soon = timer(self, self._go_on, TYPING)
        self._failed: int | None = None
        links: list[Link] = [
            (self._workspace.options_changed, self._hurry),
            (self._workspace.model_changed, self._hurry),
        ]
        job_bar.running_changed.connect(self._hurry)
        connect_until_destroyed(parent, links, self._latest.close)

    @property
    def busy(self) -> bool:
        """Whether picks follow by themselves."""
        return bool(self._names())

    def _names(self) -> list[str]:
        """Micrographs that can follow, in the order of the list."""
        workspace, model = self._workspace, self._workspace.model
        if not workspace.former or model is None or self._failed == workspace.forgotten:
            return []
        made_by = tasks.scores_of(model, workspace.options)
        can = workspace.former & self._session.scores.names(made_by)
        return [name for name in workspace.names if name in can]

    def _hurry(self, *_: object) -> None:
        if self._workspace.former:
            self._soon.start()

    def _go_on(self) -> None:
        names, model, forgotten = self._names(), self._workspace.model, self._workspace.forgotten
        if self._job_bar.running or not names or model is None:
            return
        options, kept = self._workspace.options, self._session.scores
        self._latest.ask(
            lambda: tasks.taking_peaks(names, model, options, kept, TURN),
            wanted=lambda: self._workspace.forgotten == forgotten,
            on_done=self._take,
            on_failed=partial(self._fail, forgotten),
        )

    def _take(self, found: Mapping[str, Picks]) -> None:
        for name, picks in found.items():
            if name in self._workspace.former:  # else it was picked meanwhile
                self._workspace.set_candidates(name, picks)
        self._go_on()

    def _fail(self, forgotten: int, message: str) -> None:
        """Say it once: what fails for one micrograph fails for all of them."""
        self._failed = forgotten
        self._job_bar.say(message, error=True)
