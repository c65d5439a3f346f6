"""Run a job where it gives way to the window and to other programs."""

from __future__ import annotations

import os
import sys
import threading
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from napari_topaz.events import Event, Job

R = TypeVar("R")

#: Niceness of such a thread: about a third of the share of one that is not nice. Not more, as it holds the
#: interpreter's lock now and then, and who waits for that should not wait long.
NICENESS = 5


@dataclass(frozen=True, eq=False)
class _End(Generic[R]):
    """A job returned, or raised."""

    result: R | None = None
    error: BaseException | None = None


def at_low_priority(job: Job[R]) -> Job[R | None]:
    """Run a job in a thread of its own, of low priority where threads can have one (Linux).

    The caller's thread may belong to a pool, and without privileges a thread never gets its priority back.
    The threads that torch makes for its arithmetic inherit that of the one that asks for them first.

    Parameters
    ----------
    job : generator
        Nothing of it has run yet. It does nothing while the caller looks at an event.

    Yields
    ------
    Event
        Those of the job.

    Raises
    ------
    Exception
        What the job raises.
    """
    go_on: SimpleQueue[bool] = SimpleQueue()
    news: SimpleQueue[Event | _End[R]] = SimpleQueue()
    # A daemon: who ends the interpreter waits for the caller's thread, not for this one.
    thread = threading.Thread(
        target=copy_context().run, args=(_run, job, go_on, news), name="napari-topaz-nice", daemon=True
    )
    thread.start()
    try:
        while True:
            go_on.put(True)
            told = news.get()
            if isinstance(told, _End):
                if told.error is not None:
                    raise told.error
                return told.result
            yield told
    finally:
        go_on.put(False)  # where the caller wants no more of it
        thread.join()


def _run(job: Job[R], go_on: SimpleQueue[bool], news: SimpleQueue[Event | _End[R]]) -> None:
    lower_priority()
    try:
        while go_on.get():
            news.put(next(job))
        job.close()
    except StopIteration as end:
        news.put(_End(end.value))
    except BaseException as error:  # the caller's thread raises it
        news.put(_End(error=error))


def lower_priority() -> None:
    """Let the thread that calls give way to others; elsewhere than on Linux nothing happens.

    There a process of its own is what has a priority, and the window must keep its.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
