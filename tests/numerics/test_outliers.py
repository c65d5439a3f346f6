from __future__ import annotations

import math

import numpy as np
import pytest

from napari_topaz.numerics.outliers import (
    MissingPixelsError,
    clip_outliers,
    clip_rows,
    fill_missing,
    outlier_limits,
)


def test_an_image_without_finite_pixels_is_refused() -> None:
    for bad in (np.nan, np.inf):
        for work in (fill_missing, lambda image: clip_outliers(image, 8)):
            with pytest.raises(ValueError, match="no finite pixel"):
                work(np.full((4, 6), bad))
        assert outlier_limits(np.full((4, 6), bad), 8) is None


def test_fill_missing_copies_and_keeps_the_rest() -> None:
    image = np.array([[1, 2, np.nan], [4, 1e300, 6]])
    np.testing.assert_array_equal(fill_missing(image), [[1, 2, 3], [4, 3, 6]])
    whole = np.arange(6, dtype=np.float32).reshape(2, 3)
    filled = fill_missing(whole)
    filled[:] = 0
    assert whole[1, 2] == 5
    stored = np.arange(6).reshape(2, 3).astype(">i2")
    np.testing.assert_array_equal(fill_missing(stored), [[0, 1, 2], [3, 4, 5]])


def test_clips_at_robust_standard_deviations() -> None:
    image = np.random.default_rng(0).normal(10, 2, (200, 300)).astype(np.float32)
    inside = image.copy()
    image[5, 7], image[50, 70] = 45804, -3000
    found = clip_outliers(image, 5)
    assert found[5, 7] == found.max() == pytest.approx(20, abs=0.1)
    assert found[50, 70] == found.min() == pytest.approx(0, abs=0.1)
    untouched = (inside > 0.5) & (inside < 19.5) & (image == inside)
    np.testing.assert_array_equal(found[untouched], image[untouched])
    np.testing.assert_array_equal(clip_outliers(image, 0), image)


def test_large_images_are_clipped_by_a_sample() -> None:
    image = np.random.default_rng(0).normal(10, 2, (2048, 1100)).astype(np.float32)
    image[::100, ::100] = 1e6
    assert clip_outliers(image, 5).max() == pytest.approx(20, abs=0.1)


def test_clipping_spares_images_without_a_spread() -> None:
    constant = np.full((10, 14), 7, np.int16)
    np.testing.assert_array_equal(clip_outliers(constant, 8), constant)
    # At a low dose most pixels of a counting detector are 0: the median deviation is, too.
    counts = np.random.default_rng(0).poisson(0.2, (100, 140)).astype(np.uint8)
    np.testing.assert_array_equal(clip_outliers(counts, 12), counts)
    with pytest.raises(ValueError, match="cannot be clipped"):
        clip_outliers(constant, -1)


@pytest.mark.parametrize("shape", [(30, 41), (700, 801)])
def test_limits_are_where_an_image_is_clipped(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(10, 2, shape).astype(np.float32)
    image[::5, ::7] = 1e6
    image[3, 3] = -1e6
    found = clip_outliers(image, 5)
    limits = outlier_limits(image, 5)
    assert limits is not None
    assert [np.float32(limit) for limit in limits] == [found.min(), found.max()]
    assert outlier_limits(image, 0) == (-math.inf, math.inf)


def test_limits_that_a_sample_does_not_tell() -> None:
    image = np.random.default_rng(0).normal(size=(20, 30))
    image[4, 4] = np.nan
    assert outlier_limits(image, 8) is None
    assert outlier_limits(np.full((10, 14), 7, np.int16), 8) is None
    assert outlier_limits(np.random.default_rng(0).poisson(0.2, (100, 140)), 8) is None
    with pytest.raises(ValueError, match="cannot be clipped"):
        outlier_limits(image, -1)


def test_rows_are_clipped_in_place() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert clip_rows(rows, (2.0, 9.5)) is rows
    np.testing.assert_array_equal(rows, np.clip(np.arange(12).reshape(3, 4), 2, 9.5))
    for bad in (np.nan, np.inf, -np.inf):
        rows[1, 2] = bad
        with pytest.raises(MissingPixelsError):
            clip_rows(rows, (-math.inf, math.inf))
