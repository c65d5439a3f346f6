"""The scripted user of the labelling loop, what it is asked, and how ways are compared."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import labelling_loop as bench
import labelling_loop_report as report
import labelling_loop_ways as ways

from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Kind, Picks

PLACES = np.array([[20, 20], [20, 60], [60, 20], [60, 60]], np.float32)


@pytest.fixture
def world() -> bench.World:
    image = Micrograph("a", np.zeros((80, 90), np.float32), 1.0)
    return bench.World("globular", [image], [], {"a": Picks(PLACES)}, 12.0)


def situation(world: bench.World, labels=None, candidates=None, threshold: float = 0.0) -> ways.Situation:
    model = SimpleNamespace(card=SimpleNamespace(threshold=threshold))
    return ways.Situation(world, model, labels or {}, candidates or {}, np.random.default_rng(0))


def test_the_user_answers_from_the_truth(world: bench.World) -> None:
    assert world.is_particle("a", np.array([23.9, 20], np.float32))
    assert not world.is_particle("a", np.array([24.1, 20], np.float32))


def test_no_particle_is_labelled_twice(world: bench.World) -> None:
    labels = bench.with_clicks({}, [("a", PLACES[0] + 2, Kind.PARTICLE), ("a", PLACES[1], Kind.NOT_PARTICLE)])
    clicks = ways.random_particles(situation(world, labels), 10)
    assert sorted(tuple(yx) for _, yx, _ in clicks) == [(20, 60), (60, 20), (60, 60)]
    assert {kind for *_, kind in clicks} == {Kind.PARTICLE}


def test_random_picks_are_above_the_threshold_and_answered(world: bench.World) -> None:
    yx = np.array([[21, 20], [40, 40], [60, 60]], np.float32)
    now = situation(world, candidates={"a": Picks(yx, np.array([3.0, 2.5, 1.0]))}, threshold=2.0)
    found = {tuple(map(float, yx)): kind for _, yx, kind in ways.random_picks(now, 10)}
    assert found == {(21, 20): Kind.PARTICLE, (40, 40): Kind.NOT_PARTICLE}


def test_the_package_s_questions_are_answered(world: bench.World) -> None:
    candidates = Picks(np.r_[PLACES, [[40, 40]]], np.arange(5.0))
    found = ways.suggested(situation(world, candidates={"a": candidates}), 5)
    assert [kind for *_, kind in found].count(Kind.PARTICLE) == 4
    assert {tuple(map(float, yx)) for _, yx, kind in found if kind == Kind.NOT_PARTICLE} == {(40, 40)}


def test_development_has_other_micrographs() -> None:
    one, other = (bench.World.make("globular", 2, development=d) for d in (False, True))
    assert not np.array_equal(one.training[0].pixels, other.training[0].pixels)
    assert len(one.training) == len(one.test) == 1


def row(way: str, draw: int, ap: float, number: int = 1, name: str = "s") -> dict:
    asked = {"yes": 7, "asked": 10, "f1": 0.5, "clicks": 10}
    return {"set": name, "way": way, "draw": draw, "round": number, "ap": ap} | asked


def test_differences_are_within_draws() -> None:
    rows = [row("x", 1, 0.5), row("x", 2, 0.9), row("y", 1, 0.4), row("y", 2, 0.8), row("y", 3, 0.1)]
    away, error, count = report.difference(rows, "s", "x", "y", 1)
    assert (away, error, count) == (pytest.approx(0.1), pytest.approx(0, abs=1e-9), 2)
    rows = rows[:4] + [row(way, d, 0.3, 0) for way in "xy" for d in (1, 2)]
    assert "| s | 20 | 0.700 | 0.600 | +0.100 ± 0.000 | 2 |" in report.table(rows, "xy")
    lines = report.over_sets(rows, "xy").splitlines()
    assert lines[2] == "| 20 | x | 70% | +0.400 ± 0.200 | 0.500 | – | +0.100 ± 0.000 | 2 |"
    assert lines[3].startswith("| 20 | y | 70% | +0.300 ± 0.200 | 0.500 | -0.100 ± 0.000 | – |")


def test_draws_of_two_sets_are_different_pairs() -> None:
    rows = [
        row(way, 1, ap, name=name)
        for name, x, y in (("s", 0.5, 0.4), ("t", 0.9, 0.5))
        for way, ap in (("x", x), ("y", y))
    ]
    away, _, count = report.difference(rows, None, "x", "y", 1)
    assert (away, count) == (pytest.approx(0.25), 2)


def test_what_is_written_says_how(tmp_path: Path) -> None:
    rows = [row(way, d, 0.3 + n / 10, n) | {"seconds": 2.0} for way in "xy" for d in (1, 2) for n in (0, 1)]
    output = tmp_path / "loop.md"
    report.write(output, rows, "xy", ["--draws", "2", "--work", "/secret"], bench.__doc__ or "")
    text = output.read_text()
    assert "`python benchmarks/labelling_loop.py --draws 2`" in text
    assert "secret" not in text
    assert output.with_suffix(".png").stat().st_size > 1000
