"""When to save: soon after a change, never twice at once; failures are tried again. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

#: So long after the last change it is saved, in s; and at the latest so long after the first.
QUIET, AT_LATEST = 1.0, 4.0
#: After a failure it is tried again after so long, and ever more rarely, in s.
RETRY, RETRY_AT_MOST = 5.0, 60.0


class Autosaver:
    """Decides when a state is written; looks at nothing itself.

    Parameters
    ----------
    begin : callable
        () -> Future. Takes a copy of the state, at once, and writes it elsewhere, which may fail.
    on_saved : callable
        () -> None. The state that is there was written; called by :meth:`look`.
    on_failed : callable
        (exception, whether it is the first in a row) -> None.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        begin: Callable[[], Future[Any]],
        on_saved: Callable[[], None],
        on_failed: Callable[[BaseException, bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begin, self._on_saved, self._on_failed, self._clock = begin, on_saved, on_failed, clock
        #: Seconds after the last change, in place of :data:`QUIET`.
        self.quiet: float | None = None
        self._first: float | None = None  # of the changes that are not yet written
        self._due = 0.0
        self._failures = 0
        self._writing: Future[Any] | None = None

    @property
    def pending(self) -> bool:
        """Whether something is yet to be written, or is being written."""
        return self._first is not None or self._writing is not None

    @property
    def failed(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    @property
    def _quiet(self) -> float:
        return QUIET if self.quiet is None else self.quiet

    def changed(self) -> None:
        """Something is not as it was written."""
        now = self._clock()
        if self._first is None:
            self._first = now
        if not self._failures:
            self._due = min(now + self._quiet, self._first + max(AT_LATEST, self._quiet))

    def hurry(self) -> None:
        """Write what is changed at the next look."""
        self._due = self._clock()

    def forget(self) -> None:
        """There is another state now, which is as it was written."""
        self._first, self._failures = None, 0

    def look(self) -> None:
        """Take note of what was written, and write what is due; to be called often."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._end()
        if self._first is not None and self._clock() >= self._due:
            self._start()

    def finish(self, timeout: float = 10.0) -> bool:
        """Write now what is changed, and wait for it; False where that failed."""
        for again in (True, False):
            if self._writing is not None:
                _wait(self._writing, timeout)
                if not self._writing.done():
                    return False
                self._end()
            if self._first is None or not again:
                break
            self._start()
        return self._first is None

    def _start(self) -> None:
        self._first = None  # what changes from now on is the next one's
        try:
            self._writing = self._begin()
        except Exception as error:
            self._writing = Future()
            self._writing.set_exception(error)

    def _end(self) -> None:
        assert self._writing is not None
        error, self._writing = self._writing.exception(), None
        if error is None:
            self._failures = 0
            if self._first is not None:  # changed meanwhile, perhaps after a failure
                self._due = min(self._due, self._clock() + self._quiet)
            self._on_saved()
            return
        now = self._clock()
        self._failures += 1
        self._first = now if self._first is None else self._first
        self._due = now + min(RETRY * 2 ** (self._failures - 1), RETRY_AT_MOST)
        self._on_failed(error, self._failures == 1)


def _wait(future: Future[Any], timeout: float) -> None:
    try:
        future.exception(timeout)
    except TimeoutError:
        return
