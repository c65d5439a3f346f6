"""What the user has: labels, picks, what would be saved."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.files.errors import FileError
from napari_topaz.gui.pick_book import MOST_CANDIDATES
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.nearness import near_to
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, TrainSettings

from .conftest import DIAMETER, PIXEL_SIZE, micrograph

RADIUS = DIAMETER / PIXEL_SIZE / 2


def model(threshold: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(
        card=SimpleNamespace(threshold=threshold),
        knows_preprocessing=True,
        is_general=False,
        calibrated=False,
    )


def threshold(workspace: Workspace, value: float | None) -> None:
    workspace.change(pick=PickSettings(threshold=value))


def test_the_first_micrograph_is_shown_and_keys_walk_along_the_list(workspace: Workspace) -> None:
    seen: list[str] = []
    workspace.current_changed.connect(seen.append)
    assert workspace.current == "a"
    workspace.step(1)
    workspace.step(1)  # the end of the list
    workspace.step(-1)
    assert seen == ["b", "a"]


def test_adding_the_same_files_twice_adds_nothing(tmp_path) -> None:
    workspace = Workspace()
    files = [MicrographFile(tmp_path / "x.mrc"), MicrographFile(tmp_path / "y.mrc")]
    assert (workspace.add(files), workspace.add(files)) == (2, 0)
    with pytest.raises(FileError, match="same name"):
        workspace.add([MicrographFile(tmp_path / "other" / "x.mrc")])


def test_pixel_size_is_hers_or_the_files(workspace: Workspace) -> None:
    assert workspace.pixel_size("a") == PIXEL_SIZE
    assert workspace.diameter("a") == DIAMETER / PIXEL_SIZE
    workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER, pixel_size=4.0))
    assert (workspace.pixel_size("a"), workspace.diameter("a")) == (4.0, 10.0)


def test_a_second_click_takes_a_label_back_and_the_other_kind_replaces_it(workspace: Workspace) -> None:
    workspace.label("a", [[50, 60], [100, 200]], Kind.PARTICLE)
    workspace.label("a", [[51, 61]], Kind.PARTICLE)
    assert workspace.labels("a").yx.tolist() == [[100, 200]]
    workspace.label("a", [[101, 199]], Kind.NOT_PARTICLE)
    assert workspace.labels("a").kinds.tolist() == [Kind.NOT_PARTICLE]
    assert workspace.labels("a").yx.tolist() == [[101, 199]]


def test_undo_takes_back_one_change_after_the_other_on_every_micrograph(workspace: Workspace) -> None:
    workspace.label("a", [[50, 60]], Kind.PARTICLE)
    workspace.label("b", [[70, 80]], Kind.PARTICLE)
    workspace.label("a", [[51, 60]], Kind.PARTICLE)  # takes the first back
    assert workspace.undo() == "a"
    assert workspace.labels("a").yx.tolist() == [[50, 60]]
    assert (workspace.undo(), len(workspace.labels("b"))) == ("b", 0)
    assert (workspace.undo(), workspace.undo()) == ("a", None)
    assert workspace.all_labels == {}


def test_labels_beat_the_picks_at_their_place(workspace: Workspace) -> None:
    workspace.set_model(model(0.5))
    workspace.set_candidates("a", Picks([[10, 10], [100, 100], [200, 300], [250, 50]], [1.0, 2.0, 3.0, 0.0]))
    workspace.label("a", [[102, 100]], Kind.PARTICLE)
    workspace.label("a", [[200, 301]], Kind.NOT_PARTICLE)
    saved = workspace.result("a")
    assert saved.yx.tolist() == [[102, 100], [10, 10]]
    assert saved.scores.tolist() == [2.0, 1.0]  # the label has the score of the pick it replaces
    assert workspace.count("a") == 2
    assert workspace.picks("a").yx.tolist() == [[10, 10]]  # what is drawn beside the labels


def test_a_label_without_a_pick_nearby_has_no_score(workspace: Workspace) -> None:
    workspace.set_candidates("a", Picks([[10, 10]], [1.0]))
    workspace.label("a", [[10, 10 + RADIUS + 1]], Kind.PARTICLE)
    assert np.isnan(workspace.result("a").scores[0])
    assert len(workspace.result("a")) == 2


@given(
    st.lists(st.floats(-9, 9, width=32), max_size=30),
    st.floats(-10, 10, width=32),
)
def test_the_threshold_selects_what_above_selects(scores: list[float], value: float) -> None:
    workspace = Workspace()
    workspace.add([micrograph("a")])
    picks = Picks(np.zeros((len(scores), 2)), scores)
    workspace.set_candidates("a", picks)
    threshold(workspace, value)
    assert workspace.count("a") == len(workspace.picks("a")) == len(picks.above(value))


def test_the_models_threshold_counts_until_she_chooses_one(workspace: Workspace) -> None:
    assert workspace.threshold == -np.inf
    workspace.set_model(model(1.5))
    assert workspace.threshold == 1.5
    threshold(workspace, -2.0)
    assert workspace.threshold == -2.0
    threshold(workspace, None)
    assert workspace.threshold == 1.5


def test_picks_of_another_model_or_of_other_options_are_forgotten(workspace: Workspace) -> None:
    for change in (
        lambda: workspace.set_model(model()),
        lambda: workspace.change(pick=PickSettings(symmetries="none")),
        lambda: workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER, pixel_size=3)),
    ):
        workspace.set_candidates("a", Picks([[10, 10]], [1.0]))
        assert workspace.is_picked("a")
        change()
        assert not workspace.is_picked("a")


def test_picks_keep_the_former_distances_until_others_come(workspace: Workspace) -> None:
    for name in "ab":
        workspace.set_candidates(name, Picks([[10, 10], [90, 90]], [2.0, 1.0]))
    before = workspace.forgotten
    assert (workspace.unpicked, workspace.former) == (0, frozenset())
    workspace.change(pick=PickSettings(threshold=1.5))
    assert (workspace.former, workspace.forgotten) == (frozenset(), before)
    for pick in (PickSettings(suppression_radius=30), PickSettings(suppression_radius=30, margin=50)):
        workspace.change(pick=pick)
        assert workspace.picked == workspace.former == {"a", "b"}
        assert len(workspace.results) == 2  # she waited for them
        assert workspace.unpicked == 2
    assert workspace.forgotten > before  # what is on its way is of the former distances too
    workspace.set_candidates("a", Picks([[10, 10]], [2.0]))
    assert (workspace.former, workspace.unpicked) == ({"b"}, 1)
    workspace.set_model(model())
    assert (workspace.former, workspace.picked) == (frozenset(), frozenset())


def test_picks_of_another_model_are_drawn_until_new_ones_come_but_never_saved(workspace: Workspace) -> None:
    for name in "ab":
        workspace.set_candidates(name, Picks([[10, 10]], [1.0]))
    workspace.set_model(model())
    assert len(workspace.picks("a")) == 1  # it is shown
    assert len(workspace.picks("b")) == 0
    assert workspace.results == {}
    workspace.set_candidates("a", Picks([[20, 20], [90, 90]], [1.0, 1.0]))
    assert len(workspace.results["a"]) == 2


def test_picks_survive_the_threshold_and_labels_survive_everything(workspace: Workspace) -> None:
    workspace.label("b", [[10, 10]], Kind.PARTICLE)
    workspace.set_candidates("a", Picks([[10, 10]], [1.0]))
    threshold(workspace, 5.0)
    workspace.change(train=TrainSettings(epochs=3))
    assert workspace.is_picked("a")
    workspace.set_model(model())
    assert workspace.labels("b").yx.tolist() == [[10, 10]]


def test_changing_the_diameter_changes_which_picks_a_label_covers(workspace: Workspace) -> None:
    workspace.set_candidates("a", Picks([[100, 100]], [1.0]))
    workspace.label("a", [[100, 115]], Kind.PARTICLE)
    assert workspace.count("a") == 2
    workspace.change(preprocess=PreprocessSettings(diameter=80.0))  # radius 20 px
    assert workspace.count("a") == 1


def test_only_the_best_candidates_are_kept(workspace: Workspace) -> None:
    n = MOST_CANDIDATES + 5
    workspace.set_candidates("a", Picks(np.zeros((n, 2)), np.arange(n)))
    assert len(workspace.candidates("a")) == MOST_CANDIDATES
    assert workspace.candidates("a").scores.min() == 5


def test_near_to_without_points() -> None:
    nothing, some = np.empty((0, 2), np.float32), np.ones((3, 2), np.float32)
    assert near_to(nothing, some, 5).shape == (0,)
    assert not near_to(some, nothing, 5).any()


def test_results_hold_what_is_labelled_or_picked(workspace: Workspace) -> None:
    assert workspace.results == {}
    workspace.set_candidates("b", Picks())
    assert list(workspace.results) == ["b"]  # picked, but nothing found
    workspace.label("a", [[10, 10]], Kind.PARTICLE)
    assert list(workspace.results) == ["a", "b"]


def test_distances_that_she_takes_again_need_nothing_new(workspace: Workspace) -> None:
    for name in "ab":
        workspace.set_candidates(name, Picks([[10, 10], [90, 90]], [2.0, 1.0]))
    workspace.change(pick=PickSettings(suppression_radius=5))  # the first digit of 50
    workspace.set_candidates("a", Picks([[10, 10]], [2.0]))
    workspace.change(pick=PickSettings(suppression_radius=50))
    assert workspace.former == {"a", "b"}
    workspace.change(pick=PickSettings(threshold=1.5))  # a threshold is no distance
    assert (workspace.former, workspace.unpicked) == ({"a"}, 1)
    workspace.change(pick=PickSettings(suppression_radius=5))
    assert workspace.former == {"b"}
