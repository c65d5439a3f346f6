"""The window with many micrographs: how long it cannot answer, and what a long session leaves behind.

    python benchmarks/load_viewer.py list|gallery|soak FOLDER [--count N] [--minutes M]     # needs a display

Prints rows of a table as JSON, one a line. A timer ticks every 5 ms; the longest time between two ticks is
how long the window could not answer: by the wall, and of the processor time of the window's own thread,
without what other threads and programs on the machine took.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery_speed
import napari
import numpy as np
from gallery_speed import Clock, pump
from load_tables import peak
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_topaz.events import MicrographDone
from napari_topaz.files import write_picks
from napari_topaz.gui.main import ParticlePicker
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.plots import PrecisionRecallPlot, ScoreHistogram
from napari_topaz.jobs.pick import load_model
from napari_topaz.numerics.curves import Curve
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

DIAMETER, EDGE = 180.0, 256
#: Labels, and candidates, on each micrograph.
LABELS, CANDIDATES = 10, 50
#: Of the plots and the gallery.
MANY_PICKS = 1_000_000


def window() -> napari.Viewer:
    """A window that asks and remembers nothing."""
    application = get_settings().application
    application.confirm_close_window = False
    application.save_window_geometry = application.save_window_state = False
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1280, 800)
    return viewer


class Steps:
    """Does one thing after the other, and prints how long the window could not answer."""

    def __init__(self, profiled: str = "") -> None:
        self._clock, self._profiled = Clock(), profiled

    def __call__(
        self,
        name: str,
        do: Callable[[], object],
        until: Callable[[], bool] = lambda: True,
        linger: float = 0.4,
    ) -> None:
        """Do it, and wait until it is done, and a while for what follows."""
        pump(lambda: True, 0.3)
        self._clock.start()
        profile = cProfile.Profile()
        if self._profiled and self._profiled in name:
            profile.enable()
        do()
        seconds = pump(until, linger, 900)
        profile.disable()
        pump(lambda: True, 0.05)  # the last pause has an end, too
        if self._profiled and self._profiled in name:
            pstats.Stats(profile, stream=sys.stderr).sort_stats("cumtime").print_stats(40)
        show([name, round(seconds, 2), round(self._clock.wall), round(self._clock.cpu)])


def show(row: list[Any]) -> None:
    """Print a row."""
    print(json.dumps(row), flush=True)


# -- the list of micrographs ------------------------------------------------------------------------


def measure_list(folder: Path, count: int, profiled: str) -> None:
    """Open a folder of `count` micrographs and do what one does with a list."""
    viewer = window()
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
    # The first picture of a window takes a second, however many micrographs there are.
    dock.opening.open_paths([next(folder.parent.glob(f"{folder.name}_*.mrc"))])
    pump(lambda: is_there(dock, 1), 0.5)
    step = Steps(profiled)
    open_and_look(step, dock, folder, count)
    sort_and_filter(step, dock, count)
    decide(step, dock)
    with tempfile.TemporaryDirectory() as name:
        label_and_pick(step, dock, Path(name))
    step("close the dock", lambda: dock.keeper.leave())
    step(
        "open the folder again, with its session", lambda: reopen(dock, folder), lambda: is_there(dock, count)
    )
    show(["(most memory, MB)", None, None, round(peak())])
    viewer.close()


def open_and_look(step: Steps, dock: ParticlePicker, folder: Path, count: int) -> None:
    """Open, and go from micrograph to micrograph."""
    names = dock.workspace
    step("open the folder", lambda: dock.opening.open_paths([folder]), lambda: is_there(dock, count))
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))

    def go(by: int) -> None:
        for _ in range(20):
            dock.workspace.step(by)
            pump(lambda: dock.layers.shown == names.current, 0.05)

    step("next micrograph, 20 times", lambda: go(1))
    step("previous micrograph, 20 times", lambda: go(-1))
    bar = dock.micrographs.view.verticalScrollBar()
    step("scroll the list to its end", lambda: bar.setValue(bar.maximum()))
    last = dock.workspace.names[-1]
    step("show the last micrograph", lambda: names.show(last), lambda: dock.layers.shown == last)
    step("next without labels, from there", names.next_unlabelled)


def sort_and_filter(step: Steps, dock: ParticlePicker, count: int) -> None:
    """Sort by each column, narrow by text and by state."""
    table = dock.micrographs.table
    idle = lambda: table._work is None  # noqa: E731
    for column, what in enumerate(("name", "labels", "picks", "state")):
        order = Qt.SortOrder.DescendingOrder
        step(f"sort by {what}", lambda c=column, o=order: table.sort(c, o), idle)
    step("sort as opened", lambda: table.sort(-1), idle)
    step("find “99”", lambda: dock.micrographs.find.setText("99"), idle)
    step("find nothing in particular", lambda: dock.micrographs.find.setText(""), idle)
    step("those without labels", lambda: dock.micrographs.states.setCurrentText("without labels"), idle)
    step("all", lambda: dock.micrographs.states.setCurrentText("all"), idle)
    assert table.rowCount() == count


def decide(step: Steps, dock: ParticlePicker) -> None:
    """Marks for all micrographs at once, as the menu of a selection gives them."""
    workspace, saved = dock.workspace, lambda: not dock.keeper.saver.pending
    step("select all rows", dock.micrographs.view.selectAll)
    for mark, what in (
        (Mark.FINISHED, "finished"),
        (Mark.COMPLETE, "all labelled"),
        (Mark.EXCLUDED, "excluded"),
    ):
        step(f"mark all as {what}", lambda m=mark: dock.marking.mark(workspace.names, m, True))
    step("take “excluded” back (Undo)", workspace.undo)
    step("clear all other marks", lambda: clear_marks(dock))
    step("… until the session is saved", lambda: None, saved, 0)


def clear_marks(dock: ParticlePicker) -> None:
    """As they were."""
    for mark in (Mark.FINISHED, Mark.COMPLETE, Mark.EXCLUDED):
        dock.marking.mark(dock.workspace.names, mark, False)


def label_and_pick(step: Steps, dock: ParticlePicker, folder: Path) -> None:
    """Labels and picks of all micrographs; another model; saving."""
    workspace, saved = dock.workspace, lambda: not dock.keeper.saver.pending
    idle = lambda: dock.job_bar.running is None  # noqa: E731
    rng = np.random.default_rng(0)
    labels = {n: Picks.labels(rng.uniform(8, EDGE - 8, (LABELS, 2))) for n in workspace.names}
    write_picks(folder / "labels.csv", labels)
    read = lambda: dock.actions_.load_labels(folder / "labels.csv")  # noqa: E731
    step(f"read labels of all from a file ({LABELS} each)", read, idle)
    step("… until the session is saved", lambda: None, saved, 0)
    click = lambda: workspace.label(workspace.current, [[100.0, 100.0]], Kind.PARTICLE)  # noqa: E731
    step("click a particle", click)
    step("… until the session is saved", lambda: None, saved, 0)
    workspace.set_model(load_model(None, device="cpu", diameter=DIAMETER))
    table, asked = dock.micrographs.table, lambda: dock.micrographs.table._work is None
    step(f"take picks of all as they come ({CANDIDATES} each)", lambda: arrive(dock, rng))
    step("say how many there are", lambda: dock.actions_._report_picking(None))
    step("sort by picks", lambda: table.sort(2, Qt.SortOrder.DescendingOrder), asked)
    pick = workspace.options.pick.model_copy(update={"threshold": 0.5})
    step("another threshold", lambda: workspace.change(pick=pick))
    step("click a particle", click)
    step("save all picks (STAR)", lambda: dock.actions_.save(folder / "picks.star"), idle)
    step("another model: all picks are forgotten", lambda: workspace.set_model(workspace.model))
    step("… until the session is saved", lambda: None, saved, 0)


def arrive(dock: ParticlePicker, rng: np.random.Generator) -> None:
    """Picks of all micrographs, a hundred at a time, as a quick job brings them."""
    for n, name in enumerate(dock.workspace.names):
        picks = Picks(rng.uniform(0, EDGE, (CANDIDATES, 2)), rng.normal(0, 3, CANDIDATES))
        dock.actions_._on_picking(MicrographDone(name, picks=picks), stale=False)
        if n % 100 == 0:
            QApplication.processEvents()


def reopen(dock: ParticlePicker, folder: Path) -> None:
    """As after starting the program again: nothing is open."""
    dock.workspace.list.begin([])
    dock.workspace.current = None
    dock.layers.picture = None
    dock.opening.open_paths([folder])


def is_there(dock: ParticlePicker, count: int) -> bool:
    """Whether all micrographs are listed and one is drawn."""
    return len(dock.workspace.list.of) == count and dock.layers.shown is not None


# -- picks ------------------------------------------------------------------------------------------


def measure_gallery(folder: Path, count: int, profiled: str) -> None:
    """The gallery and the plots with a million picks."""
    app = QApplication.instance() or QApplication([])  # else it ends with the gallery, and plots need it
    gallery_speed.MICROGRAPHS, gallery_speed.PICKS, gallery_speed.EDGE = count, MANY_PICKS, EDGE
    for row in gallery_speed.measure(folder):
        name, *figures = row
        show([name, *(round(f, 2) if k == 0 else round(f) for k, f in enumerate(figures))])
    rng, step = np.random.default_rng(1), Steps(profiled)
    scores = np.sort(rng.normal(0, 3, MANY_PICKS).astype(np.float32))[::-1]
    histogram, precision = ScoreHistogram(), PrecisionRecallPlot()
    for plot in (histogram, precision):
        plot.show()
    step("histogram of these scores", lambda: histogram.show_scores(scores, 0.0))
    step("histogram: another threshold", lambda: histogram.show_scores(scores, 0.5))
    part = np.linspace(0, 1, MANY_PICKS)
    curve = Curve(1 - part / 2, part, scores.astype(np.float64))
    step("precision and recall of these picks", lambda: precision.show_curve(curve, MANY_PICKS // 2))
    step("… drawn again", lambda: precision.widget.resize(290, 130))
    show(["(most memory, MB)", None, None, round(peak())])
    app.processEvents()


def main() -> None:
    """Do one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("list", "gallery", "soak"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--profile", default="", help="say where the time of such a step goes")
    given = parser.parse_args()
    if given.what == "soak":
        from load_soak import soak

        soak(window(), given.folder, given.minutes, show)
    else:
        measure = {"list": measure_list, "gallery": measure_gallery}[given.what]
        measure(given.folder, given.count, given.profile)


if __name__ == "__main__":
    main()
