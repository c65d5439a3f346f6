"""What a job warned of."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_topaz.gui.notes import Notes


@pytest.fixture
def notes(qtbot: QtBot) -> Notes:
    made = Notes()
    qtbot.addWidget(made)
    return made


def test_the_latest_is_shown_and_the_others_on_request(notes: Notes) -> None:
    assert notes.isHidden()
    notes.add("One.")
    assert not notes.isHidden()
    assert notes.more.isHidden()
    for text in ("Two.", "Three.", "Two."):
        notes.add(text)
    assert (notes.text, notes.more.text()) == ("Three.", "2 more")
    assert notes.more.toolTip() == "Two.\n\nOne."
    notes.more.click()
    assert notes.text == "• Three.\n• Two.\n• One."
    assert notes.more.isHidden()
    notes.clear()
    assert notes.isHidden()
    notes.add("Two.")
    assert notes.text == "Two."
    assert notes.more.isHidden()


def test_what_was_closed_is_said_again_where_it_happens_again(notes: Notes) -> None:
    notes.add("One.")
    notes.button.click()
    assert notes.isHidden()
    notes.add("One.")
    assert notes.text == "One."
