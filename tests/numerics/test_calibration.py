"""Calibration: a table one can count."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.calibration import calibrate


def logit(p):
    return np.log(p) - np.log1p(-np.asarray(p))


def test_a_table_one_can_count() -> None:
    table = calibrate(logit([0.11, 0.15, 0.19, 0.95, 0.97]), [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(table.count, [3, 2])
    np.testing.assert_allclose(table.low, [0.1, 0.9])
    np.testing.assert_allclose(table.high, [0.2, 1.0])
    np.testing.assert_allclose(table.predicted, [0.15, 0.96])
    np.testing.assert_allclose(table.observed, [1 / 3, 1])
    assert table.error == pytest.approx((3 * (1 / 3 - 0.15) + 2 * 0.04) / 5)
    assert table.rows()[1] == pytest.approx(
        {"low": 0.9, "high": 1.0, "count": 2, "predicted": 0.96, "observed": 1.0}
    )


def test_true_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 50_000)
    hits = rng.uniform(size=len(p)) < p
    assert calibrate(logit(p), hits).error < 0.015
    assert calibrate(logit(p) + 1.5, hits).error > 0.15


def test_far_scores_fall_into_the_outer_bins() -> None:
    table = calibrate([-1e4, 1e4, np.inf, -np.inf], [0, 1, 1, 0])
    np.testing.assert_array_equal(table.count, [2, 2])
    np.testing.assert_array_equal(table.observed, [0, 1])


def test_picks_without_scores_are_left_out() -> None:
    table = calibrate([np.nan, np.nan], [0, 1])
    assert len(table.count) == 0
    assert np.isnan(table.error)
    assert table.rows() == []


def test_lists_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        calibrate([1.0], [1, 0])
