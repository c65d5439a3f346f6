"""Shows where she may only look: in the title of the window, and on what is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.micrographs_panel import MicrographsPanel
from napari_topaz.gui.session import Session
from napari_topaz.gui.training_panel import TrainingPanel

if TYPE_CHECKING:
    from napari.components import ViewerModel

TITLE = " (only to look at)"


class Locking(QObject):
    """Follows the lock of the workspace; `parent` is the dock. What :class:`Guide` knows is not done here."""

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        micrographs: MicrographsPanel,
        training: TrainingPanel,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._lock = viewer, session.workspace.lock
        self._micrographs, self._training = micrographs, training
        links: list[Link] = [(self._lock.changed, self.show)]
        connect_until_destroyed(parent, links)
        self.show()

    def show(self) -> None:
        """Say whether she may edit."""
        sentence = self._lock.sentence
        title = self._viewer.title.removesuffix(TITLE)
        self._viewer.title = title if sentence is None else f"{title}{TITLE}"
        self._micrographs.marks_row.lock(sentence)
        self._training.models.lock(sentence)
        if sentence is not None:
            self._training.live.setChecked(False)
