"""Live plots: the curves of a training, the histogram of scores, and precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QStackedLayout, QWidget

from napari_topaz.numerics.curves import Curve

#: Height of a plot in the dock.
HEIGHT = 92
#: Bars of the histogram.
BINS = 80
#: Points of a curve that are drawn.
MOST_POINTS = 2000


@dataclass(frozen=True)
class Colours:
    """Colours of a theme, as CSS names or "#rrggbb"."""

    background: str = "#262930"
    text: str = "#f0f1f2"
    loss: str = "#8fa3bf"
    held_out: str = "#ffb454"
    kept: str = "#35c9ff"
    dropped: str = "#5a626c"


class Plot(QWidget):
    """A small plot that cannot be panned or zoomed by accident."""

    def __init__(self, left: str, empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.widget = pg.PlotWidget()
        self.item = self.widget.getPlotItem()
        self.item.setMouseEnabled(False, False)
        self.item.setMenuEnabled(False)
        self.item.hideButtons()
        self.item.layout.setContentsMargins(1, 6, 1, 1)  # or the highest number is cut off
        self.item.setLabel("left", left)
        self.item.getAxis("left").setWidth(56)
        self.item.getAxis("bottom").setHeight(19)
        for axis in ("left", "bottom"):
            self.item.getAxis(axis).enableAutoSIPrefix(False)
        self.widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._empty = QLabel(empty)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setEnabled(False)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.widget)

    def set_filled(self, filled: bool) -> None:
        """Show the plot, or what will be there."""
        self._stack.setCurrentWidget(self.widget if filled else self._empty)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Ask for little: a dock should leave the picture its room."""
        return QSize(300, HEIGHT)

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        self.widget.setBackground(colours.background)
        for name in ("left", "bottom"):
            axis = self.item.getAxis(name)
            axis.setPen(colours.text)
            axis.setTextPen(colours.text)
            axis.label.setDefaultTextColor(pg.mkColor(colours.text))
        self._empty.setStyleSheet(f"color: {colours.dropped};")


