from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.numerics.curves import precision_recall


def test_a_known_curve() -> None:
    curve = precision_recall([0.9, 0.1, 0.8, 0.5], [True, True, False, True], 4)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.5, 0.1]
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 3 / 4])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 2 / 4, 3 / 4])
    assert curve.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 4)
    assert curve.precision_at(0.25) == 1
    assert curve.precision_at(0.3) == pytest.approx(2 / 3)
    assert curve.precision_at(0.75) == pytest.approx(3 / 4)
    assert curve.precision_at(0.76) == 0
    assert curve.best_f() == (pytest.approx(3 / 4), 0.1)


def test_recall_three_quarters_is_reached_however_it_is_rounded() -> None:
    # Every other pick is right; 3 · 0.1 is a little more than 3 / 10.
    curve = precision_recall(-np.arange(18.0), np.arange(18) % 2, 10)
    for tenth in range(1, 10):
        assert curve.precision_at(tenth * 0.1) == 0.5
    curve = precision_recall(-np.arange(5.0), [True, True, True, False, True], 10)
    assert curve.precision_at(3 * 0.1) == 1


def test_beta_shifts_the_best_threshold() -> None:
    curve = precision_recall([3, 2, 1, 0, -1], [True, False, False, False, True], 2)
    assert curve.best_f(0.5) == (pytest.approx(1.25 * 0.5 / (0.25 + 0.5)), 3)
    assert curve.best_f(2) == (pytest.approx(5 * 0.4 / (4 * 0.4 + 1)), -1)


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.booleans()), max_size=20), st.randoms())
def test_equal_scores_are_one_step(pairs: list[tuple[float, bool]], random: np.random.RandomState) -> None:
    def curve_of(pairs: list[tuple[float, bool]]) -> tuple[list[float], ...]:
        curve = precision_recall([s for s, _ in pairs], [h for _, h in pairs], 25)
        return curve.precision.tolist(), curve.recall.tolist(), curve.thresholds.tolist()

    before = curve_of(pairs)
    assert before[2] == sorted({s for s, _ in pairs}, reverse=True)
    for precision, recall, threshold in zip(*before, strict=True):
        kept = [hit for score, hit in pairs if score >= threshold]
        assert (precision, recall) == (pytest.approx(np.mean(kept)), pytest.approx(sum(kept) / 25))
    random.shuffle(pairs)
    assert curve_of(pairs) == before


def test_perfect_and_hopeless_picks() -> None:
    assert precision_recall([3, 2, 1], [True] * 3, 3).average_precision == 1
    assert precision_recall([3, 2, 1], [True] * 3, 6).average_precision == 0.5
    hopeless = precision_recall([3, 2, 1], [False] * 3, 3)
    assert (hopeless.average_precision, hopeless.best_f()) == (0, (0, np.inf))
    empty = precision_recall([], [], 3)
    assert (empty.average_precision, empty.precision_at(0.5), empty.best_f()) == (0, 0, (0, np.inf))


def test_picks_without_a_score_come_last() -> None:
    curve = precision_recall([np.nan, 1, np.nan], [True, True, False], 2)
    assert curve.thresholds.tolist() == [1, -np.inf]
    assert curve.precision.tolist() == [1, pytest.approx(2 / 3)]


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one target"):
        precision_recall([1], [False], 0)
    with pytest.raises(ValueError, match="hit twice"):
        precision_recall([1, 2], [True, True], 1)
    with pytest.raises(ValueError, match="one length"):
        precision_recall([1, 2], [True], 1)
