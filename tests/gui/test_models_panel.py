"""The list of kept models: what she chose, typed and scrolled to stays while models come and learn."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_topaz.gui.models_panel import MOST_CURVES, ModelsPanel
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel

pytestmark = pytest.mark.gui


def kept(name: str, epochs: int = 3) -> KeptModel:
    """A model, of which each epoch can be gone back to."""
    model: Any = object()
    of_epochs = [KeptEpoch(n, 10 * n, 1 / n, 0.1 * n, model=object()) for n in range(1, epochs + 1)]  # type: ignore
    return KeptModel(name, 12, epochs, 0.1 * epochs, of_epochs, model)


@pytest.fixture
def panel(qtbot: QtBot) -> ModelsPanel:
    panel = ModelsPanel()
    qtbot.addWidget(panel)
    panel.fold.button.setChecked(True)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def names(panel: ModelsPanel) -> list[str]:
    return [panel.list.topLevelItem(n).text(0) for n in range(panel.list.topLevelItemCount())]


def test_the_epoch_that_she_chose_stays_chosen(panel: ModelsPanel) -> None:
    """Or "Use" would take another model than the one she looks at."""
    models = [kept("Model 1"), kept("Live 1")]
    panel.show_models(models, None)
    panel.list.topLevelItem(1).setExpanded(True)
    panel.list.setCurrentItem(panel.list.topLevelItem(1).child(1))
    told: list[Any] = []
    panel.use.connect(lambda *what: told.append(what))
    models[0].epochs = [KeptEpoch(e.epoch, e.step, e.loss, None, e.model) for e in models[0].epochs]
    panel.show_models([*models, kept("Model 2")], models[1].model)
    assert panel.use_button.text() == "Back to epoch 2"
    panel.use_button.click()
    assert told == [(models[0], models[0].epochs[1])]
    models[0].epochs = models[0].epochs[2:]  # thinned out
    panel.show_models(models, None)
    assert panel.use_button.text() == "Use"


def test_the_one_in_use_is_marked_and_the_list_is_not_made_anew(panel: ModelsPanel) -> None:
    models = [kept("Model 1"), kept("Model 2")]
    panel.show_models(models, None)
    items = [panel.list.topLevelItem(n) for n in (0, 1)]
    for used, bold in (
        (models[0].model, (False, True)),
        (models[1].model, (True, False)),
        (None, (False,) * 2),
    ):
        panel.show_used(used)
        assert tuple(item.font(0).bold() for item in items) == bold
    panel.show_used(models[0].epochs[2].model)
    assert items[1].child(2).font(0).bold()
    panel.show_models(models, models[1].model)
    assert panel.list.topLevelItem(0).font(0).bold()


def test_a_name_that_she_types_is_not_lost_to_a_model_that_comes(qtbot: QtBot, panel: ModelsPanel) -> None:
    models, renamed = [kept("Model 1")], []
    panel.rename.connect(lambda one, name: renamed.append((one, name)))
    panel.show_models(models, None)
    for begin in (panel.rename_button.click, lambda: panel._double_clicked(panel.list.topLevelItem(0), 0)):
        panel.list.setCurrentItem(panel.list.topLevelItem(panel.list.topLevelItemCount() - 1))
        begin()
        editor = panel.list.findChild(QLineEdit)
        QTest.keyClicks(editor, "carbon")
        models.append(kept(f"Live {len(models)}"))
        panel.show_models(models, None)
        panel.show_used(models[-1].model)
        assert editor.text() == "carbon"
        QTest.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: panel.list.findChild(QLineEdit) is None)
        assert renamed.pop() == (models[0], "carbon")
        assert len(names(panel)) == len(models), "it has come"
        assert panel.list.topLevelItem(0).font(0).bold()
        models[:] = models[:1]
        panel.show_models(models, None)


def test_the_list_stays_where_it_was_scrolled_to(panel: ModelsPanel) -> None:
    models = [kept(f"Model {n}") for n in range(20)]
    panel.show_models(models, None)
    panel.list.setCurrentItem(panel.list.topLevelItem(0))
    bar = panel.list.verticalScrollBar()
    bar.setValue(bar.maximum())
    before = bar.value()
    panel.show_models(models, None)
    assert bar.value() == before > 0


def test_of_many_models_few_have_curves(panel: ModelsPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [kept(f"Model {n}") for n in range(3 * MOST_CURVES)]
    panel.show_models(models, None)
    assert len(panel.plot._lines) == MOST_CURVES
    panel.list.setCurrentItem(panel.list.topLevelItem(len(models) - 1))
    assert len(panel.plot._lines) == MOST_CURVES + 1
    drawn: list[int] = []
    monkeypatch.setattr(panel.plot, "show_curves", lambda curves: drawn.append(len(curves)))
    panel.fold.button.setChecked(False)
    panel.show_models(models, None)
    panel.enable("Training is running.")
    assert drawn == []  # nobody sees them
    panel.fold.button.setChecked(True)
    assert drawn == [len(models)]
