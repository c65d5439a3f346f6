"""A look at what a training has learnt before its first epoch is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from napari_topaz.events import Event, Job, StepDone

if TYPE_CHECKING:
    from napari_topaz.jobs.validation import Validation
    from napari_topaz.model.picker import PickerModel

log = logging.getLogger("napari_topaz")

#: Part of the first epoch after which it is worth a look.
PART = 1 / 3


@dataclass(frozen=True, eq=False)
class Glimpsed(Event):
    """The first epoch is under way; `model` can pick at once, and knows less than an epoch teaches."""

    step: int
    model: Any
    #: As :class:`~napari_topaz.events.EpochDone` has it: of no epoch, and not to be kept.
    epoch: ClassVar[int] = 0
    kept: ClassVar[bool] = False


def look_at(model: PickerModel, validate: Callable[[PickerModel], Validation]) -> PickerModel:
    """Return a copy of a model that is learning, with a threshold; its training notices nothing.

    Parameters
    ----------
    model : PickerModel
        With the network that learns.
    validate : callable
        (model) -> Validation, which has the threshold.
    """
    import torch

    with torch.random.fork_rng(devices=[]):  # a new network draws weights before it takes the others
        copy = model.snapshot()
    return copy.with_card(threshold=validate(copy).threshold)


def with_glimpse(job: Job[PickerModel], steps: int) -> Job[PickerModel]:
    """Run a training, and look once at its model while the first epoch is under way.

    Parameters
    ----------
    job : Job
        See :func:`napari_topaz.jobs.train.train`.
    steps : int
        Of an epoch.

    Yields
    ------
    Its events, and one Glimpsed.
    """
    awaited = True
    try:
        while True:
            event = next(job)
            yield event
            if awaited and isinstance(event, StepDone) and event.step >= PART * steps:
                awaited = False
                if event.step < steps:
                    yield from _glimpsed(event)
    except StopIteration as end:
        model: PickerModel = end.value
        return model
    finally:
        job.close()


def _glimpsed(event: StepDone) -> Iterator[Glimpsed]:
    if event.look is None:
        return
    try:
        model = event.look()
    except (MemoryError, RuntimeError) as error:  # a full device: the epoch says so, if it is as serious
        log.info("There is no early look at what is learnt: %s", error)
        return
    yield Glimpsed(event.step, model)
