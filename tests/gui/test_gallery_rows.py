"""Picks and labels of many micrographs as one list."""

from __future__ import annotations

import numpy as np

from napari_topaz.gui.gallery_rows import joined, ordered, part_of
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind, Picks

PICKS = Picks(np.array([[100, 20], [10, 200], [50, 60]]), np.array([3.0, 1.0, 2.0]))


def picked(workspace: Workspace) -> Workspace:
    workspace.set_candidates("a", PICKS)
    workspace.set_candidates("b", Picks(np.array([[30.0, 40.0]]), np.array([2.5])))
    return workspace


def rows_of(workspace: Workspace):
    return joined({name: part_of(workspace, name) for name in workspace.names})


def test_the_list_has_picks_and_labels_of_all_micrographs(workspace: Workspace) -> None:
    picked(workspace).label("b", [[200, 200]], Kind.PARTICLE)
    rows = rows_of(workspace)
    assert [(rows.name(k), *rows.picks.yx[k].tolist()) for k in range(len(rows))] == [
        ("a", 10, 200),
        ("a", 50, 60),
        ("a", 100, 20),
        ("b", 30, 40),
        ("b", 200, 200),
    ]
    assert (rows.count(Kind.PICK), rows.count(Kind.PARTICLE)) == (4, 1)


def test_orders(workspace: Workspace) -> None:
    picked(workspace).label("b", [[200, 200]], Kind.PARTICLE)
    workspace.label("a", [[10, 200]], Kind.NOT_PARTICLE)
    rows = rows_of(workspace)
    scores = {order: ordered(rows, order).picks.scores.tolist() for order in ("best", "worst", "kind")}
    np.testing.assert_array_equal(scores["best"], [3, 2.5, 2, 1, np.nan])
    np.testing.assert_array_equal(scores["worst"], [1, 2, 2.5, 3, np.nan])
    np.testing.assert_array_equal(scores["kind"], [np.nan, 1, 3, 2.5, 2])
    assert ordered(rows, "best").name(1) == "b"
    as_before = ordered(rows, "kind", np.zeros(len(rows), np.uint8))
    np.testing.assert_array_equal(as_before.picks.scores, scores["best"])


def test_a_pick_that_becomes_a_label_keeps_its_score(workspace: Workspace) -> None:
    workspace.set_candidates("a", PICKS, suggested=0.0)  # these do not count, so that no score is found
    before = part_of(workspace, "a")
    workspace.label("a", [[50, 60]], Kind.NOT_PARTICLE)
    after = part_of(workspace, "a", before)
    assert after.scores.tolist() == [1, 2, 3]
    assert after.kinds.tolist() == [Kind.PICK, Kind.NOT_PARTICLE, Kind.PICK]
    assert np.isnan(part_of(workspace, "a").scores[1])


def test_below_the_threshold_is_nothing(workspace: Workspace) -> None:
    picked(workspace).change(pick=workspace.options.pick.model_copy(update={"threshold": 2.2}))
    assert sorted(rows_of(workspace).picks.scores.tolist()) == [2.5, 3]


def test_a_row_is_found_by_its_place(workspace: Workspace) -> None:
    rows = rows_of(picked(workspace))
    assert rows.find("a", np.array([50.4, 60], np.float32)) == 1
    assert rows.find("b", np.array([50, 60], np.float32)) is None
    assert rows.find("gone", np.array([50, 60], np.float32)) is None


def test_no_micrographs_no_rows() -> None:
    assert len(ordered(joined({}), "kind")) == 0
