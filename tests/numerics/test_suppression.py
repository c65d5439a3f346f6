from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_topaz.numerics import suppression
from napari_topaz.numerics.suppression import refine_peaks, suppress


def plain(scores: np.ndarray, radius: tuple[float, float], threshold: float) -> list[tuple[int, int]]:
    """Greedy suppression as it is defined, one pick at a time."""
    left = np.where(scores >= threshold, scores, -np.inf)
    rows, columns = np.indices(scores.shape)
    picks: list[tuple[int, int]] = []
    while left.max(initial=-np.inf) > -np.inf:
        i, j = (int(n) for n in np.unravel_index(left.argmax(), left.shape))
        picks.append((i, j))
        left[((rows - i) / radius[0]) ** 2 + ((columns - j) / radius[1]) ** 2 <= 1 + 1e-9] = -np.inf
    return picks


def as_pairs(ij: np.ndarray) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in ij]


shapes = st.tuples(st.integers(1, 24), st.integers(1, 31))
radii = st.floats(0.5, 9) | st.sampled_from([1.0, 2.0, 5.0, 50.0])
# Few distinct scores: ties and plateaus everywhere.
tied_maps = shapes.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0, 1, 1.5, 2, -3]))
)
any_maps = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=st.floats(-9, 9, width=32)))


