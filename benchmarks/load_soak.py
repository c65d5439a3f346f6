"""A long session in a window, scripted: is what it holds the same after an hour as after a minute?

A round: go through micrographs, click, take back, move the threshold, ask for another display; each third
round also train, pick all, or learn live; take layers away and bring them back; open and close the gallery
and the dock. After each round, with nothing running, it is counted what the process holds; of Python's
objects also which types became more.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import napari
import numpy as np
from gallery_speed import pump
from psygnal import Signal
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind
from napari_topaz.settings import PreprocessSettings

DIAMETER, EDGE = 180.0, 256
#: What is counted, and how it is called.
COUNTED = (
    "memory, MB",
    "… without what is free in the heap, MB",
    "threads",
    "layers",
    "callbacks",
    "Qt widgets",
    "Qt objects of the dock",
    "Python objects",
)
DOCK = "Particle picker (napari-topaz)"
#: Types of Python's objects that are shown.
TYPES = 10


def soak(viewer: napari.Viewer, folder: Path, minutes: float, show: Callable[[list[Any]], None]) -> None:
    """Do rounds for so many minutes, and show first, middle and last counts."""
    dock = open_dock(viewer)
    dock.opening.open_paths([folder])
    pump(lambda: dock.layers.shown is not None)
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    change = {"epochs": 1, "steps": 20}
    dock.workspace.change(train=dock.workspace.options.train.model_copy(update=change))
    rng, began, counts, rounds = np.random.default_rng(0), time.monotonic(), [], 0
    types: list[Counter[str]] = []
    while time.monotonic() - began < minutes * 60:
        dock = one_round(viewer, dock, rng, rounds)
        rounds += 1
        counts.append((time.monotonic() - began, counted(viewer, dock)))
        types.append(objects_by_type())
        print(rounds, *counts[-1], flush=True, file=sys.stderr)
    # The first rounds load what is loaded once.
    chosen = [min(len(counts) // 6, len(counts) - 1), len(counts) // 2, len(counts) - 1]
    show(
        [f"({rounds} rounds in {minutes:g} minutes)", *(f"after {counts[k][0] / 60:.1f} min" for k in chosen)]
    )
    for k, what in enumerate(COUNTED):
        show([what, *(counts[c][1][k] for c in chosen)])
    grown = types[chosen[2]] - types[chosen[0]]
    for name, _ in grown.most_common(TYPES):
        show([f"… {name}", *(types[c][name] for c in chosen)])


def open_dock(viewer: napari.Viewer) -> ParticlePicker:
    """Open the dock."""
    return viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")[1]


def idle(dock: ParticlePicker) -> bool:
    """Whether nothing runs, waits, or is to be saved."""
    bar = dock.job_bar
    working = bar.running or bar.behind.busy or bar.preview.busy or dock.judging.latest.busy
    return not working and not dock.keeper.saver.pending


def one_round(
    viewer: napari.Viewer, dock: ParticlePicker, rng: np.random.Generator, number: int
) -> ParticlePicker:
    """One round; returns the dock, which may be another one."""
    workspace = dock.workspace
    for _ in range(5):
        look_and_click(dock, rng)
    workspace.undo()
    workspace.redo()
    if workspace.model is not None:
        dock.actions_.choose_threshold(float(rng.normal()))
        dock.actions_.choose_threshold(None)
    display = workspace.options.display
    workspace.change(display=display.model_copy(update={"low_pass": 30.0 - display.low_pass}))
    pump(lambda: True, 0.3)
    (train, learn_live, pick_all)[number % 3](dock)
    look_at_gallery(viewer)
    viewer.layers["picks"].locked = False
    viewer.layers.remove("picks")
    dock.layers.restore()
    if number % 4 == 3:
        dock = close_and_open(viewer, dock)
    if number % 10 == 9:
        clear(dock)
    pump(lambda: idle(dock), 0.3)
    return dock


def look_and_click(dock: ParticlePicker, rng: np.random.Generator) -> None:
    """Another micrograph; two clicks, one of them "no particle"."""
    workspace = dock.workspace
    workspace.show(workspace.names[int(rng.integers(len(workspace.names)))])
    pump(lambda: dock.layers.shown == workspace.current, 0.1)
    for kind in (Kind.PARTICLE, Kind.NOT_PARTICLE):
        dock.layers.label_next(kind)
        dock.layers.labels_layer.add(rng.uniform(10, EDGE - 10, 2))
        pump(lambda: True, 0.05)


def clear(dock: ParticlePicker) -> None:
    """Take all labels away, so that there are not more and more."""
    workspace = dock.workspace
    for name, labels in list(workspace.kept_labels.items()):
        workspace.set_labels(name, labels[:5])


def train(dock: ParticlePicker) -> None:
    """Train until it ends."""
    dock.training.button.click()
    pump(lambda: dock.job_bar.running is None, 0.1)


def learn_live(dock: ParticlePicker) -> None:
    """Learn while she clicks, for some seconds."""
    dock.training.live.click()
    pump(lambda: True, 3.0)
    dock.training.live.click()
    pump(lambda: not dock.job_bar.behind.busy, 0.1)


def pick_all(dock: ParticlePicker) -> None:
    """Pick all, and save."""
    dock.picks.pick_button.click()
    pump(lambda: dock.job_bar.running is None, 0.1)


def look_at_gallery(viewer: napari.Viewer) -> None:
    """Open the gallery, scroll, and close it."""
    dock, gallery = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle gallery")
    pump(lambda: not gallery.list.gathering and not gallery.cutter.busy, 0.3)
    bar = gallery.view.verticalScrollBar()
    bar.setValue(bar.maximum())
    pump(lambda: not gallery.cutter.busy, 0.2)
    viewer.window.remove_dock_widget(dock)
    gallery.deleteLater()


def close_and_open(viewer: napari.Viewer, dock: ParticlePicker) -> ParticlePicker:
    """Close the dock, as its button does, and open it again."""
    gone: list[bool] = []
    dock.destroyed.connect(lambda *_: gone.append(True))
    viewer.window.remove_dock_widget(dock)
    dock.close()
    dock.deleteLater()
    pump(lambda: QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value) or bool(gone), 0.3)
    return open_dock(viewer)


def counted(viewer: napari.Viewer, dock: ParticlePicker) -> tuple[int, ...]:
    """Count, see :data:`COUNTED`."""
    for _ in range(3):
        gc.collect()
        # Without a loop that ends, Qt deletes nothing that is to be deleted later.
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QApplication.processEvents()
    before = resident()
    give_back_heap()
    return (
        before,
        resident(),
        threading.active_count(),
        len(viewer.layers),
        callbacks(viewer, dock),
        len(QApplication.allWidgets()),
        len(dock.findChildren(QObject)),
        len(gc.get_objects()),
    )


def resident() -> int:
    """Memory that the process holds, MB."""
    return round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6)


def give_back_heap() -> None:
    """Give what is free in the heap back to the system: what is left is in use. With glibc only."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def objects_by_type() -> Counter[str]:
    """Count the objects that Python's garbage collector knows (containers), by type."""
    kinds = Counter(map(type, gc.get_objects()))
    found: Counter[str] = Counter()
    for kind, count in kinds.items():
        found[f"{kind.__module__}.{kind.__qualname__}"] += count
    return found


def callbacks(viewer: napari.Viewer, dock: ParticlePicker) -> int:
    """Callbacks of the viewer, its layers, and what the plugin has in it."""
    session = session_of(viewer)
    emitters = [viewer.events, viewer.layers.events, viewer.layers.selection.events, viewer.camera.events]
    emitters += [layer.events for layer in viewer.layers]
    total = sum(len(emitter.callbacks) for group in emitters for emitter in group.emitters.values())
    total += sum(len(layer.mouse_drag_callbacks) for layer in viewer.layers)
    parts = [
        session,
        session.workspace,
        session.workspace.lock,
        session.workspace.decisions.marks,
        session.layers,
        session.layers.gestures,
        session.keeper,
        session.targets,
        session.shelf,
        session.model_files,
        session.masks,
        session.card,
        session.preferences,
    ]
    return total + sum(len(signal) for part in parts for signal in signals(part))


def signals(owner: object) -> list[Any]:
    """The psygnal signals of an object."""
    return [getattr(owner, n) for n in dir(type(owner)) if isinstance(getattr(type(owner), n), Signal)]
