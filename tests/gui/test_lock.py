"""What keeps her from edits that could not be saved."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.gui.lock import Lock
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.workspace import Workspace
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind, Picks

WHY = "The session is open in another window."


def test_it_tells_once_that_it_is_closed_and_each_time_why() -> None:
    lock, changes, told = Lock(), [], []
    lock.changed.connect(lambda: changes.append(lock.reason))
    lock.refused.connect(told.append)
    assert not lock.refuses()
    for reason in (WHY, WHY, None, None):
        lock.set(reason)
    assert changes == [WHY, None]
    assert (told, lock.sentence) == ([], None)
    lock.set(WHY)
    assert lock.refuses()
    assert lock.refuses()
    assert told == ["Only to look at: the session is open in another window."] * 2


@pytest.mark.parametrize("closed", [True, False])
def test_nothing_is_edited_while_it_is_closed(workspace: Workspace, closed: bool) -> None:
    masks, told = MaskBook(workspace), []
    workspace.set_labels("a", Picks.labels([[50, 60]]))
    workspace.set_labels("a", Picks.labels([[50, 60], [90, 90]]))
    workspace.undo()
    workspace.lock.refused.connect(told.append)
    workspace.lock.set(WHY if closed else None)
    edits = (
        workspace.redo,
        workspace.undo,
        lambda: workspace.label("a", [[9, 9]], Kind.PARTICLE),
        lambda: workspace.set_many_labels({"b": Picks.labels([[9, 9]])}),
        lambda: workspace.decisions.put(["a"], Mark.FINISHED, on=True),
        lambda: masks.put({"a": Mask((np.array([[0, 0], [0, 9], [9, 9]], np.float32),))}),
    )
    for n, edit in enumerate(edits, 1):
        state = workspace.all_labels, workspace.decisions.marks.saved, masks.all
        edit()
        after = workspace.all_labels, workspace.decisions.marks.saved, masks.all
        same = str(after) == str(state) and [*map(len, after[0].values())] == [*map(len, state[0].values())]
        assert same is closed, n
        assert len(told) == (n if closed else 0)
