"""Suggestions of picks without training, and what becomes of them."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_topaz.choices import REFERENCE_PICKERS
from napari_topaz.gui.guide import Guide


class SuggestRow(QWidget):
    """The buttons *Suggest picks*, with a menu of the reference pickers, and *Take picks as labels*.

    Signals
    -------
    suggest(str)
        She wants suggestions on the shown micrograph, by the reference picker of that name.
    from_file
        The same, by templates of a file.
    take
        The shown picks are to become labels.
    drop
        The suggestions on the shown micrograph are to be forgotten.
    """

    suggest = Signal(str)
    from_file = Signal()
    take = Signal()
    drop = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Suggest picks")
        self.button.setObjectName("suggest")
        self.menu = QMenu(self.button)
        self.menu.setToolTipsVisible(True)
        #: Entries of the menu by name of the reference picker, and "file" and "drop".
        self.entries = {
            name: self.menu.addAction(help_[0].upper() + help_[1:], partial(self.suggest.emit, name))
            for name, help_ in REFERENCE_PICKERS.items()
        }
        self.entries["file"] = self.menu.addAction("Templates from a file …", self.from_file.emit)
        self.menu.addSeparator()
        self.entries["drop"] = self.menu.addAction("Forget these suggestions", self.drop.emit)
        self.button.setMenu(self.menu)
        self.take_button = QPushButton("Take picks as labels")
        self.take_button.setObjectName("take")
        self.take_button.clicked.connect(self.take.emit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.button)
        row.addWidget(self.take_button)
        row.addStretch()

    def enable(self, guide: Guide, *, suggested: bool) -> None:
        """Enable what can work, and say of the rest why not.

        Parameters
        ----------
        guide : Guide
        suggested : bool
            Whether the shown picks are suggestions.
        """
        for button, reason, tip in (
            (self.button, guide.suggest, "Find particles on this micrograph without training."),
            (
                self.take_button,
                guide.take,
                "Make labels of the circles that are shown; Undo takes them back.",
            ),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)
        self.entries["template"].setEnabled(guide.suggest_template is None)
        self.entries["template"].setToolTip(guide.suggest_template or "")
        self.entries["drop"].setEnabled(suggested)
