"""What the buttons do, without a window."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_topaz.events import EpochDone, Started, Warned
from napari_topaz.gui import tasks
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.session import session_of

from .conftest import micrograph

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


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def some_model(best_epoch: int = 1) -> Any:
    return SimpleNamespace(card=SimpleNamespace(threshold=0.0, history=(), best_epoch=best_epoch))


@pytest.mark.parametrize(("ending", "says"), [("The memory is full.", "full"), (None, "Training is done")])
def test_why_a_training_ended_early_is_not_overwritten(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch, ending: str | None, says: str
) -> None:
    model = some_model()

    def train(*args: object):
        yield Started("Training", 3)
        yield Warned("The expected number is assumed.")
        yield EpochDone(1, 3, 1, 1.0, 0.5, True, 1.0, model)
        if ending:
            yield Warned(ending)
        return model

    monkeypatch.setattr(tasks, "training", train)
    bench.actions.train()
    qtbot.waitUntil(lambda: bench.bar.running is None)
    assert says in bench.bar.message
    assert "assumed" not in bench.bar.message
