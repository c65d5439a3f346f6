from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_topaz.choices import NORMALISATIONS
from napari_topaz.numerics.normalise import MOMENTS, fit_mixture, normalise
from napari_topaz.numerics.outliers import clip_outliers


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


def by_plain_rounds(pixels: np.ndarray, rounds: int = 1000) -> tuple[float, float, float]:
    """Weight, upper mean and standard deviation of the best start, by rounds over all bins for each start."""
    count, edges = np.histogram(pixels, 4096)
    x = (edges[1:] + edges[:-1]) / 2
    found = []
    for start in (0.3, 0.6, 0.9, 0.98):
        r = (np.cumsum(count) > (1 - start) * count.sum()).astype(float)
        for _ in range(rounds):
            low, high = (
                (count * (1 - r) * x).sum() / (count * (1 - r)).sum(),
                (count * r * x).sum() / (count * r).sum(),
            )
            variance = (count * ((1 - r) * (x - low) ** 2 + r * (x - high) ** 2)).sum() / count.sum()
            weight = ((count * r).sum() + 899) / (count.sum() + 899)
            logs = [-((x - m) ** 2) / (2 * variance) for m in (low, high)]
            both = np.logaddexp(logs[0] + np.log(1 - weight), logs[1] + np.log(weight))
            r = np.exp(logs[1] + np.log(weight) - both)
        posterior = (count * (both - np.log(variance) / 2)).sum() + 899 * np.log(weight)
        found.append((posterior, weight, high, variance**0.5))
    return max(found)[1:]


@pytest.mark.parametrize("case", ["dark tenth", "close", "outlier", "carbon", "real0"])
def test_equals_plain_rounds_from_every_start(shared: Path, case: str) -> None:
    rng = np.random.default_rng(3)
    if case in ("carbon", "real0"):
        with np.load(shared / "reference" / "normalise.npz") as data:
            pixels = np.array(data[case])
    else:
        weight, apart = {"dark tenth": (0.9, 7.0), "close": (0.8, 2.5), "outlier": (0.7, 8.0)}[case]
        pixels = rng.normal(np.where(rng.random((200, 300)) < weight, apart, 0), 1).astype(np.float32)
        # One pixel so far away that a coarse histogram could not tell the components apart.
        pixels[5, 5] = 1000 if case == "outlier" else 0
    found = fit_mixture(pixels)
    weight, mean, std = by_plain_rounds(pixels)
    assert found.means[1] == pytest.approx(mean, abs=1e-3 * std)
    assert found.std == pytest.approx(std, rel=1e-3)
    assert found.weight == pytest.approx(weight, abs=1e-3)


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
        with pytest.raises(ValueError, match="no finite pixel"):
            normalise(np.full((4, 6), bad))
