"""What a job warned of: it stays below the panels when the job is done, until the next one or a click."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

#: White on amber, which reads in both themes.
STYLE = """
QWidget#notes { background: #85601b; border-radius: 3px; }
QWidget#notes * { color: white; background: transparent; }
QWidget#notes QToolButton:hover { background: #a3792a; }
"""


class Notes(QWidget):
    """Warnings of one job, the latest in full and the others behind a link; without any it takes no room.

    The latest, as why a job ended counts for more than what it had to assume.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notes")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(STYLE)
        self._notes: list[str] = []
        self._unfolded = False
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self.more = QToolButton()
        self.more.setAutoRaise(True)
        font = self.more.font()
        font.setUnderline(True)
        self.more.setFont(font)
        self.more.clicked.connect(self._unfold)
        self.button = QToolButton()
        self.button.setText("×")
        self.button.setAutoRaise(True)
        self.button.setToolTip("Close; a job that has cause to will say it again.")
        self.button.clicked.connect(self.clear)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 3, 3, 3)
        row.setSpacing(2)
        row.addWidget(self._label, 1)
        row.addWidget(self.more, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        self._show()

    @property
    def text(self) -> str:
        """What is shown; empty where nothing is."""
        return str(self._label.text())

    def add(self, note: str) -> None:
        """Show one more."""
        if note not in self._notes:
            self._notes.insert(0, note)
            self._show()

    def clear(self) -> None:
        """Forget them: another job begins, or she has read them."""
        self._notes, self._unfolded = [], False
        self._show()

    def _unfold(self) -> None:
        self._unfolded = True
        self._show()

    def _show(self) -> None:
        hidden = 0 if self._unfolded else len(self._notes[1:])
        shown = self._notes[: len(self._notes) - hidden]
        self._label.setText("\n".join(shown if len(shown) < 2 else (f"• {note}" for note in shown)))
        self.more.setText(f"{hidden} more")
        self.more.setToolTip("\n\n".join(self._notes[1:]))
        self.more.setVisible(bool(hidden))
        self.setVisible(bool(self._notes))
