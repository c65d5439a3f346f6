"""The fold *As a command*: the line that would do the same without the dock."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QFontDatabase, QTextOption
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_topaz.gui.fold import Fold

#: What can be had as a command, by name, for people.
COMMANDS = {"pick": "Pick all and save", "train": "Train"}
#: Lines of it that are in view.
LINES = 5


class CommandPanel(QWidget):
    """A choice, the line, and *Copy*.

    Signals
    -------
    wanted
        The fold was opened, or she chose another command.
    copy
        The button was pressed.
    """

    wanted = Signal()
    copy = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fold = Fold("As a command")
        self.fold.button.setToolTip("The line that does the same in a terminal, on a cluster or in a script.")
        self.choice = QComboBox()
        for name, text in COMMANDS.items():
            self.choice.addItem(text, name)
        self.button = QPushButton("Copy")
        self.line = QPlainTextEdit()
        self.line.setObjectName("command")
        self.line.setReadOnly(True)
        self.line.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.line.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.line.setFixedHeight(LINES * self.line.fontMetrics().lineSpacing() + 10)
        self.says = QLabel()
        self.says.setWordWrap(True)
        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.choice, 1)
        beside.addWidget(self.button)
        for widget in (row, self.line, self.says):
            self.fold.add(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self.fold.button.toggled.connect(self.wanted.emit)
        self.choice.currentIndexChanged.connect(self.wanted.emit)
        self.button.clicked.connect(self.copy.emit)
        self.show_line("", "")

    @property
    def opened(self) -> bool:
        """Whether it is in view, so that a line is needed."""
        return bool(self.fold.button.isChecked())

    @property
    def chosen(self) -> str:
        """Which of :data:`COMMANDS`."""
        return str(self.choice.currentData())

    def show_line(self, line: str, says: str) -> None:
        """Show a line and what is to be said about it; without a line, why there is none."""
        if line != self.line.toPlainText():
            self.line.setPlainText(line)
        self.line.setVisible(bool(line))
        self.button.setEnabled(bool(line))
        self.says.setText(says)
        self.says.setVisible(bool(says))
