"""few_labels.py: the order of its cells, what a cell depends on, and time to the same precision."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from napari_topaz.settings import SimulateSettings

pytest.importorskip("torch")
TINY = SimulateSettings(micrographs=3, size=256, pixel_size=4.6, diameter=180.0, particles=10, carbon=0.0)


@pytest.fixture
def few(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("few_labels")


def module(name: str) -> ModuleType:
    return sys.modules[name]


def row(method: str, labels: int, curve: list[tuple[float, float]], **more: object) -> dict:
    found = {"set": "x", "method": method, "labels": labels, "draw": 0, "seconds": curve[-1][0]}
    judged = [(seconds, 10 * k, value, 0.5) for k, (seconds, value) in enumerate(curve)]
    return found | {"curve": judged, "average_precision": curve[-1][1]} | more


def test_what_tells_most_for_its_time_comes_first(few: ModuleType) -> None:
    cells = module("few_labels_cells")
    planned = cells.cells(["x", "y"], list(cells.RECIPES), [0, 10, 30, 100], 2, weights="w")
    assert len(planned) == len(set(planned))
    trained = [c for c in planned if c.method.startswith("peer") and c.labels]
    assert planned[-len(trained) :] == trained  # all that is fast is before
    first = [(c.method, c.labels) for c in trained if c.draw == 0 and c.set == "x"]
    assert first == [*cells.PEER_ORDER, ("peer-scratch", 30)]
    assert [c.draw for c in trained] == sorted(c.draw for c in trained)
    zero = [c for c in planned if not c.labels]
    assert planned[: len(zero)] == zero
    assert {c.draw for c in zero} == {0}
    assert {c.method for c in zero} == {"ours", "peer", "peer-resnet16", "log"}
    assert len(planned) == 2 * (4 + 2 * 3 * 4)


def test_without_weights_that_recipe_is_left_out(few: ModuleType) -> None:
    cells = module("few_labels_cells")
    methods = list(cells.RECIPES)
    assert "ours" not in {c.method for c in cells.cells(["x"], methods, [0, 10], 1)}
    weights = {c.method: c.weights for c in cells.cells(["x"], methods, [0, 10], 1, weights="w")}
    assert weights["ours"] == "w"
    assert not any(w for m, w in weights.items() if m != "ours")


def test_other_weights_or_steps_are_another_result(few: ModuleType, tmp_path: Path) -> None:
    cells = module("few_labels_cells")
    tiny = module("papers_cells").MicrographSet("tiny", TINY)
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).write_bytes(content)

    def file(**more: object) -> Path:
        return Path(cells.Cell("tiny", "ours", 10, 0, **more).file(tmp_path, tiny))

    names = {name: file(weights=str(tmp_path / name)) for name in "abc"}
    assert names["a"] == names["c"] != names["b"]  # wherever it lies
    assert len({file(), names["a"], file(steps=50)}) == 3


def test_time_to_the_peers_precision(few: ModuleType) -> None:
    report = module("few_labels_report")
    rows = [
        row("peer", 10, [(100, 0.3), (200, 0.6), (500, 0.5)]),
        row("ours", 10, [(2, 0.5), (4, 0.6), (6, 0.7)]),
        row("ours-scratch", 10, [(2, 0.2), (8, 0.59)]),
        row("ours", 30, [(1, 0.9)]),  # without a rival
        row("peer", 0, [(0, 0.1)]),
    ]
    found = {f["method"]: f for f in report.speeds(rows)}
    assert found.keys() == {"ours", "ours-scratch"}
    assert (found["ours"]["target"], found["ours"]["ours"], found["ours"]["peer"]) == (0.6, 4, 200)
    assert found["ours"]["ratio"] == 50
    assert math.isnan(found["ours-scratch"]["ratio"])
    text = report.speed_table(rows)
    assert "from its weights: reached in 1 of 1 cells; ratio 50 to 50, median 50." in text
    assert "from scratch: reached in 0 of 1 cells." in text
    assert "| 4.0 | 200.0* | 50.0* |" in text  # nobody says how it was timed
    again = [row("peer", 10, [(100, 0.6)], draw=1), row("ours", 10, [(4, 0.6)], draw=1)]
    again[0]["timed"] = module("few_labels_cells").ACCOUNT
    text = report.speed_table([*rows, *again])
    assert "| 4.0 | 100.0 | 25.0 |" in text
    assert "ratio 25 to 50, median 38; ratio of exact times 25 to 25, median 25." in text
    assert "No cell has a rival." in report.speed_table([])


def test_where_ours_is_behind_is_named(few: ModuleType) -> None:
    report = module("few_labels_report")
    rows = [
        row("ours", 10, [(1, 0.5)]),
        row("peer", 10, [(1, 0.4)]),
        row("ours", 10, [(1, 0.5)], draw=1),
        row("peer", 10, [(1, 0.7)], draw=1),
        row("ours", 10, [(1, 0.9)], draw=2),
    ]
    said = report.against_rival(rows, 10)
    assert "over 2 pairs of set and draw: -0.050; behind in 1: x, draw 1 (-0.200)." in said
    assert "No pair" in report.against_rival(rows, 30)


def test_cells_that_are_not_there_are_told(few: ModuleType) -> None:
    cells, report = module("few_labels_cells"), module("few_labels_report")
    planned = [cells.Cell("x", method, 10, draw) for method in ("ours", "peer-scratch") for draw in range(2)]
    rows = [row("ours", 10, [(1, 0.5)]), row("ours", 10, [(1, 0.5)], draw=1)]
    (said,) = report.absent_cells(rows, planned)
    assert said == "Cells that were not measured: Topaz, resnet8 from scratch, 10 labels (2 of 2)."
    assert report.absent_cells(rows, planned[:2]) == []


def test_a_mean_needs_all_sets(few: ModuleType) -> None:
    report = module("few_labels_report")
    rows = [
        row("ours", 10, [(1, 0.4)]),
        row("ours", 10, [(1, 0.6)], draw=1),
        row("peer", 10, [(1, 0.7)]),
        row("peer", 10, [(1, 0.1)], set="y"),
    ]
    lines = report.results_table(rows, ["x", "y"], 10).splitlines()[2:]
    assert lines == [
        "| napari-topaz, from its weights | 0.500 | – | – | 2 |",
        "| Topaz, from its resnet8 | **0.700** | **0.100** | **0.400** | 1 |",
    ]


def test_cells_are_written_and_read_again(few: ModuleType, tmp_path: Path) -> None:
    import suite_stages

    rows = [row("peer", 10, [(100, 0.25), (200, 0.5)]), row("ours", 10, [(2, 0.75)])]
    few.write_cells(rows, tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open(newline="") as file:
        assert [line["last"] for line in csv.DictReader(file)] == ["0", "1", "1"]
    again = suite_stages.read_curves(tmp_path / "cells.csv")
    speeds = module("few_labels_report").speeds
    assert speeds(again) == speeds(rows)


def test_the_plan_adds_up(few: ModuleType) -> None:
    cell = module("few_labels_cells").Cell
    lines = few.plan([cell("x", "ours", 10, 0), cell("x", "peer", 10, 0), cell("x", "peer", 10, 1, 250)])
    minutes = [float(line.split()[0]) for line in lines.splitlines()[1:]]
    expected = [few.OUR_MINUTES, few.OUR_MINUTES + few.PEER_MINUTES, few.OUR_MINUTES + 1.5 * few.PEER_MINUTES]
    assert minutes == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(
    "words",
    [["--sets", "nowhere"], ["--weights", "/nowhere"], ["--peer-steps", "70"], ["--data", "/nowhere"]],
)
def test_bad_options_are_refused(few: ModuleType, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        few.parse(words)
    assert end.value.code == 2


@pytest.mark.slow
def test_ours_and_no_training_without_the_peer(
    few: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import peer
    import sets
    from long_job import make_model

    monkeypatch.setattr(sets, "SETS", {"one": TINY})
    monkeypatch.setattr(peer, "ENVIRONMENT", tmp_path)
    cells = module("few_labels_cells")
    short = {"epochs": 2, "steps": 2}
    for name in ("ours", "ours-scratch"):
        recipe = cells.RECIPES[name]
        monkeypatch.setitem(cells.RECIPES, name, replace(recipe, changes=short))
    make_model(tmp_path / "weights.safetensors")
    words = ["--weights", str(tmp_path / "weights.safetensors"), "--labels", "0", "10", "--workers", "1"]
    words += ["--work", str(tmp_path / "work"), "--output", str(tmp_path / "few.md")]
    # In this process: the changes above are not in another one.
    monkeypatch.setattr(
        few,
        "measure",
        lambda todo, options, run: [c.method for c, m in todo if not run(c, m, options.work)],
    )
    assert few.main(words) == 0
    said = capsys.readouterr().err
    assert "Topaz" in said or "peer" in said
    text = (tmp_path / "few.md").read_text()
    assert "4 of 4 cells" in text
    assert (tmp_path / "few.png").stat().st_size > 10_000
    with (tmp_path / "few_labels_cells.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {(line["method"], line["labels"]) for line in lines} == {
        ("ours", "0"),
        ("log", "0"),
        ("ours", "10"),
        ("ours-scratch", "10"),
    }
    steps = [int(line["step"]) for line in lines if line["method"] == "ours-scratch"]
    assert steps == [2, 4, 4]
    assert all(0 <= float(line["average_precision"]) <= 1 for line in lines)
