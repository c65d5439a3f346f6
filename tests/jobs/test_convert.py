"""Conversion: scale, flip, formats, and picks that cannot be right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.events import JobError, Warned
from napari_topaz.files import FileError, read_picks, write_picks
from napari_topaz.jobs.convert import Conversion, convert
from napari_topaz.picks import Picks
from worlds import SHAPE, run


@pytest.fixture
def table(tmp_path):
    (path,) = write_picks(tmp_path / "in.csv", {"mic_0": Picks([[10, 20], [30, 5]], [1.0, 2.0])})
    return path


def files(world):
    return {f.name: f for f in world.files}


def test_formats(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.star"))
    found = read_picks(tmp_path / "out.star")["mic_0"]
    np.testing.assert_array_equal(found.yx, [[10, 20], [30, 5]])
    np.testing.assert_array_equal(found.scores, moved["mic_0"].scores)


def test_scale_comes_before_the_flip(table, tmp_path, world) -> None:
    how = Conversion(scale=4, flip_y=True)
    _, moved = run(convert(table, tmp_path / "out.csv", how, files=files(world)))
    np.testing.assert_array_equal(moved["mic_0"].yx, [[SHAPE[0] - 1 - 40, 80], [SHAPE[0] - 1 - 120, 20]])


def test_a_height_may_stand_in_for_micrographs(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.csv", Conversion(flip_y=True, height=100)))
    np.testing.assert_array_equal(moved["mic_0"].yx, [[89, 20], [69, 5]])


def test_a_flip_without_a_height_is_refused(table, tmp_path) -> None:
    with pytest.raises(JobError, match="--micrographs or --height"):
        run(convert(table, tmp_path / "out.csv", Conversion(flip_y=True)))


def test_picks_outside_are_refused_with_the_remedy(table, tmp_path, world) -> None:
    with pytest.raises(FileError, match=r"outside.*--scale"):
        run(convert(table, tmp_path / "out.csv", Conversion(scale=40), files=files(world)))
    assert not (tmp_path / "out.csv").exists()


def test_threshold(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.csv", Conversion(threshold=1.5)))
    np.testing.assert_array_equal(moved["mic_0"].scores, [2.0])


def test_picks_without_micrograph_are_left_out_with_a_warning(tmp_path, world) -> None:
    picks = {"mic_0": Picks([[1, 1]]), "other": Picks([[2, 2]])}
    (path,) = write_picks(tmp_path / "in.csv", picks)
    events, moved = run(convert(path, tmp_path / "out.star", files=files(world)))
    assert list(moved) == ["mic_0"]
    assert any(isinstance(e, Warned) and "'other'" in e.message for e in events)
    text = (tmp_path / "out.star").read_text()
    assert str(world.files[0].path) in text
    assert "2.000000" in text, "the pixel size of the micrographs"
