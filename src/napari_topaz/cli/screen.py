"""Progress on stderr, results on stdout, and Ctrl-C as a request to stop."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from napari_topaz.cli.meters import Meter, choose_meter, tell
from napari_topaz.cli.options import Shown
from napari_topaz.events import EpochDone, Event, Job, MicrographDone, Progress, Started, StepDone, Warned

_R = TypeVar("_R")


class Screen:
    """Runs jobs for one command and prints what comes of it.

    Parameters
    ----------
    shown : Shown
        What is printed.
    """

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._done = 0
        self._tried = 0
        self._clock = time.monotonic()
        #: Set by Ctrl-C; jobs take it as their stop token.
        self.stop = threading.Event()
        #: Micrographs that failed, with one sentence each.
        self.failed: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return round(time.monotonic() - self._clock, 2)

    def drive(self, job: Job[_R]) -> _R:
        """Run a job to its end and show its events; Ctrl-C sets the stop token."""
        meter = choose_meter(quiet=self._shown.quiet)
        try:
            with _stopping(self.stop):
                while True:
                    try:
                        event = next(job)
                    except StopIteration as end:
                        return end.value  # type: ignore[no-any-return]
                    self._show(event, meter)
        finally:
            job.close()
            meter.close()

    def warn(self, message: str) -> None:
        """Print a warning, whether quiet or not."""
        tell(f"Warning: {' '.join(message.split())}")

    def result(self, values: Mapping[str, Any], text: str) -> int:
        """Print the result and return the exit code.

        Parameters
        ----------
        values : mapping
            The one object of ``--json``.
        text : str
            The same for people.
        """
        if self._shown.json:
            print(json.dumps(_plain(values), ensure_ascii=False, allow_nan=False))
        elif text:
            print(text)
        sys.stdout.flush()
        if self.failed:
            count, some = len(self.failed), _first(self.failed)
            what = f"{count} of {self._tried} micrographs failed" if self._tried else f"{count} failed"
            tell(f"Error: {what}: {' '.join(some.split())}.")
        if self.stop.is_set():
            tell("Error: stopped before the end; what was done so far is kept.")
        return int(bool(self.failed) or self.stop.is_set())

    def _show(self, event: Event, meter: Meter) -> None:
        match event:
            case Started():
                self._done = 0
                meter.start(event.what, event.total)
            case Progress():
                meter.move(event.done, event.what)
            case StepDone():
                meter.move(event.step, f"loss {event.loss:.3f}")
            case EpochDone():
                meter.say(_epoch_line(event))
            case MicrographDone():
                self._done += 1
                self._tried += 1
                if event.error is not None:
                    self.failed[event.name] = event.error
                    meter.say(f"Warning: {event.name} failed: {event.error}")
                meter.move(self._done, event.name)
            case Warned():
                meter.say(f"Warning: {event.message}")


def _epoch_line(event: EpochDone) -> str:
    held_out = "" if event.held_out is None else f", held-out average precision {event.held_out:.3f}"
    kept = " (kept so far)" if event.kept and event.held_out is not None else ""
    return f"Epoch {event.epoch}/{event.epochs}: loss {event.loss:.3f}{held_out}{kept}, {event.seconds:.0f} s"


def _first(failed: Mapping[str, str]) -> str:
    names = list(failed)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _plain(value: Any) -> Any:
    """Make a value fit for JSON: no infinities, no paths, no tuples."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM, as queues send it) set `stop`, the second one end the program."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        tell("Stopping; once more ends the program at once.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
