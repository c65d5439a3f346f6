"""A line of section 4: the gallery, and questions to the user one by one."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_topaz.picks import Kind

#: Keys in the viewer, side by side on the keyboard, while there are questions → the answer (None: skip).
ANSWERS: dict[str, Kind | None] = {"J": Kind.PARTICLE, "K": Kind.NOT_PARTICLE, "L": None}


class HelpMostRow(QWidget):
    """Two buttons; and while there are questions, the question and the answers.

    Signals
    -------
    gallery, ask, leave
        A button was pressed.
    answered(object)
        A :class:`~napari_topaz.picks.Kind`, or None for a question that is skipped.
    """

    gallery = Signal()
    ask = Signal()
    leave = Signal()
    answered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.gallery_button = QPushButton("Picks as tiles")
        self.gallery_button.setToolTip(
            "Open the Particle gallery: one glance tells whether they are particles."
        )
        self.gallery_button.clicked.connect(self.gallery.emit)
        self.ask_button = QPushButton("Ask me")
        self.ask_button.clicked.connect(self.ask.emit)
        self.question = QLabel()
        self.question.setObjectName("question")
        self.question.setWordWrap(True)
        self.answers = QWidget()
        buttons = QHBoxLayout(self.answers)
        buttons.setContentsMargins(0, 0, 0, 0)
        self.yes, self.no, self.skip = (QPushButton(t) for t in ("Particle (J)", "None (K)", "Skip (L)"))
        for button, kind in ((self.yes, Kind.PARTICLE), (self.no, Kind.NOT_PARTICLE), (self.skip, None)):
            button.clicked.connect(lambda _=False, kind=kind: self.answered.emit(kind))
            buttons.addWidget(button)
        self.end = QPushButton("End")
        self.end.setToolTip("Ask no more; the answers stay.")
        self.end.clicked.connect(self.leave.emit)
        buttons.addWidget(self.end)
        top = QHBoxLayout()
        top.addWidget(self.gallery_button)
        top.addWidget(self.ask_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.question)
        layout.addWidget(self.answers)
        self.show_question("", answers=False)

    def enable(self, reason: str | None) -> None:
        """Enable the button that asks for questions, or say why it cannot work."""
        self.ask_button.setEnabled(reason is None)
        tip = (
            "Show the places where your answer teaches the model most: picks that look unlike the "
            "others, and some by chance. What you skip is not asked about again."
        )
        self.ask_button.setToolTip(reason or tip)

    def show_question(self, text: str, *, answers: bool) -> None:
        """Show a question with its answers, or a sentence without, or nothing."""
        self.question.setText(text)
        self.question.setVisible(bool(text))
        self.answers.setVisible(answers)
