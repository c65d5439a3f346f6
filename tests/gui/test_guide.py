"""There is always one next step, and a reason for each button that cannot work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_topaz.gui.guide import ENOUGH_LABELS, guide
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import micrograph


def spread(n: int) -> np.ndarray:
    return np.stack([np.full(n, 50), 30 * np.arange(1, n + 1)], axis=1)


def test_from_nothing_to_saved() -> None:
    workspace = Workspace()
    steps = [guide(workspace, None)]
    assert (steps[-1].emphasis, steps[-1].train) == ("open", "Open micrographs first.")
    workspace.add([micrograph("a"), micrograph("b")])
    steps.append(guide(workspace, None))
    assert "diameter" in steps[-1].next_step
    assert "diameter" in (steps[-1].train or "")
    workspace.change(preprocess=PreprocessSettings(diameter=20.0))
    steps.append(guide(workspace, None))
    assert "Click the centres of 10" in steps[-1].next_step
    assert (steps[-1].emphasis, steps[-1].guess) == ("guess", None)
    workspace.label("a", spread(4), Kind.PARTICLE)
    steps.append(guide(workspace, None))
    assert "Click 6 more" in steps[-1].next_step
    assert steps[-1].train is None
    workspace.label("b", spread(6), Kind.PARTICLE)
    steps.append(guide(workspace, None))
    assert (steps[-1].next_step, steps[-1].emphasis) == ("Press Train.", "train")
    workspace.set_model(
        SimpleNamespace(
            card=SimpleNamespace(threshold=0.0), knows_preprocessing=True, is_general=False, calibrated=False
        )
    )
    steps.append(guide(workspace, None))
    assert (steps[-1].emphasis, steps[-1].pick, steps[-1].save_model) == ("pick", None, None)
    for name in "ab":
        workspace.set_candidates(name, Picks([[200, 200]], [1.0]))
    steps.append(guide(workspace, None))
    assert (steps[-1].emphasis, steps[-1].save) == ("save", None)
    assert "All micrographs are picked" in (steps[-1].pick or "")
    workspace.mark_saved(Path("picks.star"), workspace.changes)
    steps.append(guide(workspace, None))
    assert "picks.star" in steps[-1].next_step
    assert len({step.next_step for step in steps}) == len(steps)


def test_picks_at_the_former_distances_are_told(workspace: Workspace) -> None:
    workspace.set_model(guess_model(is_general=False))
    for name in "ab":
        workspace.set_candidates(name, Picks([[200, 200]], [1.0]))
    workspace.change(pick=workspace.options.pick.model_copy(update={"suppression_radius": 30.0}))
    found = guide(workspace, None)
    assert "The picks of 2 micrographs keep the former distances" in found.next_step
    assert (found.emphasis, found.pick, found.save) == ("pick", None, None)
    found = guide(workspace, None, renewing=True)
    assert "follow the new distances" in found.next_step
    assert found.emphasis is None
    workspace.set_candidates("a", Picks([[200, 200]], [1.0]))
    assert "The picks of 1 micrograph keep" in guide(workspace, None).next_step


def guess_model(*, is_general: bool = True) -> SimpleNamespace:
    card = SimpleNamespace(threshold=0.0)
    return SimpleNamespace(card=card, knows_preprocessing=False, is_general=is_general, calibrated=False)


def test_a_guess_is_to_be_corrected_and_then_trained_on(workspace: Workspace) -> None:
    workspace.set_model(guess_model())
    advice = guide(workspace, None)
    assert advice.guessed
    assert advice.emphasis is None
    assert "missed (0 of 10), right-click what is none" in advice.next_step
    assert "Pick all." in advice.next_step
    assert "already" in (advice.guess or "")
    assert "anyway" in (advice.go_on or "")
    assert (advice.pick, advice.save_model) == (None, None)
    for name in "ab":
        workspace.set_candidates(name, Picks([[200, 200]], [1.0]))
    assert "and save." in guide(workspace, None).next_step
    workspace.mark_saved(Path("picks.star"), workspace.changes)
    assert "still a guess. Saved to picks.star" in guide(workspace, None).next_step
    workspace.label("a", spread(ENOUGH_LABELS - 1), Kind.PARTICLE)
    assert "still a guess. Click 1 more particle," in guide(workspace, None).next_step
    assert "guess" not in guide(workspace, "Training").next_step
    workspace.set_candidates("a", Picks([[200, 200]], [1.0]), suggested=0.0)
    assert "guess" not in guide(workspace, None).next_step, "those are of a reference picker"
    workspace.set_candidates("a", Picks([[200, 200]], [1.0]))
    workspace.label("b", spread(1), Kind.PARTICLE)
    assert guide(workspace, None).emphasis == "train"
    workspace.set_model(guess_model(is_general=False))
    assert not guide(workspace, None).guessed
    assert "better" in (guide(workspace, None).guess or "")


def test_a_model_that_is_on_its_way_is_told(workspace: Workspace) -> None:
    advice = guide(workspace, None, awaited=True)
    assert (advice.next_step, advice.emphasis) == ("The model of the session is being loaded …", None)
    assert "Watch" in guide(workspace, "Training", awaited=True).next_step


def test_a_guess_needs_diameter_and_pixel_size() -> None:
    workspace = Workspace()
    assert guide(workspace, None).guess == "Open micrographs first."
    workspace.add([micrograph("a", pixel_size=None)])
    assert "pixel size" in (guide(workspace, None).guess or "")
    workspace.change(preprocess=PreprocessSettings(pixel_size=1.5))
    assert "diameter" in (guide(workspace, None).guess or "")
    workspace.change(preprocess=PreprocessSettings(pixel_size=1.5, diameter=30))
    assert guide(workspace, None).guess is None
    assert "Picking" in (guide(workspace, "Picking").guess or "")


def test_a_silent_file_needs_a_pixel_size() -> None:
    workspace = Workspace()
    workspace.add([micrograph("a", pixel_size=None)])
    assert "pixel size" in guide(workspace, None).next_step
    workspace.change(preprocess=PreprocessSettings(pixel_size=1.5, diameter=30))
    assert "Click" in guide(workspace, None).next_step


def test_labels_of_no_particle_do_not_count(workspace: Workspace) -> None:
    workspace.label("a", spread(ENOUGH_LABELS), Kind.NOT_PARTICLE)
    assert guide(workspace, None).train is not None


def test_while_something_runs_nothing_else_can_start(workspace: Workspace) -> None:
    workspace.label("a", spread(ENOUGH_LABELS), Kind.PARTICLE)
    busy = guide(workspace, "Training")
    for reason in (busy.train, busy.pick, busy.save, busy.load):
        assert reason is not None
        assert "Training" in reason
    assert busy.label is None  # labelling goes on


def test_labels_on_one_micrograph_only_are_pointed_out(workspace: Workspace) -> None:
    workspace.label("a", spread(ENOUGH_LABELS), Kind.PARTICLE)
    assert "next micrograph" in guide(workspace, None).next_step


def test_advice_does_not_put_results_together(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.set_candidates("a", Picks([[5, 5]], scores=[1]))

    def refuse(self: Workspace, name: str) -> Picks:
        raise AssertionError("with thousands of micrographs that takes seconds, after every pick")

    monkeypatch.setattr(Workspace, "result", refuse)
    assert guide(workspace, None).save is None
