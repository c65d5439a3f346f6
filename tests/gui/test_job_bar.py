"""Jobs in threads: whatever happens in them, the dock stays usable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from napari_topaz.events import JobError, MicrographDone, Progress, Started, StepDone, Warned
from napari_topaz.gui.job_bar import Failed, Finished, JobBar, Latest, explain, guarded
from napari_topaz.jobs.placement import Misplaced

pytestmark = pytest.mark.gui


class OutOfMemoryError(RuntimeError):
    """Like torch's."""


@pytest.fixture
def bar(qtbot: QtBot) -> JobBar:
    bar = JobBar()
    qtbot.addWidget(bar)
    return bar


def failing(error: BaseException) -> Callable:
    def job(stop):
        yield Started("Working", 3)
        raise error

    return job


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (JobError("None of the micrographs has a label."), "None of the micrographs has a label."),
        (RuntimeError("mat1 and mat2"), "unexpected"),
        (MemoryError(), "out of memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "choose device cpu"),
        (FileNotFoundError(2, "No such file", "x.mrc"), "x.mrc"),
        (StopIteration(), "unexpected"),
        (KeyError("a"), "unexpected"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_one_sentence_and_the_next_job_runs(
    qtbot: QtBot, bar: JobBar, caplog: pytest.LogCaptureFixture, error: BaseException, text: str
) -> None:
    results: list[int] = []
    bar.start("Working", failing(error), on_result=results.append)
    qtbot.waitUntil(lambda: bar.running is None)
    assert text in bar.message
    assert "\n" not in bar.message
    assert "Traceback" in caplog.text  # for the log, not for her
    bar.start("Working", counting(2), on_result=results.append)
    qtbot.waitUntil(lambda: bar.running is None)
    assert results == [2]
    assert bar.message == ""


def counting(n: int, wait: float = 0.0) -> Callable:
    def job(stop):
        yield Started("Counting", n)
        for k in range(n):
            if stop.is_set():
                return k
            time.sleep(wait)
            yield Progress(k + 1, n)
        return n

    return job


def test_stop_keeps_the_result(qtbot: QtBot, bar: JobBar) -> None:
    results: list[int] = []
    events: list[object] = []
    bar.start("Counting", counting(10_000, 0.005), on_event=events.append, on_result=results.append)
    qtbot.waitUntil(lambda: len(events) > 3)
    assert bar._button.isEnabled()
    bar._button.click()
    assert not bar._button.isEnabled()
    qtbot.waitUntil(lambda: bar.running is None)
    assert 0 < results[0] < 10_000


def test_only_one_job_at_a_time(qtbot: QtBot, bar: JobBar) -> None:
    assert bar.start("Counting", counting(3, 0.01))
    assert not bar.start("Other", counting(1))
    qtbot.waitUntil(lambda: bar.running is None)


def test_progress_and_warnings_are_shown(qtbot: QtBot, bar: JobBar) -> None:
    shown: list[tuple[int, int, str]] = []

    def job(stop):
        yield Started("Picking", 3)
        yield MicrographDone("a")
        yield MicrographDone("b", error="b.mrc is broken.")
        yield StepDone(3, 3, 0.5, 1.0)
        yield Warned("Be careful.")

    def look(event: object) -> None:
        shown.append((bar._bar.value(), bar._bar.maximum(), bar.message))

    bar.start("Picking", job, on_event=look)
    qtbot.waitUntil(lambda: bar.running is None)
    assert [s[:2] for s in shown] == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]
    assert "b.mrc" in shown[2][2]
    assert bar.notes.text == "Be careful."
    assert "b.mrc" in bar.message  # which the warning has not covered


def test_warnings_outlast_their_job(qtbot: QtBot, bar: JobBar) -> None:
    def job(stop):
        yield Warned("Too many labels.")
        yield Warned("No labels are held out.")

    bar.start("Training", job, on_result=lambda _: bar.say("Training is done."))
    qtbot.waitUntil(lambda: bar.running is None)
    assert bar.message == "Training is done."
    assert bar.notes.text == "No labels are held out."
    bar.notes.more.click()
    assert bar.notes.text == "• No labels are held out.\n• Too many labels."
    bar.start("Picking", counting(2))
    assert bar.notes.isHidden()
    assert bar.notes.text == ""
    qtbot.waitUntil(lambda: bar.running is None)


def test_what_is_asked_is_no_note(qtbot: QtBot, bar: JobBar) -> None:
    def job(stop):
        yield Misplaced("Labels fit better flipped.", SimpleNamespace())  # type: ignore[arg-type]

    bar.start("Reading", job)
    qtbot.waitUntil(lambda: bar.running is None)
    assert bar.message == "Labels fit better flipped."
    assert bar.notes.text == ""


def test_nothing_of_an_earlier_run_is_heard(qtbot: QtBot, bar: JobBar) -> None:
    heard: list[object] = []
    gate = threading.Event()

    def slow(stop):
        gate.wait(5)
        yield Started("late")
        return "late"

    bar.start("Slow", slow, on_event=heard.append, on_result=heard.append)
    bar.close_down()
    gate.set()
    qtbot.wait(100)
    assert heard == []


def test_the_job_is_made_in_the_thread(qtbot: QtBot, bar: JobBar) -> None:
    made_in: list[threading.Thread] = []

    def job(stop):
        made_in.append(threading.current_thread())
        return iter(())

    bar.start("Working", job)
    qtbot.waitUntil(lambda: bar.running is None)
    assert made_in[0] is not threading.main_thread()


def test_of_many_wishes_the_first_and_the_last_are_done(qtbot: QtBot) -> None:
    latest, done, started = Latest(), [], []
    gate = threading.Event()

    def task(k: int) -> Callable[[], int]:
        def run() -> int:
            started.append(k)
            gate.wait(5)
            return k

        return run

    for k in range(5):
        latest.ask(task(k), lambda: True, done.append, done.append)
    gate.set()
    qtbot.waitUntil(lambda: not latest.busy)
    assert started == done == [0, 4]


def test_results_that_are_not_wanted_any_more_are_dropped(qtbot: QtBot) -> None:
    latest, done, wanted = Latest(), [], [True]
    gate = threading.Event()
    latest.ask(lambda: gate.wait(5), lambda: wanted[0], done.append, done.append)
    wanted[0] = False
    gate.set()
    qtbot.waitUntil(lambda: not latest.busy)
    assert done == []


def test_a_task_that_fails_does_not_block_the_next(qtbot: QtBot) -> None:
    latest, done, failed = Latest(), [], []
    latest.ask(lambda: 1 / 0, lambda: True, done.append, failed.append)
    latest.ask(lambda: "fine", lambda: True, done.append, failed.append)
    qtbot.waitUntil(lambda: not latest.busy)
    assert done == ["fine"]
    assert "ZeroDivisionError" in failed[0]


def test_guarded_is_a_plain_generator() -> None:
    def run(job: Callable) -> object:
        steps = guarded(job, threading.Event())
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    assert run(counting(2)) == Finished(2)
    assert isinstance(run(failing(RuntimeError("x"))), Failed)


def test_explanations_are_one_line() -> None:
    assert "\n" not in explain(ValueError("first\n  second"))
