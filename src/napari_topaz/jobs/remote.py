"""Map micrographs over the workers of a dask cluster (see :mod:`napari_topaz.jobs.cluster`).

A worker gets the step (with the model in it) once, then micrographs by their paths. Those of a worker
that dies are redone by the others. One whose workers die again and again is left out, but not before
it did so alone: its neighbours on the worker are innocent.
"""

from __future__ import annotations

import pickle
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_topaz import __version__
from napari_topaz.events import Event, Job, JobError, StopToken, Warned
from napari_topaz.jobs.mapping import Mapper, Outcome, Step, attempt
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_source
from napari_topaz.micrograph import MicrographFile
from napari_topaz.settings import ScaleSettings

if TYPE_CHECKING:
    from distributed import Client, Future

_Given: TypeAlias = "tuple[Source, Future]"

#: Micrographs given out or waiting to be written, for each thread of the workers: memory stays flat.
AHEAD = 4
#: Seconds between two looks at whether something is finished, and at how many workers there are.
LOOK, COUNT = 0.01, 2.0
#: Seconds without any worker after which that is said.
PATIENCE = 5.0
KILLED = "the workers that took it died, too, when it was the only one; is memory short?"


@contextmanager
def open_remote(scale: ScaleSettings, device: str | None = None) -> Iterator[Mapper]:
    """Open the processes that the settings name; they (or the connection) end with the context.

    Raises
    ------
    JobError
        Where dask is not installed, or the scheduler does not answer.
    """
    from napari_topaz.jobs.cluster import local_client, remote_client

    address = scale.cluster
    opened = local_client(scale.workers or 1, device) if address is None else remote_client(address)
    with opened as client:
        yield partial(over_client, client)


