"""The scripted user of the labelling loop, and how ways are compared."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import labelling_loop as bench

from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Kind, Picks

PLACES = np.array([[20, 20], [20, 60], [60, 20], [60, 60]], np.float32)


@pytest.fixture
def world() -> bench.World:
    image = Micrograph("a", np.zeros((80, 90), np.float32), 1.0)
    return bench.World("globular", [image], [], {"a": Picks(PLACES)}, 12.0)


def test_the_user_answers_from_the_truth(world: bench.World) -> None:
    assert world.is_particle("a", np.array([23.9, 20], np.float32))
    assert not world.is_particle("a", np.array([24.1, 20], np.float32))


def test_no_particle_is_labelled_twice(world: bench.World) -> None:
    rng = np.random.default_rng(0)
    labels = bench.with_clicks({}, [("a", PLACES[0] + 2, Kind.PARTICLE), ("a", PLACES[1], Kind.NOT_PARTICLE)])
    clicks = bench.drawn(world, labels, 10, rng)
    assert sorted(tuple(yx) for _, yx, _ in clicks) == [(20, 60), (60, 20), (60, 60)]
    assert {kind for *_, kind in clicks} == {Kind.PARTICLE}


def row(way: str, draw: int, ap: float) -> dict:
    return {"set": "s", "way": way, "draw": draw, "round": 1, "ap": ap}


def test_differences_are_within_draws() -> None:
    rows = [row(bench.SUGGESTED, 1, 0.5), row(bench.SUGGESTED, 2, 0.9)]
    rows += [
        row(way, draw, ap - 0.1)
        for way in (bench.PICKS, bench.PARTICLES)
        for draw, ap in ((1, 0.5), (2, 0.9))
    ]
    away, error = bench.difference(rows, "s", bench.PICKS, 1)
    assert away == pytest.approx(0.1)
    assert error == pytest.approx(0, abs=1e-9)
    assert "| s | 20 | 0.700 | 0.600 | 0.600 | +0.100 ± 0.000 |" in bench.table(rows)
