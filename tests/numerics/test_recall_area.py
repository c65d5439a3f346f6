"""The recall area: its ends, a case by hand, and that no number of particles is in it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_topaz.numerics.recall_area import recall_area


def test_a_case_by_hand() -> None:
    # Labels at the 2nd and the 8th of 16 picks on one micrograph; one is never found.
    scores = np.arange(16, 0, -1)
    hits = np.isin(np.arange(1, 17), [2, 8])
    expected = ((1 - math.log(2) / math.log(16)) + (1 - math.log(8) / math.log(16)) + 0) / 3
    assert recall_area(scores, hits, 3, micrographs=1, most=16) == pytest.approx(expected)


def test_the_best_and_the_worst() -> None:
    assert recall_area([5, 4, 3], [True, False, False], 1, micrographs=1, most=100) == 1
    assert recall_area([5, 4, 3], [False, False, False], 2, micrographs=1, most=100) == 0
    # Less than a pick per micrograph is no better than one.
    assert recall_area([5, 4, 3], [True, True, False], 2, micrographs=2, most=100) == 1


def test_the_order_of_the_picks_does_not_count() -> None:
    rng = np.random.default_rng(0)
    scores, hits = rng.normal(size=50), rng.random(50) < 0.2
    order = rng.permutation(50)
    how = {"micrographs": 2, "most": 40.0}
    labels = int(hits.sum())
    assert recall_area(scores[order], hits[order], labels, **how) == recall_area(scores, hits, labels, **how)


def test_half_as_many_picks_are_worth_the_same_anywhere() -> None:
    def of_rank(rank: int) -> float:
        return recall_area(-np.arange(512.0), np.arange(1, 513) == rank, 1, micrographs=1, most=512)

    assert of_rank(4) - of_rank(8) == pytest.approx(of_rank(128) - of_rank(256)) == pytest.approx(1 / 9)


@pytest.mark.parametrize(("labels", "most"), [(0, 10.0), (1, 1.0)])
def test_what_has_no_area_is_refused(labels: int, most: float) -> None:
    with pytest.raises(ValueError, match="Recall needs"):
        recall_area([1.0], [False], labels, micrographs=1, most=most)


def test_equal_scores_are_one_step() -> None:
    scores, first = np.repeat([3.0, 1.0], 50), np.arange(100) % 50 < 5

    def value(hits):
        return recall_area(scores, hits, 10, micrographs=2, most=100)

    assert value(first) == value(np.roll(first, 45))
