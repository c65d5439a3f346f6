from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import map_coordinates

from napari_topaz.numerics.peaks import Ellipses, finer, finer_factor, local_maxima, settled, spaced

shapes = st.tuples(st.integers(1, 12), st.integers(1, 15))
# Few distinct scores: ties and plateaus everywhere.
maps = shapes.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0, 1, 1.5, 2, -3, -np.inf, np.nan]))
)


@pytest.mark.parametrize(("radius", "factor"), [(2.4, 4), (4, 3), (5, 2), (9, 1), (50, 1), (1, 4), (0, 4)])
def test_how_fine_the_grid_is_follows_from_the_radius(radius: float, factor: int) -> None:
    assert finer_factor(radius) == factor


@pytest.mark.parametrize("radius", [-1.0, float("nan")])
def test_a_negative_radius_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="negative"):
        finer_factor(radius)
    for none in (np.empty((0, 2)), np.zeros((3, 2))):
        with pytest.raises(ValueError, match="negative"):
            spaced(none, np.zeros(len(none)), radius)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_interpolates_as_splines_of_scipy(factor: int) -> None:
    scores = np.random.default_rng(0).normal(size=(13, 18)).astype(np.float32)
    fine = finer(scores, factor)
    grid = np.meshgrid(*(np.arange((n - 1) * factor + 1) / factor for n in scores.shape), indexing="ij")
    np.testing.assert_allclose(fine, map_coordinates(scores, grid, order=3, mode="mirror"), atol=1e-5)
    np.testing.assert_array_equal(fine[::factor, ::factor], scores)


@pytest.mark.parametrize("missing", [np.nan, -np.inf])
def test_missing_scores_hide_their_cells_alone(missing: float) -> None:
    scores = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    scores[2, 3] = missing
    fine = finer(scores, 4)
    hidden = np.zeros(fine.shape, bool)
    hidden[5:12, 9:16] = True
    # Of cells beside it only the other corners and edges are known.
    np.testing.assert_array_equal(np.isneginf(fine), hidden)
    np.testing.assert_array_equal(np.delete(fine[::4, ::4], 2, 0), np.delete(scores, 2, 0))
    assert np.isneginf(finer(np.full((3, 4), missing), 4)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_a_line_is_interpolated_too(shape: tuple[int, int]) -> None:
    fine = finer(np.full(shape, 2.0), 4)
    assert fine.shape == tuple((n - 1) * 4 + 1 for n in shape)
    np.testing.assert_allclose(fine, 2, atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(maps, st.sampled_from([-np.inf, 0.5]))
def test_maxima_equal_the_plain_loop(scores: np.ndarray, threshold: float) -> None:
    expected = []
    for (i, j), score in np.ndenumerate(scores):
        around = {
            (a, b): scores[a, b]
            for a in range(max(0, i - 1), min(scores.shape[0], i + 2))
            for b in range(max(0, j - 1), min(scores.shape[1], j + 2))
            if (a, b) != (i, j)
        }
        beaten = all(np.isnan(s) or score > s or (score == s and k > (i, j)) for k, s in around.items())
        if score > -np.inf and score >= threshold and beaten:
            expected.append([i, j])
    assert local_maxima(scores, threshold).tolist() == expected


def too_near(a: np.ndarray, b: np.ndarray, angles: tuple[float, float], radius: float, aspect: float) -> bool:
    """Whether either lies in the ellipse of the other."""
    for angle in angles:
        turn = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
        along, across = turn @ (a - b) / radius
        if along**2 + (aspect * across) ** 2 <= 1 + 1e-9:
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 10**6), st.sampled_from([1.0, 1.4, 3.0]), st.booleans())
def test_what_keeps_its_distance_equals_the_plain_loop(
    count: int, seed: int, aspect: float, disc: bool
) -> None:
    rng = np.random.default_rng(seed)
    places, angles = rng.uniform(0, 10, (count, 2)), rng.uniform(-4, 4, count)
    scores, radius = rng.integers(0, 9, count).astype(float), 2.0
    taken: list[int] = []
    for k in np.argsort(-scores, kind="stable").tolist():
        how = (radius, 1.0 if disc else aspect)
        if not any(too_near(places[k], places[t], (angles[k], angles[t]), *how) for t in taken):
            taken.append(k)
    ellipses = None if disc else Ellipses(angles, aspect)
    assert spaced(places, scores, radius, ellipses).tolist() == taken


def test_a_place_at_exactly_the_radius_is_dropped() -> None:
    places = np.array([[0.0, 0], [0.6, 0.8], [0, 1.001]])
    assert spaced(places, np.array([3, 2, 1]), 1.0).tolist() == [0, 2]
    assert spaced(places, np.array([3, 2, 1]), 1e9).tolist() == [0]
    assert spaced(places, np.array([1, 2, 3]), 0.0).tolist() == [2, 1, 0]


def test_an_ellipse_lies_along_its_angle() -> None:
    """Angles go from x towards y: one of 90° reaches far along y."""
    places = np.array([[0.0, 0], [0, 0.9], [0.9, 0]])
    for angle, left in ((0.0, [0, 2]), (np.pi / 2, [0, 1])):
        found = spaced(places, np.array([3, 2, 1]), 1.0, Ellipses(np.full(3, angle), 2.0))
        assert found.tolist() == left
    with pytest.raises(ValueError, match="aspect"):
        spaced(places, np.arange(3), 1.0, Ellipses(np.zeros(3), 0.5))


def test_picks_settle_where_they_keep_their_distance() -> None:
    places = np.array([[0.0, 0], [0, 10], [0, 20], [50, 50]])
    moved = np.array([[0, 1], [0, 8.5], [0, 21], [51, 50]])
    # The second would come too near to the first: it stays. The others go.
    kept, found = settled(places, moved, 8.0)
    assert kept.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found, np.where(np.arange(4)[:, None] == 1, places, moved))
    # It may neither go nor stay: the first has come too near.
    kept, found = settled(places[:3], [[0, 3], [0, 8.5], [0, 21]], 8.0)
    assert kept.tolist() == [0, 2]
    np.testing.assert_array_equal(found, [[0, 3], [0, 21]])
    np.testing.assert_array_equal(settled(places, moved, 7.0)[1], moved)
    kept, found = settled(np.empty((0, 2)), np.empty((0, 2)), 3.0)
    assert (kept.shape, found.shape) == ((0,), (0, 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10**6), st.sampled_from([None, 1.5]))
def test_settling_equals_the_plain_loop(count: int, seed: int, aspect: float | None) -> None:
    rng = np.random.default_rng(seed)
    places, radius, expected = rng.uniform(0, 9, (count, 2)), 1.5, []
    moved, angles = places + rng.normal(0, 0.7, places.shape), rng.uniform(-4, 4, count)
    for k in range(count):
        for place in (moved[k], places[k]):
            if not any(too_near(place, p, (angles[k], angles[n]), radius, aspect or 1) for n, p in expected):
                expected.append((k, place))
                break
    ellipses = None if aspect is None else Ellipses(angles, aspect)
    kept, found = settled(places, moved, radius, ellipses)
    assert kept.tolist() == [k for k, _ in expected]
    np.testing.assert_array_equal(found, [p for _, p in expected])
    # What is worse changes nothing of what is better.
    some = settled(
        places[: count // 2],
        moved[: count // 2],
        radius,
        None if aspect is None else Ellipses(angles[: count // 2], aspect),
    )
    np.testing.assert_array_equal(some[1], found[: len(some[1])])
