"""Heat maps and preprocessed micrographs: the right pixels, and never over the originals."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.events import JobError, MicrographDone, Saved
from napari_topaz.files import FileError, read_micrograph
from napari_topaz.jobs.heatmap import heatmap
from napari_topaz.jobs.mask import suggest_masks
from napari_topaz.jobs.pick import score_one
from napari_topaz.jobs.preparing import prepare_source
from napari_topaz.jobs.preprocess import preprocess
from napari_topaz.jobs.stack import stack
from napari_topaz.picks import Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, StackSettings
from worlds import run

HOW = PreprocessSettings(diameter=64, particle_pixels=16)


def test_heat_maps_are_the_scores(world, model, tmp_path) -> None:
    events, paths = run(heatmap(world.files[:2], model, tmp_path / "new", PickSettings(symmetries="none")))
    assert [p.name for p in paths] == ["mic_0_heatmap.mrc", "mic_1_heatmap.mrc"]
    assert [e.path for e in events if isinstance(e, Saved)] == [str(p) for p in paths]
    scores = score_one(world.files[0], model, PickSettings(symmetries="none"))
    written = read_micrograph(paths[0])
    np.testing.assert_array_equal(written.pixels, scores.logits)
    assert written.pixel_size == pytest.approx(2.0 * scores.step_yx[0], rel=1e-3)


def test_preprocessed_micrographs_are_what_the_network_sees(world, tmp_path) -> None:
    _, paths = run(preprocess(world.files, HOW, tmp_path))
    assert [p.name for p in paths] == [f"mic_{k}.mrc" for k in range(4)]
    written = read_micrograph(paths[1])
    np.testing.assert_array_equal(written.pixels, prepare_source(world.files[1], HOW).image)
    assert written.pixel_size == pytest.approx(4.0)


def test_originals_are_never_overwritten(world) -> None:
    before = world.files[0].path.read_bytes()
    with pytest.raises(JobError, match=r"mic_0.mrc is a micrograph"):
        run(preprocess(world.files, HOW, world.folder))
    assert world.files[0].path.read_bytes() == before


def test_a_folder_that_is_gone_is_not_made_anew(world, model, tmp_path) -> None:
    """On the disk that hides behind it all would be lost, and another one filled."""
    picks = {f.name: Picks([[60, 60]]) for f in world.files}
    jobs = {
        "heatmap": lambda out: heatmap(world.files, model, out, PickSettings(symmetries="none")),
        "preprocess": lambda out: preprocess(world.files, HOW, out),
        "mask": lambda out: suggest_masks(world.files, HOW, out),
        "stack": lambda out: stack(world.files, picks, out, StackSettings(box_size=32)),
    }
    for name, job in jobs.items():
        out = tmp_path / name
        events = job(out)
        next(event for event in events if isinstance(event, MicrographDone))
        out.rename(tmp_path / f"{name} moved")
        with pytest.raises(FileError, match=f"{name} is not there any more; connect the disk again"):
            list(events)
        assert not out.exists()
