"""At 1280 × 800 pixels nothing of the dock may lie beyond its right edge, whatever it has to say."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt import get_stylesheet
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QScrollArea, QWidget

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.guide import guide
from napari_topaz.gui.main import ParticlePicker

from .conftest import micrograph
from .test_guide import guess_model

pytestmark = pytest.mark.gui

#: Width of what scrolls when napari has 1280 pixels and a layer is selected.
WIDTH = 400


@pytest.fixture
def dock(qtbot: QtBot) -> ParticlePicker:
    dock = ParticlePicker(ViewerModel())
    qtbot.addWidget(dock)
    dock.setStyleSheet(get_stylesheet("dark"))  # napari's buttons are narrower than Qt's
    dock.workspace.add([micrograph("Falcon_2012_06_12-14_33_35_0_with_a_long_name", 1)])
    return dock


def inside(dock: ParticlePicker) -> QWidget:
    return dock.findChild(QScrollArea).widget()


def test_with_all_that_it_can_say(qtbot: QtBot, dock: ParticlePicker) -> None:
    dock.workspace.set_model(guess_model())
    advice = guide(dock.workspace, None)
    assert advice.guessed
    dock.show()
    qtbot.wait(50)  # what the dock shows by itself comes first
    dock.picks.enable(advice)
    dock.picks.show_scores(np.arange(10.0), 3.0, 12345, chosen=True, precision=0.87)
    dock.training.say_live("Live begins with 4 more labels, and then it learns from every click.")
    dock.picks.help_most.show_question("10 of 10: is it a particle, in the ring? On Falcon.", answers=True)
    assert dock.picks.guess.isVisibleTo(dock)
    assert inside(dock).minimumSizeHint().width() <= WIDTH


def test_with_every_fold_open(qtbot: QtBot, dock: ParticlePicker) -> None:
    dock.show()
    folds = dock.findChildren(Fold)
    assert len(folds) > 2
    for fold in folds:
        fold.button.setChecked(True)
    qtbot.wait(50)
    assert inside(dock).minimumSizeHint().width() <= WIDTH


def test_the_hint_is_always_in_view(dock: ParticlePicker) -> None:
    assert not dock.findChild(QScrollArea).isAncestorOf(dock.hint)
    dock.workspace.set_model(guess_model())
    dock._show_state()
    assert "guess" in dock.hint.text()


def test_filters_that_do_nothing_say_why(qtbot: QtBot) -> None:
    dock = ParticlePicker(ViewerModel())
    qtbot.addWidget(dock)
    panel = dock.seeing.panel
    rows = [panel.display.row(name) for name in ("low_pass", "high_pass")]
    assert all(row.isEnabled() for row in rows)  # nobody knows yet
    assert panel.note.isHidden()
    dock.workspace.add([micrograph("a", pixel_size=None)])
    assert not any(row.isEnabled() for row in rows)
    assert all("pixel size" in row.toolTip() for row in rows)
    assert not panel.note.isHidden()
    assert panel.display.row("black").isEnabled()
    preprocess = dock.workspace.options.preprocess
    dock.workspace.change(preprocess=preprocess.model_copy(update={"pixel_size": 1.5}))
    assert all(row.isEnabled() and "Default" in row.toolTip() for row in rows)
    assert panel.note.isHidden()
    dock.workspace.change(preprocess=preprocess)
    dock.workspace.add([micrograph("b", pixel_size=2.0)])
    assert not rows[0].isEnabled()
    dock.workspace.show("b")  # its file says how long a pixel is
    assert rows[0].isEnabled()
