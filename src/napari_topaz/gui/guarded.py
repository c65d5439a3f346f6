"""A job from which no exception escapes: napari's workers hang on a RuntimeError. No Qt."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from napari_topaz.events import Event, Job, JobError, Progress

log = logging.getLogger("napari_topaz")
#: Seconds between two tellings of how far a job is.
BETWEEN = 0.05


@dataclass(frozen=True)
class Finished:
    """A job returned."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """A job did not return; one sentence for the user."""

    message: str


def guarded(
    make_job: Callable[[threading.Event], Job[Any]], stop: threading.Event
) -> Generator[Event, None, Finished | Failed]:
    """Run a job so that no exception leaves it; of progress that comes fast some is not told."""
    try:
        return Finished((yield from _told(make_job(stop))))
    except Exception as error:
        log.exception("A job failed.")
        return Failed(explain(error))


def _told(job: Job[Any]) -> Job[Any]:
    """Pass events on, but of :class:`Progress` no more than the eye can follow: each costs time."""
    last = -BETWEEN
    with closing(job):
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                return end.value
            now = time.monotonic()
            if isinstance(event, Progress) and event.done < event.total and now - last < BETWEEN:
                continue
            last = now
            yield event


def explain(error: BaseException) -> str:
    """Say in one sentence what went wrong and what to do."""
    text = " ".join(str(error).split())
    # By name, as torch must not be imported here.
    if type(error).__name__ == "OutOfMemoryError":
        return (
            "The graphics card is out of memory: choose device cpu under Advanced, or close other programs."
        )
    if isinstance(error, MemoryError):
        return (
            "This computer is out of memory: close other programs, or work with fewer micrographs at a time."
        )
    if isinstance(error, (JobError, ValueError, OSError)) and text:
        return text
    return f"Something unexpected went wrong ({type(error).__name__}: {text}); the details are in the log."
