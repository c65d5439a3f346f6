"""Stacks and their STAR file, read back by other programs' libraries."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from napari_topaz.files import FileError, Optics, StackedPicks, open_stack, write_particle_star
from napari_topaz.picks import Picks

OPTICS = Optics(1.5, 3.0, 6, 300, 2.7, 0.1)


def _write(path: Path, *boxes: np.ndarray) -> None:
    with open_stack(path, 6, 3.0) as writer:
        for box in boxes:
            writer.add(box)


def test_a_stack_is_a_valid_mrc_file(tmp_path, capsys) -> None:
    boxes = np.random.default_rng(0).normal(5, 2, (7, 6, 6)).astype(np.float32)
    _write(tmp_path / "new" / "a.mrcs", *boxes)
    assert mrcfile.validate(tmp_path / "new" / "a.mrcs"), capsys.readouterr().out
    with mrcfile.open(tmp_path / "new" / "a.mrcs") as mrc:
        np.testing.assert_array_equal(mrc.data, boxes)
        assert mrc.is_image_stack()
        assert mrc.voxel_size.x == mrc.voxel_size.y == 3.0
        assert mrc.header.dmean == pytest.approx(boxes.mean(), rel=1e-5)
        assert mrc.header.rms == pytest.approx(boxes.std(), rel=1e-4)
        assert (mrc.header.dmin, mrc.header.dmax) == (boxes.min(), boxes.max())


def test_a_failure_leaves_nothing(tmp_path) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _write(tmp_path / "a.mrcs", np.zeros((6, 6), np.float32), np.zeros((5, 5), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileError, match="choose another folder"),
        open_stack(tmp_path / "file" / "a.mrcs", 6, 3),
    ):
        pass


def test_the_star_file_names_every_particle(tmp_path) -> None:
    first = Picks([[10.25, 20.5], [30, 40]], [2.5, -1])
    other = StackedPicks(
        Path("x/b #1.mrcs"), 4, "mics/b #1.mrc", Picks([[1, 2]]), Optics(2, 4, 6, 200, 1.4, 0.07)
    )
    parts = [StackedPicks(Path("x/a.mrcs"), 0, "mics/a.mrc", first, OPTICS), other]
    write_particle_star(tmp_path / "p.star", parts)
    blocks = starfile.read(tmp_path / "p.star")
    table, optics = blocks["particles"], blocks["optics"]
    assert list(table.rlnImageName) == ["000001@x/a.mrcs", "000002@x/a.mrcs", "000005@x/b #1.mrcs"]
    assert list(table.rlnMicrographName) == ["mics/a.mrc", "mics/a.mrc", "mics/b #1.mrc"]
    assert list(table.rlnCoordinateX) == [20.5, 40, 2]
    assert list(table.rlnCoordinateY) == [10.25, 30, 1]
    assert list(table.rlnAutopickFigureOfMerit) == [2.5, -1, -999]
    assert list(table.rlnOpticsGroup) == [1, 1, 2]
    assert list(optics.rlnImagePixelSize) == [3, 4]
    assert list(optics.rlnMicrographOriginalPixelSize) == [1.5, 2]
    assert list(optics.rlnImageSize) == [6, 6]
    assert list(optics.rlnImageDimensionality) == [2, 2]
    # RELION refuses particles without these.
    assert list(optics.rlnVoltage) == [300, 200]
    assert list(optics.rlnSphericalAberration) == [2.7, 1.4]
    assert list(optics.rlnAmplitudeContrast) == [0.1, 0.07]


def test_without_scores_there_is_no_column(tmp_path) -> None:
    write_particle_star(tmp_path / "p.star", [StackedPicks(Path("a.mrcs"), 0, "a", Picks([[1, 2]]), OPTICS)])
    assert "rlnAutopickFigureOfMerit" not in (tmp_path / "p.star").read_text()
