"""Owns all workers: one job at a time, with progress, Stop and errors; and quick tasks beside it.

A job is a generator of events (see :mod:`napari_topaz.events`). It is made and run in a thread, so
that torch is imported there, and never raises out of the thread: napari's workers hang on a
RuntimeError, so that every exception becomes a :class:`Failed` with one sentence for the user.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_topaz.events import Event, Job, MicrographDone, Progress, Started, StepDone, Warned
from napari_topaz.gui.background import Behind
from napari_topaz.gui.guarded import Failed, Finished, explain, guarded
from napari_topaz.gui.notes import Notes
from napari_topaz.gui.threads import JobWorker, TaskWorker
from napari_topaz.jobs.placement import Misplaced

__all__ = ["Failed", "Finished", "JobBar", "Latest", "explain", "guarded"]
log = logging.getLogger("napari_topaz")


class Latest(QObject):
    """Runs quick tasks in a thread, one at a time; of those that wait only the latest counts."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._busy = False
        self._closed = False
        self._waiting: tuple[Any, ...] | None = None

    def ask(
        self,
        task: Callable[[], Any],
        wanted: Callable[[], bool],
        on_done: Callable[[Any], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Run `task` soon; its result is dropped where `wanted()` is False by then."""
        if not self._closed:
            self._waiting = (task, wanted, on_done, on_failed)
            self._next()

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return self._busy or self._waiting is not None

    def close(self) -> None:
        """Start and deliver nothing any more."""
        self._closed, self._waiting = True, None

    def _next(self) -> None:
        if self._busy or self._closed or self._waiting is None:
            return
        (task, *rest), self._waiting = self._waiting, None
        if not rest[0]():
            return
        self._busy = True

        def job() -> Finished | Failed:
            try:
                return Finished(task())
            except Exception as error:
                log.exception("A task failed.")
                return Failed(explain(error))

        worker = TaskWorker(job)
        worker.returned.connect(lambda outcome: self._deliver(outcome, *rest))
        worker.start()

    def _deliver(
        self,
        outcome: Finished | Failed,
        wanted: Callable[[], bool],
        on_done: Callable[[Any], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._busy = False
        try:
            if not self._closed and wanted():
                if isinstance(outcome, Failed):
                    on_failed(outcome.message)
                else:
                    on_done(outcome.result)
        finally:
            self._next()


class JobBar(QWidget):
    """Progress, Stop and messages of the one job that runs.

    Signals
    -------
    running_changed
        A job began or ended.
    """

    running_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        #: Scores the shown micrograph while a job runs.
        self.preview = Latest(self)
        #: The job that gives way to all others.
        self.behind = Behind(self)
        self._when_alone: Callable[[], None] | None = None
        self.behind.ended.connect(self._go_on_alone)
        #: The id of the run; events of earlier runs are dropped.
        self.run_id = 0
        self._ids = itertools.count(1)
        self._title: str | None = None
        self._stop = threading.Event()
        self._began = 0.0
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setObjectName("message")
        self._message.hide()
        #: What the job warned of, which no later message covers.
        self.notes = Notes()
        self._bar = QProgressBar()
        self._bar.setTextVisible(True)
        self._button = QPushButton("Stop")
        self._button.setObjectName("stop")
        self._button.clicked.connect(self.stop)
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.notes)
        layout.addWidget(self._message)
        layout.addLayout(row)
        self._show_idle()

    @property
    def running(self) -> str | None:
        """Title of the job that runs; None where none does."""
        return self._title

    def start(
        self,
        title: str,
        make_job: Callable[[threading.Event], Job[Any]],
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        on_result: Callable[[Any], None] = lambda result: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> bool:
        """Start a job; False where another one still runs.

        Parameters
        ----------
        title : str
            For the user, for example "Training".
        make_job : callable
            (stop token) -> job; called in the thread.
        on_event, on_result : callable
            Called in the GUI thread.
        on_end : callable
            Called last, also where the job failed.
        """
        if self._title is not None:
            return False
        run, self._stop = next(self._ids), threading.Event()
        self.run_id, self._title, self._began = run, title, time.monotonic()
        self.say("")
        self.notes.clear()
        worker = JobWorker(make_job, self._stop)
        worker.yielded.connect(lambda event: self._take(run, event, on_event))
        worker.returned.connect(lambda outcome: self._finish(run, outcome, on_result, on_end))
        self.behind.stop(drop=True)
        self._when_alone = worker.start  # never two at work
        self._button.setEnabled(True)
        self._button.setToolTip(f"Stop the {title.lower()}; what is done so far is kept.")
        self._set_bar(0, 0, title)
        self._go_on_alone()
        self.running_changed.emit()
        return True

    def _go_on_alone(self) -> None:
        if not self.behind.busy and self._when_alone is not None:
            start, self._when_alone = self._when_alone, None
            start()

    def stop(self) -> None:
        """Ask the job to return what it has."""
        if self._title is None:
            return
        self._stop.set()
        self._button.setEnabled(False)
        self._button.setToolTip("It stops as soon as it can.")
        self._bar.setFormat("Stopping …")

    def close_down(self) -> None:
        """Stop everything and listen to nothing: the dock is going away."""
        self._stop.set()
        self.behind.close()
        self._when_alone = None
        self.run_id = 0
        self._title = None
        self.preview.close()

    def say(self, message: str, *, error: bool = False) -> None:
        """Show a message; an empty one clears it."""
        self._message.setVisible(bool(message))
        self._message.setText(message)
        self._message.setProperty("is_error", error)
        self._message.setStyleSheet(
            "QLabel#message { padding: 5px; border-radius: 3px; color: white; background: %s; }"
            % ("#a3323e" if error else "#3c6e47")
        )

    @property
    def message(self) -> str:
        """What is shown."""
        return str(self._message.text())

    def _take(self, run: int, event: Event, on_event: Callable[[Event], None]) -> None:
        if run != self.run_id:
            return
        if isinstance(event, Started):
            self._began = time.monotonic()
            self._set_bar(0, event.total, event.what)
        elif isinstance(event, Progress):
            self._set_bar(event.done, event.total, event.what or str(self._title))
        elif isinstance(event, StepDone):
            self._set_bar(event.step, event.total, str(self._title))
        elif isinstance(event, MicrographDone):
            self._set_bar(self._bar.value() + 1, self._bar.maximum(), str(self._title))
            if event.error:
                log.warning("%s: %s", event.name, event.error)
                self.say(f"{event.name} was left out: {event.error}", error=True)
        elif isinstance(event, Misplaced):  # she is asked about it
            self.say(event.message)
        elif isinstance(event, Warned):
            self.notes.add(event.message)
        on_event(event)

    def _finish(
        self,
        run: int,
        outcome: Finished | Failed,
        on_result: Callable[[Any], None],
        on_end: Callable[[], None],
    ) -> None:
        if run != self.run_id:
            return
        self._title = None
        self._show_idle()
        try:
            if isinstance(outcome, Failed):
                self.say(outcome.message, error=True)
            else:
                on_result(outcome.result)
            on_end()
        finally:
            self.running_changed.emit()

    def _set_bar(self, done: int, total: int, what: str) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        left = self._left(done, total)
        if not self._stop.is_set():
            self._bar.setFormat(f"{what} {done} / {total}{left}" if total else f"{what} …")

    def _left(self, done: int, total: int) -> str:
        spent = time.monotonic() - self._began
        if done == 0 or total == 0 or spent < 1:
            return ""
        seconds = round(spent / done * (total - done))
        return f" · {seconds} s left" if seconds < 100 else f" · {round(seconds / 60)} min left"

    def _show_idle(self) -> None:
        self._bar.setRange(0, 1)
        self._bar.setValue(0)
        self._bar.setFormat("")
        self._button.setEnabled(False)
        self._button.setToolTip("Nothing is running.")
