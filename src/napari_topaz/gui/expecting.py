"""Finds out how many particles to expect: estimates the number, and compares some by cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui import dialogs
from napari_topaz.gui.expecting_row import ExpectingRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.judging import picture_window
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.session import Session

if TYPE_CHECKING:
    from napari_topaz.jobs.cross_validate import CrossValidation
    from napari_topaz.jobs.prior import ExpectedNumber


class Expecting(QObject):
    """The verbs of :class:`ExpectingRow`; `parent` is the dock."""

    def __init__(self, session: Session, job_bar: JobBar, row: ExpectingRow, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._workspace = session, session.workspace
        self._job_bar, self._row, self._dock = job_bar, row, parent
        row.estimate.connect(self.estimate)
        row.compare.connect(self._ask_compare)
        row.take.connect(self.take)

    def estimate(self) -> None:
        """Estimate the number from the labels."""
        learning, labels = Learning.of(self._session), self._workspace.all_labels
        self._job_bar.start(
            "Estimating", lambda stop: learning.estimating(labels, stop), on_result=self._take_estimate
        )

    def compare(self, folder: Path) -> None:
        """Compare numbers round the present one; results are kept in the folder."""
        self._row.offer(None)
        learning, labels = Learning.of(self._session), self._workspace.all_labels
        self._job_bar.start(
            "Comparing",
            lambda stop: learning.comparing(labels, folder, stop),
            on_result=self._show_comparison,
        )

    def take(self, number: float) -> None:
        """Make a number the expected one; the form shows it and she can change it."""
        update = {"expected": number, "prior": None}
        self._workspace.change(train=self._workspace.options.train.model_copy(update=update))

    def _ask_compare(self) -> None:
        folder = dialogs.ask_comparison_folder(self._dock)
        if folder is not None:
            self.compare(folder)

    def _take_estimate(self, found: ExpectedNumber) -> None:
        number = float(f"{found.expected:.2g}") if found.expected < 10 else float(round(found.expected))
        self.take(number)
        self._job_bar.say(
            f"About {number:g} particles per micrograph ({found.low:.0f} to {found.high:.0f}), from "
            f"{found.labels} labels on {found.micrographs} micrographs; change it as you like."
        )

    def _show_comparison(self, found: CrossValidation) -> None:
        self._picture = picture_window(found.plot, self._dock)
        if found.choice is None:
            self._job_bar.say(
                f"Not all trainings are done; compare into {found.table.parent} again to go on."
            )
            return
        others = " and ".join(f"{value:g}" for value in found.as_good if isinstance(value, float))
        as_good = f"; the labels do not tell it from {others}" if others else ""
        self._job_bar.say(f"{found.choice:g} finds the labels best{as_good}. The table is {found.table}.")
        if found.choice != self._workspace.options.train.expected:
            self._row.offer(float(str(found.choice)))
