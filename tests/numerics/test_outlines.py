"""Outlines: polygons that fill what was marked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_topaz.masks import Mask, masked_pixels
from napari_topaz.numerics.outlines import outlines


def filled(marked: np.ndarray, tolerance: float) -> np.ndarray:
    size = np.array(marked.shape)
    return masked_pixels(
        Mask(tuple(p * size - 0.5 for p in outlines(marked, tolerance))), marked.shape, marked.shape
    )


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_outlines_fill_what_was_marked(seed: int, density: float) -> None:
    """Diagonal neighbours, holes, and parts at the edges among them."""
    marked = np.random.default_rng(seed).random((9, 13)) < density
    parts, count = ndimage.label(marked)
    expected = np.zeros(marked.shape, bool)
    for number in range(1, count + 1):
        expected |= ndimage.binary_fill_holes(parts == number)
    np.testing.assert_array_equal(filled(marked, 0.0), expected)
    assert len(outlines(marked)) == count


def test_a_disc_keeps_its_area_with_few_corners() -> None:
    y, x = np.ogrid[:100, :140]
    disc = (y - 50) ** 2 + (x - 60) ** 2 <= 40**2
    (polygon,) = outlines(disc)
    assert len(polygon) < 50
    simple = filled(disc, 1.0)
    assert (simple != disc).sum() < 0.03 * disc.sum()
    assert polygon.min() >= 0
    assert polygon.max() <= 1


@pytest.mark.parametrize("marked", [np.ones((1, 1), bool), np.ones((4, 7), bool), np.eye(3, dtype=bool)])
def test_small_and_full_rasters_have_outlines(marked: np.ndarray) -> None:
    np.testing.assert_array_equal(filled(marked, 1.0), marked)


def test_nothing_marked_has_no_outline() -> None:
    assert outlines(np.zeros((5, 5), bool)) == []
