from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_topaz.numerics import class_averages as module
from napari_topaz.numerics.class_averages import (
    ClassAverages,
    centre_by_classes,
    class_averages,
    turned_particles,
)
from napari_topaz.numerics.refinement import long_axis

RADIUS = 9.5
#: (y, x), and degrees of the long axis from x towards y; rods and round ones of two views of a particle.
RODS = [(30.3, 40.8, 0), (31.0, 90.2, 90), (70.7, 42.1, 30), (72.5, 97.4, -40)]
ROUND = [(110.2, 60.6), (28.4, 123.3), (108.7, 112.2)]
SHAPE = (140, 150)
PLATEAU = np.zeros((35, 38), np.float32)


def rod(y: float, x: float, degrees: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A dark ridge with a darker end, so that no turn but one fits."""
    angle = np.radians(degrees)
    dy, dx = np.indices(shape) - np.array([y, x])[:, None, None]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return -np.exp(-((along / 8) ** 4) - (across / 2.5) ** 2) - 0.3 * np.exp(
        -((along - 5) ** 2 + across**2) / 4
    )


def disc(y: float, x: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    dy, dx = np.indices(shape) - np.array([y, x])[:, None, None]
    return -np.exp(-(((dy**2 + dx**2) / 30) ** 2))


def world(noise: float = 0.0) -> np.ndarray:
    image = sum(rod(*r) for r in RODS) + sum(disc(*d) for d in ROUND)
    return (image + np.random.default_rng(5).normal(0, noise, SHAPE)).astype(np.float32)


TRUTH = np.array([r[:2] for r in RODS] + ROUND)


@cache
def learnt(count: int = 60, noise: float = 0.4) -> ClassAverages:
    rng, found = np.random.default_rng(3), []
    for number in range(count):
        y, x = 30 + rng.uniform(-0.5, 0.5, 2)
        image = rod(y, x, rng.uniform(0, 360), (61, 61)) if number % 2 else disc(y, x, (61, 61))
        found.append(turned_particles(image + rng.normal(0, noise, (61, 61)), [[y, x]], RADIUS))
    classes = class_averages(np.concatenate(found), RADIUS)
    assert classes is not None
    return classes


def test_particles_are_cut_once_for_every_turn() -> None:
    image = rod(30.4, 28.7, 20, (61, 61)).astype(np.float32)
    found = turned_particles(image, [[30.4, 28.7], [25, 40]], RADIUS)
    offsets = module._disc(RADIUS)
    assert found.shape == (2, 48, len(offsets))
    np.testing.assert_array_equal(offsets.max(axis=0), 11)  # 1.25 radii, 11.9 px
    as_it_is = map_coordinates(image, np.add(offsets, [30.4, 28.7]).T, order=3, mode="mirror")
    np.testing.assert_allclose(found[0, 0], as_it_is, atol=1e-5)
    mirrored = map_coordinates(image, (offsets * [1, -1] + [30.4, 28.7]).T, order=3, mode="mirror")
    np.testing.assert_allclose(found[0, 24], mirrored, atol=1e-5)
    quarter = map_coordinates(image, (offsets[:, ::-1] * [1, -1] + [30.4, 28.7]).T, order=3, mode="mirror")
    np.testing.assert_allclose(found[0, 6], quarter, atol=1e-5)


def test_classes_show_the_views_of_a_particle() -> None:
    classes = learnt()
    assert len(classes.images) == len(classes.shares) == 3 * round(60 / 25)
    assert classes.images.shape[1:] == (25, 25)
    assert classes.shares.sum() == pytest.approx(1, abs=1e-5)
    # The noise is that of the labels, but for what the spline takes away between pixels.
    assert classes.noise == pytest.approx(0.16, rel=0.35)
    aspects = np.array([long_axis(image)[0] for image in classes.images])
    assert (aspects > 1.8).any()
    assert (aspects < 1.2).any()
    assert classes.shares[aspects > 1.5].sum() == pytest.approx(0.5, abs=0.1)
    assert classes.images[:, 12, 12].max() < -0.4  # dark
    # As deep as they are; and flat where only the other view is dark.
    inside = classes.images[0] != 0
    view = disc(12, 12, (25, 25))[inside]
    view -= view.mean()
    roundest = classes.images[aspects.argmin()][inside]
    assert roundest @ view / (view @ view) == pytest.approx(1, abs=0.05)
    assert np.abs(roundest - view).mean() < 0.05
    assert not classes.images[:, 0, 0].any()


def test_the_same_particles_give_the_same_classes_and_flat_ones_none() -> None:
    found = turned_particles(world(0.4), TRUTH, RADIUS)
    one, two = class_averages(found, RADIUS), class_averages(found.copy(), RADIUS)
    assert one is not None
    assert two is not None
    assert len(one.images) == 3  # seven labels: one class, three times
    np.testing.assert_array_equal(one.images, two.images)
    assert class_averages(np.ones_like(found), RADIUS) is None


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("sign", [1, -1])
def test_all_views_are_centred(noise: float, sign: int) -> None:
    classes = learnt()
    turned = ClassAverages(sign * classes.images, classes.shares, classes.noise, RADIUS)
    start = TRUTH + np.random.default_rng(1).uniform(-2, 2, TRUTH.shape)
    found = centre_by_classes(sign * world(noise), turned, start, PLATEAU, (4.0, 4.0))
    off = np.linalg.norm(found - TRUTH, axis=1)
    assert np.linalg.norm(start - TRUTH, axis=1).mean() > 0.13 * RADIUS
    assert off.max() < 0.1 * RADIUS
    assert np.median(off) < 0.06 * RADIUS


def test_a_pick_does_not_depend_on_the_others() -> None:
    start = np.tile(TRUTH, (12, 1)) + np.random.default_rng(1).uniform(-2, 2, (84, 2))
    together = centre_by_classes(world(0.3), learnt(), start, PLATEAU, (4.0, 4.0))
    for n in (0, 63, 64, 83):
        alone = centre_by_classes(world(0.3), learnt(), start[n : n + 1], PLATEAU, (4.0, 4.0))
        np.testing.assert_array_equal(alone[0], together[n])


def test_scores_count_and_hold_a_pick_in_their_peak() -> None:
    place = np.array([[32.0, 44.0]])
    y, x = np.indices(PLATEAU.shape) * 4.0
    peak = -10 * np.hypot(y - place[0, 0], x - place[0, 1])
    free = centre_by_classes(world(), learnt(), place, PLATEAU, (4.0, 4.0))
    held = centre_by_classes(world(), learnt(), place, peak, (4.0, 4.0))
    assert np.linalg.norm(held - place) < 0.4 < np.linalg.norm(free - place)


def test_where_nothing_is_told_picks_stay() -> None:
    place = np.array([[50.3, 60.7], [0.0, 149.0]])
    flat = centre_by_classes(np.full(SHAPE, 3.7), learnt(), place, PLATEAU, (4.0, 4.0))
    np.testing.assert_array_equal(flat, place)
    unknown = centre_by_classes(world(), learnt(), place, np.full_like(PLATEAU, -np.inf), (4.0, 4.0))
    np.testing.assert_array_equal(unknown, place)
    assert centre_by_classes(world(), learnt(), np.empty((0, 2)), PLATEAU, (4.0, 4.0)).shape == (0, 2)


def test_picks_stay_inside_and_within_reach() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 1, (150, 2)) * (np.array(SHAPE) - 1)
    found = centre_by_classes(rng.normal(size=SHAPE), learnt(), start, PLATEAU, (4.0, 4.0))
    assert np.linalg.norm(found - start, axis=1).max() <= 0.45 * RADIUS + 1e-6
    assert np.linalg.norm(found - start, axis=1).max() > 0.3 * RADIUS
    assert (found >= 0).all()
    assert (found <= np.array(SHAPE) - 1).all()


def test_equals_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shift, class, turn and mirror image by itself."""
    monkeypatch.setattr(module, "LEFT_OUT", 1e-7)
    some = learnt()
    classes = ClassAverages(some.images, some.shares, some.noise, RADIUS)  # nothing is kept of it yet
    image, place = world(0.3), np.array([70.2, 43.4])
    scores = np.random.default_rng(2).normal(size=PLATEAU.shape).astype(np.float32)
    found = centre_by_classes(image, classes, place[None], scores, (4.0, 4.0))[0]
    offsets = module._disc(RADIUS)
    bank = [turned_particles(one, [[12, 12]], RADIUS)[0] for one in classes.images]
    likely, at = [], []
    for y in range(64, 77):
        for x in range(37, 50):
            if np.hypot(y - place[0], x - place[1]) > 0.45 * RADIUS:
                continue
            around = image[tuple(np.add(offsets, [y, x]).T)]
            fits = []
            for share, turns in zip(classes.shares, bank, strict=True):
                turns = turns - turns.mean(axis=1, keepdims=True)
                fits.append(np.log(share) + (turns @ around - (turns**2).sum(axis=1) / 2) / classes.noise)
            likely.append(np.logaddexp.reduce(np.concatenate(fits)))
            at.append((y, x))
    likely, at = np.array(likely), np.array(at)
    score = map_coordinates(scores, at.T / 4, order=1)
    weight = np.exp((likely - likely.max()) / np.ptp(likely) / 0.065 + 1.75 * score)
    np.testing.assert_allclose(found, (weight[:, None] * at).sum(axis=0) / weight.sum(), atol=2e-3)
