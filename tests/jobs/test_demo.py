"""The demo: the whole way, as a user sees it first."""

from __future__ import annotations

import threading

import pytest

from napari_topaz.events import JobError
from napari_topaz.files import read_picks
from napari_topaz.jobs.demo import LABELS, demo, label_some
from napari_topaz.jobs.simulate import Simulated
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import SimulateSettings
from worlds import run


@pytest.mark.slow
def test_the_demo_finds_particles(tmp_path) -> None:
    _, result = run(demo(tmp_path))
    assert result.evaluation.average_precision > 0.6
    assert result.evaluation.best_f1 > 0.75
    assert len(read_picks(tmp_path / "picks.star")) == 2
    assert (tmp_path / "report.png").stat().st_size > 100_000
    assert (tmp_path / "model.safetensors").is_file()
    assert "report.png" in result.table(60.0)


def test_few_particles_are_labelled(tmp_path) -> None:
    truth = {"a": Picks.labels([[k, k] for k in range(99)]), "b": Picks()}
    files = [MicrographFile(tmp_path / f"{name}.mrc") for name in truth]
    labels = label_some(Simulated(tuple(files), truth), files, seed=1)
    assert list(labels) == ["a"]
    assert len({tuple(p) for p in labels["a"].yx.tolist()}) == LABELS


def test_too_few_micrographs(tmp_path) -> None:
    with pytest.raises(JobError, match="at least two micrographs"):
        run(demo(tmp_path, SimulateSettings(micrographs=1)))


def test_a_stopped_demo_says_so(tmp_path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(JobError, match="stopped"):
        run(demo(tmp_path, SimulateSettings(size=64), stop=stop))
