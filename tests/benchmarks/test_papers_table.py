"""The papers' table: draws of labels, the plan, statistics, and that a run goes on where it was stopped."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from napari_topaz import Picks
from napari_topaz.settings import SimulateSettings

pytest.importorskip("torch")
TINY = SimulateSettings(micrographs=3, size=256, pixel_size=4.6, diameter=180.0, particles=10, carbon=0.0)


@pytest.fixture
def papers(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("papers_table")


def module(name: str) -> ModuleType:
    return sys.modules[name]


def row(set_name: str, method: str, labels: int, draw: int, value: float) -> dict:
    return {"set": set_name, "method": method, "labels": labels, "draw": draw, "average_precision": value}


def test_draws_are_nested_and_shared(papers: ModuleType) -> None:
    draw = module("papers_cells").draw_labels
    truth = {n: Picks.labels(np.arange(60.0).reshape(30, 2) + 100 * k) for k, n in enumerate("abc")}
    drawn = [
        {tuple(yx) for picks in draw(truth, ["a", "b"], count, 1).values() for yx in picks.yx}
        for count in (3, 5, 10, 20, 40)
    ]
    assert [len(one) for one in drawn] == [3, 5, 10, 20, 40]
    assert all(few < many for few, many in pairwise(drawn))
    few = draw(truth, ["a", "b"], 5, 1)
    assert "c" not in few
    again = draw(truth, ["a", "b"], 5, 1)
    assert all(np.array_equal(again[n].yx, few[n].yx) for n in few)
    other = draw(truth, ["a", "b"], 5, 2)
    assert any(not np.array_equal(other[n].yx, few[n].yx) for n in few if n in other)


def test_more_labels_than_particles_are_all(papers: ModuleType) -> None:
    truth = {"a": Picks.labels(np.zeros((7, 2)))}
    assert len(module("papers_cells").draw_labels(truth, ["a"], 1000, 0)["a"]) == 7


def test_a_draw_is_whole_before_the_next(papers: ModuleType) -> None:
    methods = ["pn", "pn+ae", "log"]
    planned = module("papers_cells").cells(["x", "y"], methods, [10, 1000], 3, 5, 0.01, 8)
    assert [c.draw for c in planned] == sorted(c.draw for c in planned)
    # No autoencoder at 1000 labels, and what needs no labels is measured once a set.
    of = {m: [c for c in planned if c.method == m] for m in methods}
    assert len(of["pn"]) == 2 * 2 * 3
    assert len(of["pn+ae"]) == 2 * 3
    assert {c.labels for c in of["pn+ae"]} == {10}
    assert [(c.set, c.labels) for c in of["log"]] == [("x", 0), ("y", 0)]


def test_every_method_has_a_recipe_of_its_own(papers: ModuleType) -> None:
    cells = module("papers_cells")
    recipes = {
        m: cells.recipe_of(cells.Cell("x", m, 10, 3, 7, 0.02, 8), 100.0).train
        for m in cells.METHODS
        if m not in (cells.TEMPLATE, cells.UNTRAINED) and cells.available(m)
    }
    papers_own = {m: r for m, r in recipes.items() if m not in (cells.DEEPEM, cells.DEFAULT)}
    assert len(papers_own) == 8
    assert len({r.model_dump_json() for r in recipes.values()}) == len(recipes)
    assert {r.seed for r in recipes.values()} == {3}
    assert {(r.steps, r.learning_rate, r.sampling, r.held_out) for r in papers_own.values()} == {
        (7, 0.02, "patches", 0.0)
    }
    assert {m for m, r in papers_own.items() if r.autoencoder} == {m for m in papers_own if "+ae" in m}


def test_a_changed_setting_is_another_file(
    papers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = module("papers_cells")
    tiny = cells.MicrographSet("tiny", TINY)
    cell = cells.Cell("tiny", "pn", 10, 0, 5, 0.01, 8)
    files = {
        cell.file(tmp_path, tiny),
        cells.replace(cell, steps=6).file(tmp_path, tiny),
        cells.replace(cell, width=9).file(tmp_path, tiny),
        cell.file(tmp_path, cells.MicrographSet("tiny", TINY.model_copy(update={"dose": 3.0}))),
    }
    assert len(files) == 4
    assert cell.file(tmp_path, cells.MicrographSet("tiny", TINY)) in files
    monkeypatch.setattr(cells, "RECONSTRUCTED", 5)  # what the table's options do not say counts, too
    assert cell.file(tmp_path, tiny) not in files


def test_holm(papers: ModuleType) -> None:
    holm = module("papers_statistics").holm
    # Holm 1979: sorted p times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    with_gap = holm([0.01, math.nan, 0.04])
    assert with_gap[0] == pytest.approx(0.02)
    assert math.isnan(with_gap[1])
    assert with_gap[2] == pytest.approx(0.04)
    assert holm([]) == []


def test_pairs_are_of_one_set_and_draw(papers: ModuleType) -> None:
    statistics = module("papers_statistics")
    a = {("x", 0): 0.5, ("x", 1): 0.7, ("y", 0): 0.4, ("y", 1): 0.9}
    b = {("y", 0): 0.1, ("x", 1): 0.5, ("x", 0): 0.4, ("z", 0): 0.0}
    made = statistics.compare("a", "b", 10, a, b)
    assert (made.pairs, made.sets, made.wins) == (3, 2, 3)
    assert made.difference == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    # t = mean / (s / √n) = 0.2 / (0.1 / √3), 2 degrees of freedom.
    t = 0.2 / (0.1 / math.sqrt(3))
    assert made.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    # The means of the sets differ by .15 and .3: t = 3 with 1 degree of freedom.
    assert made.p_sets == pytest.approx(1 - 2 / math.pi * math.atan(3))


def test_what_has_no_spread_has_no_p(papers: ModuleType) -> None:
    a = {("x", 0): 0.5, ("y", 0): 0.5}
    made = module("papers_statistics").compare("a", "b", 10, a, a)
    assert all(map(math.isnan, (made.p, made.p_rank, made.p_sets)))


def test_what_needs_no_labels_stands_everywhere(papers: ModuleType) -> None:
    rows = [row("x", "log", 0, 0, 0.3), row("x", "pn", 10, 1, 0.4)]
    found = module("papers_statistics").columns(rows, [10, 100], 2)
    assert found["log", 10] == found["log", 100] == {("x", 0): 0.3, ("x", 1): 0.3}
    assert found["pn", 10] == {("x", 1): 0.4}


def test_comparisons_are_of_the_proposed_method(papers: ModuleType) -> None:
    methods = ("pn", "pn+ae", "ge-binomial", "ge-binomial+ae", "log")
    rows = [
        row(s, m, 0 if m == "log" else 10, d, 0.3 + 0.1 * k + 0.01 * d * k)
        for s in "xy"
        for d in range(2)
        for k, m in enumerate(methods)
        if m != "log" or not d
    ]
    statistics = module("papers_statistics")
    made = statistics.comparisons(statistics.columns(rows, [10, 100], 2), [10, 100])
    assert {(c.first, c.second) for c in made} == {
        ("ge-binomial", "pn"),
        ("ge-binomial", "pn+ae"),
        ("ge-binomial", "log"),
        ("pn+ae", "pn"),
        ("ge-binomial+ae", "ge-binomial"),
    }
    assert {c.labels for c in made} == {10}
    assert all(c.holm >= c.p for c in made)


def test_a_mean_needs_all_sets(papers: ModuleType) -> None:
    report = module("papers_report")
    found = {("pn", 10): {("x", 0): 0.5, ("y", 0): 0.7}, ("nnpu", 10): {("x", 0): 0.9}}
    lines = report.results_table(found, ["x", "y"], 10).splitlines()
    assert lines[2:] == ["| PN | 0.500 | **0.700** | **0.600** |", "| NNPU | **0.900** | – | – |"]


@pytest.mark.parametrize("words", [["--sets", "nowhere"], ["--methods", "magic"], ["--data", "/nowhere"]])
def test_bad_options_are_refused(papers: ModuleType, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        papers.parse(words)
    assert end.value.code == 2


@pytest.fixture
def tiny_run(papers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a run over two sets of three tiny micrographs."""
    import sets

    other = TINY.model_copy(update={"seed": 1})
    monkeypatch.setattr(sets, "SETS", {"one": TINY, "two": other})
    words = ["--methods", "ge-binomial", "log", "--labels", "10", "--draws", "1", "--steps", "3"]
    words += ["--width", "4", "--workers", "1", "--work", str(tmp_path / "work")]
    return [*words, "--output", str(tmp_path / "out/table.md")]


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(
    papers: ModuleType, tiny_run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, output = tmp_path / "work", tmp_path / "out/table.md"
    assert papers.main([*tiny_run, "--time-limit", "0"]) == 0
    assert not list(work.glob("*"))  # no cell was begun
    assert papers.main(tiny_run) == 0
    kept = {p.name: p.stat().st_mtime_ns for p in work.iterdir()}
    assert len(kept) == 4
    assert all(0 <= json.loads((work / name).read_text())["average_precision"] <= 1 for name in kept)
    text = output.read_text()
    assert "4 of 4 cells" in text
    assert "GE-binomial − LoG blobs" in text
    assert (tmp_path / "out/table.png").stat().st_size > 10_000
    # Only what is missing is measured again.
    gone = next(name for name in kept if "log" in name)
    (work / gone).unlink()
    capsys.readouterr()
    assert papers.main(tiny_run) == 0
    assert "3 of 4 cells are there already" in capsys.readouterr().out
    assert {n: t for n, t in kept.items() if n != gone}.items() <= {
        p.name: p.stat().st_mtime_ns for p in work.iterdir()
    }.items()
    (work / gone).unlink()
    assert papers.main([*tiny_run, "--table-only"]) == 0
    assert "3 of 4 cells" in output.read_text()
    assert not (work / gone).exists()


def test_an_interrupted_cell_leaves_nothing(
    papers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = module("papers_cells")
    monkeypatch.setattr(cells, "pick_by_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        cells.run_cell(cells.Cell("t", "pn", 10, 0, 3, 0.01, 4), cells.MicrographSet("t", TINY), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cell_that_fails_does_not_end_the_run(
    papers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = module("papers_cells")
    cell = cells.Cell("t", "pn", 10, 0, 3, 0.01, 4)

    def results(*_: object) -> Iterator[tuple[object, object]]:
        yield cell, ValueError("no labels")
        yield cell, {"average_precision": 0.5, "seconds": 1.0}

    monkeypatch.setattr(papers, "run_all", results)
    options = papers.parse(["--work", str(tmp_path)])
    todo = [(cell, cells.MicrographSet("t", TINY))] * 2
    assert papers.measure(todo, options) == ["t pn 10 labels, draw 0: no labels"]
