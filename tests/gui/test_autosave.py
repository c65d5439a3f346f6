"""When is saved: without a window, a thread or a real clock."""

from __future__ import annotations

import itertools
from concurrent.futures import Future

import pytest

from napari_topaz.gui.autosave import AT_LATEST, QUIET, RETRY, RETRY_AT_MOST, Autosaver


class Desk:
    """A state, a clock that is set by hand, and writes that end when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.state = 0
        self.writes: list[tuple[int, Future[None]]] = []
        self.told: list[object] = []
        self.refuse = False
        self.saver = Autosaver(
            self.begin,
            lambda: self.told.append("saved"),
            lambda error, first: self.told.append((str(error), first)),
            clock=lambda: self.now,
        )

    def begin(self) -> Future[None]:
        if self.refuse:
            raise RuntimeError("no threads any more")
        assert all(future.done() for _, future in self.writes), "two at once"
        self.writes.append((self.state, Future()))
        return self.writes[-1][1]

    def change(self) -> None:
        self.state += 1
        self.saver.changed()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            self.saver.look()

    def end(self, error: Exception | None = None) -> None:
        future = self.writes[-1][1]
        future.set_result(None) if error is None else future.set_exception(error)
        self.saver.look()

    @property
    def written(self) -> list[int]:
        return [state for state, _ in self.writes]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_waits_until_she_pauses_and_writes_once(desk: Desk) -> None:
    for _ in range(3):
        desk.change()
        desk.wait(QUIET / 2)
    assert desk.written == []
    desk.wait(QUIET)
    assert desk.written == [3]
    desk.end()
    desk.wait(60)
    assert (desk.written, desk.told, desk.saver.pending) == ([3], ["saved"], False)


def test_without_a_pause_it_does_not_wait_for_ever(desk: Desk) -> None:
    for _ in range(round((AT_LATEST + 0.5) / 0.25)):
        desk.change()
        desk.wait(0.25)
    assert len(desk.written) == 1
    assert QUIET <= 2
    assert AT_LATEST < 10


def test_never_two_at_once_and_the_last_state_wins(desk: Desk) -> None:
    desk.change()
    desk.wait(2)
    desk.change()
    desk.change()
    desk.wait(30)  # the disk is slow
    assert desk.written == [1]
    desk.end()
    desk.wait(2)
    assert desk.written == [1, 3]


def test_a_failure_is_told_once_and_tried_again_ever_more_rarely(desk: Desk) -> None:
    desk.change()
    desk.wait(2)
    times = []
    for _ in range(6):
        times.append(desk.now)
        desk.end(OSError("full"))
        n = len(desk.writes)
        while len(desk.writes) == n:
            desk.wait(0.25)
    assert desk.told == [("full", True)] + [("full", False)] * 5
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses[0] == pytest.approx(RETRY, abs=0.5)
    assert pauses == sorted(pauses)
    assert pauses[-1] <= RETRY_AT_MOST + 0.5
    desk.change()
    desk.end()
    desk.wait(2)
    assert desk.written[-1] == 2
    assert desk.told[-1] == "saved"
    desk.end()
    assert not desk.saver.failed
    assert not desk.saver.pending


def test_changes_after_a_failure_do_not_hammer_the_disk(desk: Desk) -> None:
    desk.change()
    desk.wait(2)
    desk.end(OSError("full"))
    for _ in range(8):
        desk.change()
        desk.wait(0.5)
    assert len(desk.writes) == 1
    desk.wait(2)
    assert desk.written == [1, 9]


def test_at_the_end_all_is_written(desk: Desk) -> None:
    desk.change()
    desk.wait(2)
    desk.writes[0][1].set_result(None)
    desk.change()

    def at_once() -> Future[None]:
        future = desk.begin()
        future.set_result(None)
        return future

    desk.saver._begin = at_once
    assert desk.saver.finish()
    assert desk.written == [1, 2]
    assert desk.saver.finish()
    assert desk.written == [1, 2]


def test_at_the_end_a_write_that_hangs_is_not_waited_for_for_ever(desk: Desk) -> None:
    desk.change()
    desk.wait(2)
    assert not desk.saver.finish(timeout=0.01)


def test_when_nothing_can_be_begun_that_is_a_failure_like_any_other(desk: Desk) -> None:
    desk.refuse = True
    desk.change()
    assert not desk.saver.finish()
    assert desk.told == [("no threads any more", True)]
    assert desk.saver.pending
    desk.saver.forget()
    assert not desk.saver.pending
