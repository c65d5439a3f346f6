"""How many particles each micrograph has, and which stand out: the fold *Per micrograph*."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.plots import Colours, Plot
from napari_topaz.numerics.counts import Counts, envelope

TITLE = "Per micrograph"
#: Of more micrographs than this, the highest and lowest of several neighbours are drawn.
MOST_POINTS = 400
#: Micrographs that are named under the plot.
MOST_NAMES = 5
#: How near to a mark a click must be, pixels.
NEAR = 9
#: Numbers at the axis of square roots.
_TICKS = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass(frozen=True, eq=False)
class Summary:
    """Particles of the micrographs that are picked.

    Attributes
    ----------
    names : sequence of str
        Of those, in the order of the list.
    at : ndarray of int, shape (n,)
        Where each stands in the list of those in use, from 1.
    counts : Counts
        Of each.
    failed : sequence of str
        Micrographs that could not be picked.
    """

    names: Sequence[str] = ()
    at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    counts: Counts = field(default_factory=lambda: Counts.of([]))
    failed: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What the fold says while it is closed."""
        n = len(self.counts.outliers)
        stand_out = f" · {n} stand{'s' * (n == 1)} out" if n else ""
        failed = f" · {len(self.failed)} failed" if self.failed else ""
        return f"{TITLE}{stand_out}{failed}"

    @property
    def text(self) -> str:
        """The numbers, as rich text with a link for each micrograph that is named; empty without any."""
        counts, n, parts = self.counts, len(self.names), []
        if n:
            where = "1 micrograph" if n == 1 else f"{n} micrographs"
            parts = [f"{counts.total} particles on {where}", f"median {counts.median:g}"]
        if counts.without:
            parts.append(f"{counts.without} without any")
        if self.failed:
            parts.append(f"{len(self.failed)} failed ({_some([_link(name) for name in self.failed])})")
        if not parts:
            return ""
        text = f"{', '.join(parts)}."
        links = [_link(self.names[i], int(counts.counts[i])) for i in counts.outliers[: MOST_NAMES + 1]]
        more = len(counts.outliers) - len(links)
        return f"{text} Stand out: {_some(links, more)}." if links else text


