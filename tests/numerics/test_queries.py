"""Which candidates are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.queries import (
    APART,
    EDGE,
    choose_queries,
    doubt_point,
    doubtful,
    features,
    oddities,
)


def candidates(margins, groups=None, oddity=None):
    """Candidates far apart from one another."""
    margins = np.asarray(margins, float)
    n = len(margins)
    places = np.stack([np.arange(n) * 10.0, np.zeros(n)], axis=1)
    groups = np.zeros(n, int) if groups is None else np.asarray(groups)
    return margins, groups, places, np.zeros(n) if oddity is None else np.asarray(oddity, float)


def test_the_least_sure_are_asked_first_on_both_sides_of_the_point_of_doubt() -> None:
    margins = [5, -0.2, 3, 0.1, -4, 0.4, 2]
    assert doubt_point(np.array(margins)) == 0.4
    chosen, odd = choose_queries(*candidates(margins), 3)
    assert chosen.tolist() == [5, 3, 1]
    assert not odd.any()
    assert doubt_point(np.array([-1.0, -2.0])) == 0


def test_micrographs_take_turns() -> None:
    margins = [0.01, 0.02, 0.03, 0.04, 1.0, 2.0, 3.0, 9.0]
    chosen, _ = choose_queries(*candidates(margins, [0, 0, 0, 0, 1, 2, 3, 3]), 4)
    assert sorted(chosen.tolist()) == [2, 4, 5, 6]


def test_a_micrograph_has_more_turns_where_others_have_no_more_candidates() -> None:
    chosen, _ = choose_queries(*candidates([0.1, 0.2, 0.3, 0.4, 0.5], [0, 0, 0, 0, 1]), 5)
    assert sorted(chosen.tolist()) == [0, 1, 2, 3, 4]


def test_two_questions_are_never_about_one_spot() -> None:
    margins, groups, places, oddity = candidates([-0.1, -0.2, -0.3])
    places[1] = places[0] + [APART * 0.9, 0]
    chosen, _ = choose_queries(margins, groups, places, oddity, 3)
    assert chosen.tolist() == [0, 2]
    chosen, _ = choose_queries(margins, np.array([0, 1, 0]), places, oddity, 3)
    assert sorted(chosen.tolist()) == [0, 1, 2]  # on another micrograph it is another spot


def test_a_part_of_the_questions_is_for_odd_ones() -> None:
    margins = np.r_[np.linspace(0.1, 1, 20), 7.0, 8.0, 9.0, 9.5, 9.9]
    oddity = np.r_[np.zeros(20), 3.0, 9.0, 4.0, 5.0, np.nan]
    chosen, odd = choose_queries(*candidates(margins, oddity=oddity), 10)
    assert sorted(chosen[odd].tolist()) == [21, 22, 23]
    assert len(chosen) == len(set(chosen.tolist())) == 10
    assert sorted(chosen[~odd].tolist()) == [3, 4, 5, 6, 7, 8, 9]  # round the seventh of 25


def test_no_candidates_no_questions() -> None:
    chosen, odd = choose_queries(*candidates([]), 5)
    assert len(chosen) == len(odd) == 0


def test_doubtful_candidates_are_counted_by_micrograph() -> None:
    assert doubtful(np.array([0.1, -0.4, 4, -5, 1.0]), np.array([0, 0, 0, 2, 2]), 4).tolist() == [2, 0, 1, 0]


def disc(radius: float, seed: int, depth: float = 2.0, size: int = 48) -> np.ndarray:
    yx = np.indices((size, size)) - size // 2
    noise = np.random.default_rng(seed).normal(0, 1, (size, size))
    return (noise - depth * (np.hypot(*yx) < radius)).astype(np.float32)


@pytest.mark.parametrize(
    "stranger", [disc(22, 99), disc(3, 99, depth=40), disc(12, 99, depth=-2)], ids=["large", "gold", "bright"]
)
def test_what_looks_unlike_the_others_is_odd(stranger: np.ndarray) -> None:
    boxes = np.stack([features(b) for b in [*(disc(12, k) for k in range(20)), stranger]])
    assert boxes.shape == (21, EDGE, EDGE)
    found = oddities(boxes, np.arange(21) < 5)
    assert found.argmax() == 20
    assert found[20] > 4
    assert np.median(found) == 0


def test_a_neighbour_beside_it_makes_it_unlike_the_average() -> None:
    crowd = disc(12, 99)
    crowd[:, 38:] -= 2  # neither its middle nor its roughness tells
    boxes = np.stack([features(b) for b in [*(disc(12, k) for k in range(30)), crowd]])
    assert oddities(boxes, np.ones(31, bool)).argmax() == 30


def test_grey_levels_are_not_odd() -> None:
    boxes = np.stack([features(disc(12, k) * (1 + 50 * (k == 7)) - 400 * (k == 7)) for k in range(20)])
    same = np.stack([features(disc(12, k)) for k in range(20)])
    np.testing.assert_allclose(
        oddities(boxes, np.ones(20, bool)), oddities(same, np.ones(20, bool)), atol=0.01
    )


def test_of_three_boxes_none_is_odd() -> None:
    boxes = np.stack([features(disc(r, 0)) for r in (4, 12, 22)])
    assert not oddities(boxes, np.zeros(3, bool)).any()
