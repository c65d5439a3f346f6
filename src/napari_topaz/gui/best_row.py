"""The threshold with the best F_β: a button, and β beside it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_topaz.gui.form import NumberBox, spell

BETA = (
    "Weight of the recall: 1 for equal weights, 2 misses fewer particles, 0.5 takes fewer that are none. "
    "The threshold follows at once; nothing is trained."
)


class BestRow(QWidget):
    """*Best F1* and β.

    Signals
    -------
    pressed
        She wants the threshold with the best F_β.
    chosen
        Another β.
    """

    pressed = Signal()
    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton()
        self.button.setObjectName("best_f")
        self.button.clicked.connect(self.pressed.emit)
        self.number = NumberBox(bounds=(0.0, 100.0), exclusive=True, step=0.5)
        self.number.setObjectName("beta")
        self.number.setMinimumWidth(80)
        self.number.setToolTip(BETA)
        self.number.changed.connect(self._typed)
        self.label = QLabel("β")
        self.label.setToolTip(BETA)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button, 1)
        row.addWidget(self.label)
        row.addWidget(self.number, 1)
        self.show_beta(1.0)
        self.offer(None)

    @property
    def beta(self) -> float:
        """What she chose."""
        return self.number.value() or 1.0

    def show_beta(self, beta: float) -> None:
        """Show another β; nobody is told."""
        self.number.set_value(beta)
        self._name()

    def offer(self, how: str | None) -> None:
        """Say where the threshold would come from; None hides the row."""
        self.setVisible(how is not None)
        self.button.setToolTip(how or "")

    def _typed(self) -> None:
        self._name()
        self.chosen.emit()

    def _name(self) -> None:
        self.button.setText(f"Best F{spell(self.beta)}")
