"""Suggest picks, look, drag the threshold, take them as labels; with and without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_topaz.files import write_mrc
from napari_topaz.gui import dialogs
from napari_topaz.gui.guide import LEAST_LABELS, guide
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, ReferenceSettings
from worlds import DIAMETER, World, make_world

from .conftest import Stage, micrograph

FOUND = Picks([[50, 60], [120, 200], [200, 300]], [5.0, 3.0, 1.0])


def test_suggestions_are_drawn_but_do_not_count(stage: Stage) -> None:
    workspace = stage.workspace
    workspace.set_candidates("a", FOUND, suggested=2.0)
    assert (workspace.threshold, len(workspace.picks("a"))) == (2.0, 2)
    np.testing.assert_array_equal(stage["picks"].data, FOUND.yx[:2])
    assert not workspace.is_picked("a")
    assert workspace.results == {}


def test_suggestions_have_a_threshold_of_their_own(stage: Stage) -> None:
    workspace = stage.workspace
    workspace.change(pick=PickSettings(threshold=4.0))
    workspace.set_candidates("a", FOUND, suggested=2.0)
    workspace.set_candidates("b", FOUND)
    assert [len(workspace.picks(name)) for name in "ab"] == [2, 1]
    workspace.change(reference=ReferenceSettings(threshold=0.5))
    assert [len(workspace.picks(name)) for name in "ab"] == [3, 1]
    assert len(stage["picks"].data) == 3  # drawn at once
    assert (workspace.chosen_threshold("a"), workspace.chosen_threshold("b")) == (0.5, 4.0)


def test_picks_of_a_model_take_the_place_of_suggestions(workspace: Workspace) -> None:
    workspace.set_candidates("a", FOUND, suggested=2.0)
    workspace.set_model(
        SimpleNamespace(
            card=SimpleNamespace(threshold=4.0), knows_preprocessing=True, is_general=False, calibrated=False
        )
    )
    assert workspace.suggested == {}
    assert workspace.threshold == 4.0
    workspace.set_candidates("a", FOUND, suggested=2.0)
    assert not workspace.is_picked("a")
    workspace.set_candidates("a", FOUND)
    assert workspace.is_picked("a")
    assert len(workspace.picks("a")) == 1


def test_the_guide_says_what_suggestions_need() -> None:
    workspace = Workspace()
    advice = [guide(workspace, None)]
    workspace.add([micrograph("a")])
    advice.append(guide(workspace, None))
    workspace.change(preprocess=PreprocessSettings(diameter=40.0))
    advice.append(guide(workspace, None))
    assert "Open micrographs" in (advice[0].suggest or "")
    assert "diameter" in (advice[1].suggest or "")
    assert advice[2].suggest is None
    assert f"at least {LEAST_LABELS}" in (advice[2].suggest_template or "")
    assert "suggest some" in (advice[2].take or "")
    assert "Pick now" in advice[2].next_step
    workspace.label("a", [[50, 50], [50, 150], [50, 250]], Kind.PARTICLE)
    assert guide(workspace, None).suggest_template is None
    workspace.set_candidates("a", FOUND, suggested=2.0)
    assert (guide(workspace, None).take, guide(workspace, None).emphasis) == (None, "take")
    workspace.set_candidates("a", FOUND, suggested=9.0)
    assert guide(workspace, None).take is not None
    assert guide(workspace, "Training").suggest is not None


# ── in a window ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "world", count=2)


@pytest.fixture
def dock(make_napari_viewer, qtbot, world: World) -> Iterator:
    from napari.qt.threading import WorkerBase

    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    dock.opening.open_paths([file.path for file in world.files])
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0")
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    qtbot.waitUntil(dock.particle.suggestions.button.isEnabled)
    yield dock
    WorkerBase.await_workers(5000)


def suggest(qtbot, dock, entry: str) -> None:
    dock.particle.suggestions.entries[entry].trigger()
    qtbot.waitUntil(lambda: dock.job_bar.running is None and not dock.job_bar.preview.busy, timeout=20_000)
    qtbot.waitUntil(lambda: not dock._refresh.isActive())


def near(yx: np.ndarray, truth: np.ndarray, reach: float = 6) -> int:
    """How many of the true particles are among the points."""
    return int((np.linalg.norm(truth[:, None] - yx, axis=2).min(axis=1) < reach).sum())


@pytest.mark.gui
@pytest.mark.parametrize("method", ["log", "dog", "template"])
def test_suggested_picks_become_labels_with_one_click(qtbot, dock, world, method: str) -> None:
    workspace, row, truth = dock.workspace, dock.particle.suggestions, world.truth["mic_0"].yx
    assert not row.entries["template"].isEnabled()
    assert not row.take_button.isEnabled()
    if method == "template":
        workspace.label("mic_0", truth[:4], Kind.PARTICLE)
        qtbot.waitUntil(row.entries["template"].isEnabled)
    before = len(workspace.labels("mic_0"))
    suggest(qtbot, dock, method)
    assert "mic_0" in workspace.suggested
    assert len(dock.picks.histogram._scores) > 0
    assert dock.picks.number.value() == pytest.approx(workspace.suggested["mic_0"], abs=0.01)
    assert near(dock._viewer.layers["picks"].data, truth[before:]) >= len(truth) - before - 1
    assert dock._viewer.layers["heat map"].data.shape != (2, 2)
    picks = workspace.picks("mic_0").yx
    qtbot.waitUntil(row.take_button.isEnabled)
    row.take_button.click()
    np.testing.assert_array_equal(workspace.labels("mic_0").yx[before:], picks)
    assert (workspace.labels("mic_0").kinds == Kind.PARTICLE).all()
    assert f"{len(picks)} picks became labels" in dock.job_bar.message
    assert len(workspace.picks("mic_0")) == 0  # they are labels now
    workspace.undo()
    assert len(workspace.labels("mic_0")) == before
    assert len(workspace.picks("mic_0")) == len(picks)


@pytest.mark.gui
def test_the_threshold_of_suggestions_can_be_dragged_and_reset(qtbot, dock) -> None:
    suggest(qtbot, dock, "log")
    workspace, own = dock.workspace, len(dock.workspace.picks("mic_0"))
    dock.picks.histogram.threshold_chosen.emit(0.5)
    assert len(workspace.picks("mic_0")) > own
    assert workspace.options.pick.threshold is None
    qtbot.waitUntil(dock.picks.reset.isEnabled)
    dock.picks.reset.click()
    assert len(workspace.picks("mic_0")) == own
    assert "mic_0" in workspace.suggested  # nothing else scored it meanwhile


@pytest.mark.gui
def test_suggestions_can_be_forgotten(qtbot, dock) -> None:
    drop = dock.particle.suggestions.entries["drop"]
    assert not drop.isEnabled()
    suggest(qtbot, dock, "dog")
    qtbot.waitUntil(drop.isEnabled)
    drop.trigger()
    assert len(dock._viewer.layers["picks"].data) == 0
    assert dock._viewer.layers["heat map"].data.shape == (2, 2)
    qtbot.waitUntil(lambda: not drop.isEnabled())


@pytest.mark.gui
def test_templates_of_a_file(qtbot, dock, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:24, :24] - 12
    path = tmp_path / "template.mrc"
    write_mrc(path, np.exp(-(y**2 + x**2) / 25).astype(np.float32), 4.0)
    monkeypatch.setattr(dialogs, "ask_templates", lambda parent: path)
    suggest(qtbot, dock, "file")
    assert near(dock.workspace.picks("mic_0").yx, world.truth["mic_0"].yx) >= 9
    monkeypatch.setattr(dialogs, "ask_templates", lambda parent: tmp_path / "missing.mrc")
    suggest(qtbot, dock, "file")
    assert "missing.mrc" in dock.job_bar.message
    assert dock.job_bar.running is None


@pytest.mark.gui
def test_bright_particles_are_one_option_away(qtbot, dock, world) -> None:
    reference = dock.workspace.options.reference.model_copy(update={"contrast": "bright"})
    dock.workspace.change(reference=reference)
    suggest(qtbot, dock, "log")
    assert near(dock.workspace.picks("mic_0").yx, world.truth["mic_0"].yx) <= 3
    forms = dict(dock.particle._forms[::-1])
    assert "contrast" in forms["reference"].names  # and it has a row in the dock
