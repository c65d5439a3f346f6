"""The dock *Particle gallery*: picks as tiles; one glance tells whether they are particles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_topaz.gui.gallery_average import Averages
from napari_topaz.gui.gallery_list import GalleryList
from napari_topaz.gui.gallery_rows import ORDERS, Rows
from napari_topaz.gui.gallery_tiles import Tile, TileCutter
from napari_topaz.gui.gallery_view import LARGEST, SMALLEST, USUAL, GalleryView, TileLook
from napari_topaz.gui.going import Going
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.options import Options
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind

if TYPE_CHECKING:
    import napari

#: How often new tiles are painted, and how long after scrolling averages are made, ms.
REPAINT, SETTLE = 40, 120
#: Tiles are made this many screens ahead.
AHEAD = 1.0
HELP = "Click: reject · Shift+click: accept · again: take back · double click: go there"
TIP = (
    "A rejected tile becomes a label “no particle”, an accepted one a label; training learns from both.\n"
    "Keys: arrows move, J accepts, K or X rejects, Enter goes there, Ctrl+Z undoes."
)


class ParticleGallery(QWidget):
    """The dock widget.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Injected by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        session = session_of(napari_viewer)
        self.workspace, self._preferences = session.workspace, session.preferences
        self.going = Going(napari_viewer, session, self)
        self.list = GalleryList(self.workspace, self)
        self.cutter = TileCutter()
        self.view = GalleryView(self._look, self._describe)
        self.averages = Averages()
        # What a double click takes back, and where it goes: changes of labels so far, micrograph, place.
        self._clicked: tuple[int, str, NDArray[np.float32]] | None = None
        self._cursor: tuple[str, NDArray[np.float32]] | None = None
        self._painted = -1
        self._repaint = timer(self, self._look_for_tiles, REPAINT, repeat=True)
        self._settle = timer(self, self._average, SETTLE)
        self._arrange()
        self._connect()
        self._show_rows()

    def _arrange(self) -> None:
        self.scope, self.order = QComboBox(), QComboBox()
        self.scope.addItem("All micrographs", False)
        self.scope.addItem("This micrograph", True)
        for order, title in ORDERS.items():
            self.order.addItem(title, order)
        self.order.setToolTip("What you reject or accept stays where it is until you choose an order.")
        for box in (self.scope, self.order):
            box.setMinimumContentsLength(8)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(SMALLEST, LARGEST)
        self.size_slider.setValue(USUAL)
        self.size_slider.setMaximumWidth(90)
        self.size_slider.setToolTip("Size of the tiles")
        self.status, self.hint = QLabel(), QLabel(HELP)
        self.hint.setToolTip(TIP)
        for label in (self.status, self.hint):
            label.setWordWrap(True)
            label.setMinimumHeight(2 * label.fontMetrics().lineSpacing())
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        boxes = QHBoxLayout()
        boxes.addWidget(self.scope)
        boxes.addWidget(self.order)
        column.addLayout(boxes)
        below = QHBoxLayout()
        below.addWidget(self.status, 1)
        below.addWidget(self.size_slider)
        column.addLayout(below)
        column.addWidget(self.averages)
        column.addWidget(self.hint)
        column.addStretch()
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(4, 4, 4, 4)
        self._layout.addWidget(self.view, 1)
        self._layout.addWidget(side)
        side.setMaximumWidth(360)

    def _connect(self) -> None:
        self.scope.currentIndexChanged.connect(lambda: self._choose(alone=self.scope.currentData()))
        self.order.activated.connect(lambda: self._choose(order=self.order.currentData()))
        self.size_slider.valueChanged.connect(self.view.set_size)
        self.list.changed.connect(self._show_rows)
        self.list.began.connect(self.cutter.try_again)
        self.view.moved.connect(self._on_moved)
        self.view.chosen.connect(self._remember)
        self.view.rejected.connect(partial(self._label, kind=Kind.NOT_PARTICLE))
        self.view.accepted.connect(partial(self._label, kind=Kind.PARTICLE))
        self.view.double_clicked.connect(self._on_double_click)
        self.view.visited.connect(self._visit)
        self.view.undone.connect(self.workspace.undo)
        links: list[Link] = [
            (self.workspace.options_changed, self._on_options),
            (self._preferences.changed, self._show_palette),
        ]
        connect_until_destroyed(self, links, self.cutter.close)
        self._show_palette()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Put controls beside the tiles in a wide dock, below them in a high one."""
        super().resizeEvent(event)
        wide = event.size().width() > 1.3 * event.size().height()
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._layout.direction() != way:
            self._layout.setDirection(way)

    # -- what she does ----------------------------------------------------------------------------

    def _choose(self, *, order: str | None = None, alone: bool | None = None) -> None:
        self.cutter.try_again()
        self.view.verticalScrollBar().setValue(0)
        self.list.choose(order=order, alone=alone)

    def _remember(self, row: int) -> None:
        if row < len(self.list.rows):
            self._cursor = self.list.rows.name(row), self.list.rows.picks.yx[row]

    def _label(self, row: int, kind: Kind) -> None:
        if row < len(self.list.rows):
            name, yx = self.list.rows.name(row), self.list.rows.picks.yx[row]
            self.list.label(row, kind)
            self._clicked = (self.workspace.changes, name, yx)

    def _on_double_click(self, row: int) -> None:
        """The click that came first was none: its label goes, unless something came between."""
        if self._clicked is None:
            self._visit(row)
            return
        (changes, name, yx), self._clicked = self._clicked, None
        if changes == self.workspace.changes:
            self.workspace.undo()
        self.going.go(name, yx)

    def _visit(self, row: int) -> None:
        if row < len(self.list.rows):
            self.going.go(self.list.rows.name(row), self.list.rows.picks.yx[row])

    # -- what is shown ----------------------------------------------------------------------------

    def _show_rows(self) -> None:
        """The list has changed; the cursor stays on its particle."""
        rows, cursor = self.list.rows, self.view.cursor
        found = None if self._cursor is None else rows.find(*self._cursor)
        stays = cursor if cursor is not None and cursor < len(rows) else None
        self.view.set_count(len(rows), stays if found is None else found)
        self._show_status()

    def _show_status(self, problem: str | None = None) -> None:
        rows = self.list.rows
        if problem is not None:
            text = problem
        elif self.list.gathering and not len(rows):
            text = "Gathering picks …"
        elif not self.workspace.names:
            text = "Open micrographs in the Particle picker first."
        elif not len(rows):
            where = "on this micrograph" if self.list.alone else "yet"
            text = f"No picks and no labels {where}: click some particles, or train and press Pick all."
        else:
            text = _summary(rows)
        self.status.setText(text)

    def _on_moved(self) -> None:
        """Other tiles are in view: they are wished for, then those around them."""
        rows = self.list.rows
        near, here = self.view.in_view(AHEAD), self.view.in_view()
        around = [*here, *range(here.stop, near.stop), *range(near.start, here.start)]
        self.cutter.wish([self.list.key(row) for row in around if row < len(rows)])
        self._repaint.start()
        self._settle.start()

    def _look_for_tiles(self) -> None:
        """Paint tiles that were made meanwhile."""
        if not self.cutter.busy:
            self._repaint.stop()
        if self.cutter.made != self._painted:
            self._painted = self.cutter.made
            self.view.viewport().update()
            if not self._settle.isActive():  # else the average would wait for the last tile
                self._settle.start()

    def _look(self, row: int) -> TileLook:
        picks, key = self.list.rows.picks, self.list.key(row)
        score = float(picks.scores[row])
        text = "" if np.isnan(score) else f"{score:.1f}"
        pixels = self._tile(row)
        return TileLook(
            pixels, Kind(picks.kinds[row]), text, pixels is None and self.cutter.why_not(key) is not None
        )

    def _tile(self, row: int) -> Tile | None:
        """A tile as the picture is drawn: dark and bright change places where she inverts it."""
        tile = self.cutter.get(self.list.key(row))
        return 255 - tile if tile is not None and self.workspace.options.display.invert else tile

    def _on_options(self, old: Options, new: Options) -> None:
        if old.display.invert != new.display.invert:
            self.view.viewport().update()
            self._settle.start()

    def _show_palette(self) -> None:
        self.view.colour(self._preferences.palette)

    def _describe(self, row: int) -> str:
        picks, name = self.list.rows.picks, self.list.rows.name(row)
        kind = {Kind.PARTICLE: "labelled", Kind.NOT_PARTICLE: "rejected"}.get(Kind(picks.kinds[row]), "pick")
        score = "" if np.isnan(picks.scores[row]) else f", score {picks.scores[row]:.2f}"
        y, x = picks.yx[row]
        why = self.cutter.why_not(self.list.key(row))
        return why or f"{name} at x {x:.0f}, y {y:.0f}: {kind}{score}"

    def _average(self) -> None:
        rows = self.list.rows
        here = [r for r in self.view.in_view() if r < len(rows)]
        self._show_status(next(filter(None, (self.cutter.why_not(self.list.key(r)) for r in here)), None))
        good = [r for r in here if rows.picks.kinds[r] != Kind.NOT_PARTICLE]
        tiles = [self._tile(r) for r in good]
        self.averages.show_tiles([tile for tile in tiles if tile is not None])


def _summary(rows: Rows) -> str:
    tiles, micrographs = f"{len(rows):,}".replace(",", "\u2009"), len(rows.names)
    return (
        f"{tiles} tile{'s' if len(rows) > 1 else ''} of {micrographs} "
        f"micrograph{'s' if micrographs > 1 else ''}: {rows.count(Kind.PARTICLE)} labelled, "
        f"{rows.count(Kind.NOT_PARTICLE)} rejected"
    )
