"""Pick now: a first guess without labels, from the general model; a model that is trained replaces it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.general import guessing, is_guess
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.live import Live
from napari_topaz.gui.options import Options
from napari_topaz.gui.session import Session
from napari_topaz.gui.suggestions import SuggestRow
from napari_topaz.picks import Picks


class Guess(QObject):
    """The button *Pick now*; `parent` is the dock.

    The guess is the workspace's model until there is a better one, so that every micrograph that is shown
    gets a heat map and picks. With another contrast it is made anew.
    """

    def __init__(
        self, session: Session, job_bar: JobBar, row: SuggestRow, live: Live, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._job_bar = session, session.workspace, job_bar
        self._row = row
        row.guess.connect(self.begin)
        row.bright.connect(self._choose_contrast)
        live.guess_wanted.connect(self.begin)
        links: list[Link] = [(self._workspace.options_changed, self._on_options)]
        connect_until_destroyed(parent, links)
        self._on_options(self._workspace.options, self._workspace.options)

    def begin(self) -> None:
        """Make a guess of the shown micrograph, and of every one that is shown later."""
        if self._workspace.current is None or self._is_taken():
            return
        options, size = self._workspace.options, self._workspace.pixel_size()
        self._job_bar.start("Guessing", lambda stop: guessing(options, size), on_result=self._take)

    def _is_taken(self) -> bool:
        """Whether there is a better model, or one is on its way from the session."""
        model = self._workspace.model
        better = model is not None and not is_guess(model)
        return better or self._session.keeper.awaited_model is not None

    def _take(self, model: Any) -> None:
        workspace, name = self._workspace, self._workspace.current
        if self._is_taken():
            return
        if name in workspace.suggested:  # what a reference picker suggested gives way
            workspace.set_candidates(str(name), Picks(), stale=True)
        workspace.change(pick=workspace.options.pick.model_copy(update={"threshold": None}))
        workspace.set_model(model)

    def _choose_contrast(self, bright: bool) -> None:
        contrast = "bright" if bright else "auto"
        reference = self._workspace.options.reference.model_copy(update={"contrast": contrast})
        self._workspace.change(reference=reference)

    def _on_options(self, old: Options, new: Options) -> None:
        self._row.show_contrast(new.reference.contrast)
        is_other = (old.reference.contrast == "bright") != (new.reference.contrast == "bright")
        if is_other and is_guess(self._workspace.model):
            self.begin()
