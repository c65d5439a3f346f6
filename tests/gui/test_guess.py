"""In a real window: a first guess without labels, corrected, replaced, saved and restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

torch = pytest.importorskip("torch")

from napari_topaz.files import read_micrograph, write_mrc  # noqa: E402
from napari_topaz.gui.general import is_guess  # noqa: E402
from napari_topaz.gui.main import ParticlePicker  # noqa: E402
from napari_topaz.micrograph import MicrographFile  # noqa: E402
from napari_topaz.picks import Kind, Picks  # noqa: E402
from napari_topaz.settings import PreprocessSettings, SimulateSettings  # noqa: E402
from napari_topaz.simulate import simulate  # noqa: E402
from worlds import World  # noqa: E402

pytestmark = pytest.mark.gui
WORLD = SimulateSettings(size=384, particles=14, dose=60)
DIAMETER, PIXEL_SIZE = WORLD.diameter, 3.5


@pytest.fixture
def viewer(make_napari_viewer: Callable) -> Iterator:
    viewer = make_napari_viewer()
    yield viewer
    WorkerBase.await_workers(5000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "micrographs"
    folder.mkdir()
    made = World(folder, tuple(MicrographFile(folder / f"mic_{k}.mrc") for k in (0, 1)), {})
    for k, file in enumerate(made.files):
        micrograph, made.truth[file.name] = simulate(WORLD, k)
        write_mrc(file.path, micrograph.pixels, PIXEL_SIZE)
    return made


@pytest.fixture
def dock(viewer, qtbot: QtBot, world: World) -> ParticlePicker:
    """Two micrographs; nothing is typed yet."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    dock.opening.open_paths([world.folder])
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0", timeout=20_000)
    return dock


def give_lengths(dock: ParticlePicker, **lengths: float) -> None:
    dock.workspace.change(preprocess=PreprocessSettings(**{"diameter": DIAMETER, **lengths}))


def pick_now(qtbot: QtBot, dock: ParticlePicker) -> None:
    button = dock.particle.suggestions.guess_button
    qtbot.waitUntil(button.isEnabled)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def guess(qtbot: QtBot, dock: ParticlePicker, name: str = "mic_0") -> None:
    pick_now(qtbot, dock)
    qtbot.waitUntil(lambda: dock.workspace.is_picked(name), timeout=30_000)


def found(dock: ParticlePicker, world: World, name: str = "mic_0") -> float:
    """Fraction of the particles that have a pick within a third of the diameter."""
    truth, picks = world.truth[name].yx, dock.workspace.picks(name).yx
    if not len(picks):
        return 0.0
    near = np.hypot(*(truth[:, None] - picks[None]).transpose(2, 0, 1)).min(axis=1)
    return float((near < DIAMETER / PIXEL_SIZE / 3).mean())


def test_a_guess_of_what_is_shown_and_of_what_is_shown_later(
    qtbot: QtBot, viewer, dock: ParticlePicker, world: World
) -> None:
    give_lengths(dock)
    button = dock.particle.suggestions.guess_button
    qtbot.waitUntil(lambda: "background" in button.styleSheet())  # the next step
    assert "Pick now" in dock.hint.text()
    guess(qtbot, dock)
    assert found(dock, world) >= 0.8
    assert len(dock.workspace.picks("mic_0")) < 60
    assert dock.workspace.model.card.labels == 0
    assert np.ptp(viewer.layers["heat map"].data) > 1
    dock.workspace.show("mic_1")
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_1"), timeout=20_000)
    assert found(dock, world, "mic_1") >= 0.8
    qtbot.waitUntil(lambda: "guess" in dock.hint.text())
    assert dock.picks.guess.isVisibleTo(dock)
    assert not button.isEnabled()
    assert "already" in button.toolTip()
    assert not dock.training.go_on.isEnabled()


def test_without_diameter_or_pixel_size_it_says_what_is_missing(
    qtbot: QtBot, dock: ParticlePicker, world: World
) -> None:
    button = dock.particle.suggestions.guess_button
    qtbot.waitUntil(lambda: "diameter" in button.toolTip())
    assert not button.isEnabled()
    silent = world.folder.parent / "silent"
    silent.mkdir()
    write_mrc(silent / "s.mrc", read_micrograph(world.files[0]).pixels)
    dock.opening.open_paths([silent])
    qtbot.waitUntil(lambda: dock.layers.shown == "s", timeout=20_000)
    give_lengths(dock)
    qtbot.waitUntil(lambda: "pixel size" in button.toolTip())
    assert not button.isEnabled()
    give_lengths(dock, pixel_size=PIXEL_SIZE)
    guess(qtbot, dock, "s")
    assert len(dock.workspace.picks("s")) >= 8


