"""Cross-validation: the same folds for all, every training kept, nothing mixed."""

from __future__ import annotations

import csv
import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.cli.priors import comparison_table
from napari_topaz.events import JobError, Saved, Started, Warned
from napari_topaz.jobs import cross_validate as module
from napari_topaz.jobs.cross_validate import Candidate, choose, cross_validate, settings_for
from napari_topaz.jobs.cross_validation_files import draw_comparison
from napari_topaz.jobs.folds import UnseenPicks
from napari_topaz.picks import Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks
from worlds import DIAMETER, World, run

PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
BASE = TrainSettings(expected=12)
VALUES = ["6", "12", "24"]


class Trainings:
    """In place of trainings: the nearer the expected number is to 12, the earlier labels come."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.stop = threading.Event()
        self.stop_at = 99
        self.broken: float | None = None

    def __call__(self, prepared, picks, fold, preprocess, settings, network, **how):
        yield Started(how["what"], 1)
        self.asked.append((settings.expected, tuple(sorted(fold))))
        self.seen = [p.name for p in prepared], how["ticks"]
        if settings.expected == self.broken:
            raise JobError("Training diverged.")
        if len(self.asked) == self.stop_at:
            self.stop.set()
        labels = sum(len(picks[n]) for n in fold)
        hits = np.zeros(400, bool)
        gap = 1 + round(4 * abs(math.log(settings.expected / 12))) + len(fold)
        hits[: gap * labels : gap] = True
        return UnseenPicks(np.linspace(9, 0, 400), hits, labels, len(fold))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(module, "pick_unseen", trainings)
    return trainings


def compared(world: World, folder: Path, trainings: Trainings, values=VALUES, base=BASE, **how):
    trainings.asked.clear()
    picks = how.pop("picks", world.truth)
    files = how.pop("files", world.files)
    job = cross_validate(files, picks, PREPROCESS, folder, values, base, stop=trainings.stop, **how)
    return run(job)


def test_all_values_see_the_same_folds_and_the_best_is_chosen(
    world: World, tmp_path: Path, trainings: Trainings
) -> None:
    events, found = compared(world, tmp_path / "cv", trainings)
    assert len(trainings.asked) == 9
    parts = [[fold for e, fold in trainings.asked if e == value] for value in (6, 12, 24)]
    assert parts[0] == parts[1] == parts[2]
    assert sorted(n for fold in parts[0] for n in fold) == [f"mic_{k}" for k in range(4)]
    assert found.choice == 12.0
    assert (found.folds, found.computed, found.kept) == (3, 9, 0)
    areas = [c.recall_area for c in found.candidates]
    assert areas[1] > max(areas[0], areas[2])
    assert {Path(e.path).name for e in events if isinstance(e, Saved)} >= {
        "table.csv",
        "cross_validation.png",
    }


def test_the_table_says_it_all(world: World, tmp_path: Path, trainings: Trainings) -> None:
    _, found = compared(world, tmp_path, trainings)
    rows = list(csv.DictReader(found.table.read_text("utf-8").splitlines()))
    assert [row["expected"] for row in rows] == ["6.0", "12.0", "24.0"]
    assert [row["chosen"] for row in rows] == ["0", "1", "0"]
    assert [int(row["folds"]) for row in rows] == [3, 3, 3]
    for row, one in zip(rows, found.candidates, strict=True):
        assert float(row["recall_area"]) == pytest.approx(one.recall_area, rel=1e-5)
        assert float(row["recall_area_error"]) == pytest.approx(one.recall_area_error, rel=1e-4)
    assert found.plot.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("values", "ticks", "line"),
    [([0.3, 0.1, 0.2], ["0.1", "0.2", "0.3"], "-"), (["pn", "cvir"], ["pn", "cvir"], "None")],
)
def test_the_picture_is_in_the_order_of_numbers(tmp_path: Path, monkeypatch, values, ticks, line) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (drawn.append(f), save(f, *a, **k)))
    one = {
        "recall_area": 0.5,
        "recall_area_error": 0.1,
        "average_precision": 0.5,
        "average_precision_error": 0.1,
    }
    rows = [{"value": value, "folds": 3, **one} for value in values]
    draw_comparison(tmp_path / "p.png", "option", rows, values[0])
    for axes in drawn[0].axes:
        assert [t.get_text() for t in axes.get_xticklabels()] == ticks
        assert axes.get_lines()[0].get_linestyle() == line
        chosen = ticks.index(str(values[0]))
        assert axes.get_lines()[-1].get_xdata().tolist() == [chosen]


def test_ticks_hold_for_every_training_and_belong_to_the_recipe(
    world: World, tmp_path: Path, trainings: Trainings
) -> None:
    picks = {name: labels for name, labels in world.truth.items() if name != "mic_3"}
    ticks = Ticks(complete=frozenset({"mic_0"}), empty=frozenset({"mic_3"}))
    _, found = compared(world, tmp_path, trainings, picks=picks, ticks=ticks)
    assert trainings.seen == ([f"mic_{k}" for k in range(4)], ticks)
    folds = {fold for _, fold in trainings.asked}
    assert folds == {("mic_0",), ("mic_1",), ("mic_2",)}
    assert found.computed == 9
    assert compared(world, tmp_path, trainings, picks=picks, ticks=ticks)[1].kept == 9
    with pytest.raises(JobError, match="other ticks; give another folder"):
        compared(world, tmp_path, trainings, picks=picks, ticks=Ticks(empty=frozenset({"mic_3"})))


def test_a_hit_on_a_complete_micrograph_stands_for_itself() -> None:
    """Two labels on an open micrograph that has ten particles, and three on a complete one."""
    hits = np.array([True, True, False, True, True, True])
    complete = np.array([False, True, True, True, True, False])
    unseen = UnseenPicks(np.linspace(9, 0, 6), hits, 5, 2, complete, 3, 1)
    particles, weights = unseen.standing_for(10.0)
    assert (particles, weights.tolist()) == (13, [5, 1, 1, 1, 1, 5])
    assert UnseenPicks(np.linspace(9, 0, 6), hits, 5, 2).standing_for(10.0) == (20, None)
    assert unseen.standing_for(1.0)[0] == 5, "no fewer than the labels"


def test_the_measure_does_not_follow_the_candidates_own_number(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picks must be as good whatever number was assumed in the training."""

    def same(prepared, picks, fold, preprocess, settings, network, **how):
        yield Started(how["what"], 1)
        labels = sum(len(picks[n]) for n in fold)
        hits = np.zeros(100, bool)
        hits[: 2 * labels : 2] = True
        return UnseenPicks(np.linspace(9, 0, 100), hits, labels, len(fold))

    monkeypatch.setattr(module, "pick_unseen", same)
    _, found = run(cross_validate(world.files, world.truth, PREPROCESS, tmp_path, VALUES, BASE))
    assert len({c.recall_area for c in found.candidates}) == 1
    assert len({c.average_precision for c in found.candidates}) == 1
    assert found.reference == 12
    assert set(found.as_good) == {12.0, 24.0}


