"""Blobs are found by their size, templates at any angle; scores are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.filters import (
    between_two_classes,
    difference_of_gaussians,
    laplacian_of_gaussian,
    local_spread,
    robust_z_scores,
    template_scores,
)
from napari_topaz.numerics.templates import disc_mask, rotate

BLOBS = [difference_of_gaussians, laplacian_of_gaussian]
SHAPE = (70, 101)


def disc(shape: tuple[int, int], centre: tuple[float, float], diameter: float) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    away = np.hypot(y - centre[0], x - centre[1])
    return np.clip(diameter / 2 + 0.5 - away, 0, 1).astype(np.float32)  # a soft rim of one pixel


@pytest.mark.parametrize("blob", BLOBS)
def test_the_answer_is_strongest_at_the_centre_of_a_bright_disc(blob) -> None:
    answer = blob(disc(SHAPE, (22, 61), 16) + 100, 16)
    assert answer.shape == SHAPE
    assert answer.dtype == np.float32
    assert np.unravel_index(answer.argmax(), SHAPE) == (22, 61)
    assert blob(-disc(SHAPE, (22, 61), 16), 16)[22, 61] == pytest.approx(-answer[22, 61], rel=1e-4)


@pytest.mark.parametrize("blob", BLOBS)
def test_of_all_discs_that_of_the_given_diameter_answers_most(blob) -> None:
    answers = {d: blob(disc((121, 141), (60, 70), d), 20)[60, 70] for d in (10, 14, 20, 28, 40)}
    assert max(answers, key=answers.__getitem__) == 20


@pytest.mark.parametrize("blob", BLOBS)
def test_the_filter_changes_its_sign_at_the_rim(blob) -> None:
    spike = np.zeros((121, 141), np.float32)
    spike[60, 70] = 1
    line = blob(spike, 30)[60, 70:]
    assert 14 <= int((line < 0).argmax()) <= 16


@pytest.mark.parametrize("blob", BLOBS)
def test_a_constant_and_a_slope_are_no_blob(blob) -> None:
    assert np.abs(blob(np.full(SHAPE, 1e4, np.float32), 12)).max() < 1e-3
    slope = np.broadcast_to(np.arange(101, dtype=np.float32), SHAPE)
    assert np.abs(blob(slope, 8)[:, 30:70]).max() < 1e-3  # away from its mirror image


@pytest.mark.parametrize("blob", BLOBS)
@pytest.mark.parametrize("diameter", [0, -3, np.nan, np.inf])
def test_a_diameter_is_positive(blob, diameter: float) -> None:
    with pytest.raises(ValueError, match="diameter"):
        blob(np.zeros(SHAPE), diameter)


def test_gaps_are_filled_and_nothing_but_gaps_is_refused() -> None:
    image = disc(SHAPE, (22, 61), 16)
    image[:10, :10] = np.nan
    image[60, 90] = np.inf
    for answer in [blob(image, 16) for blob in BLOBS] + [
        template_scores(image, disc((21, 21), (10, 10), 16))
    ]:
        assert np.isfinite(answer).all()
        assert np.unravel_index(answer.argmax(), SHAPE) == (22, 61)
    with pytest.raises(ValueError, match="finite"):
        laplacian_of_gaussian(np.full(SHAPE, np.nan), 10)


def test_z_scores_of_noise_are_standard_and_of_nothing_zero() -> None:
    z = robust_z_scores(np.random.default_rng(0).normal(7, 3, SHAPE))
    assert abs(np.median(z)) < 1e-6
    assert z.std() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(robust_z_scores(np.full(SHAPE, 3.0)), 0)
    mostly_flat = np.zeros(SHAPE)
    mostly_flat[10, 20] = 1
    assert robust_z_scores(mostly_flat)[10, 20] > 10


def test_local_spread_follows_the_image_and_never_vanishes() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (120, 160)).astype(np.float32)
    image[:, 110:] *= 5
    spread = local_spread(image + 1000, 6)
    assert spread[:, 20:40].mean() == pytest.approx(1, abs=0.1)
    assert spread[:, 130:150].mean() == pytest.approx(5, abs=0.5)
    image[:, :30] = 0
    assert local_spread(image, 3).min() >= np.median(local_spread(image, 3)) / 2 - 1e-6
    np.testing.assert_array_equal(local_spread(np.full(SHAPE, 4.0), 3), 1)


def test_two_classes_are_parted_between_them() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate(
        [rng.normal(1.5, 0.3, 300), rng.normal(6, 0.7, 80), rng.normal(-2, 0.3, 900), [np.nan]]
    )
    assert 2.3 < between_two_classes(scores) < 4.5
    assert between_two_classes(np.array([-1.0, -2.0])) == 0
    assert between_two_classes(np.empty(0)) == 0
    assert between_two_classes(np.array([3.0])) <= 3


# ── templates ──────────────────────────────────────────────────────────────────────────────────


def correlation(image: np.ndarray, template: np.ndarray, inside: np.ndarray, y: int, x: int) -> float:
    """Pearson's coefficient, by the book."""
    half = len(template) // 2
    around = np.pad(image.astype(np.float64), half, mode="symmetric")[
        y : y + len(template), x : x + len(template)
    ]
    return float(np.corrcoef(around[inside], template[inside])[0, 1])


