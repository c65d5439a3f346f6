"""Standard deviations of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.deviations import box_deviations, deviations_at


@pytest.mark.parametrize(("size", "level"), [(5, 0.0), (9, 0.0), (5, 5000.0)])
def test_every_pixel_has_the_deviation_of_its_own_box(size: int, level: float) -> None:
    image = np.random.default_rng(0).normal(level, 2, (20, 31)).astype("f4")
    found = box_deviations(image, size)
    assert found.shape == image.shape
    padded = np.pad(image.astype("f8"), size // 2, mode="reflect")
    boxes = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    np.testing.assert_allclose(found, boxes.std(axis=(2, 3)), rtol=1e-3)


def test_a_constant_image_has_no_deviation() -> None:
    assert not box_deviations(np.full((9, 9), 7.0), 3).any()


@pytest.mark.parametrize("size", [0, 4, -1])
def test_a_box_needs_a_middle(size: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        box_deviations(np.zeros((9, 9)), size)


def test_between_grid_points_deviations_are_interpolated() -> None:
    grid = np.array([[1, 2], [3, 4.0]])
    np.testing.assert_allclose(deviations_at(grid, [(0, 0.5), (0.25, 1), (5, 0), (-3, -3)]), [1.5, 2.5, 3, 1])
    assert deviations_at(grid, np.empty((0, 2))).shape == (0,)
