"""Sets the threshold to the one with the best F_β, where targets or the scores themselves tell it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.best_row import BestRow
from napari_topaz.gui.form import spell
from napari_topaz.gui.job_bar import JobBar, Latest
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.options import Options
from napari_topaz.gui.results import Results
from napari_topaz.gui.session import Session
from napari_topaz.gui.targets import Question
from napari_topaz.jobs.best_threshold import Found, by_scores, by_targets, evenly

#: How long she may take from digit to digit, in ms.
TYPING = 300
BY_TARGETS = "Set the threshold that is best by the targets; nothing is trained."
BY_SCORES = (
    "Set the threshold that is best if the scores are right: this model's are probabilities. "
    "Nothing is trained."
)


class Best(QObject):
    """The verb of :class:`BestRow`; `parent` is the dock."""

    def __init__(self, session: Session, job_bar: JobBar, row: BestRow, parent: QWidget) -> None:
        super().__init__(parent)
        self._workspace, self._targets = session.workspace, session.targets
        self._job_bar, self._row = job_bar, row
        #: Looks for it in a thread; of several wishes only the latest counts.
        self.latest = Latest(self)
        self._look_soon = timer(self, self.look)
        self._set_soon = timer(self, self.set, TYPING)
        row.pressed.connect(self.set)
        row.chosen.connect(self._set_soon.start)
        row.show_beta(self._workspace.options.train.beta)
        links: list[Link] = [
            (self._workspace.picks_changed, self._hurry),
            (self._workspace.model_changed, self._hurry),
            (self._workspace.current_changed, self._hurry),
            (self._workspace.options_changed, self._on_options),
            (self._workspace.decisions.marks.changed, self._hurry),
            (self._targets.changed, self._hurry),
        ]
        connect_until_destroyed(parent, links, self.latest.close)
        self.look()

    def look(self) -> None:
        """Offer it where it can be found."""
        self._row.offer(self._how())

    def set(self) -> None:
        """Find it, and make it the threshold."""
        self._set_soon.stop()
        task = self._task(self._row.beta)
        forgotten = self._workspace.forgotten
        if task is not None:
            self.latest.ask(
                task,
                wanted=lambda: self._workspace.forgotten == forgotten,
                on_done=partial(self._take, f"F{spell(self._row.beta)}"),
                on_failed=lambda message: self._job_bar.say(message, error=True),
            )

    def _how(self) -> str | None:
        workspace = self._workspace
        if workspace.current is None or workspace.current in workspace.suggested:
            return None  # suggestions have a threshold of their own
        if next(self._targets.comparable(workspace), None) is not None:
            return BY_TARGETS
        if workspace.model is None or not workspace.model.calibrated:
            return None
        return None if workspace.picked.isdisjoint(workspace.decisions.names_in_use) else BY_SCORES

    def _task(self, beta: float) -> Callable[[], Found] | None:
        how, workspace = self._how(), self._workspace
        if how == BY_TARGETS and (question := self._targets.question(workspace)) is not None:
            return partial(_at_targets, question, beta)
        return None if how is None else partial(_by_scores, workspace.frozen_results(), beta)

    def _take(self, what: str, found: Found) -> None:
        pick = self._workspace.options.pick.model_copy(update={"threshold": found.threshold})
        self._workspace.change(pick=pick)
        where = "1 micrograph" if found.micrographs == 1 else f"{found.micrographs} micrographs"
        by = f"at the targets of {where}" if found.measured else f"by the scores of {where}"
        right = f"{found.precision:.0%} of the picks are right"
        self._job_bar.say(f"Threshold {found.threshold:.2f} has the best {what} {by}: {right}.")

    def _on_options(self, old: Options, new: Options) -> None:
        if old.train.beta != new.train.beta:
            self._row.show_beta(new.train.beta)

    def _hurry(self, *_: object) -> None:
        self._look_soon.start()


def _at_targets(question: Question, beta: float) -> Found:
    found = question.answer()
    return by_targets(found.curve, found.micrographs, beta)


def _by_scores(results: Results, beta: float) -> Found:
    """Look at micrographs in use; in a thread, as each is seen through its mask."""
    return by_scores([results.picks.peaks(name).scores for name in evenly(results.picked())], beta)
