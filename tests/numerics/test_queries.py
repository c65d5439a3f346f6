"""Which candidates are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.queries import (
    APART,
    EDGE,
    FEWEST,
    choose_queries,
    doubt_point,
    doubtful,
    features,
    levels,
    oddities,
)


def ask(margins, count=10, *, groups=None, oddity=None, places=None, seed=0):
    """Ask about candidates far apart from one another, unless places are given."""
    n = len(margins)
    places = np.stack([np.arange(n) * 10.0, np.zeros(n)], axis=1) if places is None else places
    groups = np.zeros(n, int) if groups is None else np.asarray(groups)
    oddity = np.full(n, np.nan) if oddity is None else np.asarray(oddity, float)
    rng = np.random.default_rng(seed)
    return choose_queries(np.asarray(margins, float), groups, places, oddity, count, rng)


def test_half_the_questions_are_about_picks_that_look_odd() -> None:
    margins = np.r_[np.linspace(0, 5, 300), np.full(300, -1.0)]
    oddity = np.r_[np.arange(300.0), np.full(300, 1e6)]  # what is below the threshold is no pick
    chosen, odd = ask(margins, oddity=oddity)
    assert len(set(chosen.tolist())) == 10
    assert odd.sum() == 5
    assert ((chosen[odd] >= 270) & (chosen[odd] < 300)).all()  # a tenth of the picks
    assert (chosen[~odd] < 300).all()


def test_the_other_questions_are_about_picks_at_random() -> None:
    margins, oddity = np.linspace(0, 5, 200), np.arange(200.0)
    asked = np.concatenate([c[~odd] for c, odd in (ask(margins, oddity=oddity, seed=s) for s in range(200))])
    assert abs(np.mean(asked) - 99.5) < 8  # a standard error is under 2; the odd ones have 190 and more
    assert len(np.unique(asked)) > 190


def test_what_was_not_looked_at_is_not_odd() -> None:
    oddity = np.r_[np.full(50, np.nan), 1.0, 2.0]
    chosen, odd = ask(np.ones(52), oddity=oddity)
    assert set(chosen[odd].tolist()) == {50, 51}
    assert len(chosen) == 10


def test_where_picks_are_few_the_next_best_candidates_are_asked_about() -> None:
    chosen, odd = ask([-3, 0.5, -1, -2, -9], 4)
    assert chosen.tolist() == [1, 2, 3, 0]
    assert not odd.any()


def test_two_questions_are_never_about_one_spot() -> None:
    places = np.array([[0, 0], [APART * 0.9, 0], [50, 0]])
    chosen, _ = ask([-0.1, -0.2, -0.3], 3, places=places)
    assert chosen.tolist() == [0, 2]
    chosen, _ = ask([-0.1, -0.2, -0.3], 3, places=places, groups=[0, 1, 0])
    assert sorted(chosen.tolist()) == [0, 1, 2]  # on another micrograph it is another spot


def test_no_candidates_no_questions() -> None:
    chosen, odd = ask([], 5)
    assert len(chosen) == len(odd) == 0


def test_doubt_lies_above_the_threshold_of_picks() -> None:
    assert doubt_point(np.array([5, -0.2, 3, 0.1, -4, 0.4, 2])) == 0.4
    assert doubt_point(np.array([-1.0, -2.0])) == 0


def test_doubtful_candidates_are_counted_by_micrograph() -> None:
    assert doubtful(np.array([0.1, -0.4, 4, -5, 1.0]), np.array([0, 0, 0, 2, 2]), 4).tolist() == [2, 0, 1, 0]


def disc(radius: float, seed: int, depth: float = 2.0, size: int = 48) -> np.ndarray:
    yx = np.indices((size, size)) - size // 2
    noise = np.random.default_rng(seed).normal(0, 1, (size, size))
    return (noise - depth * (np.hypot(*yx) < radius)).astype(np.float32)


def odd(images: list[np.ndarray], groups=None) -> np.ndarray:
    groups = np.zeros(len(images), int) if groups is None else np.asarray(groups)
    small = np.stack([features(i) for i in images])
    return oddities(small, np.stack([levels(i, 24) for i in images]), groups)


def test_levels_are_those_without_noise() -> None:
    noise = np.random.default_rng(0).normal(5, 1, (96, 96)).astype(np.float32)
    std, smooth, low, high, mean = levels(noise, 48)
    assert (std, mean) == (pytest.approx(1, abs=0.02), pytest.approx(5, abs=0.02))
    assert smooth < 0.1
    assert 4.6 < low < mean < high < 5.4


@pytest.mark.parametrize(
    "stranger", [disc(22, 99), disc(3, 99, depth=40), disc(12, 99, depth=-2)], ids=["large", "gold", "bright"]
)
def test_what_looks_unlike_the_others_is_odd(stranger: np.ndarray) -> None:
    found = odd([*(disc(12, k) for k in range(40)), stranger])
    assert features(stranger).shape == (EDGE, EDGE)
    assert found.argmax() == 40
    assert found[40] > 4 * np.median(found)


def test_a_neighbour_beside_it_makes_it_unlike_the_others() -> None:
    crowd = disc(12, 99)
    crowd[:, 38:] -= 2
    assert odd([*(disc(12, k) for k in range(40)), crowd]).argmax() == 40


def test_dark_dirt_of_the_same_shape_is_odd() -> None:
    found = odd([*(disc(12, k) for k in range(40)), 5 * disc(12, 99)])
    assert found.argmax() == 40
    assert found[40] > 4 * np.median(found)


def test_each_micrograph_has_grey_levels_of_its_own() -> None:
    images = [disc(12, k) for k in range(40)]
    brighter = [i if k < 20 else 50 * i - 400 for k, i in enumerate(images)]
    groups = np.repeat([0, 1], 20)
    np.testing.assert_allclose(odd(brighter, groups), odd(images, groups), rtol=0.02)
    assert np.abs(odd(brighter) - odd(images)).max() > 1  # else the scales would not matter


def test_micrographs_with_few_boxes_are_taken_together() -> None:
    images = [disc(12, k) for k in range(40)] + [disc(22, 99)]
    groups = np.r_[np.zeros(20), np.arange(1, 22)]
    found = odd(images, groups)
    assert found.argmax() == 40
    assert (found[20:40] > 0).all()


def test_of_a_few_boxes_nobody_knows_which_is_odd() -> None:
    assert np.isnan(odd([disc(12, k) for k in range(FEWEST - 1)])).all()
    assert np.isfinite(odd([np.zeros((48, 48), np.float32)] * FEWEST)).all()
