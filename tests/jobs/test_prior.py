"""The expected number of particles, estimated from labels."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_topaz.events import JobError, Started
from napari_topaz.jobs import prior as module
from napari_topaz.jobs.folds import UnseenPicks
from napari_topaz.jobs.prior import estimate_expected
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks
from worlds import DIAMETER, World, run

PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
SETTINGS = TrainSettings(expected=40)


class Trainings:
    """In place of trainings: picks with a planted number of particles, and what was asked for."""

    def __init__(self, particles: float, stop_after: int = 99) -> None:
        self.particles, self.stop_after = particles, stop_after
        self.stop = threading.Event()
        self.asked: list[TrainSettings] = []
        self.folds: list[frozenset[str]] = []
        self.seen: list[tuple[list[str], Ticks]] = []

    def __call__(self, prepared, picks, fold, preprocess, settings, network, **how):
        yield Started(how["what"], 1)
        self.asked.append(settings)
        self.folds.append(fold)
        self.seen.append(([p.name for p in prepared], how["ticks"]))
        if len(self.asked) > self.stop_after:
            self.stop.set()
        labels = sum(len(picks[n]) for n in fold)
        n = round(self.particles * len(fold))
        hits = np.zeros(n + 2000, bool)
        hits[np.linspace(0, n - 1, labels).astype(int)] = True
        scores = np.concatenate([np.linspace(9, 8, n), np.linspace(1, 0, 2000)])
        return UnseenPicks(scores, hits, labels, len(fold))


def estimated(
    world: World, monkeypatch: pytest.MonkeyPatch, trainings: Trainings, settings: TrainSettings = SETTINGS
):
    monkeypatch.setattr(module, "pick_unseen", trainings)
    job = estimate_expected(world.files, world.truth, PREPROCESS, settings, stop=trainings.stop)
    return run(job)


@pytest.mark.parametrize("particles", [15, 80, 200])
def test_planted_particles_are_counted_over_all_folds(world: World, monkeypatch, particles: int) -> None:
    trainings = Trainings(particles)
    events, found = estimated(world, monkeypatch, trainings)
    assert found.expected == pytest.approx(particles, rel=0.1)
    assert found.low <= found.expected <= found.high
    assert (found.labels, found.micrographs) == (40, 4)
    # 120 × 160 pixels once preprocessed, discs of radius 3 of 29 pixels.
    assert found.prior == pytest.approx(min(0.5, found.expected * 29 / (120 * 160)))
    assert sorted(n for fold in trainings.folds for n in fold) == [f"mic_{k}" for k in range(4)]
    titles = [e.what for e in events if isinstance(e, Started)]
    assert titles[1:] == [f"Counting, training {n} of 3" for n in (1, 2, 3)]


@pytest.mark.parametrize("given", [{"expected": 500}, {"prior": 0.3, "expected": None}, {}])
def test_no_number_that_is_assumed_has_a_part_in_it(world: World, monkeypatch, given) -> None:
    trainings = Trainings(40)
    settings = SETTINGS.model_copy(update={"epochs": 50, "steps": 1000, "objective": "ge-kl", **given})
    estimated(world, monkeypatch, trainings, settings)
    for asked in trainings.asked:
        # As many as are labelled, so that none is presumed; no epoch is chosen; short.
        assert (asked.expected, asked.prior, asked.objective) == (10, None, "cvir")
        assert (asked.held_out, asked.epochs, asked.steps) == (0, 4, 50)


def test_complete_and_empty_micrographs_are_learnt_from_but_not_counted(world: World, monkeypatch) -> None:
    trainings = Trainings(60)
    monkeypatch.setattr(module, "pick_unseen", trainings)
    picks = {name: labels for name, labels in world.truth.items() if name != "mic_3"}
    ticks = Ticks(complete=frozenset({"mic_2"}), empty=frozenset({"mic_3"}))
    _, found = run(estimate_expected(world.files, picks, PREPROCESS, SETTINGS, ticks=ticks))
    assert sorted(n for fold in trainings.folds for n in fold) == ["mic_0", "mic_1"]
    assert trainings.seen == [([f"mic_{k}" for k in range(4)], ticks)] * 2
    assert found.expected == pytest.approx(60, rel=0.1)
    assert (found.labels, found.micrographs) == (20, 2)
    # Of four micrographs two have the number, one has ten particles, and one none.
    mean = (2 * found.expected + 10) / 4
    assert found.prior == pytest.approx(mean * 29 / (120 * 160))


def test_where_all_is_known_nothing_is_estimated(world: World, monkeypatch) -> None:
    monkeypatch.setattr(module, "pick_unseen", None)
    picks = {**world.truth, "mic_0": world.truth["mic_0"][:4]}
    ticks = Ticks(complete=frozenset({"mic_0", "mic_1", "mic_2"}))
    _, found = run(estimate_expected(world.files, picks, PREPROCESS, SETTINGS, ticks=ticks))
    assert (found.expected, found.low, found.high) == (8, 8, 8)
    assert (found.labels, found.micrographs) == (24, 3)


@pytest.mark.parametrize("after", [0, 2])
def test_a_stopped_estimate_is_none(world: World, monkeypatch, after: int) -> None:
    with pytest.raises(JobError, match="before the estimate was complete"):
        estimated(world, monkeypatch, Trainings(80, stop_after=after))


@pytest.mark.parametrize(
    ("picks", "preprocess", "message"),
    [
        ({}, PREPROCESS, "None of the micrographs has a label"),
        ({"mic_0": Picks.labels([(50, 50), (90, 90)])}, PREPROCESS, "two micrographs"),
        ({"mic_0": Picks.labels([(50, 50)], Kind.NOT_PARTICLE)}, PREPROCESS, "two micrographs"),
        ({"mic_0": Picks.labels([(50, 50)])}, PreprocessSettings(), "diameter"),
    ],
)
def test_what_cannot_be_estimated_is_said(world: World, picks, preprocess, message: str) -> None:
    with pytest.raises(JobError, match=message):
        run(estimate_expected(world.files, picks, preprocess, SETTINGS))


@pytest.mark.slow
def test_drawn_particles_are_counted_and_trained_with(world: World) -> None:
    """Half of ten blobs on each micrograph are labelled; the number that is given is five times too large."""
    pytest.importorskip("torch")
    from napari_topaz.jobs.train import train_on_files

    rng = np.random.default_rng(0)
    some = {name: p[np.sort(rng.permutation(10)[:5])] for name, p in world.truth.items()}
    settings = TrainSettings(expected=50, steps=12, estimate_expected=True, epochs=3)
    _, model = run(
        train_on_files(world.files, some, PREPROCESS, settings, NetworkSettings(width=9), device="cpu")
    )
    assert 10 / 1.5 < model.card.expected < 15
    assert model.card.train.expected == model.card.expected
    assert model.card.train.estimate_expected
    assert len(model.card.history) == 3
