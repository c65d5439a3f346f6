"""Shows the user where her answers help most, one place after the other; and opens the gallery."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.going import Going, open_dock
from napari_topaz.gui.guide import Guide
from napari_topaz.gui.help_most_row import ANSWERS, HelpMostRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.session import Session
from napari_topaz.gui.workspace import SAME_PARTICLE, Workspace
from napari_topaz.jobs.nearness import near_to
from napari_topaz.jobs.queries import Queries, Query, suggest_queries
from napari_topaz.picks import Kind

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Questions at a time.
COUNT = 10
#: Micrographs with the most doubtful candidates that are named.
NAMED = 3


class HelpMost(QObject):
    """The verbs of :class:`HelpMostRow`; `parent` is the dock."""

    def __init__(
        self, viewer: ViewerModel, session: Session, job_bar: JobBar, row: HelpMostRow, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session, self._workspace = viewer, session, session.workspace
        self._job_bar, self._row = job_bar, row
        self._going = Going(viewer, session, self)
        self._questions: list[Query] = []
        self._at = 0
        self._given: list[Kind | None] = []
        self._most: tuple[tuple[str, int], ...] = ()
        row.gallery.connect(self.open_gallery)
        row.ask.connect(self.ask)
        row.answered.connect(self.answer)
        row.leave.connect(self.leave)
        self._workspace.files_changed.connect(self.leave)
        # Not a method: when `destroyed` comes, this object is hardly one any more.
        self.destroyed.connect(partial(_close, self._workspace, self.leave, viewer))

    @property
    def question(self) -> Query | None:
        """What is asked now."""
        return self._questions[self._at] if self._at < len(self._questions) else None

    def enable(self, guide: Guide) -> None:
        """Say why nothing can be asked, where it is so."""
        self._row.enable(guide.locked or guide.load or guide.save_model)

    def open_gallery(self) -> None:
        """Open the gallery below the picture."""
        if (window := getattr(self._viewer, "window", None)) is not None:
            open_dock(window, "Particle gallery", Qt.DockWidgetArea.BottomDockWidgetArea)

    def ask(self) -> None:
        """Look for the most instructive questions, and ask them."""
        workspace = self._workspace
        names = [n for n in workspace.names if workspace.is_picked(n) and workspace.diameter(n) is not None]
        sources = [workspace.source(n) for n in names]
        thresholds = {n: workspace.threshold_of(n) for n in names}
        diameters = {n: workspace.diameter(n) or 0.0 for n in names}
        others = self._session.skipped.others
        candidates = {n: others(n, workspace.candidates(n), SAME_PARTICLE * diameters[n]) for n in names}
        forgotten = workspace.forgotten
        if not any(map(len, candidates.values())) and any(len(workspace.candidates(n)) for n in names):
            self._row.show_question(self._nothing_to_ask(), answers=False)
            return

        def begin(found: Queries) -> None:
            if workspace.forgotten == forgotten:
                self._begin(found)

        self._job_bar.start(
            "Looking for odd picks",
            lambda stop: suggest_queries(sources, candidates, thresholds, diameters, COUNT, stop=stop),
            on_result=begin,
        )

    def answer(self, kind: Kind | None) -> None:
        """Take an answer to the question (None: skip it, now and later), and ask the next one."""
        if (asked := self.question) is None:
            return
        self._at += 1
        self._given.append(kind)
        if kind is None:
            self._session.skipped.add(asked.name, (asked.y, asked.x))
        else:
            self._label(asked, kind)
        self._ask_next()

    def leave(self) -> None:
        """Ask no more; answers stay."""
        if self._questions:
            self._end("")

    def _label(self, asked: Query, kind: Kind) -> None:
        """Add the label, unless she has made it by a click already: a second one would take it back."""
        labels = self._workspace.labels(asked.name).of_kind(kind)
        here = np.array([[asked.y, asked.x]], np.float32)
        reach = SAME_PARTICLE * (self._workspace.diameter(asked.name) or 0.0)
        if not near_to(here, labels.yx, reach).any():
            self._workspace.label(asked.name, here, kind)

    def _begin(self, found: Queries) -> None:
        self._questions, self._at, self._given = list(found.questions), 0, []
        self._most = found.doubtful
        if not self._questions:
            self._row.show_question(self._nothing_to_ask(), answers=False)
            return
        self._job_bar.say("")
        self._bind(True)
        self._ask_next()

    def _ask_next(self) -> None:
        asked = self.question
        if asked is None:
            self._end(self._summary() + self._where_most())
            return
        why = (
            f"it looks unlike the other picks (score {asked.score:.1f})"
            if asked.odd
            else f"a pick by chance (score {asked.score:.1f}, threshold {asked.threshold:.1f})"
        )
        place = f"{self._at + 1} of {len(self._questions)}"
        self._row.show_question(
            f"{place}: is it a particle, in the ring? On {asked.name}; {why}.", answers=True
        )
        self._going.go(asked.name, np.array([asked.y, asked.x], np.float32))
        self._prefetch()

    def _summary(self) -> str:
        yes, no, skipped = map(self._given.count, (Kind.PARTICLE, Kind.NOT_PARTICLE, None))
        more = " Train on with them, then ask again." if yes + no else ""
        left = f" {skipped} skipped: not asked again." if skipped else ""
        return f"{yes + no} answers: {yes} particles, {no} not.{more}{left}"

    def _nothing_to_ask(self) -> str:
        """Say so; what was skipped comes back when there is nothing else."""
        if not len(self._session.skipped):
            return "The model is sure of all that it has seen."
        self._session.skipped.clear()
        return "There is nothing else to ask; press Ask me once more for what you skipped."

    def _where_most(self) -> str:
        names = " and ".join(f"{name} ({count})" for name, count in self._most[:NAMED])
        return f" Most doubtful candidates: {names}." if names else ""

    def _prefetch(self) -> None:
        """Make the picture of the next micrograph while she looks at this one."""
        coming = [q.name for q in self._questions[self._at + 1 :] if q.name != self._workspace.current]
        if coming and coming[0] in self._workspace.names:
            source, size = self._workspace.source(coming[0]), self._workspace.pixel_size(coming[0])
            self._session.pictures.get(source, self._workspace.options.display, size)

    def _end(self, text: str) -> None:
        self._questions, self._at = [], 0
        self._row.show_question(text, answers=False)
        self._going.leave()
        self._bind(False)

    def _bind(self, on: bool) -> None:
        for key, kind in ANSWERS.items():
            self._viewer.bind_key(key, _answering(weakref.ref(self), kind) if on else None, overwrite=True)


def _answering(owner: weakref.ref[HelpMost], kind: Kind | None) -> Any:
    def press(viewer: Any) -> None:
        if (help_most := owner()) is not None:
            help_most.answer(kind)

    return press


def _close(workspace: Workspace, leave: Callable[[], None], viewer: ViewerModel, *_: object) -> None:
    """Listen to nothing any more: the dock was destroyed."""
    workspace.files_changed.disconnect(leave)
    for key in ANSWERS:
        viewer.bind_key(key, None, overwrite=True)
