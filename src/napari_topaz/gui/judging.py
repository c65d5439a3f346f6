"""Compares picks with targets while the user works, and exports particles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QLabel, QScrollArea, QWidget

from napari_topaz.gui import dialogs, tasks
from napari_topaz.gui.export_dialog import ask_stack_settings
from napari_topaz.gui.job_bar import JobBar, Latest
from napari_topaz.gui.judging_panel import JudgingPanel
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.reading import Reading
from napari_topaz.gui.results import Results
from napari_topaz.gui.session import Session
from napari_topaz.gui.targets import Question
from napari_topaz.picks import Picks
from napari_topaz.settings import StackSettings

if TYPE_CHECKING:
    from napari_topaz.jobs.evaluate import Evaluation


class Judging(QObject):
    """The verbs of :class:`JudgingPanel`; `parent` is the dock."""

    def __init__(self, session: Session, job_bar: JobBar, panel: JudgingPanel, parent: QWidget) -> None:
        super().__init__(parent)
        self.targets, self._workspace = session.targets, session.workspace
        self._job_bar, self._panel, self._dock = job_bar, panel, parent
        #: Compares in a thread; of several changes only the latest counts.
        self.latest = Latest(self)
        self._found: Evaluation | None = None
        self._question: Question | None = None
        self._export = StackSettings()
        self._reading = Reading(self._workspace, job_bar, self)
        self._soon = timer(self, self._compare)
        self._reveal = timer(self, self._scroll_to_curve, 100)  # when it has got its place
        panel.load_targets.connect(self._ask_targets)
        panel.export.connect(self._ask_export)
        workspace = self._workspace
        links: list[Link] = [
            (workspace.options_changed, self.show),
            (workspace.options_changed, self.refresh),
            (workspace.picks_changed, self.refresh),
            (workspace.decisions.marks.changed, self.refresh),
            (self.targets.changed, self.refresh),
        ]
        connect_until_destroyed(parent, links, self.latest.close)
        self._soon.start()

    def refresh(self, *_: object) -> None:
        """Peaks, targets or the diameter changed: compare soon, many changes at once."""
        if len(self.targets) or self._question is not None:
            self._soon.start()

    def show(self, *_: object) -> None:
        """The threshold changed, or something was compared."""
        self._panel.show_evaluation(self._found, self._threshold(), targets=len(self.targets))

    def _threshold(self) -> float:
        """Of the model's picks, whatever is suggested on the micrograph that is shown."""
        chosen, model = self._workspace.options.pick.threshold, self._workspace.model
        return chosen if chosen is not None else model.card.threshold if model is not None else -math.inf

    def load_targets(self, path: Path) -> None:
        """Read targets from a file of picks."""
        self._reading.read("Reading targets", path, self._take_targets)

    def export(self, path: Path, settings: StackSettings, results: Results | None = None) -> None:
        """Cut the particles of all micrographs into stacks, as they are now or were a moment ago."""
        results, sources = results or self._workspace.frozen_results(), self._workspace.sources
        size = self._workspace.options.preprocess.pixel_size
        self._export = settings
        self._job_bar.start(
            "Exporting particles",
            lambda stop: tasks.exporting(path, results.all(), sources, settings, size, stop),
            on_result=self._report_export,
        )

    def _ask_targets(self) -> None:
        path = dialogs.ask_targets(self._dock)
        if path is not None:
            self.load_targets(path)

    def _ask_export(self) -> None:
        if self._export.box_size is None:
            edge = tasks.box_size(self._workspace.diameter())
            self._export = self._export.model_copy(update={"box_size": edge})
        results = self._workspace.frozen_results()  # a live training does not wait for her answers
        settings = ask_stack_settings(self._dock, self._export)
        path = None if settings is None else dialogs.ask_stack(self._dock, self._workspace.saved_to)
        if settings is not None and path is not None:
            self.export(path, settings, results)

    def _take_targets(self, targets: dict[str, Picks]) -> None:
        self.targets.set(targets)
        self._reveal.start()
        self._job_bar.say(f"{len(self.targets)} targets on {len(targets)} micrographs read.")

    def _scroll_to_curve(self) -> None:
        for area in self._dock.findChildren(QScrollArea):
            area.ensureWidgetVisible(self._panel)

    def _compare(self) -> None:
        self._question = question = self.targets.question(self._workspace)
        if question is None:
            self._take(None)
            return
        self.latest.ask(
            question.answer,
            wanted=lambda: self._question is not None,  # else these are other micrographs
            on_done=self._take,
            on_failed=lambda message: self._job_bar.say(message, error=True),
        )

    def _take(self, found: Evaluation | None) -> None:
        if self._found is None and found is not None:
            self._reveal.start()
        self._found = found
        self.show()

    def _report_export(self, result: Any) -> None:
        where = "1 micrograph" if result.micrographs == 1 else f"{result.micrographs} micrographs"
        edge = f" ({result.left_out} at the edges were left out)" if result.left_out else ""
        self._job_bar.say(
            f"{result.particles} particles of {where} are in {result.star}{edge}; "
            f"{result.montage.name} beside it shows the best and the worst."
        )
        self._picture = picture_window(result.montage, self._dock)


def picture_window(path: Path, parent: QWidget) -> QLabel:
    """Show a picture in a window of its own, no larger than most of the screen."""
    window = QLabel(parent, Qt.WindowType.Window)
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    window.setObjectName("montage")
    window.setWindowTitle(str(path))
    room = parent.screen().availableSize() * 0.85
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    window.setPixmap(QPixmap(str(path)).scaled(room, keep, smooth))
    window.show()
    return window
