from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.numerics.regions import disc_offsets, disc_pixels


@pytest.mark.parametrize(
    ("radius", "pixels"), [(0, 1), (0.9, 1), (1, 5), (1.5, 9), (2, 13), (3, 29), (5, 81)]
)
def test_pixels_of_a_disc(radius: float, pixels: int) -> None:
    assert disc_pixels(radius) == pixels


def test_the_rim_belongs_to_the_disc_whatever_the_unit() -> None:
    for unit in (1.0, 0.1, 1 / 3, 7.7):
        offsets = {tuple(o) for o in disc_offsets((5 / unit * unit, 5 * unit / unit)).tolist()}
        assert {(3, 4), (-4, 3), (0, 5), (-5, 0)} <= offsets
        assert (5, 1) not in offsets


@given(st.floats(0, 8), st.floats(0, 8))
def test_offsets_are_an_ellipse_in_row_major_order(ry: float, rx: float) -> None:
    offsets = disc_offsets((ry, rx)).tolist()
    assert offsets == sorted(offsets)
    assert offsets == [[-y, -x] for y, x in reversed(offsets)]
    assert max(y for y, _ in offsets) == int(ry * (1 + 1e-9))
    assert max(x for _, x in offsets) == int(rx * (1 + 1e-9))


def test_limit_cuts_a_huge_disc() -> None:
    offsets = disc_offsets(1e12, limit=(2, 3))
    assert len(offsets) == 5 * 7
    assert np.abs(offsets).max(axis=0).tolist() == [2, 3]


@pytest.mark.parametrize("radius", [-1.0, float("nan"), (1.0, -2.0)])
def test_refuses_a_negative_radius(radius: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        disc_offsets(radius)
