"""Plots of a training that is watched: scores of regions, precision and recall, and several models in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QWidget

from napari_topaz.events import Judged
from napari_topaz.gui.plots import Colours, Plot

#: Colours of models that are compared; they can be told apart on dark and light ground.
SEVERAL = ("#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#8888ff")


class ScoresPlot(Plot):
    """Histograms of the scores of unlabelled regions and of regions at labels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("regions", "Scores of unlabelled and labelled regions, after an epoch", parent)
        self._unlabelled = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self._labelled = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self.item.addItem(self._unlabelled)
        self.item.addItem(self._labelled)
        self.item.getAxis("left").setTicks([])
        self.setToolTip(
            "Scores of the regions of the micrographs that it is judged on: grey those far from every "
            "label, coloured those at labels. It learns as they part; unlabelled particles make a second "
            "hill of the grey ones below the coloured ones. Heights are square roots, each to its highest."
        )
        self.set_colours(Colours())

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        for line, colour in ((self._unlabelled, colours.dropped), (self._labelled, colours.held_out)):
            faint = pg.mkColor(colour)
            faint.setAlpha(90)
            line.setPen(pg.mkPen(colour, width=2))
            line.setFillBrush(faint)

    def show_judged(self, judged: Judged | None) -> None:
        """Draw the histograms of an epoch; None where there are none."""
        self.set_filled(judged is not None)
        if judged is None:
            return
        for line, fractions in ((self._unlabelled, judged.unlabelled), (self._labelled, judged.labelled)):
            # Few regions are particles: roots, or nobody would see them beside the background.
            line.setData(judged.edges, np.sqrt(fractions / max(float(fractions.max()), 1e-12)))


class JudgedPlot(Plot):
    """Precision by recall of the newest epoch, and of the one that is kept."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("precision", "Precision and recall of labels, after an epoch", parent)
        self.item.setXRange(0, 1, padding=0.02)
        self.item.setYRange(0, 1, padding=0.04)
        self._kept = self.item.plot()
        self._newest = self.item.plot()
        self.setToolTip(
            "Estimated precision by recall of the held-out labels (of labels it learnt from where none are "
            "held out): the newest epoch, and dashed the one that is kept."
        )
        self.set_colours(Colours())

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        super().set_colours(colours)
        self._newest.setPen(pg.mkPen(colours.held_out, width=2))
        self._kept.setPen(pg.mkPen(colours.kept, width=2, style=pg.QtCore.Qt.PenStyle.DashLine))

    def show_judged(self, newest: Judged | None, kept: Judged | None = None) -> None:
        """Draw the curves of the newest epoch and of the one that is kept."""
        self.set_filled(newest is not None)
        for line, judged in ((self._newest, newest), (self._kept, kept)):
            drawn = judged if judged is not None else _NOTHING
            line.setData(drawn.recall, drawn.precision)


@dataclass(frozen=True)
class NamedCurve:
    """How one model got on: its held-out average precision, else its loss, by training step."""

    name: str
    points: Sequence[tuple[int, float]]
    held_out: bool
    chosen: bool = False


class ComparePlot(Plot):
    """The curves of several models: held-out average precision, or the loss where none has any."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("held-out AP", "Kept models are compared here", parent)
        self._lines: list[pg.PlotDataItem] = []
        self.setToolTip(
            "Held-out average precision by training step, a colour for each model. Models of other labels "
            "were judged on other held-out labels: small differences mean nothing."
        )

    def show_curves(self, curves: Sequence[NamedCurve]) -> None:
        """Draw them; where some have held-out labels, only those."""
        judged = any(curve.held_out for curve in curves)
        for line in self._lines:
            self.item.removeItem(line)
        self._lines = []
        self.item.setLabel("left", "held-out AP" if judged or not curves else "loss")
        for n, curve in enumerate(curves):
            if curve.held_out is not judged or not curve.points:
                continue
            colour = SEVERAL[n % len(SEVERAL)]
            x, y = np.asarray(curve.points, float).T
            line = pg.PlotDataItem(x, y, symbol="o", symbolSize=8 if curve.chosen else 5, symbolBrush=colour)
            line.setPen(pg.mkPen(colour, width=4 if curve.chosen else 2))
            self.item.addItem(line)
            self._lines.append(line)
        self.set_filled(bool(self._lines))


_NOTHING = Judged(*(np.empty(0) for _ in range(5)))
