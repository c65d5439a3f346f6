"""Topaz tables and CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_topaz.files import FileError, read_picks, write_picks
from napari_topaz.picks import Kind, Picks


def read_text(folder: Path, text: str, name: str = "a_01.csv") -> dict[str, Picks]:
    (folder / name).write_text(text)
    return read_picks(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "image_name\tx_coord\ty_coord\tscore\nm 1\t10.5\t20\t-3\nm 1\t11\t21\t4\n"),
        ("p.tsv", "score\timage_name\ty_coord\tx_coord\tdiameter\n-3\tm 1\t20\t10.5\t7\n4\tm 1\t21\t11\t8\n"),
        ("p.csv", "micrograph,x,y,score\nm 1,10.5,20,-3\nm 1,11,21,4\n"),
        ("p.csv", "\ufeffMicrograph, X, Y, Score\r\nm 1, 10.5, 20, -3\r\nm 1, 11, 21, 4\r\n"),
        ("p.csv", "# made by hand\n\ny;x;confidence;filename\n20;10.5;-3;raw/m 1.mrc\n21;11;4;raw/m 1.mrc\n"),
        ("p.txt", 'image_name x_coord y_coord score\n"m 1" 10.5 20 -3\n"m 1" 11 21 4\n'),
        ("m 1.csv", "index,axis-0,axis-1,score\n0,20,10.5,-3\n1,21,11,4\n"),
        ("p.csv", "Micrograph Name;Coordinate X;Coordinate-Y;FOM\nm 1.mrc;10.5;20;-3\nm 1.mrc;11;21;4\n"),
        ("m 1.csv", "rlnCoordinateX,rlnCoordinateY,rlnAutopickFigureOfMerit\n10.5,20,-3\n11,21,4\n"),
    ],
)
def test_columns_are_recognised(tmp_path: Path, name: str, text: str) -> None:
    picks = read_text(tmp_path, text, name)
    assert list(picks) == ["m 1"]
    np.testing.assert_array_equal(picks["m 1"].yx, [[20, 10.5], [21, 11]])
    np.testing.assert_array_equal(picks["m 1"].scores, [-3, 4])


def test_scores_may_be_absent_and_kinds_present(tmp_path: Path) -> None:
    text = "x,y,score,kind\n1,2,,particle\n3,4,nan,not_particle\n5,6,7,\n8,9,,0\n"
    picks = read_text(tmp_path, text)["a_01"]
    np.testing.assert_array_equal(picks.scores, [np.nan, np.nan, 7, np.nan])
    assert list(picks.kinds) == [Kind.PARTICLE, Kind.NOT_PARTICLE, Kind.PICK, Kind.PICK]


def test_rows_of_a_micrograph_need_not_be_together(tmp_path: Path) -> None:
    picks = read_text(tmp_path, "micrograph,x,y\nb,1,0\na,2,0\nb,3,0\n")
    assert {name: list(one.yx[:, 1]) for name, one in picks.items()} == {"b": [1, 3], "a": [2]}
    rows = "".join(f"{'abc'[k * 7 % 3]},{k},0\n" for k in range(3000))
    for one in read_text(tmp_path, "micrograph,x,y\n" + rows).values():
        assert (np.diff(one.yx[:, 1]) == 3).all()


def test_what_is_written(tmp_path: Path) -> None:
    picks = {"a": Picks([[20, 10.5]], scores=[0.1]), "b": Picks.labels([[1, 2]])}
    write_picks(tmp_path / "p.csv", picks)
    assert (tmp_path / "p.csv").read_text() == (
        "micrograph,x,y,score,kind\na,10.5,20.0,0.1,pick\nb,2.0,1.0,,particle\n"
    )
    write_picks(tmp_path / "p.txt", {"b": picks["b"]})
    assert (tmp_path / "p.txt").read_text() == "image_name\tx_coord\ty_coord\nb\t2.0\t1.0\n"
    write_picks(tmp_path / "p.txt", {"a": picks["a"]})
    assert (tmp_path / "p.txt").read_text() == "image_name\tx_coord\ty_coord\tscore\na\t10.5\t20.0\t0.1\n"


def test_a_header_alone_has_no_picks(tmp_path: Path) -> None:
    assert read_text(tmp_path, "micrograph,x,y\n") == {}
    assert read_text(tmp_path, "x,y\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line should name columns"),
        ("\n# only a comment\n", "is empty"),
        ("a,b\n1,2\n", "needs columns for x and y, but has a, b; name them x or x_coord and y or y_coord"),
        ("1,2\n3,4\n", "needs columns for x and y, but has 1, 2"),
        ("micrograph,x\na,1\n", "needs columns for x and y, but has micrograph, x;"),
        ("x,y\n1,2\n1,b\n", "has 'b' in row 2 of column y, where a number is needed"),
        ("x,y\n1,\n", "has '' in row 1 of column y"),
        ("x,y\nnan,3\n", "has 'nan' in row 1 of column x"),
        ("x,y,score\n1,2,high\n", "has 'high' in row 1 of column score"),
        ("x,y,score\n1,2,inf\n", "has 'inf' in row 1 of column score"),
        ("x,y,kind\n1,2,virus\n", "has the kind 'virus'; it must be pick, particle, not_particle"),
        ("x,y\n1,2,3\n", r"a_01\.csv"),
        ("x,y\n1,2\n1,2,3,4\n", "is not a table .*every row needs as many cells"),
        ("x,y,micrograph\n1,2\n", "a row without a micrograph's name"),
        ("micrograph,x,y\n,1,2\n", "a row without a micrograph's name"),
        ("micrograph,x,y\na/m.mrc,1,2\nb/m.mrc,1,2\n", r"'a/m\.mrc' and 'b/m\.mrc' have the same name"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read_text(tmp_path, text)
    assert str(tmp_path / "a_01.csv") in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_binary(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00" * 20)
    with pytest.raises(FileError, match=r"a\.csv is not a text file"):
        read_picks(tmp_path / "a.csv")
