"""A training is kept by name, however it ends."""

from __future__ import annotations

from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

torch = pytest.importorskip("torch")

from napari_topaz.events import EpochDone  # noqa: E402
from napari_topaz.gui.actions import Actions  # noqa: E402
from napari_topaz.gui.job_bar import JobBar  # noqa: E402
from napari_topaz.gui.models import Models  # noqa: E402
from napari_topaz.gui.session import session_of  # noqa: E402
from napari_topaz.gui.training_panel import TrainingPanel  # noqa: E402

from .test_models_files import a_model  # noqa: E402

pytestmark = pytest.mark.gui


class NotLive(QObject):
    rested = Signal(object)
    began_anew = Signal()


class Bench:
    """What trainings are kept with, in a dock of its own."""

    def __init__(self, qtbot: QtBot) -> None:
        self.session = session_of(ViewerModel())
        self.dock, self.panel = QWidget(), TrainingPanel()
        qtbot.addWidget(self.panel)
        self.bar = JobBar(self.dock)
        self.actions = Actions(self.session, self.bar, self.dock)
        live: Any = NotLive(self.dock)
        self.models = Models(self.session, self.bar, self.actions, live, self.panel, self.dock)

    def epochs(self, *numbers: int) -> None:
        for n in numbers:
            model = a_model(n)
            self.actions.training_event.emit(EpochDone(n, 3, 10 * n, 1.0, None, True, 1.0, model))
            self.session.workspace.set_model(model)

    @property
    def kept(self) -> list[tuple[str, list[bool]]]:
        return [(k.name, [epoch.is_there for epoch in k.epochs]) for k in self.session.shelf.models]


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def test_a_training_is_kept_once(bench: Bench) -> None:
    bench.actions.training_began.emit()
    bench.epochs(1, 2)
    bench.bar.running_changed.emit()
    bench.bar.running_changed.emit()  # of another job
    assert bench.kept == [("Model 1", [True, True])]
    bench.actions.training_began.emit()
    bench.epochs(1)
    bench.actions.training_began.emit()
    bench.epochs(1, 2)
    bench.bar.running_changed.emit()
    assert [name for name, _ in bench.kept] == ["Model 1", "Model 2"]


def test_a_dock_that_is_closed_while_it_learns_loses_no_epoch(qtbot: QtBot, bench: Bench) -> None:
    bench.actions.training_began.emit()
    bench.epochs(1, 2)
    gone: list[bool] = []
    bench.dock.destroyed.connect(lambda: gone.append(True))
    bench.dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert bench.kept == [("Model 1", [True, True])]
    assert bench.session.shelf.models[0].model is bench.session.workspace.model
