"""The picks: threshold, all micrographs, saving."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_topaz.gui.best_row import BestRow
from napari_topaz.gui.command_panel import CommandPanel
from napari_topaz.gui.fold import heading
from napari_topaz.gui.form import NumberBox
from napari_topaz.gui.guide import Guide
from napari_topaz.gui.help_most_row import HelpMostRow
from napari_topaz.gui.judging_panel import JudgingPanel
from napari_topaz.gui.plots import Colours, ScoreHistogram
from napari_topaz.gui.summary_panel import SummaryPanel

SAVE = "Save the picks of all micrographs (STAR, cryoSPARC, Topaz, boxes, CSV …)."
RIGHT = (
    "How many of them are expected to be particles, by their scores. It is as good as the expected number "
    "per micrograph under 2 · Particle; with ten labels it may be off by a tenth."
)
GUESS = (
    "They are a guess of the general model, which has learnt from simulated particles, not from your labels."
)


class PicksPanel(QWidget):
    """Histogram with the threshold, and what is done with picks.

    Signals
    -------
    threshold_chosen(object)
        A float, or None for the model's own.
    pick_all, save
        A button was pressed.
    """

    threshold_chosen = Signal(object)
    pick_all = Signal()
    save = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.histogram = ScoreHistogram()
        self.histogram.threshold_chosen.connect(self.threshold_chosen.emit)
        self.number = NumberBox(optional=True, bounds=(-1000, 1000), step=0.25)
        self.number.setObjectName("threshold")
        self.number.setMinimumWidth(110)
        self.number.setPlaceholderText("")
        self.number.setToolTip("Lowest score of a pick.")
        self.number.changed.connect(lambda: self.threshold_chosen.emit(self.number.value()))
        self.reset = QPushButton("Reset")
        self.reset.setMaximumWidth(64)
        self.reset.setToolTip("Take the threshold that the model suggests.")
        self.reset.clicked.connect(lambda: self.threshold_chosen.emit(None))
        self.best = BestRow()
        self.count = QLabel()
        self.count.setObjectName("count")
        #: Says that the picks are a guess.
        self.guess = QLabel("a guess")
        self.guess.setObjectName("guessed")
        self.guess.setToolTip(GUESS)
        self.guess.setStyleSheet("color: #c27c0e; font-weight: bold;")
        self.guess.hide()
        self.pick_button = QPushButton("Pick all")
        self.pick_button.clicked.connect(self.pick_all.emit)
        self.save_button = QPushButton("Save picks …")
        self.save_button.clicked.connect(self.save.emit)
        self.summary = SummaryPanel()
        self.command = CommandPanel()
        self.help_most = HelpMostRow()
        self.judging = JudgingPanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(heading("4 · Picks", self.pick_button, self.save_button))
        layout.addWidget(self.histogram)
        layout.addLayout(_row(QLabel("Threshold"), self.number, self.reset))
        layout.addWidget(self.best)
        layout.addLayout(found := _row(self.count, self.guess))  # a line of its own: docks are narrow
        found.addStretch()
        layout.addWidget(self.summary)
        layout.addWidget(self.command)
        layout.addWidget(self.help_most)
        layout.addWidget(self.judging)

    def enable(self, guide: Guide) -> None:
        """Enable the buttons that can work, and say of the others why not."""
        for button, reason, tip in (
            (self.pick_button, guide.pick, "Find the particles of all micrographs."),
            (self.save_button, guide.save, f"{SAVE}{' ' + GUESS if guide.guessed else ''}"),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)
        self.guess.setVisible(guide.guessed)
        self.judging.enable(guide)

    def show_scores(
        self,
        scores: NDArray[np.float32],
        threshold: float,
        count: int | None,
        *,
        chosen: bool,
        precision: float | None = None,
    ) -> None:
        """Draw the scores of the shown micrograph.

        Parameters
        ----------
        scores : ndarray of float32, shape (n,)
            Of all candidates.
        threshold : float
        count : int or None
            Particles that would be saved; None where the micrograph is not picked.
        chosen : bool
            The threshold is hers, not the model's.
        precision : float or None
            Fraction of those particles that is expected to be right; None where nobody knows.
        """
        self.histogram.show_scores(scores, threshold)
        self.number.setEnabled(math.isfinite(threshold))
        self.number.set_value(round(threshold, 2) if math.isfinite(threshold) else None)
        self.reset.setEnabled(chosen)
        right = "" if precision is None else f", about {precision:.0%} right"
        self.count.setText("" if count is None else f"{count} particles here{right}")
        self.count.setToolTip(RIGHT if right else "")

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        self.histogram.set_colours(colours)
        self.judging.set_colours(colours)
        self.summary.set_colours(colours)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1 if isinstance(widget, (QPushButton, NumberBox)) else 0)
    return row
