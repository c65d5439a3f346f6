"""Simulated folders: micrographs and truth that belong together."""

from __future__ import annotations

import threading

import numpy as np

from napari_topaz.events import MicrographDone
from napari_topaz.files import find_micrographs, read_micrograph, read_picks
from napari_topaz.jobs.simulate import TRUTH_FILE, simulate
from napari_topaz.settings import SimulateSettings
from napari_topaz.simulate import simulate as simulated
from worlds import run

SMALL = SimulateSettings(micrographs=2, size=128, particles=4, diameter=60)


def test_a_folder_of_micrographs_and_their_particles(tmp_path) -> None:
    _, made = run(simulate(SMALL, tmp_path / "new"))
    assert find_micrographs([tmp_path / "new"]) == list(made.files)
    truth = read_picks(tmp_path / "new" / TRUTH_FILE)
    assert set(truth) == {n for n, p in made.truth.items() if len(p)}
    micrograph, particles = simulated(SMALL, 1)
    written = read_micrograph(made.files[1])
    np.testing.assert_array_equal(written.pixels, micrograph.pixels)
    assert abs(written.pixel_size - SMALL.pixel_size) < 1e-4
    np.testing.assert_allclose(made.truth[written.name].yx, particles.yx)


def test_stop_keeps_micrographs_with_their_particles(tmp_path) -> None:
    stop = threading.Event()
    job = simulate(SMALL, tmp_path, stop=stop)
    while not isinstance(next(job), MicrographDone):
        pass
    stop.set()
    _, made = run(job)
    assert len(made.files) == 1
    assert set(read_picks(tmp_path / TRUTH_FILE)) <= {made.files[0].name}
