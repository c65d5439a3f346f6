"""Learn while labels are being made: short rounds that never begin anew, and a rest when all is learnt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING, Protocol

from napari_topaz.events import Job, JobError, StopToken
from napari_topaz.jobs.labelled import ALL_SCORES
from napari_topaz.jobs.live_run import LiveRun
from napari_topaz.jobs.masking import Masks
from napari_topaz.jobs.preparing import PreparedCache, Source
from napari_topaz.jobs.priority import at_low_priority
from napari_topaz.jobs.warm_start import network_of, preprocess_of, settings_of
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Particles from which learning begins.
FEWEST_LABELS = 5
#: How long to wait for news while resting, in seconds.
WAIT = 0.2


@dataclass(frozen=True, eq=False)
class Wish:
    """What she has now: the labels of all micrographs, and the name of the one that is shown."""

    labels: Mapping[str, Picks]
    shown: str | None = None


class Newest(Protocol):
    """Where a job finds the newest wish."""

    def take(self, seconds: float) -> Wish | None:
        """Return the newest wish that was not taken yet; None where none comes within `seconds`."""
        ...


class Mailbox:
    """Holds one wish for another thread: a newer one takes the place of one that was not taken."""

    def __init__(self) -> None:
        self._news: Wish | None = None
        self._condition = Condition()

    def put(self, wish: Wish) -> None:
        """Leave a wish."""
        with self._condition:
            self._news = wish
            self._condition.notify()

    def take(self, seconds: float) -> Wish | None:
        """See :class:`Newest`."""
        with self._condition:
            if self._news is None and seconds > 0:
                self._condition.wait(seconds)
            wish, self._news = self._news, None
            return wish


def live(
    sources: Sequence[Source],
    preprocess: PreprocessSettings,
    settings: TrainSettings | None,
    network: NetworkSettings | None,
    newest: Newest,
    *,
    pick: PickSettings | None = None,
    device: str = "auto",
    stop: StopToken,
    cache: PreparedCache | None = None,
    start: PickerModel | None = None,
    masks: Masks | None = None,
    ticks: Ticks | None = None,
) -> Job[PickerModel | None]:
    """Learn from the newest labels until `stop` is set or fewer than :data:`FEWEST_LABELS` are left.

    Weights and optimiser outlive every change of the labels. After a change the learning rate falls
    along a cosine (Loshchilov & Hutter 2017: restarts), and then the job rests: without news it takes
    no step. Nothing is held out, and the autoencoder is left out. One core is left to the window, and the
    thread has a low priority (:func:`~napari_topaz.jobs.priority.at_low_priority`).

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
        All micrographs; those without labels are read when they are shown.
    preprocess, settings, network, device, cache, start, masks, ticks
        As in :func:`napari_topaz.jobs.train.train_on_files`.
    newest : Newest
        Asked for labels between rounds, for example a :class:`Mailbox`.
    pick : PickSettings, optional
        How scores become picks; its threshold does not count.
    stop : StopToken
        Looked at between rounds.

    Yields
    ------
    Started, Progress, Warned, RoundDone (of :mod:`napari_topaz.jobs.live_run`)

    Returns
    -------
    PickerModel or None
        As it is at the end; None where no step was taken.

    Raises
    ------
    JobError
        Where nothing can be learnt from these labels.
    """
    if preprocess.diameter is None:
        raise JobError("The particle's diameter in Å is not given; it is the one number that is needed.")
    run = LiveRun(
        sources={source.name: source for source in sources},
        preprocess=preprocess_of(start, preprocess) if start else preprocess,
        settings=settings_of(start, settings).model_copy(update={"held_out": 0.0}),
        network=network_of(start, network),
        pick=(pick or PickSettings()).model_copy(update={"threshold": ALL_SCORES}),
        device=device,
        cache=cache or PreparedCache(),
        start=start,
        masks=masks,
        ticks=ticks or Ticks(),
    )
    return (yield from at_low_priority(_learning(run, newest, stop)))


def _learning(run: LiveRun, newest: Newest, stop: StopToken) -> Job[PickerModel | None]:
    with one_core_spared():
        while not stop.is_set():
            wish = newest.take(0.0 if run.learning else WAIT)
            if wish is not None and _particles(wish.labels) < FEWEST_LABELS:
                break
            if wish is not None:
                yield from run.read(wish.labels, wish.shown, stop)
            if run.learner is not None and (wish is not None or run.learning):
                yield from run.round()
        return run.result()


@contextmanager
def one_core_spared() -> Iterator[None]:
    """Let torch use all cores but one in this thread: the window needs it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, (os.cpu_count() or 2) - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _particles(labels: Mapping[str, Picks]) -> int:
    return sum(int((picks.kinds != Kind.NOT_PARTICLE).sum()) for picks in labels.values())
