"""The buttons that find out how many particles to expect."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

ESTIMATE = "Estimate the number from the labels with a few short trainings; it becomes the expected one."
COMPARE = (
    "Cross-validation: train with half, once and twice the number on parts of the labelled micrographs, "
    "and see which finds the labels on the others best. It can be interrupted and goes on in the same folder."
)


class ExpectingRow(QWidget):
    """*Estimate*, *Compare …*, and *Take N* for the number that a comparison found best.

    Signals
    -------
    estimate, compare
        A button was pressed.
    take(float)
        The offered number is to be the expected one.
    """

    estimate = Signal()
    compare = Signal()
    take = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.estimate_button = QPushButton("Estimate number")
        self.estimate_button.setObjectName("estimate_expected")
        self.estimate_button.clicked.connect(self.estimate.emit)
        self.compare_button = QPushButton("Compare numbers …")
        self.compare_button.setObjectName("compare_expected")
        self.compare_button.clicked.connect(self.compare.emit)
        self.take_button = QPushButton()
        self.take_button.setObjectName("take_expected")
        self.take_button.setToolTip("Take the number that the comparison found best.")
        self.take_button.clicked.connect(self._take)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for button in (self.estimate_button, self.compare_button, self.take_button):
            row.addWidget(button)
        row.addStretch()
        self.offer(None)

    def enable(self, reason: str | None) -> None:
        """Enable the buttons, or say why they cannot work."""
        for button, tip in ((self.estimate_button, ESTIMATE), (self.compare_button, COMPARE)):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)

    def offer(self, number: float | None) -> None:
        """Offer a number, or nothing."""
        self._offered = number
        self.take_button.setVisible(number is not None)
        if number is not None:
            self.take_button.setText(f"Take {number:g}")

    def _take(self) -> None:
        if self._offered is not None:
            self.take.emit(self._offered)
            self.offer(None)
