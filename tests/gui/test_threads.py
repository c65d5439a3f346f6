"""A process ends in silence, whatever its threads do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings

import pytest
from pytestqt.qtbot import QtBot

from napari_topaz.events import Progress, Started
from napari_topaz.gui import threads
from napari_topaz.gui.job_bar import JobBar, Latest

pytestmark = pytest.mark.gui
#: A program that ends while a thread still works: {work} says at what, {patience} how long it waits.
PROGRAM = """
import sys, time
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari_topaz.events import Progress
from napari_topaz.gui import threads
from napari_topaz.gui.background import Background, Behind
from napari_topaz.gui.job_bar import JobBar, Latest
threads.PATIENCE = {patience}
def slow():
    time.sleep(0.7)
    print("done", flush=True)
def job(stop):
    while not stop.is_set():  # without an event, as a live training that rests
        time.sleep(0.05)
    print("stopped", flush=True)
    yield Progress(1, 1)
latest, bar = Latest(), JobBar()
{work}
end = time.monotonic() + 0.3
while time.monotonic() < end:
    app.processEvents()
"""
WORK = {
    "task": "latest.ask(slow, lambda: True, print, print)",
    "job": "bar.start('Working', job)",
    "behind": "bar.behind.start(Background(job, print, print, print))",
}


@pytest.mark.parametrize(
    ("work", "patience", "said"),
    [("task", 10, "done"), ("job", 10, "stopped"), ("behind", 10, "stopped"), ("task", 0.05, "done")],
)
def test_the_end_of_a_process_waits_for_its_threads_and_says_nothing(
    work: str, patience: float, said: str
) -> None:
    program = PROGRAM.format(work=WORK[work], patience=patience)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert "deleted" not in done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stdout
    assert ("not waited for" in done.stderr) == (patience < 1)


def test_waiting_has_a_bound(qtbot: QtBot) -> None:
    latest, gate = Latest(), threading.Event()
    latest.ask(lambda: gate.wait(20), lambda: True, lambda _: None, lambda _: None)
    qtbot.waitUntil(lambda: not threads.wait_for_threads(0))
    assert not threads.wait_for_threads(0.05)
    gate.set()
    assert threads.wait_for_threads(20)
    qtbot.waitUntil(lambda: not latest.busy)


def test_quitting_a_worker_stops_its_job(qtbot: QtBot) -> None:
    stopped = threading.Event()

    def job(stop):
        yield Started("Working")
        while not stop.is_set():  # no event in between, as where it rests
            time.sleep(0.01)
        stopped.set()
        yield Progress(1, 1)

    bar = JobBar()
    qtbot.addWidget(bar)
    bar.start("Working", job)
    qtbot.waitUntil(lambda: bool(threads._at_work))
    for worker in list(threads._at_work):
        worker.quit()  # as napari does when the application ends
    qtbot.waitUntil(stopped.is_set)
    assert threads.wait_for_threads(20)
    bar.close_down()


def test_two_threads_at_once_leave_warnings_as_they_were(qtbot: QtBot) -> None:
    """As a job and what scores the shown micrograph; or all warnings would go to a worker that is gone."""
    before = warnings.showwarning, warnings.filters
    workers = [(Latest(), threading.Event(), threading.Event()) for _ in range(2)]
    for latest, begun, go_on in workers:
        latest.ask(
            lambda begun=begun, go_on=go_on: (begun.set(), go_on.wait(30)),
            lambda: True,
            lambda _: None,
            lambda _: None,
        )
        qtbot.waitUntil(begun.is_set)
    for latest, _, go_on in workers:  # the first one ends first
        go_on.set()
        qtbot.waitUntil(lambda latest=latest: not latest.busy)
    assert threads.wait_for_threads(20)
    assert warnings.showwarning is before[0]
    assert warnings.filters is before[1]


def test_what_fails_in_a_thread_is_told_and_the_thread_ends(qtbot: QtBot) -> None:
    told: list[object] = []

    def fail() -> None:
        raise ZeroDivisionError("It is nothing.")

    worker = threads.TaskWorker(fail)
    worker.errored.connect(told.append)
    worker.finished.connect(lambda: told.append("finished"))
    worker.start()
    qtbot.waitUntil(lambda: len(told) == 2)
    assert str(told[0]) == "It is nothing."
    assert not worker.is_running
    qtbot.waitUntil(lambda: worker not in threads.TaskWorker._worker_set)
