"""One mixture for a dataset: what was planted is found, carbon moves nothing, one micrograph is enough."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from napari_topaz.numerics.dataset_mixture import best_scale, dataset_moments, fit_dataset, scale_of
from napari_topaz.numerics.histograms import histogram_of, is_constant, means_of, quantiles, rms_of
from napari_topaz.numerics.normalise import normalise
from napari_topaz.settings.fitted import DatasetMixture

SCALES = np.array([0.6, 0.9, 1.0, 1.2, 1.3])
SIZES = [(150, 200), (400, 300), (200, 300), (350, 433), (228, 400)]
MEANS, STDS = np.array([30.0, 50.0]), np.array([3.0, 5.0])


def planted(scale: float, weight: float, shape: tuple[int, int], seed: int, means=MEANS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = (rng.random(shape) < weight).astype(int)
    return (scale * rng.normal(means[z], STDS[z])).astype(np.float32)


def dataset(weight: float, means=MEANS) -> list[np.ndarray]:
    return [
        planted(a, weight, shape, k, means) for k, (a, shape) in enumerate(zip(SCALES, SIZES, strict=True))
    ]


def fit(images):
    return fit_dataset([histogram_of(i) for i in images])


def carbon(part: float, scale: float = 1.0, seed: int = 9, dark: tuple[float, float] = (30, 3)) -> np.ndarray:
    """Ice of N(50, 5²) with a darker stripe of carbon on the left."""
    rng = np.random.default_rng(seed)
    ice, other = rng.normal(50, 5, (240, 300)), rng.normal(*dark, (240, 300))
    return (scale * np.where(np.arange(300) < part * 300, other, ice)).astype(np.float32)


def test_a_histogram_keeps_the_moments() -> None:
    image = np.random.default_rng(0).normal(1e4, 3, (70, 90)).astype(np.float32)
    image[3, 4] = 9e4
    histogram = histogram_of(image)
    assert histogram[:, 0].sum() == image.size
    assert histogram[-1, 0] >= 1, "what lies outside is counted"
    assert means_of(histogram[None])[0] == pytest.approx(image.mean(dtype=float), rel=1e-9)
    assert rms_of(histogram[None])[0] == pytest.approx(np.sqrt((image.astype(float) ** 2).mean()), rel=1e-9)
    assert quantiles(histogram, (50,))[0] == pytest.approx(np.median(image), abs=0.05)
    assert is_constant(histogram_of(np.full((5, 6), 7.0)))
    assert not is_constant(histogram_of(np.where(np.arange(5000) == 17, 8.0, 7.0)))


@pytest.mark.parametrize("weight", [0.2, 0.7, 0.9, 0.95])
def test_recovers_what_was_planted(weight: float) -> None:
    found = fit(dataset(weight))
    np.testing.assert_allclose(found.scales, SCALES, rtol=0.01)
    assert found.scales.mean() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(found.mixture.means, MEANS, rtol=0.01)
    np.testing.assert_allclose(found.mixture.stds, STDS, rtol=0.01)
    assert found.mixture.weight == pytest.approx(weight, rel=0.01)
    assert found.mixture.dominant == pytest.approx((50, 5) if weight > 0.5 else (30, 3), rel=0.01)
    assert (found.mixture.by_rms, found.mixture.micrographs) == (False, 5)


def test_one_gaussian_is_taken_as_one() -> None:
    found = fit(dataset(1.0))
    assert found.mixture.weight == 1
    assert found.mixture.dominant == pytest.approx((50, 5), rel=0.01)
    np.testing.assert_allclose(found.scales, SCALES, rtol=0.01)


def test_a_scale_taken_alone_is_that_of_the_dataset() -> None:
    images = dataset(0.7)
    found = fit(images)
    alone = [scale_of(histogram_of(i), found.mixture) for i in images]
    np.testing.assert_allclose(alone, found.scales, rtol=1e-5)
    unseen = planted(1.7, 0.7, (150, 170), 77)
    assert scale_of(histogram_of(unseen), found.mixture) == pytest.approx(1.7, rel=0.003)


@pytest.mark.parametrize("means", [(30.0, 50.0), (-30.0, -50.0), (-4.0, 3.0), (0.0, 0.0)])
def test_the_closed_form_maximises_the_expected_log_likelihood(means: tuple[float, float]) -> None:
    rng, means_, stds = np.random.default_rng(1), np.array(means), np.array([3.0, 5.0])
    x = rng.normal(1.3 * np.mean(means), 6, 500)
    r = rng.dirichlet([1, 1], 500).T

    def negative(alpha: float) -> float:
        z = (x[None] / alpha - means_[:, None]) / stds[:, None]
        return float((r * (np.log(alpha) + z**2 / 2)).sum())

    best = minimize_scalar(negative, bounds=(1e-3, 20), method="bounded", options={"xatol": 1e-9})
    sums = np.stack([r.sum(1), r @ x, r @ x**2])
    assert float(best_scale(sums, means_, stds)) == pytest.approx(best.x, rel=1e-5)


def test_the_scale_is_positive_where_pixels_and_means_differ_in_sign() -> None:
    sums, means_, stds = np.array([[4.0, 6], [-8, -30], [20, 160]]), np.array([3.0, 5]), np.array([1.0, 2])
    a, b = (sums[2] / stds**2).sum(), (sums[1] * means_ / stds**2).sum()
    scale = float(best_scale(sums, means_, stds))
    assert b < 0 < scale
    assert 10 * scale**2 + b * scale - a == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("dark", "close"), [((30, 3), 0.015), ((40, 4), 0.06)])
@pytest.mark.parametrize("part", [0.15, 0.4, 0.65])
def test_carbon_does_not_shift_the_ice(part: float, dark: tuple[float, float], close: float) -> None:
    others = [carbon(0.0, 0.8, 1), carbon(0.2, 1.0, 2, dark), carbon(0.0, 1.2, 3)]
    mixture = fit([*others, carbon(part, dark=dark)]).mixture
    with_, without = (normalise(carbon(p, dark=dark), "gmm-dataset", mixture).image for p in (part, 0.0))
    ice = slice(round(part * 300), None)
    np.testing.assert_allclose(with_[:, ice], without[:, ice], atol=close)
    assert with_[:, ice].mean() == pytest.approx(0, abs=0.05)
    assert with_[:, ice].std() == pytest.approx(1, abs=0.03)
    shifted = normalise(carbon(part, dark=dark), "affine").image[:, ice].mean()
    assert shifted > 0.2, "as it does elsewhere"


@pytest.mark.parametrize(("part", "dark"), [(0.9, (30, 3)), (0.8, (20, 2))])
def test_a_micrograph_that_is_mostly_carbon_is_scaled_by_its_ice(
    part: float, dark: tuple[float, float]
) -> None:
    images = [carbon(0, 0.8, 1), carbon(0.2, 1.0, 2, dark), carbon(0, 1.2, 3), carbon(0, 1.0, 4)]
    images.append(carbon(part, 1.1, 5, dark))
    found, planted_ = fit(images), np.array([0.8, 1.0, 1.2, 1.0, 1.1])
    np.testing.assert_allclose(found.scales, planted_ / planted_.mean(), rtol=0.01)
    assert scale_of(histogram_of(images[-1]), found.mixture) == pytest.approx(found.scales[-1], rel=0.001)


def test_a_dataset_centred_on_zero_is_scaled_by_root_mean_squares() -> None:
    images = [i - i.mean() for i in dataset(0.7)]
    found = fit(images)
    assert found.mixture.by_rms
    rms = np.array([np.sqrt((i.astype(float) ** 2).mean()) for i in images])
    np.testing.assert_allclose(found.scales, rms / rms.mean(), rtol=1e-6)
    assert scale_of(histogram_of(images[3]), found.mixture) == pytest.approx(found.scales[3], rel=1e-6)
    done = normalise(images[0], "gmm-dataset", found.mixture)
    bright = done.image[done.image > -2.5]
    assert (bright.mean(), bright.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.05))


def test_means_of_both_signs_count_as_centred() -> None:
    assert fit([planted(1, 1, (50, 50), 0), -planted(1, 1, (50, 50), 1)]).mixture.by_rms
    near = [planted(a, 0.7, (50, 50), k) - 40 * np.float32(a) for k, a in enumerate((0.8, 1.2))]
    assert all(0 < image.mean() < image.std() for image in near)
    assert fit(near).mixture.by_rms
    dark = fit([-planted(a, 0.7, (150, 160), k) for k, a in enumerate((0.8, 1.2))])
    assert not dark.mixture.by_rms
    np.testing.assert_allclose(dark.scales, (0.8, 1.2), rtol=0.01)
    assert dark.mixture.dominant == pytest.approx((-50, 5), rel=0.01)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_constant_images_become_zeros(value: float) -> None:
    flat = np.full((40, 50), value, np.float32)
    alone = normalise(flat, "gmm-dataset")
    assert not alone.image.any()
    found = fit([flat, *dataset(0.7)])
    np.testing.assert_allclose(found.scales[1:], SCALES, rtol=0.01)
    assert found.scales[0] == 1
    assert not normalise(flat, "gmm-dataset", found.mixture).image.any()
    nothing = fit([flat, flat])
    assert np.isfinite(normalise(planted(1, 1, (40, 50), 0), "gmm-dataset", nothing.mixture).image).all()


def test_one_micrograph_is_a_dataset() -> None:
    image = planted(2.0, 0.8, (200, 300), 5)
    found = fit([image])
    assert found.scales.tolist() == [1]
    assert found.mixture.dominant == pytest.approx((100, 10), rel=0.01)
    mean, std = dataset_moments(image, None)
    assert (mean, std) == pytest.approx((100, 10), rel=0.01)


def test_odd_images_are_defined() -> None:
    mixture = fit(dataset(0.7)).mixture
    rng = np.random.default_rng(0)
    odd = [
        np.zeros((30, 30)),
        (rng.random((30, 30)) < 0.1).astype(float),
        rng.normal(0, 1, (30, 30)),
        -planted(1, 0.7, (30, 30), 0),
        np.full((1, 1), 3.0),
    ]
    for image in odd:
        assert np.isfinite(normalise(image, "gmm-dataset", mixture).image).all()
        assert np.isfinite(normalise(image, "gmm-dataset").image).all()
        assert all(np.isfinite(fit([image, *dataset(0.7)]).scales))


def test_a_dataset_needs_a_micrograph() -> None:
    with pytest.raises(ValueError, match="at least one"):
        fit_dataset([])


def test_a_mixture_survives_json() -> None:
    mixture = fit(dataset(0.7)).mixture
    assert DatasetMixture.model_validate_json(mixture.model_dump_json()) == mixture
