from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_topaz.numerics import rescale
from napari_topaz.numerics.rescale import fourier_crop, small_shape


def waves(shape: tuple[int, int], at: tuple[int, int]) -> np.ndarray:
    """A band-limited image of `shape`, sampled at `at` points per period."""
    y, x = np.arange(at[0])[:, None] / at[0], np.arange(at[1]) / at[1]
    return 3 + np.sin(2 * np.pi * (2 * y + x) + 0.3) + 0.5 * np.cos(2 * np.pi * (3 * x - y))


@pytest.mark.parametrize("case", [0, 1, 2, 3])
def test_agrees_with_the_reference(shared: Path, case: int) -> None:
    with np.load(shared / "reference" / "downsample.npz") as data:
        image, factor, expected = data[f"x{case}"], float(data[f"factor{case}"]), data[f"y{case}"]
    small = fourier_crop(image, small_shape(image.shape, factor))
    assert small.shape == expected.shape
    if expected.shape[0] % 2:
        # For odd heights the reference has frequency −(h+1)/2 in the place of (h−1)/2: compare the others.
        small, expected = (without_row(a, (expected.shape[0] - 1) // 2) for a in (small, expected))
    np.testing.assert_allclose(small, expected, atol=1e-4)


def without_row(image: np.ndarray, frequency: int) -> np.ndarray:
    spectrum = np.fft.fft2(image)
    spectrum[[frequency, -frequency]] = 0
    return np.fft.ifft2(spectrum).real


@pytest.mark.parametrize(
    ("shape", "factor", "expected"),
    [((3710, 3838), 8, (463, 479)), ((101, 131), 4, (25, 32)), ((5, 300), 10, (1, 30)), ((7, 9), 1, (7, 9))],
)
def test_small_shape(shape: tuple[int, int], factor: float, expected: tuple[int, int]) -> None:
    assert small_shape(shape, factor) == expected


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_small_shape_returns_the_size_that_a_factor_was_made_from(size: int, small: int) -> None:
    if small <= size:
        assert small_shape((size, size), size / small) == (small, small)


@pytest.mark.parametrize("factor", [0.5, 0, -2, float("nan"), float("inf")])
def test_small_shape_refuses_to_enlarge(factor: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        small_shape((10, 12), factor)


@pytest.mark.parametrize("large", [(60, 77), (61, 96), (300, 90)])
@pytest.mark.parametrize("small", [(12, 15), (11, 16), (60, 77)])
def test_pixels_lie_where_they_are_said_to_lie(large: tuple[int, int], small: tuple[int, int]) -> None:
    found = fourier_crop(waves(large, large), small)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, waves(small, small), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_mean_is_kept_and_work_in_parts_changes_nothing(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 400)), data.draw(st.integers(1, 900))
    small = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    image = np.random.default_rng(height).normal(7, 2, (height, width)).astype(np.float32)
    found = fourier_crop(image, small)
    assert found.shape == small
    assert found.mean() == pytest.approx(image.mean(dtype=float), abs=1e-3)


def test_refuses_an_impossible_shape() -> None:
    for shape in [(11, 5), (5, 13), (0, 5)]:
        with pytest.raises(ValueError, match="cannot be downsampled"):
            fourier_crop(np.zeros((10, 12), np.float32), shape)


def test_leaves_its_argument_alone() -> None:
    image = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    before = image.copy()
    same = fourier_crop(image, (20, 30))
    fourier_crop(image, (7, 9))
    same[:] = 0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("small", [(7, 9), (20, 30), (1, 30)])
def test_rows_are_cleaned_once_each(small: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescale, "PIXELS_AT_ONCE", 3 * 30)
    image = np.random.default_rng(0).integers(0, 99, (20, 30)).astype(">i2")
    before = image.copy()

    def squared(rows: np.ndarray) -> np.ndarray:
        rows *= rows
        return rows

    expected = fourier_crop(np.float64(image) ** 2, small)
    np.testing.assert_allclose(fourier_crop(image, small, squared), expected, rtol=1e-4, atol=0.1)
    np.testing.assert_array_equal(image, before)