class CurvesPlot(Plot):
    """Loss by step, and the held-out average precision of each epoch on a scale of its own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("loss", "Loss and held-out precision by training step", parent)
        self.item.showAxis("right")
        self.item.setLabel("right", "held-out AP")
        self.item.getAxis("right").setWidth(40)
        self._right = pg.ViewBox()
        self.item.scene().addItem(self._right)
        self.item.getAxis("right").linkToView(self._right)
        self._right.setXLink(self.item)
        self._right.setYRange(0, 1, padding=0.12)  # or the number at its end is cut off
        self._right.setMouseEnabled(False, False)
        self.item.vb.sigResized.connect(self._follow)
        self._loss = self.item.plot()
        self._held_out = pg.PlotDataItem(symbol="o", symbolSize=6)
        self._best = pg.ScatterPlotItem(symbol="star", size=14)
        self._right.addItem(self._held_out)
        self._right.addItem(self._best)
        self.setToolTip("The star: the epoch that is kept, as good as the best on held-out micrographs.")
        self.set_colours(Colours())

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        right = self.item.getAxis("right")
        right.setPen(colours.held_out)
        right.setTextPen(colours.held_out)
        right.label.setDefaultTextColor(pg.mkColor(colours.held_out))
        self._loss.setPen(pg.mkPen(colours.loss, width=2))
        self._held_out.setPen(pg.mkPen(colours.held_out, width=2))
        self._held_out.setSymbolBrush(colours.held_out)
        self._best.setBrush(colours.held_out)

    def show_curves(
        self, loss: Sequence[tuple[int, float]], held_out: Sequence[tuple[int, float]], best: int | None
    ) -> None:
        """Draw the curves by step; `best` is the index in `held_out` of the epoch that is kept."""
        self.set_filled(len(loss) > 0)
        self.item.showAxis("right", len(held_out) > 0)  # an empty scale says that something went wrong
        self._loss.setData(*_columns(loss))
        self._held_out.setData(*_columns(held_out))
        self._best.setData(*_columns([] if best is None else [held_out[best]]))

    def _follow(self) -> None:
        self._right.setGeometry(self.item.vb.sceneBoundingRect())


class ScoreHistogram(Plot):
    """How many peaks have which score, with a line at the threshold that can be dragged or clicked.

    Signals
    -------
    threshold_chosen(float)
        She put the line somewhere.
    """

    threshold_chosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("peaks", "Scores of the peaks, and the threshold", parent)
        self._scores: NDArray[np.float32] = np.empty(0, np.float32)
        self._colours = Colours()
        self._count(self._scores)
        self._bars = pg.BarGraphItem(x=[0], height=[0], width=1)
        self.item.addItem(self._bars)
        self._line = pg.InfiniteLine(0, movable=True, hoverPen=pg.mkPen("#ffffff", width=4))
        self._line.setCursor(Qt.CursorShape.SizeHorCursor)
        self._line.hide()
        self._line.sigPositionChanged.connect(self._moved)
        self._wanted = 0.0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(lambda: self.threshold_chosen.emit(self._wanted))
        self.item.addItem(self._line)
        self.item.scene().sigMouseClicked.connect(self._clicked)
        self.setToolTip("Drag the line, or click: what is to its right becomes a pick.")
        self.set_colours(self._colours)

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        self._colours = colours
        self._line.setPen(pg.mkPen(colours.kept, width=3))

    def show_scores(self, scores: NDArray[np.float32], threshold: float) -> None:
        """Draw the scores of all peaks and the line at the threshold."""
        scores = scores[np.isfinite(scores)]
        self._line.setVisible(len(scores) > 0)
        self.set_filled(len(scores) > 0)
        if not np.array_equal(scores, self._scores):
            self._scores = scores
            self._count(scores)
        kept = self._centres >= threshold
        brushes = [pg.mkBrush(self._colours.kept if k else self._colours.dropped) for k in kept]
        self._bars.setOpts(
            x=self._centres, height=self._heights, width=self._width, brushes=brushes, pen=None
        )
        if np.isfinite(threshold) and not self._soon.isActive():  # else she has moved it on
            blocked = self._line.blockSignals(True)
            self._line.setValue(threshold)
            self._line.blockSignals(blocked)

    def _count(self, scores: NDArray[np.float32]) -> None:
        counts, edges = np.histogram(scores, BINS) if len(scores) else (np.zeros(1), np.arange(2.0))
        self._centres, self._width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        # The few good peaks must be seen beside the many bad ones.
        self._heights = np.sqrt(counts)
        self.item.setYRange(0, max(float(self._heights.max()), 1), padding=0.02)
        self.item.setXRange(float(edges[0]), float(edges[-1]), padding=0.02)
        self.item.getAxis("left").setTicks([_root_ticks(float(counts.max()))])

    def _moved(self) -> None:
        """Tell it when all that the mouse did meanwhile was seen: where painting is slow, moves pile up."""
        self._wanted = float(self._line.value())
        self._soon.start(0)

    def _clicked(self, event: Any) -> None:
        if len(self._scores) and event.button() == Qt.MouseButton.LeftButton:
            self.threshold_chosen.emit(float(self.item.vb.mapSceneToView(event.scenePos()).x()))


class PrecisionRecallPlot(Plot):
    """Precision against recall, with a point at the threshold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("precision", "Precision and recall, as soon as there are picks", parent)
        self.item.setXRange(0, 1, padding=0.02)
        self.item.setYRange(0, 1, padding=0.04)
        self._line = self.item.plot()
        self._here = pg.ScatterPlotItem(size=10)
        self.item.addItem(self._here)
        self.setToolTip(
            "Precision by recall of all peaks, against the targets of the micrographs that are picked. "
            "A hit lies nearer to its target than half the diameter. The point: the threshold."
        )
        self.set_colours(Colours())

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        self._line.setPen(pg.mkPen(colours.held_out, width=2))
        self._here.setBrush(colours.kept)
        self._here.setPen(None)

    def show_curve(self, curve: Curve | None, here: int | None) -> None:
        """Draw a curve and the point of one of its steps; None for what there is not."""
        self.set_filled(curve is not None)
        if curve is None:
            return
        shown = _some(len(curve.recall))
        self._line.setData(curve.recall[shown], curve.precision[shown])
        at = [] if here is None else [here]
        self._here.setData(curve.recall[at], curve.precision[at])


def _some(points: int) -> NDArray[np.intp]:
    """Indices of the points of a curve that are drawn: a million would take the window seconds."""
    if points <= MOST_POINTS:
        return np.arange(points)
    first = np.arange(MOST_POINTS // 4)  # where it is ragged
    return np.union1d(first, np.linspace(0, points - 1, MOST_POINTS - len(first)).round().astype(np.intp))


def _columns(points: Sequence[tuple[int, float]]) -> tuple[NDArray[Any], NDArray[Any]]:
    table = np.asarray(points, float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _root_ticks(most: float) -> list[tuple[float, str]]:
    """Ticks of an axis of square roots, labelled with the counts."""
    steps = [n for n in (1, 5, 20, 100, 500, 2000, 10_000) if n <= most]
    return [(float(np.sqrt(n)), str(n)) for n in (0, *steps[-3:])]
