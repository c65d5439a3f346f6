"""Shifts that were planted are found."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.centring import centre_shifts

SIZE, DIAMETER, REACH = 41, 19.0, 6.0


def particles(planted: np.ndarray, noise: float, seed: int = 0, *, elongated: bool = True) -> np.ndarray:
    """Boxes of one particle at random angles, its centre off the box's by what is planted."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    boxes = []
    for (dy, dx), angle in zip(planted, rng.uniform(0, np.pi, len(planted)), strict=True):
        u = np.cos(angle) * (y - dy) + np.sin(angle) * (x - dx)
        w = np.cos(angle) * (x - dx) - np.sin(angle) * (y - dy)
        wide = DIAMETER / 5 if elongated else DIAMETER / 3
        boxes.append(-np.exp(-(u**2) / (2 * (DIAMETER / 3) ** 2) - w**2 / (2 * wide**2)))
    return np.array(boxes) + rng.normal(0, noise, (len(planted), SIZE, SIZE))


def planted(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-5, 5, (n, 2))


@pytest.mark.parametrize(
    ("n", "noise", "error"), [(1, 0.0, 0.35), (3, 0.3, 1.0), (12, 0.5, 0.8), (40, 0.8, 1.1)]
)
def test_planted_shifts_are_found(n: int, noise: float, error: float) -> None:
    """Root mean square of what remains, in pixels; before it is 2.9."""
    shifts = planted(n)
    found = centre_shifts(particles(shifts, noise), DIAMETER, REACH)
    assert found.shape == (n, 2)
    assert found.dtype == np.float32
    assert np.sqrt(np.mean((found - shifts) ** 2)) < error


def test_fractions_of_a_pixel_are_found() -> None:
    shifts = np.array([[0.3, -0.4], [-1.25, 2.5], [2.7, 0.0], [0.0, -3.6]])
    found = centre_shifts(particles(shifts, 0, elongated=False), DIAMETER, REACH)
    np.testing.assert_allclose(found, shifts, atol=0.12)


def test_neither_contrast_nor_brightness_of_a_box_matters() -> None:
    shifts = planted(6)
    boxes = particles(shifts, 0.2)
    scaled = boxes * np.array([1, 50, 0.1, 1, 3, 1])[:, None, None] + np.arange(6)[:, None, None] * 100
    one, other = (centre_shifts(b, DIAMETER, REACH) for b in (boxes, scaled))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_no_shift_goes_beyond_the_reach() -> None:
    found = centre_shifts(particles(np.array([[9.0, 0], [0, 0], [0, -9]]), 0), DIAMETER, 3.5)
    assert np.abs(found).max() <= 3.5


def test_flat_boxes_stay_where_they_are() -> None:
    boxes = particles(planted(3), 0)
    boxes[1] = 7
    assert centre_shifts(boxes, DIAMETER, REACH)[1].tolist() == [0, 0]
    assert centre_shifts(np.ones((2, 9, 9)), 5, 2).tolist() == [[0, 0], [0, 0]]
    assert centre_shifts(np.empty((0, 9, 9)), 5, 2).shape == (0, 2)


@pytest.mark.parametrize(
    ("boxes", "diameter", "reach"),
    [
        (np.ones((2, 9, 8)), 5, 2),
        (np.ones((9, 9)), 5, 2),
        (np.full((1, 9, 9), np.nan), 5, 2),
        (np.ones((1, 9, 9)), 0, 2),
        (np.ones((1, 9, 9)), 5, -1),
    ],
)
def test_nonsense_is_refused(boxes: np.ndarray, diameter: float, reach: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        centre_shifts(boxes, diameter, reach)
