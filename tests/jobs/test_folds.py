"""Folds: whole micrographs, balanced, each picked by a model that has not seen it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.events import EpochDone, JobError, Started
from napari_topaz.jobs import folds as module
from napari_topaz.jobs.folds import count_labels, make_folds, pick_unseen
from napari_topaz.jobs.preparing import prepare_source
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks
from worlds import DIAMETER, World, run

PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
TINY = TrainSettings(epochs=1, steps=3, expected=12, held_out=0)
NARROW = NetworkSettings(width=3)


def test_every_micrograph_is_in_one_fold_and_labels_are_balanced() -> None:
    labels = {"a": 9, "b": 1, "c": 2, "d": 0, "e": 5, "f": 4, "g": 6}
    folds = make_folds(labels, 3, seed=1)
    assert sorted(name for fold in folds for name in fold) == ["a", "b", "c", "e", "f", "g"]
    assert [sum(labels[n] for n in fold) for fold in folds] == [9, 9, 9]
    assert folds == make_folds(labels, 3, seed=1)


def test_ties_are_decided_by_the_seed() -> None:
    labels = {str(k): 2 for k in range(12)}
    assert {make_folds(labels, 3, seed) for seed in range(5)} > {make_folds(labels, 3, 0)}
    assert all(len(fold) == 4 for fold in make_folds(labels, 3, 0))


def test_there_are_no_more_folds_than_micrographs() -> None:
    assert len(make_folds({"a": 3, "b": 1}, 5, 0)) == 2


@pytest.mark.parametrize(
    ("labels", "folds", "message"),
    [({"a": 9, "b": 0}, 2, "two micrographs"), ({}, 3, "two micrographs"), ({"a": 1, "b": 1}, 1, "1 folds")],
)
def test_what_cannot_be_dealt_out_is_said(labels: dict[str, int], folds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_folds(labels, folds, 0)


def test_labels_outside_and_negative_ones_do_not_count(world: World) -> None:
    prepared = [prepare_source(f, PREPROCESS) for f in world.files[:2]]
    picks = {
        "mic_0": Picks.labels([(5, 5), (9000, 5)]) + Picks.labels([(50, 50)], Kind.NOT_PARTICLE),
        "elsewhere": Picks.labels([(5, 5)]),
    }
    assert count_labels(prepared, picks) == {"mic_0": 1}


@pytest.mark.slow
def test_a_fold_is_picked_by_a_model_that_has_not_seen_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    prepared = [prepare_source(f, PREPROCESS) for f in world.files]
    seen: list[str] = []

    def train(training_set, *args, **options):
        seen.extend((i.prepared.name, i.complete) for i in training_set.training)
        return (yield from real(training_set, *args, **options))

    real = module.train
    monkeypatch.setattr(module, "train", train)
    fold = frozenset({"mic_1", "mic_3"})
    how = {"what": "Fold 1", "device": "cpu", "ticks": Ticks(complete=frozenset({"mic_0", "mic_1"}))}
    events, found = run(pick_unseen(prepared, world.truth, fold, PREPROCESS, TINY, NARROW, **how))
    assert seen == [("mic_0", True), ("mic_2", False)]
    assert (found.complete_labels, found.complete_micrographs) == (10, 1)
    assert found.complete is not None
    first_on_other = int(np.flatnonzero(~found.complete)[0])
    assert found.complete[:first_on_other].all()
    assert not found.complete[first_on_other:].any()
    assert found.scores[first_on_other] == found.scores[first_on_other:].max(), "each micrograph best first"
    assert [e.what for e in events if isinstance(e, Started)] == ["Fold 1"]
    assert not any(isinstance(e, EpochDone) for e in events)
    assert (found.labels, found.micrographs) == (20, 2)
    assert found.scores.shape == found.hits.shape
    assert 0 < found.hits.sum() <= 20
    assert np.isfinite(found.scores).all()


def test_labels_outside_of_all_micrographs_of_a_fold_are_said(world: World) -> None:
    prepared = [prepare_source(f, PREPROCESS) for f in world.files[:2]]
    picks = {"mic_0": world.truth["mic_0"], "mic_1": Picks.labels([(9000, 1)])}
    with pytest.raises(JobError, match="No label lies inside"):
        run(pick_unseen(prepared, picks, frozenset({"mic_1"}), PREPROCESS, TINY, NARROW))
