"""One line on whether what she does is saved, and a way to save it elsewhere."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_topaz.gui.session_texts import Status

#: Of a line that says that something is wrong.
PROBLEM = "QLabel { padding: 5px; border-radius: 3px; color: white; background: #8a5a00; }"


class SessionLine(QWidget):
    """The line.

    Signals
    -------
    copy
        She wants the session saved in another folder.
    """

    copy = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel()
        self.label.setObjectName("session")
        self.label.setWordWrap(True)
        self.button = QPushButton("Save a copy elsewhere …")
        self.button.setToolTip(
            "Go on with a copy of this session in another folder, where it is saved by itself."
        )
        self.button.clicked.connect(self.copy.emit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.label)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignRight)
        self.show_status(Status())

    def show_status(self, status: Status) -> None:
        """Say how things are."""
        self.setVisible(bool(status.text))
        self.label.setText(status.text)
        self.label.setToolTip(status.tip)
        self.label.setStyleSheet(PROBLEM if status.problem else "")
        self.button.setVisible(status.copy)
