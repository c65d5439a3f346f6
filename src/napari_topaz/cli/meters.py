"""Show on stderr how far the work is: a bar, lines for a log, or nothing."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: A log, which nobody watches, gets a line each time this fraction of a stage is done.
PLAIN_STEP = 0.1


def tell(text: str) -> None:
    """Print a line on stderr."""
    with although_nobody_reads():
        print(text, file=sys.stderr, flush=True)


@contextmanager
def although_nobody_reads() -> Iterator[None]:
    """Let the work go on where stderr is a terminal that was closed, or a pipe whose reader is gone.

    From then on stderr leads nowhere.
    """
    try:
        yield
    except OSError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())


class Meter(Protocol):
    """Shows how far the work is."""

    def start(self, what: str, total: int) -> None:
        """Begin a stage of `total` steps (0: not known)."""

    def move(self, done: int, note: str) -> None:
        """Show that `done` steps of the stage are finished."""

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def choose_meter(*, quiet: bool) -> Meter:
    """Return the meter that suits stderr: bars on a terminal, lines elsewhere."""
    if quiet:
        return WarningsOnly()
    return BarMeter() if sys.stderr.isatty() else LineMeter()


class WarningsOnly:
    """Shows no progress."""

    def start(self, what: str, total: int) -> None:
        """Show nothing."""

    def move(self, done: int, note: str) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Print warnings only."""
        if text.startswith("Warning"):
            tell(text)

    def close(self) -> None:
        """Do nothing."""


class LineMeter:
    """For logs: a line per stage and per tenth of it."""

    def __init__(self) -> None:
        self._what, self._total, self._next = "", 0, 0.0

    def start(self, what: str, total: int) -> None:
        """Print the stage."""
        self._what, self._total, self._next = what, total, PLAIN_STEP
        self.say(f"{what}: {total}" if total else what)

    def move(self, done: int, note: str) -> None:
        """Print a line where another tenth is done."""
        if self._total and done / self._total >= self._next - 1e-9:
            self._next = math.floor(done / self._total / PLAIN_STEP + 1e-9) * PLAIN_STEP + PLAIN_STEP
            self.say(f"{self._what}: {done}/{self._total}" + (f" ({note})" if note else ""))

    def say(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def close(self) -> None:
        """Do nothing."""


class BarMeter:
    """For terminals: a bar with the time that is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._bars: Progress = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        with although_nobody_reads():
            self._bars.start()

    def start(self, what: str, total: int) -> None:
        """Begin a bar."""
        with although_nobody_reads():
            self._task = self._bars.add_task(what, total=total or None, note="")

    def move(self, done: int, note: str) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, note=note)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        with although_nobody_reads():
            self._bars.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Stop the bars and leave them as they are."""
        with although_nobody_reads():
            self._bars.stop()
