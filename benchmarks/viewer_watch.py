"""A window whose answers are timed, for viewer_speed.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

    from napari_topaz.gui.main import ParticlePicker

SIZE = (1280, 800)


@dataclass
class Row:
    """One thing that is measured: seconds on the wall, and of the window's thread."""

    what: str
    target: float
    wall: list[float] = field(default_factory=list)
    window: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the median is within the target; of stalls all count."""
        judged = max(self.wall) if self.what.startswith("longest") else statistics.median(self.wall)
        return "yes" if judged <= self.target else "**no**"

    def cells(self) -> list[str]:
        """The row of the table."""
        numbers = [statistics.median(self.wall), max(self.wall)]
        window = [statistics.median(self.window), max(self.window)] if self.window else []
        return [
            self.what,
            spelt(self.target),
            *map(spelt, numbers),
            *(map(spelt, window) if window else ("–", "–")),
            self.verdict,
            self.note,
        ]


def spelt(seconds: float) -> str:
    """Write a time shortly."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


class Bench:
    """A window with a dock, and a watch."""

    def __init__(self) -> None:
        import napari
        from napari.settings import get_settings

        application = get_settings().application
        application.confirm_close_window = False
        application.save_window_geometry = application.save_window_state = False
        self.viewer: napari.Viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(*SIZE)
        self.dock: ParticlePicker = self.viewer.window.add_plugin_dock_widget(
            "napari-topaz", "Particle picker"
        )[1]
        self.workspace, self.layers = self.dock.workspace, self.dock.layers
        self.paints = 0
        self.viewer.window._qt_viewer.canvas._scene_canvas.events.draw.connect(self._on_painted)
        self.pump(1.0)

    def _on_painted(self, _: Any) -> None:
        self.paints += 1

    def pump(self, seconds: float = 0.0) -> None:
        """Let the window live for a while, until there is nothing to do."""
        from qtpy.QtWidgets import QApplication

        end = time.perf_counter() + seconds
        QApplication.processEvents()
        while time.perf_counter() < end:
            QApplication.processEvents()
            time.sleep(0.002)

    def until(self, condition: Callable[[], bool], at_most: float = 600.0) -> None:
        """Let the window live until something is true."""
        end = time.perf_counter() + at_most
        while not condition():
            if time.perf_counter() > end:
                raise TimeoutError("The window did not get there in time.")
            self.pump()
            time.sleep(0.001)

    def time(self, row: Row, do: Callable[[], object], done: Callable[[], bool] = lambda: True) -> None:
        """Measure one thing, until it is done and painted."""
        self.pump(0.3)
        paints, wall, window = self.paints, time.perf_counter(), time.thread_time()
        do()
        self.until(lambda: done() and self.paints > paints)
        row.wall.append(time.perf_counter() - wall)
        row.window.append(time.thread_time() - window)

    @contextmanager
    def watched(self, row: Row) -> Iterator[None]:
        """Note the pauses between two ticks of the window; they come every 5 ms."""
        from qtpy.QtCore import QTimer

        last = [time.perf_counter(), time.thread_time()]
        pauses: list[tuple[float, float]] = []

        def tick() -> None:
            now = [time.perf_counter(), time.thread_time()]
            pauses.append((now[0] - last[0], now[1] - last[1]))
            last[:] = now

        timer = QTimer()
        timer.setInterval(5)
        timer.timeout.connect(tick)
        timer.start()
        yield
        timer.stop()
        walls, windows = zip(*pauses, strict=True)
        row.wall.append(max(walls))
        row.window.append(max(windows))
        over = sum(wall > row.target for wall in walls)
        row.note = f"{over} of {len(pauses)} ticks came later than {spelt(row.target)}"
