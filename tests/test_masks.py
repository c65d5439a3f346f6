"""Masks: what they cover, by points and on grids, and how they are joined and scaled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.masks import Mask, masked_pixels
from napari_topaz.picks import Picks

SHAPE = (60, 90)
SQUARE = np.array([(10, 20), (10, 40), (30, 40), (30, 20)], np.float32)


def places(grid: tuple[int, int], step: tuple[float, float]) -> np.ndarray:
    y, x = np.mgrid[: grid[0], : grid[1]]
    return np.stack([y.ravel() * step[0], x.ravel() * step[1]], 1)


def test_a_polygon_covers_what_is_inside_of_it() -> None:
    mask = Mask((SQUARE,))
    yx = np.array([(20, 30), (9, 30), (31, 30), (20, 19), (20, 41), (11, 21)])
    assert mask.covers(yx, SHAPE).tolist() == [True, False, False, False, False, True]
    grid = mask.on_grid(SHAPE, SHAPE, (1.0, 1.0))
    assert grid.sum() == 20 * 20
    assert grid[10:30, 20:40].all()


@given(
    corners=st.lists(
        st.tuples(st.floats(-20, 80, width=32), st.floats(-20, 110, width=32)), min_size=3, max_size=9
    ),
    step=st.sampled_from([(1.0, 1.0), (2.5, 2.0), (4.0, 4.5)]),
    margin=st.sampled_from([0.0, 3.0, 7.5]),
)
def test_points_and_grids_agree_whatever_the_polygon(
    corners: list[tuple[float, float]], step: tuple[float, float], margin: float
) -> None:
    raster = np.random.default_rng(0).random((12, 18)) < 0.1
    mask = Mask((np.array(corners, np.float32),), raster, margin)
    grid = (round(SHAPE[0] / step[0]), round(SHAPE[1] / step[1]))
    by_points = mask.covers(places(grid, step), SHAPE).reshape(grid)
    np.testing.assert_array_equal(mask.on_grid(SHAPE, grid, step), by_points)


def test_two_polygons_that_overlap_cover_both() -> None:
    shifted = SQUARE + np.float32(5)
    grid = Mask((SQUARE, shifted)).on_grid(SHAPE, SHAPE, (1.0, 1.0))
    np.testing.assert_array_equal(grid[15:30, 25:40], True)
    assert grid.sum() == 2 * 400 - 15 * 15


def test_a_raster_is_spread_over_the_micrograph() -> None:
    raster = np.zeros((6, 9), bool)
    raster[1, 2] = True
    mask = Mask(raster=raster)
    assert mask.covers(np.array([(9.6, 19.6), (19.4, 29.4), (9.4, 20), (19.6, 25)]), SHAPE).tolist() == [
        True,
        True,
        False,
        False,
    ]
    grid = masked_pixels(mask, SHAPE, SHAPE)
    assert grid[10:20, 20:30].all()
    assert grid.sum() == 100
    # A picture twice as large as the micrograph will do, too.
    large = Mask(raster=np.kron(raster, np.ones((20, 20), bool)))
    np.testing.assert_array_equal(masked_pixels(large, SHAPE, SHAPE), grid)


def test_a_raster_of_other_proportions_is_refused() -> None:
    mask = Mask(raster=np.ones((90, 60), bool))
    with pytest.raises(ValueError, match=r"60 × 90 px .*no scaled picture of a micrograph of 90 × 60 px"):
        mask.covers(np.zeros((1, 2)), SHAPE)
    with pytest.raises(ValueError, match="no scaled picture"):
        mask.on_grid(SHAPE, SHAPE, (1.0, 1.0))
    Mask(raster=np.ones((13, 19), bool)).covers(np.zeros((1, 2)), SHAPE)  # whole pixels


def test_the_margin_is_that_of_picks() -> None:
    yx = places((60, 90), (1.0, 1.0))
    for margin in (1.0, 7.5, 12.0):
        inside = Picks(yx.astype(np.float32)).inside(SHAPE, margin)
        np.testing.assert_array_equal(Mask(margin=margin).covers(yx, SHAPE), ~inside)
    # Without a margin a place beyond the edge is not the mask's to judge.
    assert not Mask().covers(np.array([(-5.0, 3.0)]), SHAPE).any()


def test_masks_are_joined_and_scaled() -> None:
    coarse, fine = np.zeros((6, 9), bool), np.zeros((12, 18), bool)
    coarse[0, 0] = fine[11, 17] = True
    both = Mask((SQUARE,), coarse, 2) + Mask(raster=fine, margin=3)
    assert both.raster is not None
    assert both.raster.shape == (12, 18)
    assert both.raster[:2, :2].all()
    assert both.raster.sum() == 5
    assert (len(both.polygons), both.margin) == (1, 3)
    twice = both.rescaled(2)
    yx = places((60, 90), (1.0, 1.0))
    np.testing.assert_array_equal(twice.covers(yx * 2 + 0.5, (120, 180)), both.covers(yx + 0.25, SHAPE))
    assert Mask().is_empty
    assert Mask(raster=np.zeros((3, 3), bool)).is_empty
    assert not Mask((SQUARE,)).is_empty
    assert not Mask(margin=1).is_empty
    assert Mask((SQUARE,)).with_margin(4).margin == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mask((SQUARE[:2],)),
        lambda: Mask((SQUARE * np.nan,)),
        lambda: Mask(raster=np.ones(4, bool)),
        lambda: Mask(raster=np.ones((0, 4), bool)),
        lambda: Mask(margin=-1),
    ],
)
def test_what_is_no_mask_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="mask"):
        make()  # type: ignore[operator]


def test_a_mask_cannot_be_changed() -> None:
    mask = Mask((SQUARE,), np.ones((3, 3), bool))
    assert mask.raster is not None
    for array in (mask.polygons[0], mask.raster):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
