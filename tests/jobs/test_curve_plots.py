"""The picture of an evaluation shows its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_topaz.jobs.curve_plots import draw_calibration, draw_curve, draw_evaluation
from napari_topaz.jobs.evaluate import Evaluation, evaluate
from napari_topaz.picks import Picks


@pytest.fixture
def found() -> Evaluation:
    picks = {"a": Picks([[10, 10], [90, 10], [50, 80]], [3.0, 0.0, -1.0])}
    return evaluate(picks, {"a": Picks.labels([[10, 10], [50, 80]])}, 5, beta=2)


def test_the_curve_and_its_best_point(found) -> None:
    axes = Figure().subplots()
    draw_curve(axes, found)
    curve, best = axes.lines[:2]
    np.testing.assert_allclose(curve.get_xdata(), [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.get_ydata(), [1, 1, 0.5, 2 / 3])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (1, pytest.approx(2 / 3))
    assert "best F2 0.91" in axes.texts[0].get_text()


def test_the_calibration_has_a_disc_per_bin(found) -> None:
    axes = Figure().subplots()
    draw_calibration(axes, found.calibration)
    offsets = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_allclose(offsets[:, 1], [1, 0, 1])
    np.testing.assert_allclose(offsets[1], [0.5, 0])


@pytest.mark.parametrize("scores", [[3.0, 0.0], [np.nan, np.nan]])
def test_a_picture_is_written_also_without_hits(tmp_path, scores) -> None:
    missed = evaluate({"a": Picks([[0, 0], [1, 1]], scores)}, {"a": Picks.labels([[50, 80]])}, 5)
    path = draw_evaluation(tmp_path / "new" / "e.png", "A title", missed)
    assert path.read_bytes().startswith(b"\x89PNG")
