"""How long the window waits for the particle gallery: opening, scrolling, sorting, rejecting.

300 micrographs of 4096 × 4096 pixels with 50 000 picks above the threshold (and as many below it). A
timer ticks every 5 ms; the longest time between two ticks is how long the window could not answer. The
processor time of the window's own thread is the same without what other threads and programs on the
machine took.

    python benchmarks/gallery_speed.py            # needs a display; xvfb-run will do

Writes benchmarks/results/gallery_speed.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_topaz.files import find_micrographs, write_mrc
from napari_topaz.gui.gallery import ParticleGallery
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

MICROGRAPHS, PICKS, EDGE = 300, 50_000, 4096
DIAMETER, PIXEL_SIZE = 160.0, 1.0
TICK = 5


class Clock:
    """Longest pauses of the window's thread since :meth:`start`, ms: by the wall, by the processor."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        self.start()

    def start(self) -> None:
        """Forget what was."""
        self._last, self.wall, self.cpu = (time.perf_counter(), time.thread_time()), 0.0, 0.0

    def _tick(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.wall = max(self.wall, (now[0] - self._last[0]) * 1000)
        self.cpu = max(self.cpu, (now[1] - self._last[1]) * 1000)
        self._last = now


def pump(until: Callable[[], bool], at_least: float = 0.2, at_most: float = 120.0) -> float:
    """Let the window live until something is true; returns after how many seconds it was."""
    began, reached = time.perf_counter(), None
    while time.perf_counter() - began < at_most:
        QApplication.processEvents()
        if reached is None and until():
            reached = time.perf_counter() - began
        if reached is not None and time.perf_counter() - began > at_least:
            return reached
        time.sleep(0.0005)
    raise TimeoutError("The gallery did not get there.")


def world(folder: Path) -> dict[str, Picks]:
    """Write a few micrographs under 300 names, and draw picks."""
    rng = np.random.default_rng(0)
    for k in range(3):
        image = rng.normal(100, 10, (EDGE, EDGE)).astype(np.float32)
        write_mrc(folder / f"source_{k}.mrc_", image, PIXEL_SIZE)
    for k in range(MICROGRAPHS):
        os.link(folder / f"source_{k % 3}.mrc_", folder / f"m_{k:03}.mrc")
    each = PICKS // MICROGRAPHS + 1
    return {
        f"m_{k:03}": Picks(
            rng.uniform(0, EDGE, (2 * each, 2)),
            np.r_[rng.exponential(2, each), -1 - rng.exponential(2, each)],
        )
        for k in range(MICROGRAPHS)
    }


def measure(folder: Path) -> list[tuple[str, float, float, float]]:
    """Return steps: name, seconds until all is shown, longest pause by the wall and by the processor (ms)."""
    app = QApplication.instance() or QApplication([])
    picks, viewer = world(folder), ViewerModel()
    workspace = session_of(viewer).workspace
    workspace.add(find_micrographs([folder]))
    workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    workspace.change(pick=workspace.options.pick.model_copy(update={"threshold": 0.0}))
    for name, found in picks.items():
        workspace.set_candidates(name, found)
    clock, rows = Clock(), []

    def step(name: str, do: Callable[[], object], until: Callable[[], bool]) -> None:
        clock.start()
        do()
        rows.append((name, pump(until), clock.wall, clock.cpu))
        print(*rows[-1], flush=True)

    pump(lambda: True)
    made: list[ParticleGallery] = []

    def open_() -> None:
        made.append(ParticleGallery(viewer))
        made[0].resize(1200, 500)
        made[0].show()

    def ready() -> bool:
        return made[0].view.count > 0 and not made[0].list.gathering and not made[0].cutter.busy

    step("open: first tiles listed", open_, lambda: made[0].view.count > 0)
    step("… all tiles in view cut", lambda: None, ready)
    gallery = made[0]
    bar = gallery.view.verticalScrollBar()
    step("scroll ten screens", lambda: _scroll(bar, 10), ready)
    step("drag the scroll bar to the end", lambda: bar.setValue(bar.maximum()), ready)
    step("sort: worst first", lambda: gallery.list.choose(order="worst"), ready)
    step("sort: by kind", lambda: gallery.list.choose(order="kind"), ready)
    step("reject one", lambda: gallery.list.label(5, Kind.NOT_PARTICLE), ready)
    other = workspace.options.pick.model_copy(update={"threshold": 0.5})
    step("another threshold", lambda: workspace.change(pick=other), ready)
    step("another diameter", lambda: workspace.change(preprocess=PreprocessSettings(diameter=150.0)), ready)
    rows.append((f"({len(gallery.list.rows)} tiles listed at the end)", 0, 0, 0))
    gallery.cutter.close()
    app.processEvents()
    return rows


def _scroll(bar, screens: int) -> None:
    for _ in range(screens):
        bar.setValue(bar.value() + bar.pageStep())
        pump(lambda: True, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/gallery_speed.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    about = __doc__.split("\n\n")
    lines = ["| step | s until all is there | longest pause, ms | of it processor, ms |", "|---" * 4 + "|"]
    lines += [f"| {name} | {seconds:.2f} | {wall:.0f} | {cpu:.0f} |" for name, seconds, wall, cpu in rows]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    options.output.write_text(
        f"# {about[0]}\n\n{about[1]}\n\n"
        f"Command: `python benchmarks/gallery_speed.py`, {os.cpu_count()} cores ({platform.machine()}), "
        f"load {load}.\n\n" + "\n".join(lines) + "\n"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