def test_what_was_interrupted_goes_on_and_nothing_is_computed_twice(
    world: World, tmp_path: Path, trainings: Trainings
) -> None:
    whole = compared(world, tmp_path / "whole", trainings)[1]
    trainings.stop_at = 5  # within its fifth training, which is dropped
    _, part = compared(world, tmp_path / "cv", trainings)
    assert [c.folds for c in part.candidates] == [3, 1, 0]
    assert part.choice == 6.0  # the only one with all folds
    assert part.unfinished == (12.0, 24.0)
    said = comparison_table(part)
    assert "Best so far: expected 6." in said
    assert "Not all folds are done of 12, 24" in said
    assert "nan" not in said
    assert len(list((tmp_path / "cv").glob("fold_*.json"))) == 4
    trainings.stop.clear()
    trainings.stop_at = 99
    _, rest = compared(world, tmp_path / "cv", trainings)
    assert len(trainings.asked) == 5
    assert (rest.computed, rest.kept) == (5, 4)
    assert not rest.unfinished
    assert rest.candidates == whole.candidates
    _, again = compared(world, tmp_path / "cv", trainings)
    assert not trainings.asked
    assert again.candidates == whole.candidates


def test_values_can_be_added(world: World, tmp_path: Path, trainings: Trainings) -> None:
    compared(world, tmp_path, trainings, ["6", "24"])
    _, found = compared(world, tmp_path, trainings)
    assert {e for e, _ in trainings.asked} == {12.0}
    assert [c.value for c in found.candidates] == [6.0, 12.0, 24.0]


