"""Boxes: the right pixels in the right place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.choices import EDGES
from napari_topaz.numerics.boxes import (
    background_mask,
    box_corners,
    boxes_fit,
    cut_box,
    normalise_background,
    rotational_average,
)

SHAPE = (40, 57)
IMAGE = np.arange(40 * 57, dtype=np.float32).reshape(SHAPE)


@pytest.mark.parametrize("size", [8, 9, 1])
@pytest.mark.parametrize("yx", [(20, 31), (20.4, 30.6), (19.5, 30.5)])
def test_the_pick_is_the_middle_of_the_box(size, yx) -> None:
    corner = box_corners(np.array([yx]), size)[0]
    box = cut_box(IMAGE, corner, size)
    assert box.shape == (size, size)
    assert box[size // 2, size // 2] == IMAGE[20, 31]


@given(st.integers(2, 12), st.integers(-15, 55), st.integers(-15, 70))
def test_a_box_fits_where_all_its_pixels_are_in_the_image(size, y, x) -> None:
    corner = box_corners(np.array([[y, x]]), size)
    rows, columns = corner[0, 0] + np.arange(size), corner[0, 1] + np.arange(size)
    inside = bool(((rows >= 0) & (rows < 40)).all() and ((columns >= 0) & (columns < 57)).all())
    assert boxes_fit(corner, size, SHAPE)[0] == inside


@pytest.mark.parametrize("centre", [(1, 2), (38, 55), (0, 30), (39, 0)])
def test_the_image_goes_on_beyond_its_edges(centre) -> None:
    corner = box_corners(np.array([centre]), 12)[0]
    rows, columns = corner[0] + np.arange(12), corner[1] + np.arange(12)
    mirrored = np.ix_(39 - np.abs(39 - np.abs(rows)), 56 - np.abs(56 - np.abs(columns)))
    repeated = np.ix_(np.clip(rows, 0, 39), np.clip(columns, 0, 56))
    np.testing.assert_array_equal(cut_box(IMAGE, corner, 12, "reflect"), IMAGE[mirrored])
    np.testing.assert_array_equal(cut_box(IMAGE, corner, 12, "repeat"), IMAGE[repeated])
    filled = cut_box(IMAGE, corner, 12, "mean")
    seen = np.outer((rows >= 0) & (rows < 40), (columns >= 0) & (columns < 57))
    np.testing.assert_array_equal(filled[seen], IMAGE[repeated][seen])
    np.testing.assert_allclose(filled[~seen], filled[seen].mean(), rtol=1e-6)
    with pytest.raises(ValueError, match="beyond"):
        cut_box(IMAGE, corner, 12, "drop")


def test_every_policy_has_its_pixels() -> None:
    for edge in EDGES:
        assert cut_box(IMAGE, np.array([3, 4]), 6, edge)[0, 0] == IMAGE[3, 4]


def test_pixels_that_are_no_numbers_become_the_mean_of_the_others() -> None:
    image = IMAGE.copy()
    image[10, 10], image[11, 11] = np.nan, np.inf
    box = cut_box(image, np.array([8, 8]), 6)
    rest = np.delete(IMAGE[8:14, 8:14].ravel(), [2 * 6 + 2, 3 * 6 + 3])
    assert box[2, 2] == box[3, 3] == pytest.approx(rest.mean())
    assert not cut_box(np.full(SHAPE, np.nan), np.array([8, 8]), 6).any()


@pytest.mark.parametrize("size", [32, 33])
def test_the_background_has_mean_0_and_deviation_1(size) -> None:
    mask = background_mask(size, 0.75 * size)
    assert not mask[size // 2, size // 2]
    assert mask[0, 0]
    assert mask.mean() == pytest.approx(1 - np.pi * 0.375**2, abs=0.03)
    box = np.random.default_rng(0).normal(700, 12, (size, size)).astype(np.float32)
    box[size // 2, size // 2] += 1e5  # the particle itself does not count
    out = normalise_background(box, mask)
    assert out.dtype == np.float32
    assert out[mask].mean() == pytest.approx(0, abs=1e-4)
    assert out[mask].std() == pytest.approx(1, abs=1e-4)
    assert out[size // 2, size // 2] > 5000


def test_a_constant_background_stays_finite() -> None:
    mask = background_mask(16, 12)
    assert not normalise_background(np.full((16, 16), 3e4, np.float32), mask).any()


def test_a_circle_that_leaves_no_background_is_refused() -> None:
    with pytest.raises(ValueError, match="no background"):
        background_mask(16, 40)


@pytest.mark.parametrize("size", [32, 33])
def test_the_rotational_average_is_round_and_keeps_what_is_round(size) -> None:
    y, x = np.mgrid[:size, :size] - size // 2
    round_ = np.exp(-(x**2 + y**2) / 50)
    average, profile = rotational_average(round_)
    near = np.hypot(x, y) < size // 2 - 1
    np.testing.assert_allclose(average[near], round_[near], atol=0.02)
    assert profile[0] == pytest.approx(1, abs=0.03)
    lopsided, _ = rotational_average(round_ + 0.3 * x / size)
    np.testing.assert_allclose(lopsided[near], average[near], atol=0.02)