def over_client(
    client: Client,
    sources: Sequence[Source],
    step: Step,
    *,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Generator[Outcome | Event]:
    """Map over the workers of a client: in order, a bounded number at a time.

    Where `stop` is set, what is finished is yielded and the rest is given up at once. `cache` is
    this process's, and not used.

    Raises
    ------
    JobError
        Where the scheduler is lost, or a worker has another version of this program.
    """
    del cache
    crew, todo = _Crew(client, step), iter(sources)
    waiting: deque[_Given] = deque()
    try:
        while True:
            while len(waiting) < crew.room() and (source := next(todo, None)) is not None:
                waiting.append((source, crew.submit(source)))
            if not waiting:
                return
            if not (yield from crew.settle(waiting, stop)):
                yield from (crew.outcome(s, f) for s, f in waiting if f.status == "finished")
                return
            yield crew.outcome(*waiting.popleft())
    finally:
        with suppress(JobError), _lost_is_said(client):
            client.cancel([future for _, future in waiting])


class _Crew:
    """The workers of one client, and the step that they do."""

    def __init__(self, client: Client, step: Step) -> None:
        self._client = client
        self._payload = pickle.dumps(step)
        self._carried: Future | None = None
        self._threads, self._counted = 0, float("-inf")
        self._idle_since: float | None = None
        self._given = 0

    def submit(self, source: Source, *, anew: bool = False) -> Future:
        """Give out one micrograph; `anew` with the step sent again, in case that it was lost."""
        with _lost_is_said(self._client):
            if self._carried is None or anew:
                self._carried = self._carry()
            self._given += 1
            task = (do, __version__, self._carried, _absolute(source))
            # First come, first served: the first one is waited for.
            return self._client.submit(*task, pure=False, priority=-self._given)

    def _carry(self) -> Future:
        """Send the step: as the result of a task, which dask makes anew where its holder dies."""
        with warnings.catch_warnings():  # of a payload above 10 MB; it is sent once
            warnings.simplefilter("ignore", UserWarning)
            return self._client.submit(_itself, self._payload, pure=False)

    def room(self) -> int:
        """Return how many micrographs may be given out or wait to be written."""
        return AHEAD * max(1, self._count())

    def _count(self) -> int:
        """Threads of all workers, asked for now and then: clusters grow and shrink."""
        if time.monotonic() - self._counted >= COUNT:
            with _lost_is_said(self._client):
                self._threads = sum(self._client.nthreads().values())
            self._counted = time.monotonic()
        return self._threads

    def settle(self, waiting: deque[_Given], stop: StopToken | None) -> Job[bool]:
        """Wait for the first micrograph, and try it alone if its workers died.

        False where `stop` is set before.
        """
        source, future = waiting[0]
        if not (yield from self._wait([future], stop)):
            return False
        if not was_killed(future):
            return True
        # Whose fault it was is seen when nothing else runs.
        if not (yield from self._wait([future for _, future in waiting], stop)):
            return False
        waiting[0] = (source, self.submit(source, anew=True))
        return (yield from self._wait([waiting[0][1]], stop))

    def _wait(self, futures: Sequence[Future], stop: StopToken | None) -> Job[bool]:
        """Wait until all are done; False where `stop` is set before."""
        while stop is None or not stop.is_set():
            # A future whose data are lost is not pending, and never done().
            if all(future.status != "pending" for future in futures):
                return True
            yield from self._missed()
            time.sleep(LOOK)
        return False

    def _missed(self) -> Iterator[Event]:
        """Say once when there has been no worker for a while."""
        if self._count():
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > PATIENCE:
            self._idle_since = float("inf")
            yield Warned("The cluster has no worker; the job waits until there is one.")

    def outcome(self, source: Source, future: Future) -> Outcome:
        """Return what a finished future holds, for the micrograph as the user named it."""
        if was_killed(future):
            return Outcome(source, error=KILLED)
        with _lost_is_said(self._client):
            result, error, remarks = future.result()
        if error and isinstance(source, MicrographFile):
            error = error.replace(str(source.path.absolute()), str(source.path))
        return Outcome(source, result, error, remarks)


def was_killed(future: Future) -> bool:
    """Whether the workers of this micrograph died."""
    from distributed import KilledWorker

    return future.status == "error" and isinstance(future.exception(), KilledWorker)


def _absolute(source: Source) -> Source:
    """Name a file so that a process in another folder finds it."""
    if isinstance(source, MicrographFile):
        return replace(source, path=source.path.absolute())
    return source


@contextmanager
def _lost_is_said(client: Client) -> Iterator[None]:
    """Turn what dask raises, where the scheduler is gone or lacks this package, into a sentence."""
    from concurrent.futures import CancelledError

    try:
        yield
    except (ImportError, CancelledError, OSError, RuntimeError) as error:
        missing = error if isinstance(error, ImportError) else error.__cause__
        if isinstance(missing, ImportError):
            raise JobError(
                f"The cluster cannot import {missing.name or 'napari_topaz'}; install napari-topaz "
                f"{__version__} for its scheduler and its workers."
            ) from error
        if isinstance(error, RuntimeError) and client.status == "running":
            raise
        raise JobError(
            "The scheduler of the cluster was lost; start it again and go on from what is done."
        ) from error


# ── what runs on the workers ───────────────────────────────────────────────────────────────────


def _itself(payload: bytes) -> bytes:
    return payload


def do(version: str, payload: bytes, source: Source) -> tuple[Any, str | None, tuple[str, ...]]:
    """Do the step of `payload` on one micrograph; returns result, error and remarks.

    Raises
    ------
    JobError
        Where the sender has another version of this program.
    """
    if version != __version__:
        raise JobError(
            f"A worker has napari-topaz {__version__}, but the job was started with {version}; "
            f"install the same everywhere."
        )
    step = _LAST.get(payload)
    done = attempt(source, partial(prepare_source, source, step.preprocess), step.work)
    return done.result, done.error, done.remarks


class _LastStep:
    """The step that this worker did last: its model is loaded once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._payload: bytes | None = None
        self._step: Step | None = None

    def get(self, payload: bytes) -> Step:
        """Return the step in `payload`, read where it is another one than before."""
        with self._lock:
            if self._step is None or self._payload != payload:
                self._payload, self._step = payload, pickle.loads(payload)
            return self._step


_LAST = _LastStep()
