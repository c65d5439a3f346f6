"""What the buttons do, without a window."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_topaz.events import EpochDone, JobError, MicrographDone, Started, Warned
from napari_topaz.gui import actions as module
from napari_topaz.gui import tasks
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.display import DisplaySettings, picture_of
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.session import session_of
from napari_topaz.jobs.kept_scores import MadeBy
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, PreprocessSettings

from .conftest import PIXEL_SIZE, SHAPE, micrograph

pytestmark = pytest.mark.gui


class Bench:
    """A session, a job bar and the actions between them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.viewer = ViewerModel()
        self.session = session_of(self.viewer)
        self.workspace = self.session.workspace
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)])
        self.bar = JobBar()
        qtbot.addWidget(self.bar)
        self.actions = Actions(self.session, self.bar, self.bar)

    def show(self, name: str) -> None:
        picture = picture_of(self.workspace.source(name), DisplaySettings(), PIXEL_SIZE)
        self.session.layers.show(picture)


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def some_model(best_epoch: int = 1) -> Any:
    card = SimpleNamespace(threshold=0.0, history=(), best_epoch=best_epoch)
    return SimpleNamespace(card=card, knows_preprocessing=True, is_general=False, calibrated=False)


def test_what_a_training_warned_of_is_not_overwritten(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = some_model()

    def train(*args: object):
        yield Started("Training", 3)
        yield Warned("The expected number is assumed.")
        yield EpochDone(1, 3, 1, 1.0, 0.5, True, 1.0, model)
        yield Warned("The memory is full.")
        return model

    monkeypatch.setattr(Learning, "training", train)
    bench.actions.train()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert "Training is done" in bench.bar.message
    assert "full" in bench.bar.notes.text  # why it ended, before what it assumed
    bench.bar.notes.more.click()
    assert "assumed" in bench.bar.notes.text


@pytest.mark.parametrize("there", ["nothing", "a model", "random weights", "another size"])
def test_a_guess_is_shown_until_the_first_epoch_is_done(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    guess, learnt, go_on = some_model(), some_model(), threading.Event()

    def train(*args: object):
        yield Started("Training", 3)
        go_on.wait(30)
        yield EpochDone(1, 3, 1, 1.0, 0.5, True, 1.0, learnt)
        return learnt

    def guess_of(*args: object) -> Any:
        if there == "another size":
            raise JobError("The general model knows other particles.")
        return guess

    monkeypatch.setattr(Learning, "training", train)
    monkeypatch.setattr(module, "guess_of", guess_of)
    if there == "a model":
        bench.workspace.set_model(before := some_model())
    if there == "random weights":
        train_settings = bench.workspace.options.train.model_copy(update={"start": "random"})
        bench.workspace.change(train=train_settings)
    bench.actions.train()
    qtbot.waitUntil(lambda: not bench.bar.preview.busy, timeout=30_000)
    expected = {"nothing": guess, "a model": before if there == "a model" else None}
    assert bench.workspace.model is expected.get(there)
    go_on.set()
    qtbot.waitUntil(lambda: bench.bar.running is None, timeout=10_000)
    assert bench.workspace.model is learnt


def scores_of(bench: Bench, name: str) -> ScoreMap:
    return ScoreMap(name, np.zeros((8, 8), np.float32), (40, 50), 1, SHAPE)


def test_scores_of_an_earlier_model_are_drawn_but_do_not_count(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.show("a")
    ready, models = threading.Event(), [some_model(1), some_model(2)]

    def score(source: Any, model: Any, *args: object) -> tuple[ScoreMap, Picks]:
        if model is models[0]:
            ready.wait(5)
        return scores_of(bench, source.name), Picks([[5, 5]], [model.card.best_epoch])

    monkeypatch.setattr(tasks, "scoring", score)
    bench.workspace.set_model(models[0])
    bench.actions.score_shown()
    bench.workspace.set_model(models[1])  # while the first one still scores
    ready.set()
    qtbot.waitUntil(lambda: not bench.bar.preview.busy and len(bench.workspace.candidates("a")) > 0)
    assert not bench.workspace.is_picked("a"), "Pick all would skip it, and save picks of the first model"
    bench.actions.score_shown()
    qtbot.waitUntil(lambda: bench.workspace.is_picked("a"))
    assert bench.workspace.candidates("a").scores == [2]


def test_options_that_change_while_picking_are_not_mixed(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, stopped = threading.Event(), threading.Event()

    def picking(sources: Any, model: Any, options: Any, skip: Any, stop: threading.Event, kept: Any):
        yield Started("Picking", 2)
        yield MicrographDone("a", Picks([[5, 5]], [1]))
        first.wait(5)
        yield MicrographDone("b", Picks([[5, 5]], [1]))
        if stop.wait(5):
            stopped.set()
        return {}

    monkeypatch.setattr(tasks, "picking", picking)
    bench.workspace.set_model(some_model())
    bench.actions.pick_all()
    qtbot.waitUntil(lambda: bench.workspace.is_picked("a"))
    bench.workspace.change(pick=PickSettings(margin=50))
    first.set()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert stopped.is_set(), "nobody wants the rest"
    assert bench.workspace.former == bench.workspace.picked == {"a"}
    assert "; 1 is not picked; 1 at the former distances." in bench.bar.message


def test_labels_that_are_read_twice_are_there_once(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = {"a": Picks.labels([[50, 60], [150, 160]])}

    def loading(*args: object, **more: object):
        yield Started("Reading labels")
        return read

    monkeypatch.setattr(tasks, "loading_labels", loading)
    bench.workspace.set_labels("a", Picks.labels([[150, 160], [200, 210]]))
    for _ in range(2):
        bench.actions.load_labels(Path("labels.star"))
        qtbot.waitUntil(lambda: bench.bar.running is None)
    assert bench.workspace.labels("a").yx.tolist() == [[150, 160], [200, 210], [50, 60]]


def test_scores_of_other_micrographs_of_the_same_name_are_not_kept(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """She opens another folder while a micrograph of the one before is scored."""
    go_on, begun, model = threading.Event(), threading.Event(), some_model()
    made_by = MadeBy(model, PreprocessSettings(), "none")

    def score(source: Any, model: Any, options: Any, size: Any, cache: Any, kept: Any) -> Any:
        begun.set()
        go_on.wait(30)
        kept.put(made_by, scores_of(bench, "a"), PIXEL_SIZE)
        return scores_of(bench, "a"), Picks([[5, 5]], [1])

    monkeypatch.setattr(tasks, "scoring", score)
    bench.show("a")
    bench.workspace.set_model(model)
    bench.actions.score_shown()
    begun.wait(30)
    bench.session.keeper.began.emit()
    go_on.set()
    qtbot.waitUntil(lambda: not bench.bar.preview.busy)
    assert bench.session.scores.names(made_by) == frozenset()


def test_what_is_saved_is_what_there_was_when_she_was_asked(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A live training takes picks away while the dialog is open."""
    bench.workspace.set_model(some_model())
    for name in "ab":
        bench.workspace.set_candidates(name, Picks([[50, 60], [150, 160]], [2, 1]))
    what = bench.actions.to_save()
    bench.workspace.set_model(some_model())
    bench.workspace.set_candidates("a", Picks([[50, 60]], [2]))
    bench.actions.save(tmp_path / "picks.csv", what=what)
    qtbot.waitUntil(lambda: "4 particles on 2 micrographs saved" in bench.bar.message)
    assert bench.workspace.unsaved


def test_that_picks_at_former_distances_are_saved_is_said(qtbot: QtBot, bench: Bench, tmp_path: Path) -> None:
    bench.workspace.set_model(some_model())
    bench.workspace.set_candidates("a", Picks([[50, 60], [150, 160]], [2, 1]))
    bench.workspace.change(pick=PickSettings(margin=50))
    bench.actions.save(tmp_path / "picks.csv")
    qtbot.waitUntil(lambda: "2 particles on 1 micrograph (1 at the former distances)" in bench.bar.message)