class CountsPlot(Plot):
    """Particles by micrograph, on a scale of square roots; those that stand out are triangles.

    Signals
    -------
    chosen(int)
        She clicked at this micrograph: its index in the summary.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("particles", "Particles of each micrograph, as soon as some are picked", parent)
        self.item.setLabel("bottom", "micrograph in the list")
        self.item.getAxis("bottom").setHeight(34)
        self.item.layout.setContentsMargins(1, 6, 1, 6)  # or that label is cut off
        self._summary = Summary()
        self.points = pg.ScatterPlotItem(size=4, pen=None)
        self.lines = pg.PlotCurveItem(connect="pairs")
        self.many = pg.ScatterPlotItem(symbol="t1", size=10, pen=None)
        self.few = pg.ScatterPlotItem(symbol="t", size=10, pen=None)
        self._median = pg.InfiniteLine(angle=0)
        self._here = pg.InfiniteLine(angle=90)
        for item in (self._here, self._median, self.lines, self.points, self.many, self.few):
            self.item.addItem(item)
        self.item.scene().sigMouseClicked.connect(self._clicked)
        self.setToolTip(
            "Particles of each micrograph, in the order of the list; the line is the median. Triangles stand "
            "out: more than 3.5 robust standard deviations (of the square root) off. Click to go there."
        )
        self.set_colours(Colours())

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        self.points.setBrush(colours.kept)
        self.lines.setPen(pg.mkPen(colours.kept, width=1))
        for item in (self.many, self.few):
            item.setBrush(colours.held_out)
        self._median.setPen(pg.mkPen(colours.text, style=Qt.PenStyle.DashLine))
        self._here.setPen(pg.mkPen(colours.dropped, width=2))

    def show_summary(self, summary: Summary) -> None:
        """Draw another summary."""
        self._summary = summary
        self.set_filled(len(summary.names) > 0)
        if not summary.names:
            return
        counts, at = summary.counts.counts, summary.at
        roots, few = np.sqrt(counts), len(counts) <= MOST_POINTS
        self.points.setData(at, roots) if few else self.points.clear()
        self.lines.setData(*_pairs(at, counts)) if not few else self.lines.clear()
        outliers = summary.counts.outliers
        above = summary.counts.z[outliers] > 0
        for item, some in ((self.many, outliers[above]), (self.few, outliers[~above])):
            item.setData(at[some], roots[some])
        self._median.setValue(summary.counts.median**0.5)
        most = float(counts.max())
        self.item.setYRange(0, max(most, 1) ** 0.5, padding=0.08)
        self.item.setXRange(float(at[0]), float(max(at[-1], at[0] + 1)), padding=0.02)
        self.item.getAxis("left").setTicks([_ticks(most)])

    def show_current(self, at: int | None) -> None:
        """Mark the place in the list that is shown."""
        self._here.setVisible(at is not None)
        if at is not None:
            self._here.setValue(at)

    def nearest(self, x: float, y: float) -> int | None:
        """Return the index of the micrograph meant by a place in the plot (list, square root)."""
        summary = self._summary
        if not summary.names:
            return None
        width, height = self.item.vb.viewPixelSize()
        roots, outliers = np.sqrt(summary.counts.counts), summary.counts.outliers
        dx, dy = (summary.at - x) / max(width, 1e-9), (roots - y) / max(height, 1e-9)
        off = np.hypot(dx, dy)
        if len(outliers) and off[outliers].min() <= NEAR:
            return int(outliers[off[outliers].argmin()])
        # Where thousands stand side by side, those under the mouse; of them the one at this height.
        column = np.flatnonzero(np.abs(dx) <= max(0.5, float(np.abs(dx).min())))
        return int(column[np.abs(dy[column]).argmin()])

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self.item.vb.mapSceneToView(event.scenePos())
        if (found := self.nearest(place.x(), place.y())) is not None:
            self.chosen.emit(found)


class SummaryPanel(QWidget):
    """The fold with the plot, and the numbers below it.

    Signals
    -------
    chosen(str)
        She wants to see this micrograph.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fold = Fold(TITLE)
        self.plot = CountsPlot()
        self.numbers = QLabel()
        self.numbers.setObjectName("counts")
        self.numbers.setWordWrap(True)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.fold.add(self.plot)
        self.fold.add(self.numbers)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self._summary, self._link = Summary(), Colours().kept
        self.plot.chosen.connect(lambda index: self.chosen.emit(self._summary.names[index]))
        self.numbers.linkActivated.connect(self.chosen.emit)
        self.show_summary(self._summary)

    def show_summary(self, summary: Summary) -> None:
        """Show the numbers of another summary."""
        self._summary = summary
        self.fold.button.setText(summary.title)
        self.plot.show_summary(summary)
        coloured = summary.text.replace("<a ", f'<a style="color: {self._link};" ')
        self.numbers.setText(coloured)
        self.numbers.setVisible(bool(coloured))

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        self._link = colours.kept
        self.plot.set_colours(colours)
        self.show_summary(self._summary)


def _pairs(at: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of a line for each stretch of the list, from its lowest to its highest count."""
    x, low, high = envelope(counts, MOST_POINTS)
    place = np.interp(x, np.arange(len(at)), at)
    # A stretch of equal counts has a line too.
    ends = np.sqrt(np.stack([np.maximum(low - 0.3, 0), high + 0.3], axis=1))
    return np.repeat(place, 2), ends.ravel()


def _ticks(most: float) -> list[tuple[float, str]]:
    """Ticks of the axis of square roots, labelled with the counts."""
    fitting = [n for n in _TICKS[1:] if n <= most]
    return [(n**0.5, str(n)) for n in (0, *fitting[-3::2])]


def _link(name: str, count: int | None = None) -> str:
    text = html.escape(name)
    return f'<a href="{text}">{text}</a>{"" if count is None else f" ({count})"}'


def _some(links: Sequence[str], more: int = 0) -> str:
    """Name the first ones, and how many there are besides."""
    rest = len(links) - MOST_NAMES + more
    return ", ".join(links[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
