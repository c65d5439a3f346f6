"""Particles are counted from planted scores: known mixtures, and what cannot be counted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.mixture_proportion import count_particles


def planted(
    particles: int, labels: int, *, apart: float = 3.5, others: int = 6000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores of particles and of other peaks, and which are labelled."""
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(apart, 1, particles), rng.normal(0, 1, others)])
    hits = np.zeros(len(scores), bool)
    hits[rng.choice(particles, labels, replace=False)] = True
    order = rng.permutation(len(scores))
    return scores[order], hits[order]


@pytest.mark.parametrize("particles", [80, 480, 1600])
@pytest.mark.parametrize("labels", [30, 60])
def test_planted_mixtures_are_recovered(particles: int, labels: int) -> None:
    ratios = [
        count_particles(*planted(particles, labels, seed=seed), labels).particles / particles
        for seed in range(6)
    ]
    assert 0.8 < np.median(ratios) < 1.2
    assert sum(2 / 3 < r < 1.5 for r in ratios) >= 5
    assert all(0.5 < r < 2 for r in ratios)


def test_labels_that_are_not_found_count() -> None:
    scores, hits = planted(500, 60)
    whole = count_particles(scores, hits, 60)
    # Half of the particles have no pick at all: as many labels again were missed.
    assert count_particles(scores, hits, 120).particles == pytest.approx(2 * whole.particles, rel=0.15)


def test_perfect_scores_count_exactly() -> None:
    scores = np.concatenate([np.linspace(10, 9, 200), np.linspace(1, 0, 3000)])
    hits = np.zeros(3200, bool)
    hits[:200:4] = True
    found = count_particles(scores, hits, 50)
    assert found.particles == pytest.approx(200, rel=0.05)
    assert found.low <= found.particles <= found.high


def test_random_scores_count_all_picks() -> None:
    """A model that knows nothing cannot tell particles from other picks: the bound is all of them."""
    rng = np.random.default_rng(0)
    hits = np.zeros(2000, bool)
    hits[rng.choice(2000, 60, replace=False)] = True
    assert 1300 < count_particles(rng.normal(size=2000), hits, 60).particles < 2200


def test_the_bounds_are_wider_with_fewer_labels() -> None:
    few, many = (count_particles(*planted(480, n), n) for n in (15, 240))
    assert few.high / few.low > 1.5 * many.high / many.low


def test_never_fewer_than_labels_and_always_the_same() -> None:
    scores, hits = planted(60, 60, apart=6)
    found = count_particles(scores, hits, 60)
    assert found.particles == 60 <= found.high
    assert found.low == 60
    assert count_particles(scores, hits, 60) == found


def test_one_label_is_enough_for_a_number() -> None:
    found = count_particles([3.0, 2.0, 1.0], [False, True, False], 1)
    assert (found.low, found.particles, found.high) == (2, 2, 2)


@pytest.mark.parametrize(
    ("hits", "labels", "message"),
    [([False, False], 3, "No label"), ([True, True], 1, "hit twice"), ([], 1, "No label")],
)
def test_what_cannot_be_counted_is_said(hits: list[bool], labels: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_particles(np.zeros(len(hits)), hits, labels)


def test_equal_scores_are_one_step() -> None:
    scores, first = np.repeat([3.0, 1.0], 50), np.arange(100) % 50 < 5

    def value(hits):
        return count_particles(scores, hits, 10)

    assert value(first) == value(np.roll(first, 45))
