"""Do the same work on many micrographs: here, or (:mod:`napari_topaz.jobs.remote`) in other processes.

A mapper takes micrographs and a :class:`Step` and yields what comes of each, in their order. Whoever
uses it writes and reports: outputs are the same whatever did the work.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from napari_topaz.events import Event, StopToken, remarks
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_source
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings, ScaleSettings

_S = TypeVar("_S")
_T = TypeVar("_T")

#: Micrographs that are preprocessed at once in one process: each may be of some hundred megabytes.
MOST_READERS = 4

#: What one broken micrograph may raise without ending the job.
BROKEN = (ValueError, OSError, MemoryError)


@dataclass(frozen=True, eq=False)
class Step:
    """What is done with every micrograph.

    Attributes
    ----------
    preprocess : PreprocessSettings
        How it becomes the network's input.
    work : callable
        From that to the result; can be pickled where it is to run in another process.
    light : bool
        Whether the work is nothing beside reading and preprocessing, so that several micrographs are
        preprocessed at once.
    """

    preprocess: PreprocessSettings
    work: Callable[[Prepared], Any]
    light: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one micrograph: `result`, or `error` (one sentence) where it is broken; and `remarks`."""

    source: Source
    result: Any = None
    error: str | None = None
    remarks: tuple[str, ...] = ()


class Mapper(Protocol):
    """Does a step on many micrographs."""

    def __call__(
        self,
        sources: Sequence[Source],
        step: Step,
        *,
        stop: StopToken | None = None,
        cache: PreparedCache | None = None,
    ) -> Generator[Outcome | Event]:
        """Yield the outcomes in the order of `sources`, and what the user should know in between."""


def attempt(source: Source, prepared: Callable[[], Prepared], work: Callable[[Prepared], Any]) -> Outcome:
    """Return what comes of one micrograph; what is wrong with it alone becomes a sentence."""
    with remarks() as said:
        try:
            return Outcome(source, work(prepared()), remarks=tuple(said))
        except BROKEN as error:
            return Outcome(source, error=str(error) or type(error).__name__, remarks=tuple(said))


def in_process(
    sources: Sequence[Source],
    step: Step,
    *,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Generator[Outcome | Event]:
    """Map in this process: one micrograph in memory, while the next one is read ahead in a thread.

    Where the work is light there is a thread for each core, up to `MOST_READERS`.
    """

    def read(source: Source) -> Prepared:
        if cache is not None:
            return cache.prepare(source, step.preprocess)
        return prepare_source(source, step.preprocess)

    for source, future in read_ahead(sources, read, readers() if step.light else 1):
        if stop is not None and stop.is_set():
            return
        yield attempt(source, future.result, step.work)


def readers() -> int:
    """Return how many micrographs are preprocessed at once: one for each core to use, within reason."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(MOST_READERS, usable, int(asked) if asked.isdecimal() else usable))


def read_ahead(
    sources: Iterable[_S], read: Callable[[_S], _T], at_once: int = 1
) -> Iterator[tuple[_S, Future[_T]]]:
    """Read the next sources in threads, so many `at_once`, while the caller works on this one.

    Yields
    ------
    tuple of source and Future
        In the order of the sources; the future's `result()` raises what `read` raised.
    """
    with ThreadPoolExecutor(at_once, "read-ahead") as pool:
        waiting: deque[tuple[_S, Future[_T]]] = deque()
        for source in sources:
            waiting.append((source, pool.submit(read, source)))
            if len(waiting) > at_once:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def open_mapper(scale: ScaleSettings, device: str | None = None) -> AbstractContextManager[Mapper]:
    """Return what maps as the settings say; its processes end with the context.

    Parameters
    ----------
    scale : ScaleSettings
        Here, in processes of this machine, or on a cluster.
    device : str, optional
        Which the work will use; processes of this machine share its GPUs out for auto and cuda.

    Raises
    ------
    JobError
        On entering: dask is not installed, or the scheduler does not answer.
    """
    if not scale.elsewhere:
        return nullcontext(in_process)
    from napari_topaz.jobs.remote import open_remote

    return open_remote(scale, device)
