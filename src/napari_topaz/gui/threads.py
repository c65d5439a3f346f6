"""Napari's workers, with an end: the process waits for them before Qt goes away beneath them.

A worker tells by signals of a QObject. At the end of a process PyQt deletes that object, though the worker's
thread may still run; what it then emits is a RuntimeError in the thread ("… has been deleted"). So when the
interpreter ends, before PyQt tidies up, threads have some seconds to return; those that need longer are not
heard any more.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from typing import Any

from napari.qt.threading import FunctionWorker, GeneratorWorker

from napari_topaz.events import Job
from napari_topaz.gui.guarded import guarded

log = logging.getLogger("napari_topaz")
#: Seconds that the end of the process waits for threads.
PATIENCE = 10.0

_changed = threading.Condition()
_at_work: set[FunctionWorker | GeneratorWorker] = set()


class JobWorker(GeneratorWorker):
    """Runs a job in a thread."""

    def __init__(self, make_job: Callable[[threading.Event], Job[Any]], stop: threading.Event) -> None:
        super().__init__(guarded, make_job, stop)
        self._stop = stop

    def quit(self) -> None:
        """Ask the job to return; napari does so when the application ends."""
        self._stop.set()
        super().quit()

    def run(self) -> None:
        """Called by Qt in the thread."""
        _run(self)


class TaskWorker(FunctionWorker):
    """Runs a function in a thread."""

    def run(self) -> None:
        """Called by Qt in the thread."""
        _run(self)


def wait_for_threads(seconds: float) -> bool:
    """Wait until no worker of these classes is at work; False where one still is after so many seconds."""
    with _changed:
        return _changed.wait_for(lambda: not _at_work, seconds)


def _run(worker: FunctionWorker | GeneratorWorker) -> None:
    with _changed:
        _at_work.add(worker)
    try:
        _work(worker)
    except RuntimeError as error:
        if "has been deleted" not in str(error):
            raise
        log.debug("A thread has outlived the window: %s", error)
    finally:
        with _changed:
            _at_work.discard(worker)
            _changed.notify_all()


def _work(worker: FunctionWorker | GeneratorWorker) -> None:
    """Do what `run` of napari's workers does, but leave the warnings of the process alone.

    It catches them by `warnings.catch_warnings`, which is for one thread: of two workers at once the one that
    ends last puts back what the other one had set, and from then on all warnings go to a worker that is gone.
    """
    worker.started.emit()
    worker._running = True
    try:
        result = worker.work()
    except Exception as error:
        worker.errored.emit(error)
    else:
        if isinstance(result, RuntimeError):  # what it tells was deleted
            raise result
        if not worker.abort_requested:
            worker.returned.emit(result)
    worker._running = False
    worker.finished.emit()
    worker._finished.emit(worker)


def _end() -> None:
    with _changed:
        for worker in _at_work:
            worker.quit()
    if not wait_for_threads(PATIENCE):
        log.warning("A thread is still at work after %g s; it is not waited for.", PATIENCE)


# What is registered last is called first: PyQt has registered its own by now.
atexit.register(_end)
