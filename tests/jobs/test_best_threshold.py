"""The best threshold of picks that are there already."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from napari_topaz.events import JobError
from napari_topaz.jobs import best_threshold
from napari_topaz.jobs.best_threshold import by_scores, by_targets
from napari_topaz.numerics.curves import precision_recall

#: Two sure ones that are right, a wrong one, one more that is right, and then dross.
CURVE = precision_recall([5, 4, 3, 2, 1, 0, -1], [True, True, False, True, False, False, False], 4)


@pytest.mark.parametrize(
    ("beta", "threshold", "precision"), [(0.5, 4.0, 1.0), (1.0, 2.0, 3 / 4), (2.0, 2.0, 3 / 4)]
)
def test_targets_tell_it(beta: float, threshold: float, precision: float) -> None:
    found = by_targets(CURVE, 7, beta)
    assert (found.threshold, found.precision) == (threshold, pytest.approx(precision))
    assert (found.micrographs, found.measured) == (7, True)


def test_where_no_pick_is_right_none_is_better() -> None:
    with pytest.raises(JobError, match="No pick is at a target"):
        by_targets(precision_recall([2, 1], [False, False], 3), 1, 1.0)


def best_of_all(scores: np.ndarray, beta: float) -> float:
    """By trying all of them."""
    p = expit(scores)
    f = [(1 + beta**2) * p[scores >= t].sum() / ((scores >= t).sum() + beta**2 * p.sum()) for t in scores]
    return float(scores[int(np.argmax(f))])


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_scores_tell_it_where_they_are_probabilities(beta: float) -> None:
    rng = np.random.default_rng(3)
    parts = [rng.normal(-1, 2, 150).astype(np.float32), rng.normal(0, 2, 50).astype(np.float32)]
    found = by_scores(parts, beta)
    scores = np.concatenate(parts)
    assert found.threshold == pytest.approx(best_of_all(scores, beta))
    kept = scores >= np.float32(found.threshold)
    assert found.precision == pytest.approx(float(expit(scores[kept]).mean()), rel=1e-5)
    assert (found.micrographs, found.measured) == (2, False)


def test_a_larger_weight_of_the_recall_takes_more() -> None:
    scores = [np.linspace(-6, 6, 400)]
    thresholds = [by_scores(scores, beta).threshold for beta in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == 5


def test_of_many_micrographs_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_threshold, "MOST_MICROGRAPHS", 3)
    assert by_scores([np.array([1.0, -1.0])] * 7, 1.0).micrographs == 3
    assert by_scores([np.array([1.0, -1.0])] * 3, 1.0).micrographs == 3


def test_without_picks_there_is_none() -> None:
    for nothing in ([], [np.empty(0)]):
        with pytest.raises(JobError, match="no picks"):
            by_scores(nothing, 1.0)
