"""Counts the particles of each micrograph behind the window, after *Pick all* and whenever they change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.events import Event, MicrographDone
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.job_bar import JobBar, Latest
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.results import Results
from napari_topaz.gui.session import Session
from napari_topaz.gui.summary_panel import Summary, SummaryPanel
from napari_topaz.numerics.counts import Counts

#: How long nothing must change before it counts again, in ms.
QUIET = 300
#: How often it counts while a long job runs, in ms: of thousands that takes a second of a core.
SOMETIMES = 3000


class Summarising(QObject):
    """Keeps the fold *Per micrograph* up to date; `parent` is the dock."""

    def __init__(
        self, session: Session, job_bar: JobBar, actions: Actions, panel: SummaryPanel, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._workspace, self._job_bar, self._panel = session.workspace, job_bar, panel
        self._failed: list[str] = []
        self._closed = False  # by her
        #: Counts in a thread; of several changes only the latest counts.
        self.latest = Latest(self)
        self._soon = timer(self, self._count)
        panel.chosen.connect(self._workspace.show)
        panel.fold.button.toggled.connect(self._on_fold)
        actions.picking_began.connect(self._failed.clear)
        actions.picking_event.connect(self._on_picking)
        actions.picking_done.connect(self._open)
        workspace = self._workspace
        links: list[Link] = [
            (workspace.files_changed, self._on_files),
            (workspace.picks_changed, self._look_again),
            (workspace.labels_changed, self._look_again),
            (workspace.options_changed, self._look_again),
            (workspace.decisions.marks.changed, self._look_again),
            (workspace.current_changed, self._mark),
        ]
        job_bar.running_changed.connect(self._look_again)
        connect_until_destroyed(parent, links, self.latest.close)
        self._look_again()

    def _look_again(self, *_: object) -> None:
        """Count when nothing has changed for a while; of a long job every now and then."""
        if self._job_bar.running is None:
            self._soon.start(QUIET)
        elif not self._soon.isActive():
            self._soon.start(SOMETIMES)

    def _on_files(self) -> None:
        self._failed.clear()
        self._look_again()

    def _on_picking(self, event: Event) -> None:
        if isinstance(event, MicrographDone) and event.error:
            self._failed.append(event.name)

    def _on_fold(self, opened: bool) -> None:
        self._closed = not opened
        self._look_again()

    def _open(self) -> None:
        if not self._closed:
            self._panel.fold.button.setChecked(True)
        self._look_again()

    def _count(self) -> None:
        if self._job_bar.running is not None and not self._panel.fold.button.isChecked():
            return
        results, failed = self._workspace.frozen_results(), tuple(self._failed)
        self.latest.ask(
            lambda: summary_of(results, failed),
            wanted=lambda: True,
            on_done=self._take,
            on_failed=lambda message: self._job_bar.say(message, error=True),
        )

    def _take(self, summary: Summary) -> None:
        self._panel.show_summary(summary)
        self._mark()

    def _mark(self, *_: object) -> None:
        names = self._workspace.names
        current = self._workspace.current
        excluded = self._workspace.decisions.marks.excluded
        if current is None or current in excluded or current not in names:
            self._panel.plot.show_current(None)
            return
        before = names[: names.index(current)]
        self._panel.plot.show_current(1 + len(before) - sum(name in excluded for name in before))


def summary_of(results: Results, failed: Sequence[str] = ()) -> Summary:
    """Count the particles of all micrographs that are picked; takes a while for thousands."""
    counts, names = results.counts(), frozenset(results.names)
    at = [place for place, name in enumerate(results.names, 1) if name in counts]
    return Summary(
        list(counts),
        np.array(at, np.int64),
        Counts.of(list(counts.values())),
        [name for name in failed if name not in counts and name in names],
    )