@pytest.mark.parametrize("what", ["labels", "settings", "micrographs", "folds"])
def test_results_of_something_else_are_not_mixed(
    world: World, tmp_path: Path, trainings: Trainings, what: str
) -> None:
    compared(world, tmp_path, trainings)
    moved = {**world.truth, "mic_2": Picks.labels(world.truth["mic_2"].yx + np.float32(1))}
    other = {
        "labels": {"picks": moved},
        "settings": {"base": BASE.model_copy(update={"steps": 7})},
        "micrographs": {"files": world.files[:3]},
        "folds": {"folds": 2},
    }[what]
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(JobError, match=rf"other .*{what}.*--overwrite"):
        compared(world, tmp_path, trainings, **other)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert not trainings.asked
    compared(world, tmp_path, trainings, overwrite=True, **other)
    assert len(trainings.asked) == (6 if what == "folds" else 9)


def test_a_micrograph_that_was_replaced_is_noticed(world: World, tmp_path: Path, trainings) -> None:
    from napari_topaz.files import read_micrograph, write_mrc
    from napari_topaz.micrograph import MicrographFile

    copies = []
    for file in world.files:
        copies.append(MicrographFile(tmp_path / file.path.name))
        write_mrc(copies[-1].path, read_micrograph(file).pixels, 2.0)
    compared(world, tmp_path / "cv", trainings, files=copies)
    write_mrc(copies[0].path, read_micrograph(world.files[1]).pixels, 2.0)
    with pytest.raises(JobError, match="other micrographs"):
        compared(world, tmp_path / "cv", trainings, files=copies)


def test_a_value_that_cannot_be_trained_is_left_out(
    world: World, tmp_path: Path, trainings: Trainings
) -> None:
    trainings.broken = 12.0
    events, found = compared(world, tmp_path, trainings)
    assert [e.message for e in events if isinstance(e, Warned)] == [
        "expected 12.0 is left out: Training diverged."
    ]
    assert [c.folds for c in found.candidates] == [3, 0, 3]
    assert found.choice in (6.0, 24.0)
    trainings.broken = None
    compared(world, tmp_path, trainings)
    assert {e for e, _ in trainings.asked} == {12.0}


def test_nothing_done_is_said(world: World, tmp_path: Path, trainings: Trainings) -> None:
    trainings.stop_at = 1
    with pytest.raises(JobError, match="No training was completed"):
        compared(world, tmp_path, trainings)
    assert not (tmp_path / "table.csv").exists()


@pytest.mark.parametrize("name", ["table.csv", "cross_validation.png"])
def test_a_file_that_is_no_result_stays(
    world: World, tmp_path: Path, trainings: Trainings, name: str
) -> None:
    (tmp_path / name).write_text("of somebody else")
    with pytest.raises(JobError, match=rf"{name} exists already.*--overwrite"):
        compared(world, tmp_path, trainings)
    assert (tmp_path / name).read_text() == "of somebody else"
    compared(world, tmp_path, trainings, overwrite=True)
    assert (tmp_path / name).read_bytes() != b"of somebody else"


