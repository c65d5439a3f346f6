"""Decides about micrographs: takes marks from the list, and says plainly what follows from them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.micrographs_panel import MicrographsPanel
from napari_topaz.gui.session import Session

#: From so many micrographs on all rows are read again, in place of one after the other.
MANY = 20


class Marking(QObject):
    """The verbs of the list's marks; `parent` is the dock."""

    def __init__(
        self, session: Session, job_bar: JobBar, panel: MicrographsPanel, changed: Any, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._workspace, self._job_bar, self._panel = session.workspace, job_bar, panel
        self._changed = changed
        panel.marked.connect(self.mark)
        links: list[Link] = [
            (session.workspace.decisions.marks.changed, self._on_marks),
            (session.workspace.labels_changed, self._on_labels),
            (session.workspace.current_changed, self._show),
            (session.workspace.files_changed, self._show),
        ]
        connect_until_destroyed(parent, links)
        self._show()

    def mark(self, names: Collection[str], mark: Mark, on: bool) -> None:
        """Give a mark to micrographs, or take it from them."""
        decisions = self._workspace.decisions
        full = [n for n in names if decisions.has_particles(n)] if on and mark == Mark.EMPTY else []
        if full:
            self._job_bar.say(
                f"{_these(full)} labelled particles: remove them first, or tick that all are labelled.",
                error=True,
            )
        decisions.put([name for name in names if name not in full], mark, on=on)
        self._show()  # a box that was refused springs back
        if on and mark == Mark.COMPLETE:
            bare = [name for name in names if not decisions.has_particles(name)]
            if bare:
                self._job_bar.say(
                    f"{_these(bare)} no labelled particle: ticked like this, all there counts as background."
                )

    def _on_marks(self, names: Collection[str]) -> None:
        for name in names if len(names) < MANY else [None]:
            self._panel.table.refresh_counts(name)
        self._show()
        self._changed()

    def _on_labels(self, name: str) -> None:
        decisions = self._workspace.decisions
        empty = decisions.marks.among([name] if name else self._workspace.names, Mark.EMPTY)
        if full := sorted(name for name in empty if decisions.has_particles(name)):
            decisions.marks.put(full, Mark.EMPTY, on=False)
            self._job_bar.say(
                f"{_these(full)} a labelled particle now, so “No particle here” is not ticked any more."
            )

    def _show(self, *_: object) -> None:
        self._panel.show_marks()


def _these(names: Collection[str]) -> str:
    first = next(iter(names))
    return f"{first} has" if len(names) == 1 else f"{first} and {len(names) - 1} more have"