@pytest.mark.parametrize("size", [15, 16])
@pytest.mark.parametrize("offset", [0.0, 3000.0])
def test_scores_are_correlation_coefficients(size: int, offset: float) -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(offset, 2, SHAPE)
    templates, angles = rng.normal(0, 1, (2, size, size)), (0, 35, 250)
    scores = template_scores(image, templates, angles, radius=6.5)
    inside = disc_mask(size, 6.5)
    turned = [rotate(t, a) for t in templates for a in angles]
    for y, x in [(0, 0), (69, 100), (0, 57), (33, 44), (12, 99), (40, 3)]:
        expected = max(correlation(image, t, inside, y, x) for t in turned)
        assert scores[y, x] == pytest.approx(expected, abs=1e-4)


def l_shape(size: int = 31) -> np.ndarray:
    """Nothing that looks like itself when it is turned."""
    c = size // 2
    image = np.zeros((size, size), np.float32)
    image[c - 9 : c + 8, c - 5 : c] = 1
    image[c + 3 : c + 8, c - 5 : c + 9] = 1
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, 1.2)


@pytest.mark.parametrize("angle", [0, 17, 90, 143, 288])
def test_a_turned_particle_is_found_and_scores_alike(angle: float) -> None:
    image = np.zeros((80, 110), np.float32)
    image[20:51, 40:71] = rotate(l_shape(), angle)
    image += np.random.default_rng(0).normal(0, 1e-3, image.shape)
    scores = template_scores(image, l_shape(), np.arange(0, 360, 10))
    assert np.unravel_index(scores.argmax(), scores.shape) == (35, 55)
    assert scores[35, 55] > 0.97
    # Without turning, the same particle is much less alike.
    assert angle == 0 or template_scores(image, l_shape())[35, 55] < 0.93


def test_contrast_and_brightness_of_the_image_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, SHAPE)
    first = template_scores(image, l_shape(21))
    np.testing.assert_allclose(template_scores(image * 40 + 500, l_shape(21) * 3 - 7), first, atol=1e-4)
    np.testing.assert_allclose(template_scores(-image, -l_shape(21)), first, atol=1e-5)


def test_what_is_flat_correlates_with_nothing() -> None:
    np.testing.assert_array_equal(template_scores(np.full(SHAPE, 7.0), l_shape()), 0)
    image = np.random.default_rng(0).normal(0, 1, SHAPE)
    np.testing.assert_array_equal(template_scores(image, np.ones((9, 9))), 0)
    image[:, :50] = 3
    scores = template_scores(image, l_shape(21))
    np.testing.assert_array_equal(scores[:, :39], 0)
    assert np.abs(scores).max() <= 1


def test_a_template_may_be_larger_than_the_image() -> None:
    image = np.random.default_rng(0).normal(0, 1, (9, 14))
    scores = template_scores(image, l_shape(31), [0, 45])
    assert scores.shape == (9, 14)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        (np.zeros((0, 5, 5)), "square"),
        (np.zeros((2, 5, 6)), "square"),
        (np.zeros(5), "square"),
        (np.full((5, 5), np.nan), "finite"),
    ],
)
def test_impossible_templates_are_refused(templates: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        template_scores(np.zeros(SHAPE), templates)
