from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match

# Integers: many equal distances, pairs at exactly the radius, coinciding points.
points = st.integers(0, 12).flatmap(
    lambda n: (
        arrays(float, (n, 2), elements=st.integers(0, 15)) | arrays(float, (n, 2), elements=st.floats(0, 15))
    )
)


@settings(max_examples=100, deadline=None)
@given(points, points, st.sampled_from([0.5, 2.0, 5.0, 13.0, 100.0]))
def test_is_the_cheapest_assignment(targets: np.ndarray, picks: np.ndarray, radius: float) -> None:
    costs = np.minimum(((picks[:, None] - targets[None]) ** 2).sum(axis=2) - radius**2, 0)
    least = costs[linear_sum_assignment(costs)].sum()
    found = match(targets, picks, radius)
    assert (found.distance[found.hits] ** 2 - radius**2).sum() == pytest.approx(least, abs=1e-6)
    hit = found.target_of_pick[found.hits]
    assert len(set(hit.tolist())) == len(hit)
    np.testing.assert_allclose(
        found.distance[found.hits], np.linalg.norm(picks[found.hits] - targets[hit], axis=1)
    )
    assert (found.distance[found.hits] < radius).all()
    assert np.isnan(found.distance[~found.hits]).all()


def test_two_pairs_are_better_than_one_close_pair() -> None:
    # The second pick is nearest to the only target that the first can reach.
    found = match([[0, 0], [0, 4]], [[0, -4], [0, 1]], 5.5)
    assert found.target_of_pick.tolist() == [0, 1]
    assert found.distance.tolist() == [4, 3]


def test_one_close_pair_is_better_than_two_far_pairs() -> None:
    found = match([[0, 0], [0, 4.9]], [[0, -4.9], [0, 0]], 5)
    assert found.target_of_pick.tolist() == [-1, 0]


def test_nothing_to_match() -> None:
    assert match([], [[1, 2]], 3).target_of_pick.tolist() == [-1]
    assert match([[1, 2]], [], 3).target_of_pick.shape == (0,)
    assert match([[0, 0]], [[0, 3]], 3).target_of_pick.tolist() == [-1]
    with pytest.raises(ValueError, match="must be positive"):
        match([[0, 0]], [[0, 0]], 0)


def test_agrees_with_the_reference(shared: Path) -> None:
    with np.load(shared / "reference" / "matching.npz") as data:
        reference = dict(data)
    found = match(reference["targets_xy"], reference["picks_xy"], float(reference["radius"]))
    np.testing.assert_array_equal(found.hits, reference["assignment"] > 0)
    np.testing.assert_allclose(found.distance[found.hits], reference["distance"][found.hits], rtol=1e-6)
    curve = precision_recall(reference["scores"], found.hits, len(reference["targets_xy"]))
    for name, ours in (
        ("precision", curve.precision),
        ("recall", curve.recall),
        ("threshold", curve.thresholds),
    ):
        np.testing.assert_allclose(ours, reference[name], rtol=1e-6)
    assert curve.average_precision == pytest.approx(float(reference["average_precision"]), rel=1e-6)


def test_many_points_are_no_problem() -> None:
    rng = np.random.default_rng(0)
    targets = rng.uniform(0, 4000, (5000, 2))
    found = match(targets, targets + rng.normal(0, 1, targets.shape), 25)
    assert found.hits.all()
    assert (found.target_of_pick == np.arange(5000)).mean() > 0.99