@pytest.mark.parametrize(
    ("lengths", "remedy"),
    [
        ({"particle_pixels": 48.0}, "back to 19"),
        ({"diameter": 30.0}, "are right"),
        ({"downsample": 12.0}, "Downsample"),
    ],
)
def test_a_particle_of_another_size_is_one_sentence_and_no_model(
    qtbot: QtBot, dock: ParticlePicker, lengths: dict[str, float], remedy: str
) -> None:
    give_lengths(dock, **lengths)
    pick_now(qtbot, dock)
    qtbot.waitUntil(lambda: "preprocessed pixels" in dock.job_bar.message, timeout=30_000)
    assert "10 to 38" in dock.job_bar.message
    assert remedy in dock.job_bar.message
    assert dock.workspace.model is None


def test_a_micrograph_that_vanished_is_named_and_the_next_one_is_guessed(
    qtbot: QtBot, dock: ParticlePicker, world: World
) -> None:
    give_lengths(dock)
    dock.workspace.show("mic_1")
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_1", timeout=20_000)
    world.files[1].path.unlink()
    pick_now(qtbot, dock)
    qtbot.waitUntil(lambda: "mic_1" in dock.job_bar.message, timeout=30_000)
    dock.workspace.show("mic_0")
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_0"), timeout=20_000)
    assert found(dock, world) >= 0.8


def test_bright_particles_are_an_entry_of_the_menu(qtbot: QtBot, dock: ParticlePicker, world: World) -> None:
    for file in world.files:
        write_mrc(file.path, -read_micrograph(file).pixels, PIXEL_SIZE)
    give_lengths(dock)
    guess(qtbot, dock)
    assert found(dock, world) < 0.7
    first = dock.workspace.model
    dock.particle.suggestions.entries["bright"].trigger()
    qtbot.waitUntil(lambda: dock.workspace.model is not first, timeout=20_000)
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_0"), timeout=20_000)
    assert found(dock, world) >= 0.8
    assert dock.workspace.options.reference.contrast == "bright"
    assert dock.particle.suggestions.entries["bright"].isChecked()


def test_another_diameter_guesses_anew(qtbot: QtBot, dock: ParticlePicker) -> None:
    give_lengths(dock)
    guess(qtbot, dock)
    before = dock.workspace.candidates("mic_0")
    give_lengths(dock, diameter=150.0)
    qtbot.waitUntil(lambda: dock.workspace.candidates("mic_0") is not before, timeout=20_000)
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_0"), timeout=20_000)


def test_it_may_be_saved_with_a_word_and_is_a_guess_again_when_the_folder_is_opened_again(
    qtbot: QtBot, viewer, dock: ParticlePicker, world: World, tmp_path: Path
) -> None:
    give_lengths(dock)
    guess(qtbot, dock)
    assert "guess" in dock.picks.save_button.toolTip()
    dock.actions_.save(tmp_path / "picks.star")
    qtbot.waitUntil(lambda: (tmp_path / "picks.star").is_file() and dock.job_bar.running is None)
    assert "guess" in dock.job_bar.message
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(world.files[1].path, other / "b.mrc")
    dock.opening.open_paths([other])
    qtbot.waitUntil(lambda: dock.workspace.names == ["b"], timeout=20_000)
    dock.workspace.set_model(None)
    dock.opening.open_paths([world.folder])
    qtbot.waitUntil(lambda: is_guess(dock.workspace.model), timeout=20_000)
    qtbot.waitUntil(lambda: dock.workspace.is_picked("mic_0"), timeout=20_000)
    assert found(dock, world) >= 0.8
    qtbot.waitUntil(lambda: dock.picks.guess.isVisibleTo(dock))
    assert dock.training._loss == [], "how the package's model was made is no training of hers"


def test_it_gives_way_to_suggestions_and_to_a_model_never_the_other_way_round(
    qtbot: QtBot, dock: ParticlePicker
) -> None:
    give_lengths(dock)
    dock.workspace.set_candidates("mic_0", Picks([[50, 50]], [1.0]), suggested=0.0)
    guess(qtbot, dock)
    assert "mic_0" not in dock.workspace.suggested
    better = dock.workspace.model.with_card(labels=9, preprocess=PreprocessSettings(diameter=DIAMETER))
    dock.workspace.set_model(better)
    dock.guess.begin()
    qtbot.wait(100)
    assert dock.job_bar.running is None
    assert dock.workspace.model is better
    qtbot.waitUntil(lambda: not dock.picks.guess.isVisibleTo(dock))


def test_corrections_and_train_replace_it(qtbot: QtBot, dock: ParticlePicker, monkeypatch) -> None:
    from napari_topaz.gui.learning import Learning

    starts = []

    def training(learning, labels, stop, start=None):
        starts.append(start)
        yield from ()
        return dock.workspace.model.with_card(labels=3, preprocess=PreprocessSettings(diameter=DIAMETER))

    monkeypatch.setattr(Learning, "training", training)
    give_lengths(dock)
    guess(qtbot, dock)
    dock.workspace.label("mic_0", [[60, 60], [60, 120], [60, 180]], Kind.PARTICLE)
    dock.actions_.train(go_on=True)
    qtbot.waitUntil(lambda: dock.workspace.model.card.labels == 3)
    assert starts == [None]  # training takes the general model by itself, for the labels' contrast
    assert not is_guess(dock.workspace.model)
