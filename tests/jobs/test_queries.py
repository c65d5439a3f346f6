"""Questions about real micrographs: what is asked, and what if one cannot be read."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.events import JobError, Warned
from napari_topaz.jobs import queries
from napari_topaz.jobs.queries import Queries, suggest_queries
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.picks import Picks

DIAMETER = 20.0
#: Not square.
SHAPE = (300, 420)


def micrograph(name: str, yx: np.ndarray, strange: np.ndarray, seed: int) -> Micrograph:
    """Dark discs at `yx`; very dark and large ones at `strange`."""
    image = np.random.default_rng(seed).normal(100, 1, SHAPE).astype(np.float32)
    grid = np.indices(SHAPE).transpose(1, 2, 0)
    for places, radius, depth in ((yx, DIAMETER / 2, 2), (strange, DIAMETER, 30)):
        for place in places:
            image[np.hypot(*(grid - place).transpose(2, 0, 1)) < radius] -= depth
    return Micrograph(name, image, 1.0)


def scattered(rng: np.random.Generator, count: int) -> np.ndarray:
    grid = np.stack(np.meshgrid(np.arange(40, 270, 45), np.arange(40, 400, 45), indexing="ij"), -1).reshape(
        -1, 2
    )
    return grid[rng.permutation(len(grid))[:count]].astype(np.float32)


class World:
    """Two micrographs; particles score 4 and more, strange things 6, nothing less than the threshold 1."""

    def __init__(self) -> None:
        self.micrographs, self.candidates, self.strange = [], {}, {}
        for k, name in enumerate("ab"):
            rng = np.random.default_rng(k)
            places = scattered(rng, 30)
            good, strange, empty = places[:18], places[18:20], places[20:]
            self.micrographs.append(micrograph(name, good, strange, k))
            scores = np.r_[rng.uniform(4, 5, len(good)), [6, 6], rng.uniform(-1, 1, len(empty))]
            self.candidates[name] = Picks(places, scores).by_score()
            self.strange[name] = {tuple(map(float, yx)) for yx in strange}
        self.thresholds, self.diameters = dict.fromkeys("ab", 1.0), dict.fromkeys("ab", DIAMETER)

    def ask(self, count: int = 10, sources=None, **how):
        return suggest_queries(
            self.micrographs if sources is None else sources,
            self.candidates,
            self.thresholds,
            self.diameters,
            count,
            **({"seed": 0} | how),
        )


def drained(job) -> tuple[Queries, list]:
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as end:
            return end.value, events


def test_what_looks_strange_is_asked_about_and_picks_by_chance() -> None:
    world = World()
    found, _ = drained(world.ask())
    assert len(found.questions) == 10
    odd = {(q.name, q.y, q.x) for q in found.questions if q.odd}
    assert len(odd) == 5
    assert {(n, *yx) for n, places in world.strange.items() for yx in places} <= odd
    assert all(q.score >= q.threshold == 1.0 for q in found.questions)


def test_another_time_it_asks_something_else() -> None:
    world = World()
    asked = [{(q.name, q.y, q.x) for q in drained(world.ask(seed=s))[0].questions} for s in (1, 1, 2)]
    assert asked[0] == asked[1] != asked[2]
    unset = [{(q.name, q.y, q.x) for q in drained(world.ask(seed=None))[0].questions} for _ in range(4)]
    assert any(one != unset[0] for one in unset)


def test_a_micrograph_is_visited_once() -> None:
    names = [q.name for q in drained(World().ask())[0].questions]
    assert set(names) == set("ab")
    assert sum(a != b for a, b in pairwise(names)) == 1


def test_all_picks_are_looked_at_and_no_other_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        queries, "oddities", lambda boxes, grey, groups: seen.append(groups) or boxes[:, 0, 0]
    )
    drained(World().ask())
    assert np.bincount(seen[0]).tolist() == [20, 20]


def test_of_many_picks_on_many_micrographs_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 12)
    monkeypatch.setattr(queries, "MICROGRAPHS", 1)
    seen = []
    monkeypatch.setattr(
        queries, "oddities", lambda boxes, grey, groups: seen.append(groups) or boxes[:, 0, 0]
    )
    drained(World().ask())
    assert len(seen[0]) == 12
    assert len(set(seen[0].tolist())) == 1


def test_the_micrograph_with_most_doubtful_ones_is_named_first() -> None:
    world = World()
    world.candidates["a"] = Picks(world.candidates["a"].yx, np.full(30, 9.0))
    world.candidates["a"].scores.setflags(write=True)
    world.candidates["a"].scores[0] = 4.2
    found, _ = drained(world.ask())
    assert [name for name, _ in found.doubtful] == ["b", "a"]
    assert found.doubtful[1][1] == 1


def test_what_cannot_be_read_is_told_and_not_asked_about(tmp_path: Path) -> None:
    world = World()
    gone = MicrographFile(tmp_path / "a.mrc")
    found, events = drained(world.ask(sources=[gone, world.micrographs[1]]))
    [warned] = [e for e in events if isinstance(e, Warned)]
    assert "a is left out" in warned.message
    assert {q.name for q in found.questions} == {"b"}


def test_without_candidates_it_says_what_to_do() -> None:
    world = World()
    world.candidates = {"a": Picks()}
    with pytest.raises(JobError, match="train a model and pick"):
        drained(world.ask())


def test_stopped_early_it_asks_about_picks_by_chance() -> None:
    stop = threading.Event()
    stop.set()
    found, _ = drained(World().ask(stop=stop))
    assert len(found.questions) == 10
    assert not any(q.odd for q in found.questions)
