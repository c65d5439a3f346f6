"""The one job that may run behind the others: it gives way to every other job, and is never two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_topaz.events import Event, Job
from napari_topaz.gui.guarded import Failed, Finished
from napari_topaz.gui.threads import JobWorker


@dataclass(frozen=True, eq=False)
class Background:
    """What a job behind the others is, and who is told."""

    make_job: Callable[[threading.Event], Job[Any]]
    on_event: Callable[[Event], None]
    on_result: Callable[[Any], None]
    on_failed: Callable[[str], None]


class Behind(QObject):
    """Runs one job in a thread, beside what the bar shows.

    Signals
    -------
    ended
        Its thread has returned: another job may begin.
    """

    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stop: threading.Event | None = None
        self._told: Background | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether its thread runs, though it may have been asked to stop."""
        return self._stop is not None

    @property
    def serves(self) -> bool:
        """Whether somebody still listens to what it tells."""
        return self._told is not None

    def start(self, job: Background) -> bool:
        """Start a job; False where the one before has not returned yet."""
        if self.busy:
            return False
        self._stop, self._told = threading.Event(), job
        worker = JobWorker(job.make_job, self._stop)
        worker.yielded.connect(lambda event: self._tell(job, event))
        worker.returned.connect(lambda outcome: self._end(job, outcome))
        worker.start()
        return True

    def stop(self, *, drop: bool = False) -> None:
        """Ask the job to return what it has; with `drop` nobody is told any more."""
        if self._stop is not None:
            self._stop.set()
        if drop:
            self._told = None

    def close(self) -> None:
        """Stop, and tell nobody anything any more: the dock is going away."""
        self.stop(drop=True)
        self._closed = True

    def _tell(self, job: Background, event: Event) -> None:
        if self._told is job:
            job.on_event(event)

    def _end(self, job: Background, outcome: Finished | Failed) -> None:
        told, self._stop, self._told = self._told is job, None, None
        try:
            if told and isinstance(outcome, Failed):
                job.on_failed(outcome.message)
            elif told and isinstance(outcome, Finished):
                job.on_result(outcome.result)
        finally:
            if not self._closed:
                self.ended.emit()
