"""Templates: turned, resampled, averaged and aligned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_topaz.numerics.filters import template_scores
from napari_topaz.numerics.templates import (
    aligned_averages,
    centre_contrast,
    disc_mask,
    resample,
    rotate,
    rotational_average,
    rotations,
)


def bar(size: int = 33) -> np.ndarray:
    image = np.zeros((size, size), np.float32)
    c = size // 2
    image[c - 3 : c + 4, c - 11 : c + 12] = 1
    image[c - 3 : c + 6, c + 5 : c + 12] = 1.5
    return gaussian_filter(image, 1)


def cross(size: int = 33) -> np.ndarray:
    c = size // 2
    image = np.zeros((size, size), np.float32)
    image[c - 2 : c + 3, c - 10 : c + 11] = 1
    image[c - 10 : c + 11, c - 2 : c + 3] = 1
    return gaussian_filter(image, 1)


def alike(one: np.ndarray, other: np.ndarray, radius: float = 14) -> float:
    """Largest correlation of two images over all rotations."""
    scores = template_scores(one, other, np.arange(0, 360, 5), radius=radius)
    return float(scores[len(one) // 2, len(one) // 2])


@pytest.mark.parametrize("size", [33, 32])
def test_a_quarter_turn_is_exact(size: int) -> None:
    image = np.zeros((size, size), np.float32)
    c = size // 2
    image[c - 9, c + 2] = 1  # up goes left when it is turned counter-clockwise
    turned = rotate(image, 90)
    assert np.unravel_index(turned.argmax(), turned.shape) == (c - 2, c - 9)
    np.testing.assert_allclose(rotate(bar(33), 90), np.rot90(bar(33)), atol=1e-5)


@pytest.mark.parametrize("size", [4, 27, 61])
def test_many_are_turned_as_one_by_one(size: int) -> None:
    images = np.random.default_rng(size).normal(size=(3, size, size))
    angles = np.array([0.0, 10.0, 45.0, 90.0, 200.0, -33.3])
    expected = [[rotate(image, angle) for angle in angles] for image in images]
    np.testing.assert_allclose(rotations(images, angles), expected, atol=1e-5)


def test_turning_there_and_back_changes_little() -> None:
    inside = disc_mask(33, 14)
    back = rotate(rotate(bar(), 37), -37)
    assert np.abs(back - bar())[inside].max() < 0.05


@pytest.mark.parametrize("size", [33, 32])
def test_a_rotational_average_has_no_angle(size: int) -> None:
    y, x = np.mgrid[:size, :size] - size // 2
    round_ = np.exp(-(y**2 + x**2) / 60.0)
    inside = disc_mask(size)
    assert np.abs(rotational_average(round_) - round_)[inside].max() < 0.01
    average = rotational_average(round_ + 0.3 * np.sin(np.arctan2(y, x)))
    assert np.abs(average - round_)[disc_mask(size) & ~disc_mask(size, 4)].max() < 0.05


@pytest.mark.parametrize(("factor", "size"), [(1.0, 33), (2.5, 21), (0.5, 61), (1.3, 40)])
def test_resampling_keeps_centre_size_and_mean(factor: float, size: int) -> None:
    def gaussian(n: int, sigma: float) -> np.ndarray:
        y, x = np.mgrid[:n, :n] - n // 2
        return np.exp(-(y**2 + 2 * x**2) / (2 * sigma**2)).astype(np.float32)

    small = resample(gaussian(81, 9.0), factor, size)
    expected = gaussian(size, 9.0 / factor)
    near = disc_mask(size, min(size // 2, 30 / factor))
    assert np.abs(small - expected)[near].max() < 0.02
    np.testing.assert_allclose(resample(np.full((9, 9), 3.0), factor, size), 3, rtol=1e-6)


def test_high_frequencies_do_not_fold_back() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 - 0.5
    assert np.abs(resample(checks, 2.0, 20)).max() < 0.05


def turned_copies(image: np.ndarray, n: int, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([rotate(image, a) + rng.normal(0, noise, image.shape) for a in rng.uniform(0, 360, n)])


def test_alignment_brings_the_shape_back() -> None:
    boxes = turned_copies(bar(), 40, 0.7, 0)
    (average,) = aligned_averages(boxes, 1, 14)
    assert alike(average, bar()) > 0.93
    assert alike(average, bar()) > alike(rotational_average(boxes.mean(axis=0)), bar()) + 0.1


def test_two_shapes_become_two_averages() -> None:
    boxes = np.concatenate([turned_copies(bar(), 30, 0.3, 0), turned_copies(cross(), 20, 0.3, 1)])
    averages = aligned_averages(boxes, 2, 14)
    assert len(averages) == 2
    # The one of more particles comes first.
    assert alike(averages[0], bar()) > max(0.95, alike(averages[0], cross()))
    assert alike(averages[1], cross()) > max(0.95, alike(averages[1], bar()))


def test_no_alignment_gives_a_round_average() -> None:
    (average,) = aligned_averages(turned_copies(bar(), 10, 0.1, 0), 0, 14)
    inside = disc_mask(33, 13)
    assert np.abs(average - rotate(average, 77))[inside].max() < 0.03


def test_an_outlier_gets_no_average_of_its_own() -> None:
    boxes = np.concatenate([turned_copies(bar(), 30, 0.2, 0), turned_copies(-5 * cross(), 1, 0.2, 1)])
    averages = aligned_averages(boxes, 2, 14)
    assert all(alike(average, bar()) > 0.9 for average in averages)


def test_more_averages_than_boxes_and_flat_boxes_do_no_harm() -> None:
    averages = aligned_averages(turned_copies(bar(), 3, 0.1, 0), 8, 14)
    assert 1 <= len(averages) <= 3
    assert np.isfinite(aligned_averages(np.zeros((4, 9, 9)), 2, 4)).all()


def test_contrast_is_that_of_the_centre() -> None:
    y, x = np.mgrid[:41, :41] - 20
    particle = (np.hypot(y, x) < 11).astype(float)
    assert centre_contrast(particle + 5, 22) > 0.9
    assert centre_contrast(5 - particle, 22) < -0.9
    assert centre_contrast(particle[9:32, 9:32], 22) > 0  # a tight box: its corners are the surroundings
