"""Back and forth through what she did."""

from __future__ import annotations

from napari_topaz.gui import history as history_module
from napari_topaz.gui.history import History
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind


def counts(workspace: Workspace) -> tuple[int, int]:
    return len(workspace.labels("a")), len(workspace.labels("b"))


def test_labels_go_back_and_forth_across_micrographs(workspace: Workspace) -> None:
    workspace.label("a", [[10, 20]], Kind.PARTICLE)
    workspace.label("b", [[30, 40]], Kind.NOT_PARTICLE)
    workspace.label("a", [[100, 20]], Kind.PARTICLE)
    assert [workspace.undo(), workspace.undo()] == ["a", "b"]
    assert counts(workspace) == (1, 0)
    told: list[str] = []
    workspace.labels_changed.connect(told.append)
    assert [workspace.redo(), workspace.redo(), workspace.redo()] == ["b", "a", None]
    assert told == ["b", "a"]
    assert counts(workspace) == (2, 1)
    assert workspace.labels("b").kinds.tolist() == [Kind.NOT_PARTICLE]
    assert workspace.labels("b").yx.tolist() == [[30, 40]]


def test_what_was_taken_back_is_gone_after_another_change(workspace: Workspace) -> None:
    workspace.label("a", [[10, 20]], Kind.PARTICLE)
    workspace.undo()
    assert workspace.history.can_go_forth
    workspace.label("a", [[100, 20]], Kind.PARTICLE)
    assert not workspace.history.can_go_forth
    assert workspace.redo() is None
    assert workspace.labels("a").yx.tolist() == [[100, 20]]


def test_steps_of_other_things_stand_in_the_same_line() -> None:
    told: list[str] = []
    history = History()
    for name in "xy":
        history.note(lambda name=name: told.append(f"-{name}"), lambda name=name: told.append(f"+{name}"))
    assert history.go_back() is None
    history.go_back()
    assert not history.can_go_back
    history.go_forth()
    assert told == ["-y", "-x", "+x"]


def test_the_oldest_steps_are_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(history_module, "DEPTH", 3)
    history = History()
    for _ in range(5):
        history.note(lambda: "", lambda: "")
    back = 0
    while history.can_go_back:
        history.go_back()
        back += 1
    assert back == 3
