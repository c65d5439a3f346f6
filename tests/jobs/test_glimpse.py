"""A look at a training before its first epoch is done: it is there, once, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from napari_topaz.events import EpochDone, Event, StepDone
from napari_topaz.jobs.glimpse import Glimpsed, with_glimpse


def training(looks: list[int], steps: int, look: Callable[[int], Any]) -> Iterator[Any]:
    """Tell of steps, ten at a time, as a training does; at which somebody looked goes into `looks`."""

    def looked(step: int) -> Any:
        looks.append(step)
        return look(step)

    for step in range(10, steps + 1, 10):
        yield StepDone(step, steps, 0.5, 1.0, lambda step=step: looked(step))
    return "the model"


def run(job: Any) -> tuple[list[Event], Any]:
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as end:
            return events, end.value


@pytest.mark.parametrize(("epoch", "at"), [(50, 20), (30, 10), (90, 30), (20, 10)])
def test_there_is_one_look_at_a_third_of_the_first_epoch(epoch: int, at: int) -> None:
    looks: list[int] = []
    events, model = run(with_glimpse(training(looks, 200, str), epoch))
    assert model == "the model"
    assert looks == [at]
    glimpses = [e for e in events if isinstance(e, Glimpsed)]
    assert [(e.step, e.model, e.kept) for e in glimpses] == [(at, str(at), False)]
    assert events.index(glimpses[0]) == at // 10  # right after its step
    assert len(events) == 20 + 1


@pytest.mark.parametrize("epoch", [5, 10])
def test_an_epoch_that_is_done_by_then_needs_no_look(epoch: int) -> None:
    looks: list[int] = []
    events, _ = run(with_glimpse(training(looks, 50, str), epoch))
    assert (looks, len(events)) == ([], 5)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory")])
def test_a_look_that_fails_ends_nothing(error: Exception) -> None:
    def fail(_: int) -> None:
        raise error

    looks: list[int] = []
    events, model = run(with_glimpse(training(looks, 50, fail), 50))
    assert (looks, len(events), model) == ([20], 5, "the model")


def test_a_training_that_is_dropped_is_closed() -> None:
    closed = []

    def job() -> Iterator[Event]:
        try:
            yield StepDone(10, 50, 0.5, 1.0)
            yield StepDone(20, 50, 0.5, 1.0)
        finally:
            closed.append(True)

    watched = with_glimpse(job(), 50)
    next(watched)
    watched.close()
    assert closed


@pytest.mark.slow
def test_looking_changes_nothing_that_is_learnt() -> None:
    torch = pytest.importorskip("torch")
    import numpy as np

    from napari_topaz.jobs.train import train_on_files
    from napari_topaz.micrograph import Micrograph
    from napari_topaz.picks import Picks
    from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

    rng = np.random.default_rng(0)
    micrographs = [Micrograph(n, rng.normal(0, 1, (150, 210)).astype(np.float32), 2.0) for n in "ab"]
    labels = {m.name: Picks.labels(rng.uniform(30, 120, (4, 2))) for m in micrographs}
    settings = TrainSettings(epochs=2, steps=20, expected=12)
    how = (PreprocessSettings(diameter=64, particle_pixels=16), settings, NetworkSettings(width=3))

    def events_and_model(look: bool) -> tuple[list[Event], Any]:
        job = train_on_files(micrographs, labels, *how, device="cpu")
        return run(with_glimpse(job, 20) if look else job)

    job, untouched = train_on_files(micrographs, labels, *how, device="cpu"), torch.random.get_rng_state
    step = next(event for event in job if isinstance(event, StepDone))
    state = untouched()
    assert step.look is not None
    step.look()
    assert torch.equal(state, untouched())
    job.close()
    (told, plain), (told_more, looked_at) = events_and_model(False), events_and_model(True)
    glimpsed = [e for e in told_more if isinstance(e, Glimpsed)]
    assert [e.step for e in glimpsed] == [10]
    one, other = plain.network.state_dict(), looked_at.network.state_dict()
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert plain.card.threshold == looked_at.card.threshold
    losses = [[e.loss for e in events if isinstance(e, EpochDone)] for events in (told, told_more)]
    assert losses[0] == losses[1]
    early = glimpsed[0].model
    assert np.isfinite(early.card.threshold)
    assert early.card.threshold != plain.card.threshold
    assert not torch.equal(early.network.state_dict()["head.weight"], one["head.weight"])
    assert not early.network.training
