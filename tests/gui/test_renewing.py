"""Another distance of picks: they follow where scores are kept, and stay where they are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_topaz.gui import renewing as module
from napari_topaz.gui import tasks
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.renewing import Renewing
from napari_topaz.gui.session import session_of
from napari_topaz.jobs.kept_scores import MadeBy
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap

from .conftest import PIXEL_SIZE, SHAPE, micrograph

pytestmark = pytest.mark.gui
#: Two peaks, 80 pixels from one another.
LOGITS = np.full((75, 101), -5, np.float32)
LOGITS[20, 20], LOGITS[20, 40] = 5, 4


class Bench:
    """Three picked micrographs; the scores of two are kept."""

    def __init__(self, qtbot: QtBot) -> None:
        self.session = session_of(ViewerModel())
        self.workspace = self.session.workspace
        self.workspace.add([micrograph(name) for name in "abc"])
        self.dock = QWidget()
        qtbot.addWidget(self.dock)
        self.bar = JobBar(self.dock)
        self.renewing = Renewing(self.session, self.bar, self.dock)
        self.workspace.set_model(SimpleNamespace(knows_preprocessing=True, calibrated=False))  # type: ignore
        made_by = tasks.scores_of(self.workspace.model, self.workspace.options)
        for name in "abc":
            self.workspace.set_candidates(name, Picks([[80, 80], [80, 160]], [5, 4]))
        for name in "ab":
            self.session.scores.put(made_by, ScoreMap(name, LOGITS, (4.0, 4.0), 1, SHAPE), PIXEL_SIZE)

    def radius(self, length: float | None) -> None:
        pick = self.workspace.options.pick.model_copy(update={"suppression_radius": length})
        self.workspace.change(pick=pick)

    def counts(self) -> list[int]:
        return [len(self.workspace.peaks(name)) for name in "abc"]


@pytest.fixture
def bench(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Bench:
    from napari_topaz.extract import extract
    from napari_topaz.jobs import pick

    monkeypatch.setattr(module, "TYPING", 0)
    monkeypatch.setattr(tasks, "fitted", lambda model, options: model)
    monkeypatch.setattr(
        tasks, "scores_of", lambda model, options: MadeBy(model, options.preprocess, options.pick.symmetries)
    )

    def picks_of(score_map: ScoreMap, model: Any, settings: Any, pixel_size: float) -> Picks:
        if settings.margin:
            raise ValueError("No margin here.")
        return extract(score_map, (settings.suppression_radius or 36) / pixel_size, threshold=0.0)

    monkeypatch.setattr(pick, "picks_of", picks_of)
    return Bench(qtbot)


def test_those_with_scores_follow_and_the_others_stay(qtbot: QtBot, bench: Bench) -> None:
    assert not bench.renewing.busy
    bench.radius(300.0)
    assert bench.renewing.busy
    assert bench.counts() == [2, 2, 2]
    qtbot.waitUntil(lambda: not bench.renewing.busy)
    assert bench.counts() == [1, 1, 2]
    assert bench.workspace.former == {"c"}
    assert bench.workspace.picked == set("abc")
    bench.radius(None)
    qtbot.waitUntil(lambda: not bench.renewing.busy)
    assert bench.counts() == [2, 2, 2]  # they are back, nothing was scored


def test_the_last_distance_counts(qtbot: QtBot, bench: Bench) -> None:
    for length in (300.0, 200.0, 36.0, 250.0):
        bench.radius(length)
        qtbot.wait(5)
    qtbot.waitUntil(lambda: not bench.renewing.busy)
    assert bench.counts()[:2] == [1, 1]


def test_it_waits_for_jobs(qtbot: QtBot, bench: Bench) -> None:
    def job(stop):
        from napari_topaz.events import Started

        yield Started("Working")
        stop.wait(5)

    bench.bar.start("Working", job)
    bench.radius(300.0)
    qtbot.wait(100)
    assert bench.workspace.former == set("abc")
    bench.bar.stop()
    qtbot.waitUntil(lambda: bench.workspace.former == {"c"})


def test_with_another_model_there_is_nothing_to_follow(bench: Bench) -> None:
    bench.radius(300.0)
    bench.workspace.set_model(SimpleNamespace(knows_preprocessing=True, calibrated=False))  # type: ignore
    assert not bench.renewing.busy


def test_what_cannot_be_is_told_once_and_nothing_is_lost(qtbot: QtBot, bench: Bench) -> None:
    pick = bench.workspace.options.pick.model_copy(update={"margin": 5.0})
    bench.workspace.change(pick=pick)
    qtbot.waitUntil(lambda: bench.bar.message == "No margin here.")
    assert not bench.renewing.busy
    assert bench.counts() == [2, 2, 2]
    bench.workspace.change(pick=pick.model_copy(update={"margin": 0.0, "suppression_radius": 300.0}))
    qtbot.waitUntil(lambda: bench.counts() == [1, 1, 2])
