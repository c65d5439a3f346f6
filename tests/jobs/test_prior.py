"""The expected number of particles, estimated from labels."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from napari_topaz.events import JobError, Started
from napari_topaz.jobs import prior as module
from napari_topaz.jobs.folds import UnseenPicks
from napari_topaz.jobs.prior import estimate_expected
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from worlds import DIAMETER, World, run

PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
SETTINGS = TrainSettings(expected=40)


class Trainings:
    """In place of trainings: picks with a planted number of particles, and what was asked for."""

    def __init__(self, particles: Sequence[float], stop_after: int = 99) -> None:
        self.particles, self.stop_after = particles, stop_after
        self.stop = threading.Event()
        self.asked: list[TrainSettings] = []
        self.folds: list[frozenset[str]] = []

    def __call__(self, prepared, picks, fold, preprocess, settings, network, **how):
        yield Started(how["what"], 1)
        self.asked.append(settings)
        self.folds.append(fold)
        if len(self.asked) > self.stop_after:
            self.stop.set()
        labels = sum(len(picks[n]) for n in fold)
        n = round(self.particles[(len(self.asked) - 1) // 3] * len(fold))
        hits = np.zeros(n + 2000, bool)
        hits[np.linspace(0, n - 1, labels).astype(int)] = True
        scores = np.concatenate([np.linspace(9, 8, n), np.linspace(1, 0, 2000)])
        return UnseenPicks(scores, hits, labels, len(fold))


def estimated(
    world: World, monkeypatch: pytest.MonkeyPatch, trainings: Trainings, settings: TrainSettings = SETTINGS
):
    monkeypatch.setattr(module, "pick_unseen", trainings)
    job = estimate_expected(world.files, world.truth, PREPROCESS, settings, stop=trainings.stop)
    return run(job)[1]


def test_it_trains_again_with_the_estimate_until_that_changes_little(world: World, monkeypatch) -> None:
    trainings = Trainings([80, 42, 41])
    found = estimated(world, monkeypatch, trainings)
    assert len(trainings.asked) == 9
    assert trainings.asked[0].expected == 40
    assert found.assumed == 40
    assert found.rounds == pytest.approx((80, 42, 41), rel=0.05)
    assert trainings.asked[3].expected == found.rounds[0]
    assert trainings.asked[6].expected == found.rounds[1]
    assert found.expected == found.rounds[-1]
    assert found.low <= found.expected <= found.high
    assert found.converged
    assert (found.labels, found.micrographs) == (40, 4)
    # Every micrograph is picked once a round, and no epoch is chosen by those to be picked.
    assert sorted(n for fold in trainings.folds[:3] for n in fold) == [f"mic_{k}" for k in range(4)]
    assert all(s.held_out == 0 and s.prior is None and s.epochs == 4 for s in trainings.asked)


def test_one_round_is_enough_where_the_assumption_is_right(world: World, monkeypatch) -> None:
    trainings = Trainings([41])
    found = estimated(world, monkeypatch, trainings)
    assert len(trainings.asked) == 3
    assert found.converged


def test_three_rounds_at_most(world: World, monkeypatch) -> None:
    trainings = Trainings([400, 200, 100, 50])
    found = estimated(world, monkeypatch, trainings)
    assert len(found.rounds) == 3
    assert not found.converged


def test_a_prior_is_another_start_and_pi_follows(world: World, monkeypatch) -> None:
    found = estimated(world, monkeypatch, Trainings([10] * 3), TrainSettings(prior=0.05))
    # 120 × 160 pixels once preprocessed, discs of radius 3 of 29 pixels.
    assert found.assumed == pytest.approx(0.05 * 120 * 160 / 29)
    assert found.prior == pytest.approx(found.expected * 29 / (120 * 160))


def test_long_trainings_are_shortened(world: World, monkeypatch) -> None:
    trainings = Trainings([40])
    estimated(world, monkeypatch, trainings, SETTINGS.model_copy(update={"epochs": 50}))
    assert {s.epochs for s in trainings.asked} == {4}


def test_a_stop_keeps_the_last_complete_round(world: World, monkeypatch) -> None:
    found = estimated(world, monkeypatch, Trainings([80, 42], stop_after=4))
    assert len(found.rounds) == 1
    assert not found.converged
    with pytest.raises(JobError, match="before the first estimate"):
        estimated(world, monkeypatch, Trainings([80, 42], stop_after=1))


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
    """Half of ten blobs on each of four micrographs are labelled; the assumption is five times too many."""
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
