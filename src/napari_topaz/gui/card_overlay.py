"""Draws the card of keys over the picture."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari_topaz.gui.key_card import KeyCard

#: Distance from the corner of the picture, the narrowest and the widest card, in px.
MARGIN, NARROW, WIDE = 12, 260, 460
#: Sizes of letters, in px: the first that fits is taken.
FONTS = (13, 12, 11, 10, 9, 8)


class CardOverlay:
    """A label in the top left corner of the window's picture; a click on it puts it away.

    Parameters
    ----------
    card : KeyCard
    dock : QWidget
        In the window.
    """

    def __init__(self, card: KeyCard, dock: QWidget) -> None:
        self._card, self._dock = card, dock
        self.label: QLabel | None = None

    def show(self, on: bool) -> None:
        """Show or hide it."""
        if self.label is None and on:
            self.label = self._make()
        if self.label is not None:
            self.label.setVisible(on)
            self.refresh()

    def refresh(self) -> None:
        """Say what the card says now."""
        label = self.label
        if label is None or not label.isVisibleTo(label.parentWidget()):
            return
        room = label.parentWidget().size()
        label.setFixedWidth(max(NARROW, min(WIDE, room.width() - 2 * MARGIN)))
        for pixels in FONTS:
            label.setText(_html(self._card.parts, pixels))
            label.adjustSize()
            if label.height() <= room.height() - 2 * MARGIN:
                break
        label.raise_()

    def leave(self) -> None:
        """Take the label away for good; with the whole window it is gone already."""
        if self.label is not None and isalive(self.label):
            self.label.deleteLater()
        self.label = None

    def _make(self) -> QLabel | None:
        window = self._dock.window()
        picture = window.centralWidget() if isinstance(window, QMainWindow) else None
        if picture is None:  # the dock floats
            return None
        label = _Card(self._card, picture)
        label.setObjectName("key_card")
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setStyleSheet(
            "QLabel#key_card { background: rgba(25, 30, 38, 225); color: #f0f1f2; padding: 8px; "
            "border-radius: 4px; }"
        )
        label.move(MARGIN, MARGIN)
        return label


class _Card(QLabel):
    def __init__(self, card: KeyCard, parent: QWidget) -> None:
        super().__init__(parent)
        self._card = card

    def mousePressEvent(self, event: object) -> None:  # noqa: N802
        """A click puts it away, and is no click in the picture."""
        self._card.show(False)


def _html(parts: list[tuple[str, list[tuple[str, str]]]], pixels: int) -> str:
    rows = "".join(
        f"<tr><td colspan=2><b>{escape(title)}</b></td></tr>"
        + "".join(
            f"<tr><td style='padding-right: 10px'>{escape(how)}</td><td>{escape(does)}</td></tr>"
            for how, does in lines
        )
        for title, lines in parts
    )
    return f"<table cellspacing=1 style='font-size: {pixels}px'>{rows}</table>"
