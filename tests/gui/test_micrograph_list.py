"""The list of micrographs without a window: marks, states, order, and going through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.gui.arranging import AT_ONCE, FILTERS, LABELS, NAME, PICKS, STATE, Wanted, arranged
from napari_topaz.gui.guide import guide
from napari_topaz.gui.marks import Mark, MarkBook, State
from napari_topaz.gui.micrograph_list import MicrographList
from napari_topaz.gui.workspace import Workspace
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings
from napari_topaz.training_set import Ticks

NAMES = ["grid_1", "grid_2", "Grid_10", "carbon"]


@pytest.fixture
def workspace() -> Workspace:
    made = Workspace()
    made.begin([Micrograph(name, np.zeros((30, 40), np.float32), 2.0) for name in NAMES])
    made.change(preprocess=PreprocessSettings(diameter=20))
    return made


def names(workspace: Workspace, **wanted: object) -> list[str]:
    work = arranged(workspace, Wanted(**wanted))  # type: ignore[arg-type]
    return list_of(work)


def list_of(work: Iterator[None]) -> list[str]:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


# -- marks ----------------------------------------------------------------------------------------


def test_marks_that_gainsay_each_other_take_each_others_place() -> None:
    marks, told = MarkBook(), []
    marks.changed.connect(told.append)
    marks.put(["a", "b"], Mark.FINISHED, on=True)
    marks.put(["a"], Mark.EXCLUDED, on=True)
    marks.put(["a"], Mark.EMPTY, on=True)
    marks.put(["a"], Mark.COMPLETE, on=True)
    assert marks.words("a") == {Mark.EXCLUDED, Mark.COMPLETE}
    assert marks.words("b") == {Mark.FINISHED}
    assert told[0] == {"a", "b"}
    assert marks.excluded == {"a"}
    marks.put(["b"], Mark.FINISHED, on=True)
    assert len(told) == 4, "nothing is told where nothing changes"
    before = marks.put(["a", "b"], Mark.EXCLUDED, on=False)
    assert before == {"a": {Mark.EXCLUDED, Mark.COMPLETE}}
    assert marks.excluded == frozenset()


words = st.sets(st.sampled_from([*Mark, "of another version"]))


@given(st.dictionaries(st.text(min_size=1), words, max_size=5))
def test_marks_there_and_back_also_words_that_are_not_known(given_words: dict[str, set[str]]) -> None:
    first = MarkBook({name: " ".join(some) for name, some in given_words.items()})
    again = MarkBook(first.saved)
    assert again.saved == first.saved
    assert again.excluded == first.excluded
    for name, some in given_words.items():
        contradicts = {Mark.FINISHED, Mark.EXCLUDED} <= some
        assert first.has(name, Mark.EXCLUDED) == (Mark.EXCLUDED in some and not contradicts)
        assert {"of", "another", "version"} <= first.words(name) or "of another version" not in some


def test_the_state_follows_from_labels_and_decisions(workspace: Workspace) -> None:
    state = workspace.decisions.state
    assert [state(n) for n in NAMES] == [State.SEEN, *[State.UNSEEN] * 3]
    workspace.show("carbon")
    assert state("carbon") == State.SEEN
    workspace.set_labels("carbon", Picks.labels([[5, 5]], Kind.NOT_PARTICLE))
    assert state("carbon") == State.LABELLED
    workspace.decisions.toggle(Mark.FINISHED)
    assert state("carbon") == State.FINISHED
    workspace.decisions.toggle(Mark.EXCLUDED)
    assert state("carbon") == State.EXCLUDED
    workspace.undo()
    workspace.undo()
    assert state("carbon") == State.LABELLED
    workspace.redo()
    assert state("carbon") == State.FINISHED


# -- what is excluded -----------------------------------------------------------------------------


def test_what_is_excluded_is_neither_trained_on_nor_picked_nor_saved(workspace: Workspace) -> None:
    for name in NAMES[:3]:
        workspace.set_labels(name, Picks.labels([[5, 5]]))
        workspace.set_candidates(name, Picks([[20, 20]], [1.0]))
    assert workspace.unpicked == 1
    changes = workspace.changes
    workspace.decisions.put(["grid_2", "carbon"], Mark.EXCLUDED, on=True)
    assert workspace.changes > changes, "what would be saved is something else"
    assert set(workspace.all_labels) == {"grid_1", "Grid_10"}
    assert set(workspace.results) == {"grid_1", "Grid_10"}
    assert [s.name for s in workspace.decisions.in_use] == ["grid_1", "Grid_10"]
    assert workspace.unpicked == 0
    assert set(workspace.kept_labels) == set(NAMES[:3]), "the session keeps them"


def test_all_excluded_is_one_sentence(workspace: Workspace) -> None:
    workspace.set_labels("grid_1", Picks.labels([[5, 5], [9, 9], [20, 20]]))
    workspace.decisions.put(NAMES, Mark.EXCLUDED, on=True)
    advice = guide(workspace, None)
    for reason in (advice.train, advice.pick, advice.save, advice.next_step):
        assert reason is not None
        assert reason.startswith("All micrographs are excluded; take one back")
    assert advice.label is None
    workspace.decisions.put(["grid_1"], Mark.EXCLUDED, on=False)
    assert guide(workspace, None).train is None


def test_what_training_is_told(workspace: Workspace) -> None:
    put = workspace.decisions.put
    workspace.set_labels("grid_1", Picks.labels([[5, 5]]))
    workspace.set_labels("carbon", Picks.labels([[5, 5]], Kind.NOT_PARTICLE))
    put(["grid_1", "grid_2"], Mark.COMPLETE, on=True)
    put(["carbon", "Grid_10"], Mark.EMPTY, on=True)
    assert workspace.decisions.ticks == Ticks(
        frozenset({"grid_1", "grid_2"}), frozenset({"carbon", "Grid_10"})
    )
    put(["grid_2"], Mark.EXCLUDED, on=True)
    workspace.set_labels("Grid_10", Picks.labels([[5, 5]]))  # gainsays that it is empty
    assert workspace.decisions.ticks == Ticks(frozenset({"grid_1"}), frozenset({"carbon"}))


# -- the order ------------------------------------------------------------------------------------


def test_sorted_by_each_column(workspace: Workspace) -> None:
    workspace.set_labels("grid_2", Picks.labels([[5, 5]]))
    workspace.set_labels("Grid_10", Picks.labels([[5, 5], [9, 9]]))
    workspace.set_candidates("carbon", Picks([[20, 20], [9, 30]], [1.0, 2.0]))
    workspace.set_candidates("grid_2", Picks(np.empty((0, 2))))
    workspace.decisions.put(["grid_2"], Mark.FINISHED, on=True)
    assert names(workspace) == NAMES
    assert names(workspace, column=NAME, descending=True) == NAMES[::-1]
    assert names(workspace, column=LABELS) == ["grid_1", "carbon", "grid_2", "Grid_10"]
    assert names(workspace, column=PICKS, descending=True) == ["carbon", "grid_2", "grid_1", "Grid_10"]
    assert names(workspace, column=STATE) == ["carbon", "grid_1", "Grid_10", "grid_2"]
    workspace.decisions.put(["carbon"], Mark.EXCLUDED, on=True)
    assert names(workspace, column=PICKS)[-1] == "grid_2", "picks of excluded ones do not count"


def test_found_by_part_of_the_name_and_by_state(workspace: Workspace) -> None:
    assert names(workspace, text="GRID_1") == ["grid_1", "Grid_10"]
    assert names(workspace, text="[") == []
    workspace.set_labels("grid_2", Picks.labels([[5, 5]]))
    workspace.set_candidates("grid_2", Picks())
    workspace.decisions.put(["grid_2"], Mark.COMPLETE, on=True)
    workspace.decisions.put(["carbon"], Mark.EMPTY, on=True)
    workspace.decisions.put(["carbon"], Mark.EXCLUDED, on=True)
    workspace.decisions.put(["Grid_10"], Mark.FINISHED, on=True)
    expected = {
        "all": NAMES,
        "unseen": [],
        "not finished": ["grid_1", "grid_2"],
        "without labels": ["grid_1", "Grid_10", "carbon"],
        "with labels": ["grid_2"],
        "not picked": ["grid_1", "Grid_10", "carbon"],
        "finished": ["Grid_10"],
        "excluded": ["carbon"],
        "all labelled": ["grid_2"],
        "no particle": ["carbon"],
    }
    assert {state: names(workspace, state=state) for state in FILTERS} == expected


def test_long_lists_are_arranged_in_steps(workspace: Workspace) -> None:
    workspace.begin([MicrographFile(Path(f"m_{k}.mrc")) for k in range(4 * AT_ONCE + 1)])
    work = arranged(workspace, Wanted(column=STATE))
    steps = sum(1 for _ in work)
    assert steps == 4


def test_going_through_the_list_as_it_is_shown(workspace: Workspace) -> None:
    workspace.list.set_order(["carbon", "grid_2", "grid_1"])
    seen = [workspace.step(by) or workspace.current for by in (-1, -1, -1, 1)]
    assert seen == ["grid_2", "carbon", "carbon", "grid_2"]
    assert [s.name for s in workspace.list.neighbours("grid_2")] == ["grid_1", "carbon"]
    workspace.show("Grid_10")  # which the list does not show
    assert workspace.list.neighbours("Grid_10") == []
    workspace.step(1)
    assert workspace.current == "carbon", "the next one that is shown"
    workspace.show("Grid_10")
    workspace.list.set_order(["grid_2"])
    workspace.step(1)
    assert workspace.current == "grid_2"
    workspace.list.set_order([])
    workspace.step(1)
    assert workspace.current == "grid_2"


def test_to_the_next_one_without_labels(workspace: Workspace) -> None:
    workspace.set_labels("grid_2", Picks.labels([[5, 5]]))
    workspace.decisions.put(["Grid_10"], Mark.FINISHED, on=True)
    workspace.next_unlabelled()
    assert workspace.current == "carbon"
    workspace.next_unlabelled()
    assert workspace.current == "grid_1", "round the end"
    workspace.decisions.put(["carbon"], Mark.EXCLUDED, on=True)
    workspace.next_unlabelled()
    assert workspace.current == "grid_1", "there is no other"


def test_a_list_that_shows_nothing_of_what_it_has() -> None:
    shown = MicrographList([MicrographFile(Path("a.mrc")), MicrographFile(Path("b.mrc"))])
    shown.set_order([])
    assert shown.step("a", 1) == "a"
    assert shown.next_where("a", lambda name: True) is None
    shown.set_order(["b"])
    assert shown.next_where("a", lambda name: True) == "b"
