"""What is compared with targets, without a window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.gui.marks import Mark
from napari_topaz.gui.targets import Targets
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings


@pytest.fixture
def targets() -> Targets:
    targets = Targets()
    targets.set(
        {
            "a": Picks.labels([[50, 60], [100, 200]]) + Picks.labels([[9, 9]], Kind.NOT_PARTICLE),
            "b": Picks.labels([[70, 80]]),
            "z": Picks.labels([[1, 1]]),
        }
    )
    return targets


def test_only_picked_micrographs_are_compared(workspace, targets) -> None:
    assert len(targets) == 4
    assert targets.question(workspace) is None
    # The particle's radius is 10 px: 9 px off is a hit, 11 px off is none.
    workspace.set_candidates("a", Picks([[59, 60], [111, 200], [9, 9]], [3, 2, 1]))
    found = targets.question(workspace).answer()
    assert (found.micrographs, found.targets, found.picks, found.hits) == (1, 2, 3, 1)
    workspace.set_candidates("b", Picks([[70, 80]], [5]))
    assert targets.question(workspace).answer().hits == 2


def test_peaks_at_labels_count_too(workspace, targets) -> None:
    workspace.set_candidates("a", Picks([[50, 60]], [3]))
    workspace.set_labels("a", Picks.labels([[50, 60]]))
    assert len(workspace.candidates("a")) == 0
    assert targets.question(workspace).answer().hits == 1


def test_the_radius_follows_the_diameter(workspace, targets) -> None:
    workspace.set_candidates("a", Picks([[59, 60]], [3]))
    workspace.change(preprocess=PreprocessSettings(diameter=16))
    assert targets.question(workspace).answer().hits == 0
    workspace.change(preprocess=PreprocessSettings())
    assert targets.question(workspace) is None


def test_loading_others_replaces_them(workspace, targets) -> None:
    heard = []
    targets.changed.connect(lambda: heard.append(len(targets)))
    targets.set({"a": Picks.labels(np.zeros((1, 2)))})
    assert heard == [1]


def test_what_she_excludes_is_not_compared(workspace, targets) -> None:
    for name in "ab":
        workspace.set_candidates(name, Picks([[50, 60]], [3]))
    workspace.decisions.put(["b"], Mark.EXCLUDED, on=True)
    assert targets.question(workspace).answer().micrographs == 1
    workspace.decisions.put(["a"], Mark.EXCLUDED, on=True)
    assert targets.question(workspace) is None
