"""What scores mean: known probabilities are found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from napari_topaz.numerics.presence import SLOPE, Precision, best_threshold, fit_precision


def planted(slope: float, offset: float, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose precision is logistic, and which of them are particles."""
    rng = np.random.default_rng(3)
    scores = np.where(rng.random(n) < 0.3, rng.normal(2.5, 1.5, n), rng.normal(-2, 1.2, n))
    return scores, rng.random(n) < expit(slope * scores + offset)


@pytest.mark.parametrize(("slope", "offset"), [(0.5, -0.5), (0.9, 0.3), (1.8, -1.0)])
def test_planted_probabilities_are_recovered(slope: float, offset: float) -> None:
    scores, hits = planted(slope, offset)
    fit = fit_precision(scores, hits.sum(), scores[hits][:1000])
    assert fit.slope == pytest.approx(slope, rel=0.12)
    assert fit.of(scores).mean() == pytest.approx(hits.mean(), abs=1e-3)
    threshold, precision = best_threshold(fit.logits_of(scores), hits.sum())
    above = fit.logits_of(scores) >= threshold
    assert precision == pytest.approx(hits[above].mean(), abs=0.02)


@pytest.mark.parametrize("slope", [0.6, SLOPE])
def test_without_labels_the_number_alone_decides(slope: float) -> None:
    scores, hits = planted(slope, 0.0)
    fit = fit_precision(scores, hits.sum(), slope=slope)
    assert fit.slope == pytest.approx(slope, rel=0.05)
    assert fit.of(scores).sum() == pytest.approx(hits.sum(), rel=1e-6)


def test_one_label_moves_the_slope_less_than_many() -> None:
    scores, hits = planted(2.5, 0.0)
    one = fit_precision(scores, hits.sum(), scores[hits][:1]).slope
    many = fit_precision(scores, hits.sum(), scores[hits][:500]).slope
    assert abs(np.log(one / SLOPE)) < 0.3
    assert many > 1.8


@pytest.mark.parametrize("particles", [0.0, 1e9])
def test_impossible_numbers_are_bounded(particles: float) -> None:
    scores, _ = planted(1.0, 0.0, 200)
    assert np.isfinite(fit_precision(scores, particles).offset)


def test_nothing_to_fit() -> None:
    with pytest.raises(ValueError, match="picks"):
        fit_precision([], 3)
    with pytest.raises(ValueError, match="picks"):
        best_threshold([], 3)


def test_equal_scores_are_found_too() -> None:
    fit = fit_precision(np.zeros(10), 4)
    np.testing.assert_allclose(fit.of(0.0), 0.4)


def test_the_threshold_is_that_of_the_best_f() -> None:
    logits = np.array([4.0, 2.0, 0.0, -2.0, -4.0])
    p = expit(logits)
    for beta in (1.0, 2.0):
        f = [(1 + beta**2) * p[: k + 1].sum() / (k + 1 + beta**2 * 2.5) for k in range(5)]
        threshold, precision = best_threshold(logits[::-1], 2.5, beta)
        assert threshold == logits[int(np.argmax(f))]
        assert precision == pytest.approx(p[: int(np.argmax(f)) + 1].mean())


def test_ties_are_not_divided() -> None:
    threshold, precision = best_threshold([1.0, 1.0, 1.0, -9.0], 2.0)
    assert threshold == 1.0
    assert precision == pytest.approx(expit(1.0))


def test_logits_and_probabilities_agree() -> None:
    fit = Precision(2.0, -1.0)
    np.testing.assert_allclose(expit(fit.logits_of([0.0, 1.0])), fit.of([0.0, 1.0]))
