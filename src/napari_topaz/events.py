"""Events of long jobs: frozen, small, and made of plain values.

A job is a generator of these that returns its result; the viewer, the command line and a cluster
drive the same generator. :class:`JobError` is the one exception a user is meant to read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_topaz.picks import Picks

#: Histograms and curves in events.
FloatArray = NDArray[np.floating]


class JobError(Exception):
    """The work cannot be done; one sentence: what is wrong, with which file, what to do.

    Deliberately not a RuntimeError: napari's generator workers hang on those.
    """


class StopToken(Protocol):
    """What a job asks whether it should stop; a :class:`threading.Event` will do."""

    def is_set(self) -> bool:
        """Whether the job should stop and return what it has."""
        ...


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Started(Event):
    """A stage begins. `total` counts its steps (0: not known beforehand)."""

    what: str
    total: int = 0


@dataclass(frozen=True)
class Progress(Event):
    """`done` of `total` steps of the stage are finished."""

    done: int
    total: int
    what: str = ""


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know; the job goes on. One sentence."""

    message: str


@dataclass(frozen=True)
class StepDone(Event):
    """Some training steps are done: `loss` is their mean.

    `look` returns what is learnt so far as a PickerModel, where there is one; call it before the job goes on.
    """

    step: int
    total: int
    loss: float
    seconds: float
    look: Callable[[], Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model makes of labelled micrographs, in few numbers.

    Attributes
    ----------
    recall, precision : ndarray of float, shape (k,)
        The curve on their labels; the precision is estimated, as labels are incomplete (see
        :func:`napari_topaz.jobs.validation.estimate`).
    edges : ndarray of float, shape (b + 1,)
        Of the bins of scores (logits).
    unlabelled, labelled : ndarray of float, shape (b,)
        Fraction of the regions farther than a particle's radius from every label, and of the regions
        at labels, whose score lies in each bin.
    """

    recall: FloatArray
    precision: FloatArray
    edges: FloatArray
    unlabelled: FloatArray
    labelled: FloatArray


@dataclass(frozen=True)
class EpochDone(Event):
    """An epoch of training is done.

    Attributes
    ----------
    epoch, epochs : int
        1-based number of this epoch, and how many are planned.
    step : int
        Training steps since the start.
    loss : float
        Mean training loss of the epoch.
    held_out : float or None
        Average precision on the held-out labels; None where nothing is held out.
    kept : bool
        Whether this epoch is the one to keep so far (see :func:`napari_topaz.jobs.train.train`).
    seconds : float
        Since the start of training.
    model : PickerModel
        A snapshot that can pick at once (on the CPU, shares no memory with the training).
    judged : Judged or None
        On the held-out micrographs; on one that is trained on where nothing is held out.
    """

    epoch: int
    epochs: int
    step: int
    loss: float
    held_out: float | None
    kept: bool
    seconds: float
    model: Any
    judged: Judged | None = None


@dataclass(frozen=True, eq=False)
class MicrographDone(Event):
    """One micrograph of a long job is finished.

    Attributes
    ----------
    name : str
        The micrograph.
    picks : Picks or None
        Its picks, for jobs that pick.
    error : str or None
        One sentence, where this micrograph failed and the job goes on without it.
    """

    name: str
    picks: Picks | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class ScoresDone(Event):
    """The score map of one micrograph is there (see :class:`napari_topaz.score_map.ScoreMap`)."""

    name: str
    score_map: Any


@dataclass(frozen=True)
class Saved(Event):
    """A file was written."""

    path: str


#: What a job of result type R is.
_R = TypeVar("_R")
Job = Generator[Event, None, _R]

# -- remarks: from where no event can be yielded ----------------------------------------------------

_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def remark(message: str) -> None:
    """Say something that the user should know; the job yields it as a warning, or else it is logged."""
    heard = _HEARD.get()
    if heard is None:
        logging.getLogger("napari_topaz").warning(message)
    elif message not in heard:
        heard.append(message)


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Give the list of what is remarked within the block, by this thread; each sentence once."""
    heard: list[str] = []
    before = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(before)
