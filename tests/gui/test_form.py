"""A form shows settings, and gives the same settings back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_topaz import settings as all_settings
from napari_topaz.choices import NORMALISATIONS, OBJECTIVES
from napari_topaz.gui.form import Form, NumberBox, advanced_fields, spell
from napari_topaz.gui.workspace import Options
from napari_topaz.settings import PickSettings, PreprocessSettings, RunSettings, Settings, TrainSettings

pytestmark = pytest.mark.gui
CLASSES = [type(group) for group in vars(Options()).values()] + [all_settings.SimulateSettings]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_defaults_survive_and_every_row_has_a_tooltip(qtbot: QtBot, cls: type[Settings]) -> None:
    form = Form(cls())
    qtbot.addWidget(form)
    assert form.value() == cls()
    assert form.names == list(cls.model_fields)
    for name, field in cls.model_fields.items():
        assert str(field.description) in form.row(name).toolTip()


@pytest.mark.parametrize("value", [2e-4, 1e-7, 0.1 + 0.2, 1 / 3, 1.0])
def test_small_and_odd_numbers_survive(qtbot: QtBot, value: float) -> None:
    form = Form(TrainSettings(learning_rate=value))
    qtbot.addWidget(form)
    assert form.value().learning_rate == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_back(value: float) -> None:
    assert float(spell(value)) == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    diameter=st.none() | st.floats(1e-3, 10_000),
    clip=st.floats(0, 1000),
    normalise=st.sampled_from(list(NORMALISATIONS)),
)
def test_any_settings_survive(qtbot: QtBot, diameter: float | None, clip: float, normalise: str) -> None:
    wanted = PreprocessSettings(diameter=diameter, clip=clip, normalise=normalise)
    form = Form(PreprocessSettings())
    form.set_value(wanted)
    assert form.value() == wanted


def test_what_she_types_is_taken_and_told(qtbot: QtBot) -> None:
    form = Form(TrainSettings(), ["learning_rate", "expected", "epochs"])
    qtbot.addWidget(form)
    told: list[TrainSettings] = []
    form.changed.connect(lambda: told.append(form.value()))
    retype(qtbot, form.row("learning_rate"), "2e-4")
    retype(qtbot, form.row("expected"), "250")
    retype(qtbot, form.row("epochs"), "5000")  # more than a spin box allows by default
    assert told[-1] == TrainSettings(learning_rate=2e-4, expected=250, epochs=5000)
    retype(qtbot, form.row("expected"), "")
    assert told[-1].expected is None


def retype(qtbot: QtBot, box: NumberBox, text: str) -> None:
    box.lineEdit().selectAll()
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Delete)
    qtbot.keyClicks(box.lineEdit(), text)


def test_what_is_not_allowed_is_not_taken(qtbot: QtBot) -> None:
    box = NumberBox(bounds=(0.0, 10.0), exclusive=True)
    qtbot.addWidget(box)
    box.set_value(5.0)
    for text in ("11", "0", "-3", "x", "1e9", "nan"):
        retype(qtbot, box, text)
        assert 0 < box.value() <= 10
    retype(qtbot, box, "11")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert float(box.text()) == box.value()  # what it shows is what counts


def test_arrows_step_within_bounds(qtbot: QtBot) -> None:
    box = NumberBox(bounds=(0.0, 1.0), step=0.1)
    qtbot.addWidget(box)
    box.set_value(0.2)
    box.stepBy(1)
    assert box.value() == 0.3  # and not 0.30000000000000004
    box.stepBy(100)
    assert box.value() == 1.0
    box.stepBy(-100)
    assert box.value() == 0.0


def test_an_empty_box_steps_from_its_lowest_value(qtbot: QtBot) -> None:
    box = NumberBox(optional=True, bounds=(0.0, 1000.0), exclusive=True, step=5)
    qtbot.addWidget(box)
    box.stepBy(1)
    assert box.value() == 5


def test_integers_stay_integers(qtbot: QtBot) -> None:
    form = Form(TrainSettings(steps=50), ["steps"])
    qtbot.addWidget(form)
    form.row("steps").stepBy(3)
    assert form.value() == TrainSettings(steps=80)
    assert isinstance(form.value().steps, int)


def test_choices_are_the_fields_and_their_help_is_a_tooltip(qtbot: QtBot) -> None:
    form = Form(TrainSettings())
    qtbot.addWidget(form)
    box = form.row("objective")
    assert isinstance(box, QComboBox)
    assert [box.itemData(i) for i in range(box.count())] == list(OBJECTIVES)
    for i, text in enumerate(OBJECTIVES.values()):
        assert box.itemData(i, Qt.ItemDataRole.ToolTipRole) == text
    box.setCurrentIndex(box.findData("nnpu"))
    assert form.value().objective == "nnpu"


def test_fields_without_a_row_keep_their_value(qtbot: QtBot) -> None:
    form = Form(PickSettings(threshold=1.25, margin=30.0), ["symmetries"])
    qtbot.addWidget(form)
    form.row("symmetries").setCurrentText("none")
    assert form.value() == PickSettings(threshold=1.25, margin=30.0, symmetries="none")


def test_text_that_does_not_fit_is_an_error_of_the_settings(qtbot: QtBot) -> None:
    form = Form(RunSettings())
    qtbot.addWidget(form)
    form.row("device").setText("toaster")
    with pytest.raises(ValueError, match="device"):
        form.value()


def test_advanced_fields_are_those_that_say_so() -> None:
    assert "learning_rate" in advanced_fields(TrainSettings)
    assert "expected" not in advanced_fields(TrainSettings)
