"""Make the pictures of the docs: walk through a session as a user would, and save the window at each step.

Usage: python docs/screenshots.py OUTPUT_FOLDER   (needs a display with OpenGL; Xvfb will do)
       python docs/screenshots.py --publish OUTPUT_FOLDER   (takes those that pages show into docs/images)
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea, QToolTip, QWidget

from napari_topaz.files import write_mrc
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.sample_data import SETTINGS
from napari_topaz.picks import Kind
from napari_topaz.simulate import simulate

SIZE = (1280, 800)
#: What pages show, and of which state it is.
SHOWN = {
    "guess": "3_guess",
    "display": "4_display",
    "masks": "5_masks",
    "live": "6_live",
    "trained": "9_trained",
    "best": "11_best_f2",
    "gallery": "12_gallery",
    "counts": "16_counts",
    "command": "17_command",
}
#: Micrographs of which the particles are counted: one has none, one is crowded, one file is broken.
MANY, EMPTY, CROWDED, BROKEN = 24, 9, 16, 20


def main(folder: Path) -> None:
    """Open the sample data, guess, label, train, pick, save; a picture of each state."""
    folder.mkdir(parents=True, exist_ok=True)
    application = get_settings().application
    application.confirm_close_window = False
    application.save_window_geometry = application.save_window_state = False
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(*SIZE)
    walk(viewer, folder)
    (folder / "READY").touch()
    wait(2)
    viewer.close()


def walk(viewer: napari.Viewer, folder: Path) -> None:
    """Go through all states."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    shoot(viewer, folder / "1_empty.png")
    viewer.open_sample("napari-topaz", "simulated")
    wait_until(lambda: dock.layers.shown is not None)
    shoot(viewer, folder / "2_opened.png")
    press_train_too_soon(viewer, dock, folder)
    guess_and_look(viewer, dock, folder)
    learn_live(viewer, dock, folder)
    train_and_pick(viewer, dock, folder)
    look_through(viewer, dock, folder)
    viewer.theme = "light"
    shoot(viewer, folder / "13_saved_light.png")
    viewer.theme = "dark"
    lose_a_file(viewer, dock, folder)
    only_look(viewer, dock, folder)
    count_all(folder)