def test_a_damaged_result_is_named(world: World, tmp_path: Path, trainings: Trainings) -> None:
    compared(world, tmp_path, trainings)
    result = next(tmp_path.glob("fold_*.json"))
    result.write_text('{"expected": 6.0, "resu')
    with pytest.raises(JobError, match=result.name):
        compared(world, tmp_path, trainings)
    result.write_text(json.dumps({"expected": 6.0}))
    with pytest.raises(JobError, match="damaged"):
        compared(world, tmp_path, trainings)


@pytest.mark.parametrize(
    ("option", "values", "message"),
    [
        ("expected", ["100", "many"], "'many' is not a value of expected"),
        ("expected", ["100", "-5"], "'-5' is not a value of expected"),
        ("expected", ["100"], "two different values"),
        ("expected", ["100", "100.0"], "two different values"),
        ("objective", ["cvir", "best"], "'best' is not a value of objective; objective is 'best'"),
        ("speed", ["1", "2"], "'speed' is not an option"),
        ("estimate_expected", ["true", "false"], "not an option of training that can be compared"),
    ],
)
def test_what_cannot_be_compared_is_said(
    world: World, tmp_path: Path, option: str, values: list[str], message: str
) -> None:
    with pytest.raises(JobError, match=message):
        run(cross_validate(world.files, world.truth, PREPROCESS, tmp_path / "cv", values, option=option))
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize(
    ("picks", "message"),
    [({}, "has a label"), ({"mic_0": Picks.labels([(50, 50)])}, "two micrographs")],
)
def test_too_few_labels_are_said(world: World, tmp_path: Path, picks, message: str) -> None:
    with pytest.raises(JobError, match=message):
        run(cross_validate(world.files, picks, PREPROCESS, tmp_path / "cv", VALUES))
    assert not (tmp_path / "cv").exists()


def test_other_options_can_be_varied() -> None:
    found = settings_for(TrainSettings(prior=0.1), "expected", ["10", "20"])
    assert [(s.expected, s.prior) for s in found.values()] == [(10, None), (20, None)]
    found = settings_for(BASE, "objective", ["cvir", "pn"])
    assert [(s.expected, s.objective) for s in found.values()] == [(12, "cvir"), (12, "pn")]
    assert list(settings_for(BASE, "epochs", ["3", "4"])) == [3, 4]


def one(value: int, *areas: float) -> Candidate:
    return Candidate(value, len(areas), float(np.mean(areas)), 0.05, 0.5, 0.1, areas)


def test_the_choice_has_all_folds_and_others_may_be_as_good() -> None:
    """Folds differ more than the values: what counts is whether a value is lower on nearly all of them."""
    steadily_lower, now_and_then = one(1, 0.58, 0.48, 0.38), one(3, 0.55, 0.52, 0.39)
    best, others = choose([steadily_lower, one(2, 0.60, 0.50, 0.40), now_and_then, one(4, 0.9, 0.9)], 3)
    assert best is not None
    assert best.value == 2
    assert [c.value for c in others] == [3]
    assert choose([one(1, 0.6)], 3) == (None, [])


@pytest.mark.slow
def test_drawn_particles(world: World, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    base = TrainSettings(expected=12, epochs=1, steps=4)
    few = {name: picks[:6] for name, picks in world.truth.items()}
    job = cross_validate(
        world.files, few, PREPROCESS, tmp_path, ["8", "16"], base, NetworkSettings(width=4), folds=2,
        device="cpu",
    )  # fmt: skip
    events, found = run(job)
    titles = [e.what for e in events if isinstance(e, Started)]
    assert titles[1:] == [
        f"expected {v} ({t} of 2), fold {f} of 2" for t, v in ((1, 8.0), (2, 16.0)) for f in (1, 2)
    ]
    assert found.choice in (8.0, 16.0)
    assert all(0 < c.recall_area <= 1 and c.recall_area_error >= 0 for c in found.candidates)
