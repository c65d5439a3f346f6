"""A small folder of micrographs with drawn particles, and how to run a job to its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.events import Event, Job
from napari_topaz.files import write_mrc, write_picks
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks

#: Å/px, and the particle's diameter in Å: 32 px.
PIXEL_SIZE, DIAMETER = 2.0, 64.0
SHAPE = (240, 320)


@dataclass(frozen=True)
class World:
    """A folder with micrographs, and where their particles are."""

    folder: Path
    files: tuple[MicrographFile, ...]
    truth: dict[str, Picks]

    @property
    def labels(self) -> Path:
        return self.folder / "truth.star"


def make_world(folder: Path, count: int = 4) -> World:
    """Write dark blobs in noise as ``mic_0.mrc`` …, and their centres as ``truth.star``."""
    files, truth = [], {}
    for k in range(count):
        pixels, yx = drawn(k)
        files.append(MicrographFile(folder / f"mic_{k}.mrc"))
        write_mrc(files[-1].path, pixels, PIXEL_SIZE)
        truth[files[-1].name] = Picks.labels(yx)
    write_picks(folder / "truth.star", truth)
    return World(folder, tuple(files), truth)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    grid = np.stack(np.meshgrid(np.arange(35, 215, 55), np.arange(35, 295, 55), indexing="ij"))
    yx = rng.permutation(grid.reshape(2, -1).T)[:10] + rng.uniform(-8, 8, (10, 2))
    pixels = rng.normal(0, 0.6, SHAPE).astype(np.float32)
    for cy, cx in yx:
        pixels -= 1.5 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 7.0**2)).astype(np.float32)
    return pixels, yx


def run(job: Job[Any]) -> tuple[list[Event], Any]:
    """All events of a job, and its result."""
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as end:
            return events, end.value
