"""The expected number in the dock: estimated, compared, taken."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_topaz.events import JobError, Started
from napari_topaz.gui import expecting as module
from napari_topaz.gui.expecting import Expecting
from napari_topaz.gui.expecting_row import ExpectingRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.options import Options
from napari_topaz.gui.session import session_of
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.settings import PreprocessSettings, TrainSettings

from .conftest import micrograph

pytestmark = pytest.mark.gui


class Bench:
    """A session, the row, and what connects them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.session = session_of(ViewerModel())
        self.workspace = self.session.workspace
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)])
        self.workspace.change(train=TrainSettings(expected=100, prior=0.1, steps=7))
        self.dock = QWidget()
        qtbot.addWidget(self.dock)
        self.bar, self.row = JobBar(self.dock), ExpectingRow(self.dock)
        self.expecting = Expecting(self.session, self.bar, self.row, self.dock)
        self.row.enable(None)


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def finishing(result: Any, asked: list[Any]) -> Any:
    """A job that returns at once."""

    def task(*args: Any):
        asked.append(args)
        yield Started("Estimating", 1)
        return result

    return task


def test_an_estimate_goes_into_the_form(qtbot: QtBot, bench: Bench, monkeypatch) -> None:
    found = SimpleNamespace(expected=123.456, low=101.0, high=150.0, labels=40, micrographs=8)
    asked: list[Any] = []
    monkeypatch.setattr(Learning, "estimating", finishing(found, asked))
    bench.row.estimate_button.click()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    learning, labels, _ = asked[0]
    assert (learning.sources, labels) == (bench.workspace.sources, bench.workspace.all_labels)
    train = bench.workspace.options.train
    assert (train.expected, train.prior, train.steps) == (123, None, 7)
    assert "About 123 particles per micrograph (101 to 150), from 40 labels" in bench.bar.message


def test_a_failed_estimate_changes_nothing(qtbot: QtBot, bench: Bench, monkeypatch) -> None:
    def task(*args: Any):
        yield Started("Estimating", 1)
        raise JobError("Labels on two micrographs or more are needed.")

    monkeypatch.setattr(Learning, "estimating", task)
    bench.row.estimate_button.click()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert bench.workspace.options.train.expected == 100
    assert "two micrographs" in bench.bar.message


@pytest.mark.parametrize(
    ("choice", "offered", "says"),
    [(200.0, "Take 200", "200 finds"), (100.0, None, "100 finds"), (None, None, "Not all trainings")],
)
def test_the_winner_is_offered(
    qtbot: QtBot,
    bench: Bench,
    monkeypatch,
    tmp_path: Path,
    choice: float | None,
    offered: str | None,
    says: str,
) -> None:
    found = SimpleNamespace(choice=choice, as_good=(50.0,), plot=tmp_path / "p.png", table=tmp_path / "t.csv")
    shown: list[Path] = []
    asked: list[Any] = []
    monkeypatch.setattr(Learning, "comparing", finishing(found, asked))
    monkeypatch.setattr(module, "picture_window", lambda path, parent: shown.append(path))
    monkeypatch.setattr(module.dialogs, "ask_comparison_folder", lambda parent: tmp_path)
    bench.row.compare_button.click()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert asked[0][2] == tmp_path
    assert shown == [found.plot]
    assert says in bench.bar.message
    assert bench.workspace.options.train.expected == 100
    assert bench.row.take_button.isHidden() is (offered is None)
    if offered is not None:
        assert bench.row.take_button.text() == offered
        bench.row.take_button.click()
        assert bench.workspace.options.train.expected == 200
        assert bench.row.take_button.isHidden()


def test_no_folder_no_comparison(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(module.dialogs, "ask_comparison_folder", lambda parent: None)
    bench.row.compare_button.click()
    assert bench.bar.running is None


def test_a_reason_disables_both(bench: Bench) -> None:
    bench.row.enable("Open micrographs first.")
    for button in (bench.row.estimate_button, bench.row.compare_button):
        assert not button.isEnabled()
        assert button.toolTip() == "Open micrographs first."


def test_a_comparison_needs_a_number_to_go_round(tmp_path: Path) -> None:
    job = Learning([], Options(), PreparedCache()).comparing({}, tmp_path, threading.Event())
    with pytest.raises(JobError, match="expected number"):
        next(job)


def test_half_once_and_twice_the_number_are_compared(tmp_path: Path, monkeypatch) -> None:
    from napari_topaz.jobs import cross_validate

    seen: list[Any] = []

    def job(files, picks, preprocess, output, values, settings, network, **how):
        seen.append((output, values, settings.steps, how["device"]))
        yield Started("x", 1)

    monkeypatch.setattr(cross_validate, "cross_validate", job)
    options = replace(
        Options(), preprocess=PreprocessSettings(diameter=40), train=TrainSettings(expected=90, steps=3)
    )
    list(Learning([], options, PreparedCache()).comparing({}, tmp_path, threading.Event()))
    assert seen == [(tmp_path, [45, 90, 180], 3, "auto")]
