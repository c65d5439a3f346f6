"""The buttons of labelling: what clicks make, the ruler, centring, undo and redo."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_topaz.gui.history import History
from napari_topaz.gui.looks import USUAL, Palette
from napari_topaz.picks import Kind

#: Texts and tooltips of the two kinds of clicks.
KINDS = {
    Kind.PARTICLE: (
        "+ Particle",
        "Clicks in the picture label particles; a second click takes the label back. "
        "Shift-click erases, right click rejects.",
    ),
    Kind.NOT_PARTICLE: (
        "✕ No particle",
        "Clicks in the picture label places without a particle, such as false picks.",
    ),
}
#: A button that is on.
PRESSED = "QPushButton:checked { border: 2px solid #2891ba; }"
UNDO, REDO = "Take the last change back (Ctrl+Z).", "Do again what was taken back (Ctrl+Shift+Z)."
TIPS = {
    "ruler": "Drag from one edge of a particle to the other: that sets the diameter (R).",
    "centre": "Move the labels of this micrograph to the centres of their particles (G): each is compared "
    "with the average of all labelled particles. It helps where clicks are off by more than a tenth of the "
    "diameter; Undo takes it back.",
    "keys": "Show what keys and mouse do, over the picture (F1).",
    "load": "Take labels from a file of picks (STAR, Topaz, boxes, CSV).",
}


class LabelRow(QWidget):
    """Two rows of buttons.

    Signals
    -------
    kind_chosen(Kind)
        She wants clicks to make labels of that kind.
    undo, redo, ruler, centre, keys, load
        She pressed that button.
    """

    kind_chosen = Signal(object)
    undo = Signal()
    redo = Signal()
    ruler = Signal()
    centre = Signal()
    keys = Signal()
    load = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kinds = QButtonGroup(self)
        kinds = [_button(text, checkable=True) for text, _ in KINDS.values()]
        for kind, button in zip(KINDS, kinds, strict=True):  # the group alone would not keep them alive
            button.setChecked(kind is Kind.PARTICLE)
            self.kinds.addButton(button, int(kind))
        self.kinds.idClicked.connect(lambda kind: self.kind_chosen.emit(Kind(kind)))
        self.ruler_button = _button("Ruler", checkable=True)
        self.centre_button, self.keys_button = _button("Centre"), _button("Keys", checkable=True)
        self.load_button, self.undo_button = _button("Load …"), _button("Undo")
        self.redo_button = _button("Redo")
        signals = {
            self.ruler_button: self.ruler,
            self.centre_button: self.centre,
            self.keys_button: self.keys,
            self.load_button: self.load,
            self.undo_button: self.undo,
            self.redo_button: self.redo,
        }
        for button, signal in signals.items():
            button.clicked.connect(lambda _=False, signal=signal: signal.emit())
        self.keys_button.setToolTip(TIPS["keys"])
        self.ruler_button.setStyleSheet(PRESSED)
        self.keys_button.setStyleSheet(PRESSED)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(_row(*kinds, None, self.load_button))
        tools = (self.undo_button, self.redo_button, self.ruler_button, self.centre_button, self.keys_button)
        column.addLayout(_row(*tools))
        self.colour(USUAL)

    def enable(self, reason: str | None, history: History) -> None:
        """Enable the buttons, or say why they cannot work."""
        for button in self.kinds.buttons():
            button.setEnabled(reason is None)
            button.setToolTip(reason or KINDS[Kind(self.kinds.id(button))][1])
        named = {"ruler": self.ruler_button, "centre": self.centre_button, "load": self.load_button}
        for name, button in named.items():
            button.setEnabled(reason is None)
            button.setToolTip(reason or TIPS[name])
        for button, can, does, nothing in (
            (self.undo_button, history.can_go_back, UNDO, "There is nothing to take back."),
            (self.redo_button, history.can_go_forth, REDO, "There is nothing to do again."),
        ):
            button.setEnabled(can and reason is None)
            button.setToolTip((reason or does) if can else nothing)

    def show_kind(self, kind: Kind | None) -> None:
        """Show what clicks make; None where they make no labels."""
        self.kinds.setExclusive(False)
        for button in self.kinds.buttons():
            button.setChecked(kind is not None and self.kinds.id(button) == int(kind))
        self.kinds.setExclusive(True)

    def colour(self, palette: Palette) -> None:
        """Frame the chosen kind in the colour of its labels."""
        for button in self.kinds.buttons():
            colour = palette.of(Kind(self.kinds.id(button)))
            button.setStyleSheet(f"QPushButton:checked {{ border: 2px solid {colour}; }}")


def _button(text: str, *, checkable: bool = False) -> QPushButton:
    button = QPushButton()
    button.setText(text)
    button.setCheckable(checkable)
    return button


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    """Widgets beside each other; None is a gap."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addStretch() if widget is None else row.addWidget(widget)
    return row