def press_train_too_soon(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Press Train without a label: the button does nothing, and under the mouse it says why."""
    button = dock.training.button
    reveal(dock, button)
    wait(0.5)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    # To the left, as the dock ends where the window does.
    QToolTip.showText(button.mapToGlobal(QPoint(-360, 0)), button.toolTip(), button)
    shoot_screen(viewer, folder / "2_train_too_soon.png")
    QToolTip.hideText()
    dock.findChild(QScrollArea).verticalScrollBar().setValue(0)


def lose_a_file(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Show a micrograph whose file has vanished since the folder was opened."""
    micrographs = copied(dock, folder / "micrographs")
    dock.opening.open_paths([micrographs])
    names = [f"mic_{n}" for n in range(1, 5)]
    wait_until(lambda: dock.workspace.names == names and dock.layers.shown == names[0])
    (micrographs / f"{names[-1]}.mrc").unlink()
    dock.workspace.show(names[-1])
    wait_until(lambda: bool(dock.job_bar.message))
    reveal(dock, dock.micrographs)
    shoot(viewer, folder / "14_vanished.png")


def only_look(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Open the folder in a second window."""
    dock.workspace.show("mic_1")
    wait_until(lambda: dock.layers.shown == "mic_1")
    viewer.layers["labels"].add((200, 200))
    wait_until(lambda: not dock.keeper.saver.pending)
    second = napari.Viewer(show=True)
    second.window._qt_window.resize(*SIZE)
    _, other = second.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    other.opening.open_paths([folder / "micrographs"])
    wait_until(lambda: other.layers.shown is not None)
    shoot(second, folder / "15_only_to_look_at.png")
    second.close()


def count_all(folder: Path) -> None:
    """Guess on many micrographs, in a window of its own: how many particles each has, and the command."""
    micrographs = many(folder / "many")
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(*SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    dock.opening.open_paths([micrographs])
    wait_until(lambda: dock.layers.shown is not None)
    dock.workspace.change(preprocess=dock.workspace.options.preprocess.model_copy(update={"diameter": 180.0}))
    wait_until(dock.particle.suggestions.guess_button.isEnabled)
    dock.particle.suggestions.guess_button.click()
    wait_until(lambda: dock.workspace.is_picked(dock.workspace.names[0]))
    wait_until(dock.picks.pick_button.isEnabled)
    dock.picks.pick_button.click()
    wait_until(lambda: dock.job_bar.running is None and "failed" in dock.picks.summary.numbers.text())
    shown = f"mic_{CROWDED:02d}"
    dock.picks.summary.numbers.linkActivated.emit(shown)
    wait_until(lambda: dock.layers.shown == shown)
    reveal(dock, dock.picks.summary)
    shoot(viewer, folder / "16_counts.png")
    dock.picks.summary.fold.button.click()
    dock.workspace.label(shown, dock.workspace.picks(shown).yx[:3], Kind.PARTICLE)
    dock.workspace.decisions.put([f"mic_{EMPTY:02d}"], Mark.EXCLUDED, on=True)
    dock.picks.command.fold.button.click()
    wait_until(lambda: "--labels" in dock.picks.command.line.toPlainText())
    dock.picks.command.button.click()
    wait_until(lambda: "clipboard" in dock.job_bar.message)
    reveal(dock, dock.picks.command)
    shoot(viewer, folder / "17_command.png")
    viewer.close()


def many(folder: Path) -> Path:
    """Simulate small micrographs."""
    folder.mkdir(exist_ok=True)
    for n in range(1, MANY + 1):
        particles = {EMPTY: 0, CROWDED: 70}.get(n, 25)
        micrograph, _ = simulate(SETTINGS.model_copy(update={"size": 640, "particles": particles}), n)
        path = folder / f"mic_{n:02d}.mrc"
        write_mrc(path, micrograph.pixels, micrograph.pixel_size)
        if n == BROKEN:
            path.write_bytes(path.read_bytes()[:100_000])
    return folder


def copied(dock: ParticlePicker, folder: Path) -> Path:
    """Copy some micrographs of the sample data: a folder with a session of its own."""
    folder.mkdir(exist_ok=True)
    for n, source in enumerate(dock.workspace.sources[:4], 1):
        shutil.copyfile(source.path, folder / f"mic_{n}.mrc")
    return folder


def guess_and_look(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Pick now; then the folds that are about the picture."""
    dock.particle.suggestions.guess_button.click()
    wait_until(lambda: dock.workspace.is_picked(dock.workspace.names[0]))
    shoot(viewer, folder / "3_guess.png")
    display = dock.seeing.panel
    display.fold.button.click()
    before = dock.workspace.options.display
    dock.workspace.change(display=before.model_copy(update={"low_pass": 40.0}))
    reveal(dock, display)
    shoot(viewer, folder / "4_display.png")
    dock.workspace.change(display=before)
    display.fold.button.click()
    dock.particle.masks.button.click()
    dock.particle.masks.buttons["suggest"].click()
    wait_until(lambda: dock.job_bar.running is None)
    reveal(dock, dock.particle.masks)
    shoot(viewer, folder / "5_masks.png")
    dock.particle.masks.button.click()


def learn_live(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Tick Live, and click a few particles."""
    dock.training.live.click()
    label(dock, 0, 8)
    wait_until(lambda: "up to date" in dock.training.summary.text())
    reveal(dock, dock.training.plot)
    shoot(viewer, folder / "6_live.png")
    dock.training.live.click()
    wait_until(lambda: not dock.job_bar.behind.busy)


def train_and_pick(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Label another micrograph, train, move the threshold, pick all."""
    label(dock, 1, 8)
    shoot(viewer, folder / "7_labelled.png")
    dock.training.button.click()
    wait_until(lambda: len(dock.training._held_out) >= 3 or dock.job_bar.running is None)
    shoot(viewer, folder / "8_training.png")
    wait_until(lambda: dock.job_bar.running is None)
    wait(2)
    shoot(viewer, folder / "9_trained.png")
    dock.picks.threshold_chosen.emit(dock.workspace.threshold + 0.7)
    shoot(viewer, folder / "10_threshold.png")
    dock.picks.reset.click()
    dock.picks.pick_button.click()
    wait_until(lambda: dock.job_bar.running is None)
    shoot(viewer, folder / "11_all_picked.png")
    dock.picks.best.number.stepBy(2)
    wait_until(lambda: "best F2" in dock.job_bar.message)
    reveal(dock, dock.picks.best)
    shoot(viewer, folder / "11_best_f2.png")


def look_through(viewer: napari.Viewer, dock: ParticlePicker, folder: Path) -> None:
    """Open the gallery, and save."""
    dock.help_most.open_gallery()
    wait(3)
    shoot(viewer, folder / "12_gallery.png")
    viewer.window.dock_widgets["Particle gallery (napari-topaz)"].parent().hide()
    dock.actions_.save(folder / "picks.star")
    wait_until(lambda: dock.job_bar.running is None)


def reveal(dock: ParticlePicker, widget: QWidget) -> None:
    """Scroll the dock to a part of it."""
    wait(0.5)
    dock.findChild(QScrollArea).ensureWidgetVisible(widget, 0, 12)


def label(dock: ParticlePicker, index: int, count: int) -> None:
    """Label some particles of one micrograph, where they truly are."""
    _, truth = simulate(SETTINGS, index)
    name = dock.workspace.names[index]
    dock.workspace.show(name)
    wait_until(lambda: dock.layers.shown == name)
    for yx in truth.yx[:count]:
        dock._viewer.layers["labels"].add(yx)


def shoot(viewer: napari.Viewer, path: Path) -> None:
    """Save a picture of the whole window."""
    wait(1.5)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def shoot_screen(viewer: napari.Viewer, path: Path) -> None:
    """Save what the screen shows of the window, with what lies over it."""
    wait(0.5)
    window = viewer.window._qt_window
    window.screen().grabWindow(0).copy(window.geometry()).save(str(path))


def wait(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("The window did not get there in time.")
        wait(0.05)


def publish(folder: Path) -> None:
    """Take the pictures that pages show, with 256 colours: a third of the bytes."""
    for name, state in SHOWN.items():
        picture = Image.open(folder / f"{state}.png").convert("RGB").quantize(256, dither=Image.Dither.NONE)
        picture.save(Path(__file__).parent / "images" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    if sys.argv[1] == "--publish":
        publish(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
