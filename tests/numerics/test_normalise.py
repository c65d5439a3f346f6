from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_topaz.choices import NORMALISATIONS
from napari_topaz.numerics.normalise import MOMENTS, clip_outliers, fill_missing, fit_mixture, normalise


def planted(weight: float, seed: int = 0, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    """Pixels of N(20, 4²) and, in `weight` of them, N(50, 4²)."""
    rng = np.random.default_rng(seed)
    return rng.normal(np.where(rng.random(shape) < weight, 50, 20), 4).astype(np.float32)


@pytest.mark.parametrize("name", ["flat", "carbon", "real0", "real3"])
def test_agrees_with_the_reference(shared: Path, name: str) -> None:
    fits = json.loads((shared / "reference" / "normalise.json").read_text())
    (fit,) = (fit for fit in fits if fit["image"] == name)
    with np.load(shared / "reference" / "normalise.npz") as data:
        image, expected = data[name], data[f"{name}_normalised"]
    # The reference's single-Gaussian start (the last) has a wrong posterior.
    best = int(np.argmax(fit["logps"][:-1]))
    found = fit_mixture(image)
    assert found.std == pytest.approx(fit["stds"][best], rel=2e-3)
    assert found.weight == pytest.approx(fit["pis"][best], rel=2e-3)
    # Some means are near zero: relative to the standard deviation.
    assert found.means[1] == pytest.approx(fit["mus"][best], abs=2e-3 * found.std)
    # Its sums are of single precision.
    assert found.log_posterior > fit["logps"][best] - 0.1
    np.testing.assert_allclose(normalise(image).image, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("weight", [0.3, 0.75, 0.95])
def test_recovers_a_planted_mixture(weight: float) -> None:
    found = fit_mixture(planted(weight))
    np.testing.assert_allclose(found.means, [20, 50], atol=0.1)
    assert found.std == pytest.approx(4, abs=0.05)
    # The prior adds 899 pixels to the upper component.
    assert found.weight == pytest.approx((weight * 120_000 + 899) / 120_899, abs=3e-3)


def test_normalises_by_the_upper_component() -> None:
    found = normalise(planted(0.8), "gmm")
    assert (found.mean, found.std) == (pytest.approx(50, abs=0.1), pytest.approx(4, abs=0.05))
    bright = found.image[found.image > -4]
    assert (bright.mean(), bright.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))


def test_one_gaussian_is_taken_as_one() -> None:
    image = np.random.default_rng(1).normal(100, 5, (200, 300)).astype(np.float32)
    found = fit_mixture(image)
    assert found.weight == pytest.approx(1, abs=1e-3)
    assert found.means[1] == pytest.approx(image.mean(), abs=0.01)
    assert found.std == pytest.approx(image.std(), rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 1000), st.floats(-10_000, 10_000))
def test_scale_and_offset_of_an_image_do_not_matter(scale: float, offset: float) -> None:
    image = planted(0.7, shape=(40, 60)).astype(np.float64)
    np.testing.assert_allclose(normalise(image * scale + offset).image, normalise(image).image, atol=0.02)


def test_hot_pixels() -> None:
    image = planted(0.8)
    image[3, 5], image[7, 9] = 3e7, -3e7
    # Without clipping there is no sensible fit, but it must not fail.
    assert np.isfinite(normalise(image).image).all()
    clipped = fit_mixture(clip_outliers(image, 8))
    np.testing.assert_allclose(clipped.means, [20, 50], atol=0.1)
    assert clipped.std == pytest.approx(4, abs=0.1)


def test_affine_and_none() -> None:
    image = planted(0.5, shape=(30, 50))
    found = normalise(image, "affine")
    assert (found.image.mean(), found.image.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    np.testing.assert_allclose(found.image * found.std + found.mean, image, rtol=1e-5)
    np.testing.assert_array_equal(normalise(image, "none").image, image)
    assert MOMENTS.keys() == NORMALISATIONS.keys()
    with pytest.raises(ValueError, match="gmm, gmm-dataset, affine, none"):
        normalise(image, "quantile")


@pytest.mark.parametrize("method", ["gmm", "affine"])
@pytest.mark.parametrize("value", [0.0, 1.0, -12345.678, 3e30])
def test_a_constant_image_becomes_zeros(method: str, value: float) -> None:
    found = normalise(np.full((20, 30), value, np.float32), method)
    assert (found.image == 0).all()
    assert found.std == 1


@pytest.mark.parametrize("method", ["gmm", "affine", "none"])
def test_odd_images_stay_finite(method: str) -> None:
    two_values = np.zeros((20, 30), np.uint8)
    two_values[5:] = 1
    one_hot = np.zeros((20, 30), np.float32)
    one_hot[4, 4] = 1e6
    for image in (two_values, one_hot, np.arange(6.0).reshape(2, 3), np.ones((1, 1)), planted(0.5) > 30):
        assert np.isfinite(normalise(image, method).image).all()
    assert np.abs(normalise(two_values, method).image).max() < 3


@pytest.mark.parametrize("method", ["gmm", "affine", "none"])
def test_missing_pixels_become_the_median(method: str) -> None:
    image = planted(0.8, shape=(60, 80))
    full = image.copy()
    image[::7, 3] = [np.nan, np.inf, -np.inf, *[np.nan] * 6]
    full[::7, 3] = np.median(image[np.isfinite(image)])
    np.testing.assert_allclose(normalise(image, method).image, normalise(full, method).image, atol=1e-6)


def test_an_image_without_finite_pixels_is_refused() -> None:
    for bad in (np.nan, np.inf):
        for work in (normalise, fill_missing, lambda image: clip_outliers(image, 8)):
            with pytest.raises(ValueError, match="no finite pixel"):
                work(np.full((4, 6), bad))


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
