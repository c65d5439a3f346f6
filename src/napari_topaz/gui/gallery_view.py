"""A grid of tiles that scrolls through any number: only those in view are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QRect, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from qtpy.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from napari_topaz.gui.looks import USUAL as COLOURS
from napari_topaz.gui.looks import Palette
from napari_topaz.picks import Kind

#: Between tiles, px.
GAP = 4
#: Sizes of tiles, px.
SMALLEST, USUAL, LARGEST = 40, 80, 192
#: Tiles from this size have their score written on them.
ROOM_FOR_SCORE = 64
#: Keys → by how many tiles (None: by a row, or by a page) the cursor moves.
ARROWS = {
    Qt.Key.Key_Left: (-1, 0, 0),
    Qt.Key.Key_Right: (1, 0, 0),
    Qt.Key.Key_Up: (0, -1, 0),
    Qt.Key.Key_Down: (0, 1, 0),
    Qt.Key.Key_PageUp: (0, 0, -1),
    Qt.Key.Key_PageDown: (0, 0, 1),
}
ACCEPT, REJECT = (Qt.Key.Key_J,), (Qt.Key.Key_K, Qt.Key.Key_X, Qt.Key.Key_Delete)
GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


@dataclass(frozen=True, eq=False)
class TileLook:
    """How one tile is drawn.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, n), optional
        None while it is not cut.
    kind : Kind
    text : str
        Short, in a corner.
    broken : bool
        There will be no pixels.
    """

    pixels: NDArray[np.uint8] | None
    kind: Kind
    text: str
    broken: bool = False


class GalleryView(QAbstractScrollArea):
    """The grid; rows of the list are tiles from left to right and from top to bottom.

    Parameters
    ----------
    look : callable of int → TileLook
        Asked for the tiles in view whenever they are painted.
    describe : callable of int → str
        Asked for what is under the mouse when it rests.

    Signals
    -------
    rejected(int), accepted(int)
        A tile was clicked, or clicked with Shift; or a key was pressed.
    visited(int)
        Enter was pressed.
    double_clicked(int)
        What :attr:`rejected` or :attr:`accepted` told just before was the first half of a double click.
    chosen(int)
        Keys mean another tile from now on.
    undone
        Ctrl+Z.
    moved
        Other tiles are in view.
    """

    rejected = Signal(int)
    accepted = Signal(int)
    visited = Signal(int)
    double_clicked = Signal(int)
    chosen = Signal(int)
    undone = Signal()
    moved = Signal()

    def __init__(
        self, look: Callable[[int], TileLook], describe: Callable[[int], str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._look, self._describe = look, describe
        self.count, self.size_ = 0, USUAL
        #: The tile that keys mean; None before the first one is chosen.
        self.cursor: int | None = None
        self._pressed: int | None = None
        self._colours = COLOURS
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self.setMinimumSize(SMALLEST * 3, SMALLEST * 2)

    # -- what is shown ----------------------------------------------------------------------------

    def set_count(self, count: int, cursor: int | None) -> None:
        """Show another list of that many rows; the scroll bar stays where it is."""
        self.count, self.cursor = count, cursor
        self._measure()

    def set_size(self, size: int) -> None:
        """Draw tiles of `size` px; the first one in view stays in view."""
        first = self.first
        self.size_ = size
        self._measure()
        self.verticalScrollBar().setValue(first // self.columns * self._cell)

    def colour(self, palette: Palette) -> None:
        """Frame labels in other colours."""
        self._colours = palette
        self.viewport().update()

    @property
    def columns(self) -> int:
        """Tiles in a row of the grid."""
        return max(1, (int(self.viewport().width()) - GAP) // self._cell)

    @property
    def first(self) -> int:
        """The first tile in view."""
        top = int(self.verticalScrollBar().value())
        return min(top // self._cell * self.columns, max(self.count - 1, 0))

    def in_view(self, screens: float = 0.0) -> range:
        """The tiles in view, and those up to so many screens before and after."""
        height = self.viewport().height()
        margin = -(-int(height * screens) // self._cell) * self.columns
        top = self.verticalScrollBar().value()
        start = top // self._cell * self.columns
        stop = -(-(top + height) // self._cell) * self.columns
        return range(max(0, start - margin), min(self.count, stop + margin))

    def place(self, index: int) -> QRect:
        """Where a tile is drawn, in the viewport."""
        row, column = divmod(index, self.columns)
        y = GAP + row * self._cell - self.verticalScrollBar().value()
        return QRect(GAP + column * self._cell, y, self.size_, self.size_)

    def at(self, x: float, y: float) -> int | None:
        """The tile at a place of the viewport; None between tiles."""
        row, in_row = divmod(int(y) - GAP + self.verticalScrollBar().value(), self._cell)
        column, in_column = divmod(int(x) - GAP, self._cell)
        index = row * self.columns + column
        on_tile = in_row < self.size_ and in_column < self.size_ and 0 <= column < self.columns and row >= 0
        return index if on_tile and index < self.count else None

    @property
    def _cell(self) -> int:
        return self.size_ + GAP

    def _measure(self) -> None:
        bar, height = self.verticalScrollBar(), self.viewport().height()
        rows = -(-self.count // self.columns)
        bar.setPageStep(max(height, 1))
        bar.setSingleStep(self._cell)
        bar.setRange(0, max(0, rows * self._cell + GAP - height))
        self._on_scrolled()

    def _on_scrolled(self) -> None:
        self.viewport().update()
        self.moved.emit()

    # -- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the tiles in view."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for index in self.in_view():
            self._paint(painter, self.place(index), self._look(index), index == self.cursor)

    def _paint(self, painter: QPainter, place: QRect, look: TileLook, cursor: bool) -> None:
        if look.pixels is None:
            painter.fillRect(place, QColor(128, 128, 128, 60))
        else:
            painter.drawImage(place, image_of(look.pixels))
        if look.broken:
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "cannot\nbe read")
        if look.text and self.size_ >= ROOM_FOR_SCORE:
            corner = QRect(place.left() + 1, place.bottom() - 14, 8 + 7 * len(look.text), 14)
            painter.fillRect(corner, QColor(0, 0, 0, 140))
            painter.setPen(QColor("white"))
            painter.drawText(corner, Qt.AlignmentFlag.AlignCenter, look.text)
        if look.kind != Kind.PICK:
            painter.setPen(QPen(QColor(self._colours.of(look.kind)), 3))
            painter.drawRect(place.adjusted(1, 1, -2, -2))
            if look.kind == Kind.NOT_PARTICLE:
                painter.drawLine(place.topLeft(), place.bottomRight())
                painter.drawLine(place.topRight(), place.bottomLeft())
        if cursor and self.hasFocus():
            painter.setPen(QPen(self.palette().highlight().color(), 2))
            painter.drawRect(place.adjusted(-2, -2, 1, 1))
        painter.setPen(self.palette().text().color())

    # -- what she does ----------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Fit other columns."""
        super().resizeEvent(event)
        self._measure()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Remember which tile is pressed."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self.at(event.position().x(), event.position().y())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Reject, or accept with Shift, the tile that was pressed and released."""
        pressed, self._pressed = self._pressed, None
        if pressed is None or pressed != self.at(event.position().x(), event.position().y()):
            return
        self.cursor = pressed
        self.chosen.emit(pressed)
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        (self.accepted if shift else self.rejected).emit(pressed)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Tell it; the click that came first did not mean what clicks mean."""
        index = self.at(event.position().x(), event.position().y())
        if event.button() == Qt.MouseButton.LeftButton and index is not None:
            self.double_clicked.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Move the cursor; accept, reject, go there."""
        key = event.key()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and key == Qt.Key.Key_Z:
            self.undone.emit()
        elif key in ARROWS:
            self._move(*ARROWS[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._go_to(0 if key == Qt.Key.Key_Home else self.count - 1)
        elif self.cursor is not None and key in (*ACCEPT, *REJECT, *GO):
            signal = self.accepted if key in ACCEPT else self.rejected if key in REJECT else self.visited
            signal.emit(self.cursor)
        else:
            super().keyPressEvent(event)

    def _move(self, tiles: int, rows: int, pages: int) -> None:
        by = tiles + self.columns * (rows + pages * max(1, self.viewport().height() // self._cell))
        self._go_to(self.first if self.cursor is None else self.cursor + by)

    def _go_to(self, index: int) -> None:
        if not self.count:
            return
        self.cursor = min(max(index, 0), self.count - 1)
        self.chosen.emit(self.cursor)
        place, bar = self.place(self.cursor), self.verticalScrollBar()
        below = place.bottom() + GAP - self.viewport().height()
        bar.setValue(bar.value() + (max(below, 0) if place.top() >= GAP else place.top() - GAP))
        self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        """Say what is under the mouse."""
        if isinstance(event, QHelpEvent):
            index = self.at(event.pos().x(), event.pos().y())
            QToolTip.showText(event.globalPos(), "" if index is None else self._describe(index), self)
            return True
        return bool(super().viewportEvent(event))


def image_of(pixels: NDArray[np.uint8]) -> QImage:
    """Return a grey image; its pixels are copied."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape
    return QImage(pixels.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
