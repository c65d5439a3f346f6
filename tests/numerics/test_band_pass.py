"""Waves pass as their resolution says, and nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.band_pass import band_pass

PIXEL_SIZE = 2.0


def wave(resolution: float, shape: tuple[int, int] = (240, 400)) -> np.ndarray:
    """A cosine along x whose period is about `resolution` Å; it fits the continuation by reflection."""
    n = shape[1]
    term = round(2 * n * PIXEL_SIZE / resolution)
    return np.broadcast_to(np.cos(np.pi * term * (np.arange(n) + 0.5) / n), shape).astype(np.float32)


def gain(resolution: float, low_pass: float = 0, high_pass: float = 0) -> float:
    image = wave(resolution)
    return float((band_pass(image, PIXEL_SIZE, low_pass, high_pass) * image).sum() / (image**2).sum())


def test_limits_are_where_half_is_left() -> None:
    assert gain(40, low_pass=40) == pytest.approx(0.5, abs=1e-3)
    assert gain(200, low_pass=40) > 0.95
    assert gain(12, low_pass=40) < 0.01
    assert gain(200, high_pass=200) == pytest.approx(0.5, abs=1e-3)
    assert gain(40, high_pass=200) > 0.99
    assert gain(1200, high_pass=200) < 0.05
    assert gain(80, low_pass=20, high_pass=400) > 0.9


@pytest.mark.parametrize("axis", [0, 1])
def test_both_axes_are_alike_and_a_spot_stays_where_it_is(axis: int) -> None:
    image = np.zeros((90, 91), np.float32)
    image[30, 50] = 1
    image = np.moveaxis(image, 0, axis)
    out = np.moveaxis(band_pass(image, PIXEL_SIZE, 30), axis, 0)
    assert np.unravel_index(out.argmax(), out.shape) == (30, 50)
    np.testing.assert_allclose(out[30, 45], out[35, 50], rtol=1e-3)
    assert out.sum() == pytest.approx(1, abs=1e-3)


def test_the_mean_stays_or_goes() -> None:
    image = np.random.default_rng(0).normal(1000, 5, (100, 130)).astype(np.float32)
    assert band_pass(image, 1, 20).mean() == pytest.approx(image.mean(), rel=1e-5)
    assert band_pass(image, 1, 20, 200).mean() == pytest.approx(0, abs=1e-2)
    np.testing.assert_array_equal(band_pass(image, 1), image)
    kept = image.copy()
    band_pass(image, 1, 20, 200)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("values", [(0, 10, 0), (1, -1, 0), (1, 0, -1), (float("nan"), 1, 1)])
def test_nonsense_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="band-pass"):
        band_pass(np.zeros((4, 4)), *values)