@settings(max_examples=60, deadline=None)
@given(tied_maps | any_maps, radii, radii, st.sampled_from([-np.inf, 0.0, 1.5]))
def test_equals_the_plain_loop(scores: np.ndarray, ry: float, rx: float, threshold: float) -> None:
    ij, found = suppress(scores, (ry, rx), threshold)
    assert as_pairs(ij) == plain(scores, (ry, rx), threshold)
    np.testing.assert_array_equal(found, scores[ij[:, 0], ij[:, 1]])


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("radius", [1.0, 2.4, 4.0])
def test_equals_the_plain_loop_on_larger_maps(
    smooth: bool, radius: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.random.default_rng(0).normal(size=(90, 121)).astype(np.float32)
    if smooth:
        scores = sum(np.roll(scores, (i, j), (0, 1)) for i in range(4) for j in range(4))
    expected = plain(scores, (radius, radius), -np.inf)
    assert as_pairs(suppress(scores, radius)[0]) == expected
    # With rounds to the end, and without any.
    for few, cost in ((1, 16), (10**9, 16), (1, 0)):
        monkeypatch.setattr(suppression, "FEW_PICKS", few)
        monkeypatch.setattr(suppression, "FEW_POINTS", few)
        monkeypatch.setattr(suppression, "ROUND_COST", cost)
        assert as_pairs(suppress(scores, radius)[0]) == expected


@settings(max_examples=40, deadline=None)
@given(any_maps, radii)
def test_picks_keep_their_distance_and_explain_what_is_suppressed(scores: np.ndarray, radius: float) -> None:
    ij, found = suppress(scores, radius)
    apart = np.linalg.norm(ij[:, None] - ij[None], axis=2) + np.diag(np.full(len(ij), np.inf))
    assert (apart > radius).all()
    assert (np.diff(found) <= 0).all()
    rows, columns = np.indices(scores.shape)
    near = np.hypot(rows[..., None] - ij[:, 0], columns[..., None] - ij[:, 1]) <= radius
    assert (near & (found >= scores[..., None])).any(axis=-1).all()


@pytest.mark.parametrize("radius", [3, 6, 10])
def test_agrees_with_the_reference(shared: Path, radius: int) -> None:
    with np.load(shared / "reference" / "nms.npz") as data:
        scores, xy = data["scores"], data[f"r{radius}_xy"]
    ij, _ = suppress(scores, radius, threshold=0.0)
    assert (scores[ij[:, 0], ij[:, 1]] >= 0).all()
    # The reference's disc wraps around at the right and bottom edges; what that changes there changes
    # a few neighbours in turn. Leave a border out.
    border = 3 * radius
    ours, theirs = (
        {(i, j) for i, j in yx.tolist() if border <= i < 150 - border and border <= j < 190 - border}
        for yx in (ij, xy[:, ::-1])
    )
    assert ours == theirs
    assert len(ours) * radius**2 > 4000


def test_the_disc_does_not_wrap_around() -> None:
    scores = np.full((10, 14), -np.inf, np.float32)
    scores[4, 13], scores[5, 0], scores[0, 7], scores[9, 7] = 4, 3, 2, 1
    assert as_pairs(suppress(scores, 3.0)[0]) == [(4, 13), (5, 0), (0, 7), (9, 7)]


def test_missing_scores_are_never_picked() -> None:
    scores = np.array([[np.nan, 1, -np.inf], [np.nan, np.nan, np.inf]], np.float32)
    ij, found = suppress(scores, 0.0)
    assert as_pairs(ij) == [(1, 2), (0, 1)]
    np.testing.assert_array_equal(found, [np.inf, 1])
    for empty in (np.full((3, 4), np.nan), np.full((3, 4), -np.inf)):
        assert suppress(empty, 2.0)[0].shape == (0, 2)


def test_the_threshold_belongs_to_the_picks() -> None:
    scores = np.array([[3.0, 0, 2], [0, 0, 1]])
    assert as_pairs(suppress(scores, 0.5, threshold=2.0)[0]) == [(0, 0), (0, 2)]


def test_a_plateau_is_covered_in_row_major_order() -> None:
    assert as_pairs(suppress(np.zeros((3, 5)), 1.0)[0])[:3] == [(0, 0), (0, 2), (0, 4)]
    assert as_pairs(suppress(np.zeros((30, 50)), 1e9)[0]) == [(0, 0)]


def test_leaves_the_scores_alone_and_refuses_a_negative_radius() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    suppress(scores, 2.0)
    np.testing.assert_array_equal(scores, np.arange(12).reshape(3, 4))
    with pytest.raises(ValueError, match="negative"):
        suppress(scores, -1.0)


@settings(max_examples=50, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.9, 0.9), st.floats(0.01, 100))
def test_finds_the_top_of_a_quadratic_surface(dy: float, dx: float, twist: float, scale: float) -> None:
    y, x = np.indices((7, 9)) - np.array([3 + dy, 5 + dx])[:, None, None]
    scores = -scale * (y**2 + 1.3 * x**2 + twist * y * x)
    np.testing.assert_allclose(refine_peaks(scores, np.array([[3, 5]])), [[3 + dy, 5 + dx]], atol=1e-9)


def test_refines_a_blob_and_stays_within_half_a_step() -> None:
    y, x = np.indices((20, 31))
    blob = np.exp(-((y - 8.3) ** 2 + (x - 14.6) ** 2) / 12)
    np.testing.assert_allclose(refine_peaks(blob, np.array([[8, 15]])), [[8.3, 14.6]], atol=0.02)
    moved = refine_peaks(blob, np.array([[7, 13]])) - [7, 13]
    assert moved.tolist() == [[0.5, 0.5]]


def test_peaks_without_a_top_stay() -> None:
    scores = np.zeros((5, 7), np.float32)
    scores[2, 3] = np.nan
    scores[0, 5] = 2
    peaks = np.array([[2, 2], [0, 5], [4, 6], [3, 5]])
    np.testing.assert_array_equal(refine_peaks(scores, peaks), peaks)
    saddle = np.multiply.outer(np.arange(-1, 2), np.arange(-1, 2)).astype(float)
    np.testing.assert_array_equal(refine_peaks(saddle, np.array([[1, 1]])), [[1, 1]])
    assert refine_peaks(scores, np.empty((0, 2), np.int64)).shape == (0, 2)
    assert refine_peaks(scores[:1], np.array([[0, 3]])).tolist() == [[0, 3]]
