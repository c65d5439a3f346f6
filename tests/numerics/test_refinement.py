from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from napari_topaz.numerics import refinement
from napari_topaz.numerics.refinement import average_edge, boxes_at, long_axis, particle_average, refine

#: Of a rod in pixels; half of its length and half of its width.
RADIUS, LONG, SHORT = 9.5, 8.0, 2.0
#: (y, x), and the angle of the long axis from x towards y in degrees; one is near the edge.
RODS = [
    (30.3, 40.8, 0),
    (31.0, 90.2, 90),
    (70.7, 42.1, 30),
    (72.5, 97.4, -40),
    (110.2, 60.6, 75),
    (4.6, 122.3, 10),
]
SHAPE = (131, 150)


def rod(y: float, x: float, degrees: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A dark Gaussian ridge with a darker end."""
    angle = np.radians(degrees)
    dy, dx = np.indices(shape) - np.array([y, x])[:, None, None]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    ridge = np.exp(-((along / LONG) ** 4) - (across / SHORT) ** 2)
    return -(ridge + 0.3 * np.exp(-((along - 5) ** 2 + across**2) / 4)).astype(np.float32)


def rods(noise: float = 0.0, seed: int = 0) -> np.ndarray:
    image = np.sum([rod(*r) for r in RODS], axis=0)
    return (image + np.random.default_rng(seed).normal(0, noise, SHAPE)).astype(np.float32)


@cache
def an_average(count: int = 30, noise: float = 0.3) -> np.ndarray:
    rng, edge = np.random.default_rng(3), average_edge(RADIUS)
    boxes = []
    for _ in range(count):
        y, x = 30 + rng.uniform(-0.5, 0.5, 2)
        image = rod(y, x, rng.uniform(0, 360), (61, 61)) + rng.normal(0, noise, (61, 61))
        boxes.append(boxes_at(image, [[y, x]], edge)[0])
    average = particle_average(np.array(boxes), RADIUS)
    average.flags.writeable = False
    return average


def test_boxes_are_cut_between_pixels() -> None:
    y, x = np.indices((20, 31)).astype(np.float32)
    image = 3 * y + x
    boxes = boxes_at(image, [[7.25, 12.5], [10, 15]], 5)
    away = np.arange(-2, 3)
    np.testing.assert_allclose(boxes[0], 3 * (7.25 + away[:, None]) + 12.5 + away, rtol=1e-6)
    np.testing.assert_array_equal(boxes[1], image[8:13, 13:18])
    assert boxes_at(image, np.empty((0, 2)), 5).shape == (0, 5, 5)


@pytest.mark.parametrize("degrees", [0, 30, 90, 140])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_long_axis_of_an_ellipse(degrees: float, sign: int) -> None:
    angle = np.radians(degrees)
    dy, dx = np.indices((41, 41)) - 20
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    aspect, found = long_axis(sign * ((along / 15) ** 2 + (across / 5) ** 2 <= 1))
    assert aspect == pytest.approx(3, abs=0.15)
    assert abs(np.sin(found - angle)) < 0.02


def test_a_round_particle_has_no_long_axis() -> None:
    dy, dx = np.indices((21, 21)) - 10
    assert long_axis(np.hypot(dy, dx) < 7)[0] == pytest.approx(1, abs=0.05)
    assert long_axis(np.zeros((21, 21))) == (1.0, 0.0)


def test_an_average_shows_the_particle() -> None:
    average = an_average()
    edge = average_edge(RADIUS)
    assert average.shape == (edge, edge)
    assert np.linalg.norm(average) == pytest.approx(1, abs=1e-4)
    assert average.sum() == pytest.approx(0, abs=1e-3)
    assert average[0, 0] == 0
    assert long_axis(average)[0] > 2.5
    assert not particle_average(np.ones((4, edge, edge)), RADIUS).any()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_rods_are_centred_and_their_directions_known(noise: float) -> None:
    average = an_average()
    truth = np.array([r[:2] for r in RODS])
    start = truth + np.random.default_rng(1).uniform(-2, 2, truth.shape)
    # The scores say nothing: a plateau.
    found = refine(rods(noise), average, RADIUS, start, np.zeros((33, 38)), (4.0, 4.0))
    off = np.linalg.norm(found.places - truth, axis=1)
    assert np.median(off) < 0.08 * RADIUS
    assert off[:-1].max() < 0.1 * RADIUS  # the last one is cut off by the edge
    assert off[-1] < 0.25 * RADIUS
    aspect, axis = long_axis(average)
    assert aspect > 2
    wrong = np.sin(axis - found.angles - np.radians([r[2] for r in RODS]))
    assert np.abs(wrong).max() < np.sin(np.radians(12))


def test_scores_pull_a_pick_back() -> None:
    average, image = an_average(), rods()
    place = np.array([[32.0, 44.0]])  # a grid point
    y, x = np.indices((33, 38)) * 4.0
    scores = -10 * np.hypot(y - place[0, 0], x - place[0, 1])
    free = refine(image, average, RADIUS, place, np.zeros((33, 38)), (4.0, 4.0)).places
    held = refine(image, average, RADIUS, place, scores, (4.0, 4.0)).places
    assert np.linalg.norm(held - place) < 0.4 < np.linalg.norm(free - place)


def test_where_nothing_is_to_be_seen_picks_stay() -> None:
    average, place = an_average(), np.array([[50.3, 60.7], [0.0, 149.0]])
    flat = refine(np.ones(SHAPE), average, RADIUS, place, np.zeros((33, 38)), (4.0, 4.0))
    np.testing.assert_allclose(flat.places, place)
    unknown = refine(rods(0.3), average, RADIUS, place, np.full((33, 38), -np.inf), (4.0, 4.0))
    np.testing.assert_allclose(unknown.places, place)
    nothing = refine(rods(), np.zeros_like(average), RADIUS, place, np.zeros((33, 38)), (4.0, 4.0))
    np.testing.assert_allclose(nothing.places, place)
    assert refine(rods(), average, RADIUS, np.empty((0, 2)), np.zeros((33, 38)), (4.0, 4.0)).places.size == 0


def test_picks_move_no_farther_than_the_reach_and_stay_inside() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 1, (600, 2)) * (np.array(SHAPE) - 1)  # more than are looked at together
    found = refine(rng.normal(size=SHAPE), an_average(), RADIUS, start, np.zeros((33, 38)), (4.0, 4.0))
    assert np.linalg.norm(found.places - start, axis=1).max() <= 0.42 * RADIUS + 1e-6
    assert (found.places >= 0).all()
    assert (found.places <= np.array(SHAPE) - 1).all()
    some = refine(rng.normal(size=SHAPE), an_average(), RADIUS, start[:1], np.zeros((33, 38)), (4.0, 4.0))
    assert some.angles.shape == (1,)


def test_equals_the_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shift and angle by itself, by direct correlation."""
    monkeypatch.setattr(refinement, "LEFT_OUT", 1e-6)
    from scipy.ndimage import gaussian_filter

    from napari_topaz.numerics.templates import disc_mask, rotate

    image, average, radius = rods(0.5), an_average(), RADIUS
    place, step = np.array([70.2, 43.4]), 4.0
    scores = np.random.default_rng(2).normal(size=(33, 38))
    found = refine(image, average, radius, place[None], scores, (step, step)).places[0]
    smooth = np.pad(gaussian_filter(image, 0.7, mode="mirror"), 20, mode="symmetric")
    inside, half = disc_mask(len(average), radius + 0.5), len(average) // 2
    bank = []
    for k in range(24):
        turned = np.where(inside, rotate(average, 15 * k), 0)
        turned = np.where(inside, turned - turned[inside].mean(), 0)
        bank.append(turned / np.linalg.norm(turned))
    fits = {}
    for y in range(60, 81):
        for x in range(33, 54):
            if np.hypot(y - place[0], x - place[1]) <= 0.42 * radius:
                box = smooth[y + 20 - half : y + 21 + half, x + 20 - half : x + 21 + half]
                fits[y, x] = max(float((box * t).sum()) for t in bank)
    best = max(fits.values())
    at = np.array(list(fits))
    i, j = (np.array(at.T) / step).astype(int)
    v, u = at[:, 0] / step - i, at[:, 1] / step - j
    score = (1 - v) * ((1 - u) * scores[i, j] + u * scores[i, j + 1]) + v * (
        (1 - u) * scores[i + 1, j] + u * scores[i + 1, j + 1]
    )
    total = np.array(list(fits.values())) / best + 0.1 * score
    weight = np.exp((total - total.max()) / 0.04)
    np.testing.assert_allclose(found, (weight[:, None] * at).sum(axis=0) / weight.sum(), atol=2e-3)
