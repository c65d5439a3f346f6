"""Who learns behind the window gives way to it, and its caller does not."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from napari_topaz.events import Started, remark, remarks
from napari_topaz.jobs import priority
from napari_topaz.jobs.priority import NICENESS, at_low_priority
from worlds import run

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@needs_linux
def test_the_job_is_nice_and_its_caller_is_not() -> None:
    found, threads = [], set()

    def job():
        for n in range(3):
            found.append(niceness())
            threads.add(threading.get_native_id())
            yield Started(str(n))
        # As torch does: what arithmetic runs in.
        child = threading.Thread(target=lambda: found.append(niceness()))
        child.start()
        child.join()
        return "result"

    before = niceness()
    events, result = run(at_low_priority(job()))
    assert [event.what for event in events] == ["0", "1", "2"]
    assert result == "result"
    assert found == [max(NICENESS, before)] * 4
    assert len(threads) == 1
    assert threads != {threading.get_native_id()}
    assert niceness() == before


@needs_linux
def test_who_is_nicer_already_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = []
    monkeypatch.setattr(os, "getpriority", lambda which, who: 12)
    monkeypatch.setattr(os, "setpriority", lambda which, who, value: set_to.append(value))
    priority.lower_priority()
    assert set_to == [12]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delattr(os, "setpriority", raising=False)  # as on Windows

    def job():
        yield Started("here")
        return 7

    assert run(at_low_priority(job()))[1] == 7


def test_what_it_raises_comes_through() -> None:
    def job():
        yield Started("here")
        raise MemoryError("too small")

    with pytest.raises(MemoryError, match="too small"):
        run(at_low_priority(job()))


def test_a_job_that_is_not_wanted_any_more_is_closed() -> None:
    closed = []

    def job():
        try:
            yield Started("here")
            yield Started("never")
        finally:
            closed.append(threading.current_thread().name)

    aside = at_low_priority(job())
    next(aside)
    aside.close()
    assert closed == ["napari-topaz-nice"]
    assert "napari-topaz-nice" not in {thread.name for thread in threading.enumerate()}


def test_what_it_remarks_is_heard_by_who_listens() -> None:
    def job():
        remark("An odd header.")
        yield Started("here")

    with remarks() as heard:
        run(at_low_priority(job()))
    assert heard == ["An odd header."]
