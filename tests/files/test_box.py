"""EMAN box files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_topaz.files import FileError, check_inside, read_micrograph, read_picks, write_picks
from napari_topaz.picks import Picks


def read_text(folder: Path, text: str) -> dict[str, Picks]:
    (folder / "a_01.box").write_text(text)
    return read_picks(folder / "a_01.box")


def test_corner_plus_half_the_size(tmp_path: Path) -> None:
    picks = read_text(tmp_path, "10\t20\t100\t60\t0.5\n-5\t7.5\t11\t11\t-2\n")["a_01"]
    np.testing.assert_array_equal(picks.yx, [[50, 60], [13, 0.5]])
    np.testing.assert_array_equal(picks.scores, [0.5, -2])


@pytest.mark.parametrize("line", ["10 20 100 60", "10 20 100 60 -3", "10, 20, 100, 60", "10 20 100 60 nan"])
def test_without_scores(tmp_path: Path, line: str) -> None:
    picks = read_text(tmp_path, f"# comment\n{line}\n\n")["a_01"]
    np.testing.assert_array_equal(picks.yx, [[50, 60]])
    assert np.isnan(picks.scores).all()


def test_no_lines_no_picks(tmp_path: Path) -> None:
    assert read_text(tmp_path, "") == {}


def test_what_is_written(tmp_path: Path) -> None:
    picks = {"a": Picks([[50, 60]], scores=[0.5]), "b": Picks([[13.25, 0.5]])}
    written = write_picks(tmp_path / "boxes", picks, format="box", box_size=10)
    assert [path.name for path in written] == ["a.box", "b.box"]
    assert written[0].read_text() == "55\t45\t10\t10\t0.5\n"
    assert written[1].read_text() == "-4.50\t8.25\t10\t10\n"
    write_picks(tmp_path / "a.box", {"a": picks["a"]}, box_size=11)
    np.testing.assert_array_equal(read_picks(tmp_path / "a.box")["a"].yx, picks["a"].yx)


def test_what_a_box_file_cannot_hold(tmp_path: Path) -> None:
    picks = {"a": Picks([[50, 60]]), "b": Picks()}
    with pytest.raises(
        FileError, match=r"x\.box can hold the boxes of one micrograph, not of 2; give a folder"
    ):
        write_picks(tmp_path / "x.box", picks, box_size=10)
    with pytest.raises(FileError, match=r"a\.box needs the size of the box"):
        write_picks(tmp_path, picks, format="box")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", "has a line of 3 cells, but a box is x y width height"),
        ("x y w h\n1 2 3 4\n", "has 'x' in row 1 of column x"),
        ("1 2 3 4\n1 2 nan 4\n", "has 'nan' in row 2 of column width"),
        ("1 2 3 4 best\n", "has 'best' in row 1 of column score"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read_text(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "a_01.box"))


def test_binary(tmp_path: Path) -> None:
    (tmp_path / "a.box").write_bytes(b"\xff\xfe\x00" * 20)
    with pytest.raises(FileError, match=r"a\.box is not a text file"):
        read_picks(tmp_path / "a.box")


def test_published_boxes_fit_after_scale_and_flip(shared: Path) -> None:
    """Boxes of the unbinned 4096 × 4096 micrographs, y from the other edge; labels of the binned ones."""
    folder = shared / "data" / "bgal_empiar10017"
    labels = read_picks(folder / "picks" / "labels_cryoppp.star")
    boxes = read_picks(folder / "picks" / "topaz_published")
    assert len(labels) == 12
    assert sum(map(len, labels.values())) == 8141
    shape = read_micrograph(folder / "micrographs" / f"{next(iter(labels))}.mrc").shape
    near = {True: 0, False: 0}
    for name, picks in boxes.items():
        check_inside(labels[name], shape, name)
        with pytest.raises(FileError, match=r"2 times larger: use --scale 0\.5 \(and --flip-y"):
            check_inside(picks, shape, name)
        best = picks.by_score()[:200].rescaled(0.5)
        check_inside(best, shape, name)
        for flip in near:
            yx = (best.flipped(shape[0]) if flip else best).yx
            near[flip] += int((cKDTree(labels[name].yx).query(yx)[0] < 27).sum())
    total = 200 * len(boxes)
    assert near[True] > 0.8 * total
    assert near[False] < 0.6 * total
