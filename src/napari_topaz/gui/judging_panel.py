"""How good the picks are, where targets are known; and particles as stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_topaz.gui.guide import Guide
from napari_topaz.gui.plots import Colours, PrecisionRecallPlot

if TYPE_CHECKING:
    from napari_topaz.jobs.evaluate import Evaluation


class JudgingPanel(QWidget):
    """Two buttons, and the precision–recall curve as soon as there are targets.

    Signals
    -------
    load_targets, export
        A button was pressed.
    """

    load_targets = Signal()
    export = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.targets_button = QPushButton("Load targets …")
        self.targets_button.clicked.connect(self.load_targets.emit)
        self.export_button = QPushButton("Export particles …")
        self.export_button.clicked.connect(self.export.emit)
        self.plot = PrecisionRecallPlot()
        self.summary = QLabel()
        self.summary.setObjectName("judgement")
        self.summary.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.targets_button)
        buttons.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(buttons)
        layout.addWidget(self.plot)
        layout.addWidget(self.summary)
        self.show_evaluation(None, 0.0, targets=0)

    def enable(self, guide: Guide) -> None:
        """Enable the buttons that can work, and say of the others why not."""
        for button, reason, tip in (
            (
                self.targets_button,
                guide.load or guide.label,
                "True particles, to see precision and recall of the picks while it learns.",
            ),
            (
                self.export_button,
                guide.save,
                "Cut the particles into stacks for RELION, with a picture of the best and the worst.",
            ),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)

    def show_evaluation(self, found: Evaluation | None, threshold: float, *, targets: int) -> None:
        """Draw the curve and the point at the threshold; hidden where there are no targets at all."""
        for widget in (self.plot, self.summary):
            widget.setVisible(targets > 0)
        if found is None:
            self.plot.show_curve(None, None)
            self.summary.setText(f"{targets} targets; none of their micrographs is picked yet.")
            return
        here = found.curve.index_at(threshold)
        self.plot.show_curve(found.curve, here)
        where = "1 micrograph" if found.micrographs == 1 else f"{found.micrographs} micrographs"
        text = f"Average precision {found.average_precision:.2f} on {where} with targets"
        if here is not None:
            precision, recall, f1 = (
                float(column[here]) for column in (found.curve.precision, found.curve.recall, found.curve.f())
            )
            text += f"; here F1 {f1:.2f} (precision {precision:.2f}, recall {recall:.2f})"
        self.summary.setText(f"{text}.")

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        self.plot.set_colours(colours)
