"""What features keep in the session: restored, saved by itself, and never in the way of the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel
from psygnal import Signal
from pytestqt.qtbot import QtBot

from napari_topaz.files import find_micrographs
from napari_topaz.files.session import DESCRIPTION, SESSION_FOLDER, SavedSession, read_session, write_session
from napari_topaz.gui.session import Session
from napari_topaz.picks import Picks


class Feature:
    """Has one number."""

    changed = Signal()

    def __init__(self) -> None:
        self.number: Any = 0

    def save(self) -> Mapping[str, Any]:
        return {"number": self.number} if self.number else {}

    def restore(self, values: Mapping[str, Any]) -> None:
        self.number = int(values.get("number", 0))

    def set(self, number: Any) -> None:
        self.number = number
        self.changed.emit()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_topaz.gui.autosave.QUIET", 0.0)


@pytest.fixture
def sessions() -> Iterator[Callable[[Feature], Session]]:
    made: list[Session] = []

    def make(feature: Feature, name: str = "feature") -> Session:
        session = Session(ViewerModel())
        session.keeper.register(name, feature.save, feature.restore, feature.changed)
        made.append(session)
        return session

    yield make
    for session in made:
        session.keeper.leave()


def open_folder(session: Session, folder: Path) -> None:
    session.keeper.open(find_micrographs([folder]), alone=True)


def extras(folder: Path) -> Mapping[str, Any]:
    """What is saved, without what the package's own features have."""
    found = read_session(folder / SESSION_FOLDER)
    ours = {} if found is None else found.session.extras
    return {
        name: values for name, values in ours.items() if name in {"feature", "late", "of another version"}
    }


def test_a_change_is_saved_by_itself_and_restored(qtbot: QtBot, folder: Path, sessions: Callable) -> None:
    feature = Feature()
    session = sessions(feature)
    open_folder(session, folder)
    assert not session.keeper.saver.pending
    feature.set(7)
    assert session.keeper.saver.pending
    qtbot.waitUntil(lambda: not session.keeper.saver.pending, timeout=20_000)
    assert extras(folder) == {"feature": {"number": 7}}
    session.keeper.leave()
    again = Feature()
    other = sessions(again)
    open_folder(other, folder)
    assert again.number == 7
    assert not other.keeper.saver.pending, "restoring is no change"


def test_a_feature_that_comes_late_is_restored_and_one_that_comes_again_listens_once(
    folder: Path, sessions: Callable
) -> None:
    write_session(folder / SESSION_FOLDER, SavedSession(extras={"late": {"number": 3}}))
    session, late, later = sessions(Feature()), Feature(), Feature()
    open_folder(session, folder)
    session.keeper.register("late", late.save, late.restore, late.changed)
    assert late.number == 3
    session.keeper.register("late", later.save, later.restore, later.changed)
    assert later.number == 3
    late.set(9)
    assert not session.keeper.saver.pending
    later.set(4)
    session.keeper.leave()
    assert extras(folder) == {"late": {"number": 4}}


def test_unknown_features_survive_and_another_folder_resets(
    folder: Path, tmp_path: Path, sessions: Callable
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.mrc").write_bytes((folder / "m_1.mrc").read_bytes())
    saved = {"feature": {"number": 5}, "of another version": {"deep": [{"x": None}]}}
    write_session(folder / SESSION_FOLDER, SavedSession(extras=saved))
    feature = Feature()
    session = sessions(feature)
    open_folder(session, folder)
    session.workspace.set_labels("m_1", Picks.labels([[5, 5]]))
    open_folder(session, other)
    assert feature.number == 0
    assert extras(folder) == saved
    session.workspace.set_labels("z", Picks.labels([[5, 5]]))
    session.keeper.leave()
    assert extras(other) == {}


def test_what_cannot_be_restored_is_a_notice_and_stays_until_it_changes(
    folder: Path, sessions: Callable
) -> None:
    saved = {"feature": {"number": "many"}}
    write_session(folder / SESSION_FOLDER, SavedSession(extras=saved, labels={"m_1": Picks.labels([[9, 9]])}))
    feature = Feature()
    session = sessions(feature)
    open_folder(session, folder)
    assert "'feature' makes no sense" in session.keeper.status.text
    assert session.keeper.status.problem
    assert len(session.workspace.labels("m_1")) == 1
    session.workspace.set_labels("m_2", Picks.labels([[5, 5]]))
    session.keeper.saver.finish()
    assert extras(folder) == saved
    feature.set(2)
    session.keeper.leave()
    assert extras(folder) == {"feature": {"number": 2}}


@pytest.mark.parametrize("wrong", [float("nan"), {1, 2}, object()])
def test_what_is_no_json_does_not_keep_labels_from_being_saved(
    folder: Path, sessions: Callable, wrong: object, caplog: pytest.LogCaptureFixture
) -> None:
    feature = Feature()
    session = sessions(feature)
    open_folder(session, folder)
    feature.set(1)
    session.keeper.saver.finish()
    feature.set(wrong)
    session.workspace.set_labels("m_1", Picks.labels([[5, 5]]))
    session.keeper.leave()
    assert "cannot be saved" in caplog.text
    about = json.loads((folder / SESSION_FOLDER / DESCRIPTION).read_text())
    assert about["extras"]["feature"] == {"number": 1}
    found = read_session(folder / SESSION_FOLDER)
    assert found is not None
    assert len(found.session.labels["m_1"]) == 1
