"""Suggestions of picks without training, and what becomes of them."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_topaz.choices import REFERENCE_PICKERS
from napari_topaz.gui.guide import Guide

GUESS = (
    "A first guess without labels: a heat map and picks of this micrograph, and of every one that you show. "
    "It comes from a model of simulated particles of many shapes; correct it and train. Particles that are "
    "brighter than the ice: see the menu of Suggest picks."
)


class SuggestRow(QWidget):
    """The buttons *Pick now*, *Suggest picks* with its menu, and *Take picks as labels*.

    Signals
    -------
    guess
        She wants a first guess of the general model.
    bright(bool)
        Whether particles are brighter than the ice.
    suggest(str)
        She wants suggestions on the shown micrograph, by the reference picker of that name.
    from_file
        The same, by templates of a file.
    take
        The shown picks are to become labels.
    drop
        The suggestions on the shown micrograph are to be forgotten.
    """

    guess = Signal()
    bright = Signal(bool)
    suggest = Signal(str)
    from_file = Signal()
    take = Signal()
    drop = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.guess_button = QPushButton("Pick now")
        self.guess_button.setObjectName("guess")
        self.guess_button.clicked.connect(self.guess.emit)
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
        self.menu.addSeparator()
        self.entries["bright"] = self.menu.addAction("Particles are bright")
        self.entries["bright"].setCheckable(True)
        self.entries["bright"].setToolTip("For Pick now and Suggest picks: brighter than the ice.")
        self.entries["bright"].triggered.connect(self.bright.emit)
        self.button.setMenu(self.menu)
        self.take_button = QPushButton("Take picks as labels")
        self.take_button.setObjectName("take")
        self.take_button.clicked.connect(self.take.emit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for button in (self.guess_button, self.button, self.take_button):
            row.addWidget(button)
        row.addStretch()

    def show_contrast(self, contrast: str) -> None:
        """Show which contrast is chosen."""
        self.entries["bright"].setChecked(contrast == "bright")

    def enable(self, guide: Guide, *, suggested: bool) -> None:
        """Enable what can work, and say of the rest why not.

        Parameters
        ----------
        guide : Guide
        suggested : bool
            Whether the shown picks are suggestions.
        """
        for button, reason, tip in (
            (self.guess_button, guide.guess, GUESS),
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
