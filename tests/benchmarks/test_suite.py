"""The suite's figures: pairs, ratios, targets, and that its stages are run and kept."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from napari_topaz import Picks
from napari_topaz.numerics.suppression import suppress


@pytest.fixture
def suite(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("suite")


@pytest.fixture
def measure(suite: ModuleType) -> ModuleType:
    return sys.modules["suite_measure"]


def test_ratio_is_of_pairs(measure: ModuleType) -> None:
    target = measure.Target(ratio=10)
    figure = measure.Figure("s", "w", "s", (1.0, 2.0, 4.0), (10.0, 10.0, 80.0), target)
    assert figure.ratio == 10  # of 10, 5 and 20; that of the medians is 5
    assert figure.met is True
    assert measure.Figure("s", "w", "s", (1.0, 1.0, 1.0), (9.0, 9.9, 20.0), target).met is False
    assert math.isnan(measure.Figure("s", "w", "s", (1.0,), ()).ratio)


@pytest.mark.parametrize(
    ("ours", "met"), [((0.1, 0.2, 0.9), True), ((0.1, 0.3, 0.4), False), ((), None), ((-0.1,), None)]
)
def test_a_bound_is_of_the_median(measure: ModuleType, ours: tuple[float, ...], met: bool | None) -> None:
    assert measure.Figure("s", "w", "s", ours, (), measure.Target(most=0.2)).met is met


def test_a_target_without_the_peer_is_open(measure: ModuleType) -> None:
    figure = measure.Figure("s", "w", "s", (1.0,), (), measure.Target(ratio=5))
    assert figure.met is None
    assert "≥ 5 ×" in measure.table([figure])


def test_start_up_is_not_in_the_cost_of_one_more(suite: ModuleType, measure: ModuleType) -> None:
    calls: list[tuple[str, int]] = []

    def side(name: str, start: float, each: float) -> object:
        def run(n: int) -> object:
            calls.append((name, n))
            return sys.modules["peer_process"].Finished(0.0, start + each * n, 0.0, 50.0 + n, "")

        return run

    a, b, none = measure.alternate([side("a", 3.0, 0.5), side("b", 9.0, 2.0), None], 1, 5, 2)
    assert a.each == pytest.approx((0.5, 0.5))
    assert b.each == pytest.approx((2.0, 2.0))
    assert a.whole == pytest.approx((3.5, 3.5))
    assert a.peak == (51.0, 51.0)
    assert none.each == ()
    # In turn, after one of each that does not count.
    assert calls == [("a", 1), ("b", 1), *[("a", 1), ("a", 5), ("b", 1), ("b", 5)] * 2]


def test_figures_are_kept(measure: ModuleType, tmp_path: Path) -> None:
    figures = [measure.Figure("s", "w", "s", (1.0, 2.0), (3.0, 4.0), measure.Target(ratio=2, most=5), "note")]
    measure.keep(figures, tmp_path / "f.json")
    assert measure.kept(tmp_path / "f.json") == figures


def test_slow_suppression_is_the_fast_one(suite: ModuleType) -> None:
    image = np.random.default_rng(0).normal(size=(40, 57)).astype(np.float32)
    image[5:9, 5:9] = 3.0  # a plateau: the order of equal scores
    for radius in (1, 3, 10):
        ij, _ = suppress(image, radius)
        assert sys.modules["suite_work"].greedy(image, radius) == [tuple(p) for p in ij.tolist()]


def test_the_same_picks_away_from_edges(suite: ModuleType) -> None:
    stages = sys.modules["suite_stages"]
    theirs = Picks(np.array([[50, 50], [60, 60], [5, 50], [45, 60]], np.float32), np.array([1, 2, 3, -1.0]))
    ours = np.array([[50.0, 50.5, 1.0], [60.0, 61.8, 1.0]])
    said = stages.same_picks({"a": ours}, {"a": theirs}, (100, 100))
    assert said.startswith(
        "of 2 picks of the peer above 0: 50% within 1 px, 50% within 1.5 px, 100% within 2"
    )
    assert "no picks" in stages.same_picks({"a": ours}, {"a": theirs[:0]}, (100, 100))


def test_curves_are_by_number(suite: ModuleType, measure: ModuleType) -> None:
    figures = [
        measure.Figure("scaling", "pick, 1 micrographs", "s", (2.0, 4.0, 3.0), (9.0,)),
        measure.Figure("scaling", "pick, peak memory, 16 micrographs", "MB", (300.0,)),
        measure.Figure("pick", "one micrograph more", "s", (1.0,)),
    ]
    found = sys.modules["suite_stages"].curves(figures)
    assert found["s"] == [(1, 3.0, 9.0)]
    assert found["MB"][0][:2] == (16, 300.0)
    assert math.isnan(found["MB"][0][2])


def test_a_stage_that_fails_does_not_end_the_suite(
    suite: ModuleType, measure: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sys.modules["peer_process"].CommandFailedError

    def fails(bench: object) -> list[object]:
        raise error("it broke")

    monkeypatch.setitem(suite.STAGES, "startup", fails)
    monkeypatch.setitem(suite.STAGES, "pick", lambda bench: [measure.Figure("pick", "w", "s", (1.5,))])
    words = ["--quick", "--only", "startup", "pick", "--work", str(tmp_path)]
    assert suite.main(words) == 1
    text = (tmp_path / "quick/bench.md").read_text()
    assert "Not measured: startup: it broke" in text
    assert "| pick | w | s | 1.5 |" in text
    assert "--peer was not given" in text
    # What was measured stays in the table when another stage is measured.
    monkeypatch.setitem(suite.STAGES, "startup", lambda bench: [measure.Figure("start-up", "v", "s", (2.5,))])
    assert suite.main(["--quick", "--only", "startup", "--work", str(tmp_path)]) == 0
    text = (tmp_path / "quick/bench.md").read_text()
    assert "| 1.5 |" in text
    assert "| 2.5 |" in text


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--repeats", "0"], ["--weights", "/nowhere"]])
def test_bad_options_are_refused(suite: ModuleType, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        suite.parse(words)
    assert end.value.code == 2


@pytest.mark.slow
def test_stages_without_the_peer(suite: ModuleType, tmp_path: Path) -> None:
    words = ["--quick", "--repeats", "1", "--threads", "1", "--only", "preprocess", "suppression"]
    assert suite.main([*words, "--work", str(tmp_path)]) == 0
    text = (tmp_path / "quick/bench.md").read_text()
    assert text.count("; exact |") == 2
    assert "one micrograph more" in text
