"""Two small pieces of every panel: a heading with its buttons, and a part that folds away."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget


def heading(title: str, *buttons: QWidget) -> QHBoxLayout:
    """Return a row with a title and the buttons of that step."""
    row = QHBoxLayout()
    row.setSpacing(4)
    label = QLabel(title)
    label.setStyleSheet("font-weight: bold;")
    row.addWidget(label)
    row.addStretch()
    for button in buttons:
        row.addWidget(button)
    return row


class Fold(QWidget):
    """A part of a panel that is folded away until its title is clicked."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.toggled.connect(self._unfold)
        self.inside = QWidget()
        self._column = QVBoxLayout(self.inside)
        self._column.setContentsMargins(8, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(self.inside)
        self._unfold(False)

    def add(self, widget: QWidget) -> None:
        """Put a widget into the part that folds."""
        self._column.addWidget(widget)

    def _unfold(self, open_: bool) -> None:
        self.inside.setVisible(open_)
        self.button.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
