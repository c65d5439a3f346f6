"""Make the pictures of the docs: walk through a session as a user would, and save the window at each step.

Usage: python docs/screenshots.py OUTPUT_FOLDER   (needs a display with OpenGL; Xvfb will do)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.sample_data import SETTINGS
from napari_topaz.simulate import simulate

SIZE = (1280, 800)


def main(folder: Path) -> None:
    """Open the sample data, label, train, pick, save; a picture of each state."""
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
    for index in range(2):
        label(dock, index, 8)
    shoot(viewer, folder / "3_labelled.png")
    dock.training.button.click()
    wait_until(lambda: len(dock.training._held_out) >= 3 or dock.job_bar.running is None, 120)
    shoot(viewer, folder / "4_training.png")
    wait_until(lambda: dock.job_bar.running is None, 300)
    wait(2)
    shoot(viewer, folder / "5_trained.png")
    dock.picks.threshold_chosen.emit(dock.workspace.threshold + 0.7)
    shoot(viewer, folder / "6_threshold.png")
    dock.picks.reset.click()
    dock.picks.pick_button.click()
    wait_until(lambda: dock.job_bar.running is None, 300)
    shoot(viewer, folder / "7_all_picked.png")
    dock.actions_.save(folder / "picks.star")
    wait_until(lambda: dock.job_bar.running is None)
    viewer.theme = "light"
    shoot(viewer, folder / "8_saved_light.png")


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


def wait(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("The window did not get there in time.")
        wait(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
