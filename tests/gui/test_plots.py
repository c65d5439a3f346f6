"""Curves of a training, and the histogram with the threshold."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_topaz.gui.plots import CurvesPlot, ScoreHistogram

pytestmark = pytest.mark.gui


def test_the_scale_of_held_out_labels_is_there_with_them(qtbot: QtBot) -> None:
    plot = CurvesPlot()
    qtbot.addWidget(plot)
    plot.resize(300, 92)
    plot.show()
    right = plot.item.getAxis("right")
    plot.show_curves([(10, 0.5), (20, 0.4)], [], None)
    assert not right.isVisible()
    plot.item.layout.activate()
    without = plot.item.vb.sceneBoundingRect().width()
    plot.show_curves([(10, 0.5), (20, 0.4)], [(20, 0.7)], 0)
    plot.item.layout.activate()
    assert plot.item.vb.sceneBoundingRect().width() < without
    assert right.isVisible()
    # Both curves lie in the same rectangle, whatever stands beside it.
    assert plot._right.geometry().width() == pytest.approx(plot.item.vb.sceneBoundingRect().width(), abs=1)
    low, high = plot._right.viewRange()[1]
    assert low < 0 < 1 < high
    plot.show_curves([(10, 0.5)], [], None)
    assert not right.isVisible()


def test_of_many_moves_of_the_threshold_the_last_one_is_told(qtbot: QtBot) -> None:
    histogram, told = ScoreHistogram(), []
    qtbot.addWidget(histogram)
    histogram.show_scores(np.linspace(-5, 5, 100, dtype=np.float32), 0.0)
    histogram.threshold_chosen.connect(told.append)
    for place in (0.5, 1.0, 1.5):
        histogram._line.setValue(place)
        histogram.show_scores(histogram._scores, 0.25)  # what was told before comes back late
        assert histogram._line.value() == place
    qtbot.waitUntil(lambda: bool(told))
    qtbot.wait(20)
    assert told == [1.5]
    histogram.show_scores(histogram._scores, -2.0)
    assert histogram._line.value() == -2.0
    qtbot.wait(20)
    assert told == [1.5]  # it was not her
