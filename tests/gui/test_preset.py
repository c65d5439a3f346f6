"""The preset in the dock: it fills the form, and says what the form is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_topaz.gui.options import Options
from napari_topaz.gui.particle_panel import ParticlePanel
from napari_topaz.settings import PreprocessSettings, TrainSettings

pytestmark = pytest.mark.gui


def choose(panel: ParticlePanel, name: str) -> None:
    index = panel.preset.findData(name)
    panel.preset.setCurrentIndex(index)
    panel.preset.activated.emit(index)


@pytest.fixture
def panel(qtbot: QtBot) -> ParticlePanel:
    options = Options(PreprocessSettings(diameter=90), TrainSettings(expected=50))
    panel = ParticlePanel(options)
    qtbot.addWidget(panel)
    return panel


def test_choosing_a_preset_fills_the_form(qtbot: QtBot, panel: ParticlePanel) -> None:
    assert panel.preset.currentText() == "default"
    before = panel.value()
    with qtbot.waitSignal(panel.changed):
        choose(panel, "paper")
    options = panel.value()
    assert (options["preprocess"].diameter, options["train"].expected) == (90, 50), "hers stay"
    assert (options["network"].architecture, options["train"].objective) == ("conv31", "ge-binomial")
    assert panel.number("steps").value() == 1000, "she sees it"
    choose(panel, "default")
    assert panel.value() == before


def test_what_she_changes_afterwards_is_hers(panel: ParticlePanel) -> None:
    choose(panel, "paper")
    changed = panel.value()
    changed["train"] = changed["train"].model_copy(update={"steps": 10})
    panel.show_options(Options(**changed))
    assert panel.preset.currentIndex() == -1
    assert panel.value()["train"].steps == 10
    assert panel.value()["train"].objective == "ge-binomial"
    changed["train"] = changed["train"].model_copy(update={"steps": 1000})
    panel.show_options(Options(**changed))
    assert panel.preset.currentText() == "paper", "named again where it agrees again"
