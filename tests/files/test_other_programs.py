"""Files of other programs: written by hand after their documentation, read here; and what is written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import starfile

from napari_topaz.files import FileError, match_names, read_picks, write_mrc, write_picks
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks

ONE = {"a": Picks([[50, 60], [13.25, 0.5]], [0.5, np.nan], [Kind.PARTICLE, Kind.PICK])}

CBOX = """
data_global

_cbox_format_version 1.0


data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_EstWidth #7
_EstHeight #8
_Confidence #9
_NumBoxes #10
_Angle #11
10.0 20.0 <NA> 100.0 60.0 <NA> 97.2 103.1 0.83 1.0 <NA>
-5.0 7.5 <NA> 11.0 11.0 <NA> 12.0 12.0 <NA> <NA> <NA>


data_cryolo_include

loop_
_slice_index #1

"""


def test_cbox(tmp_path: Path) -> None:
    (tmp_path / "a_01.cbox").write_text(CBOX)
    picks = read_picks(tmp_path)["a_01"]
    np.testing.assert_array_equal(picks.yx, [[50, 60], [13, 0.5]], "corner + half the size")
    np.testing.assert_array_equal(picks.scores, np.float32([0.83, np.nan]))
    (written,) = write_picks(tmp_path / "out", ONE, format="cbox", box_size=10)
    blocks = starfile.read(written, always_dict=True)
    assert list(blocks) == ["global", "cryolo", "cryolo_include"]
    assert blocks["global"] == {"cbox_format_version": 1.0}
    assert list(blocks["cryolo"]) == [line.split()[0][1:] for line in CBOX.splitlines() if "#" in line][:11]
    assert blocks["cryolo"][["CoordinateX", "CoordinateY", "Width", "Height"]].values.tolist() == [
        [55, 45, 10, 10],
        [-4.5, 8.25, 10, 10],
    ]
    assert written.read_text().count("<NA>") == 2 * 4 + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CBOX.replace("data_cryolo\n", "data_other\n"), "has no table data_cryolo with _CoordinateX"),
        (CBOX.replace("_Width", "_Wide"), "has no table data_cryolo with .*_Width"),
        (CBOX.replace("7.5", "x"), "has 'x' in row 2 of column CoordinateY"),
        (CBOX.replace("20.0", "<NA>"), "in row 1 of column CoordinateY, where a number"),
        ("10 20 100 60 0.8\n", "has no data block"),
        (CBOX[: CBOX.index(" 97.2")], "not a well-formed STAR file"),
        ("", "has no data block"),
    ],
)
def test_broken_cbox(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.cbox").write_text(text)
    with pytest.raises(FileError, match=rf"a\.cbox .*{message}"):
        read_picks(tmp_path)


EMAN = (
    '{"ctf": [1.5, {"a": 2}], "boxes": [[60, 50, "manual"], [0.5, 13, "auto_local", 0.25], [7, 8, "auto"]]}'
)


def test_eman_json(tmp_path: Path) -> None:
    path = tmp_path / "a_01_info.json"
    path.write_text(EMAN)
    (tmp_path / "pick.json").write_text("{}")  # what else lies in a folder
    ((name, picks),) = read_picks(tmp_path).items()
    assert name == "a_01"
    np.testing.assert_array_equal(picks.yx, [[50, 60], [13, 0.5], [8, 7]], "centres")
    np.testing.assert_array_equal(picks.scores, np.float32([np.nan, 0.25, np.nan]))
    assert list(picks.kinds) == [Kind.PARTICLE, Kind.PICK, Kind.PICK]
    write_picks(path, {"a_01": ONE["a"]})
    assert json.loads(path.read_text()) == {
        "ctf": [1.5, {"a": 2}],
        "boxes": [[60, 50, "manual", 0.5], [0.5, 13.25, "auto_topaz"]],
    }, "the CTF stays"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EMAN[:60], "not well-formed JSON"),
        ("", "not well-formed JSON"),
        ("[1, 2]", 'is not an object with "boxes"'),
        ('{"ctf": 1}', "has no \"boxes\", but 'ctf'"),
        ("{}", 'has no "boxes", but nothing'),
        ('{"boxes": 3}', '"boxes" that are no list'),
        ('{"boxes": [[1, 2], [1]]}', r"has \[1\] as box 2, but a box is"),
        ('{"boxes": [["1", 2, "manual"]]}', "as box 1"),
        ('{"boxes": [[NaN, 2, "manual"]]}', "as box 1"),
        ('{"boxes": [[1e99, 2, "manual"]]}', "as box 1"),
        ('{"boxes": [[true, 2, "manual"]]}', "as box 1"),
        ("[" * 100_000, "not well-formed JSON"),
    ],
)
def test_broken_eman_json(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a_info.json"
    path.write_text(text)
    with pytest.raises(FileError, match=rf"a_info\.json .*{message}"):
        read_picks(path)


def test_a_broken_info_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a_info.json"
    path.write_text(EMAN[:40])
    with pytest.raises(FileError, match="repair it or remove it"):
        write_picks(path, ONE)
    assert path.read_text() == EMAN[:40]


VIA = """filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
a 1.jpg,99,{},4,0,"{""name"":""point"",""cx"":60,""cy"":50}","{}"
a 1.jpg,9,{},4,1,"{""name"":""circle"",""cx"":0.5,""cy"":13,""r"":8}","{""score"":0.25,""kind"":""particle""}"
a 1.jpg,99,{},4,2,"{""name"":""rect"",""x"":10,""y"":20,""width"":100,""height"":60}","{""label"":""virus""}"
a 1.jpg,99,{},4,3,"{""name"":""ellipse"",""cx"":3,""cy"":4,""rx"":8,""ry"":9}","{}"
b.jpg,98,{},0,0,"{}","{}"
"""


@pytest.mark.parametrize("head", ["", "#"])
@pytest.mark.parametrize("name", ["labels.csv", "labels.via.csv"])
def test_via(tmp_path: Path, head: str, name: str) -> None:
    (tmp_path / name).write_text(head + VIA)
    ((micrograph, picks),) = read_picks(tmp_path / name).items()
    assert micrograph == "a 1"
    np.testing.assert_array_equal(picks.yx, [[50, 60], [13, 0.5], [50, 60], [4, 3]])
    np.testing.assert_array_equal(picks.scores, np.float32([np.nan, 0.25, np.nan, np.nan]))
    assert list(picks.kinds) == [Kind.PICK, Kind.PARTICLE, Kind.PICK, Kind.PICK]


def test_via_is_written_as_points(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(77))
    files = {"a": MicrographFile(tmp_path / "a.jpg")}
    write_picks(tmp_path / "p.via.csv", ONE | {"b": Picks([[1, 2]])}, files=files)
    first, *lines = (tmp_path / "p.via.csv").read_text().splitlines()
    assert first == VIA.splitlines()[0]
    assert lines[0] == (
        'a.jpg,77,{},2,0,"{""name"":""point"",""cx"":60.0,""cy"":50.0}",'
        '"{""score"":""0.5"",""kind"":""particle""}"'
    )
    assert [line[: line.index(',"')] for line in lines] == [
        "a.jpg,77,{},2,0",
        "a.jpg,77,{},2,1",
        "b,-1,{},1,0",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ellipse", "polygon", "a region 'polygon' in row 4, which has no centre; mark particles by points"),
        ('""cx"":60', '""cz"":60', "a point without its numbers in row 1"),
        ('""width"":100', '""width"":""w""', "a rect without its numbers in row 3"),
        ('""cx"":60', '""cx"":""x""', "has 'x' in row 1 of column x"),
        ("filename", "file", "no column filename"),
        ('{""name"":""point"",', "[", "in row 1, where VIA has attributes as JSON"),
        ("0.25", '""high""', "has 'high' in row 2 of column score"),
        ("a 1.jpg,99,{},4,0", "../..,99,{},4,0", r"has '\.\.' as the name"),
    ],
)
def test_broken_via(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "l.csv").write_text(VIA.replace(old, new, 1))
    with pytest.raises(FileError, match=rf"l\.csv .*{message}"):
        read_picks(tmp_path / "l.csv")


@pytest.mark.parametrize(
    "text",
    [
        "60.5 50.5 0\n1.0 13.5 0\n",  # model2point
        "    1    60.50    50.50    0.00\n    2     1.00    13.50    0.00\n",  # -contour
        "1 1 60.5 50.5 0\n1 2 1 13.5 0\n",  # -object
        "# by hand\n60.5, 50.5, 0\n\n1, 13.5, 0\n",
    ],
)
def test_imod_counts_from_the_edge_of_the_first_pixel(tmp_path: Path, text: str) -> None:
    (tmp_path / "a_01.imod.txt").write_text(text)
    np.testing.assert_array_equal(read_picks(tmp_path)["a_01"].yx, [[50, 60], [13, 0.5]])
    (tmp_path / "a_01.imod.txt").rename(tmp_path / "a_02.txt")
    np.testing.assert_array_equal(read_picks(tmp_path, "imod")["a_02"].yx, [[50, 60], [13, 0.5]])


def test_imod_points_of_a_stack(tmp_path: Path) -> None:
    (tmp_path / "s.imod.txt").write_text("1 2 0\n3 4 2\n5 6 0\n")
    picks = read_picks(tmp_path)
    assert list(picks) == ["000001@s", "000003@s"]
    np.testing.assert_array_equal(picks["000001@s"].yx, [[1.5, 0.5], [5.5, 4.5]])


def test_imod_is_written_for_point2model(tmp_path: Path) -> None:
    write_picks(tmp_path, ONE, format="imod")
    assert (tmp_path / "a.imod.txt").read_text() == "60.50 50.50 0\n1.00 13.75 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n", "has lines of 2 cells, but IMOD's points are x y z"),
        ("1 2 0\n1 2 3 4\n", "has lines of 3 and 4 cells"),
        ("x y z\n1 2 0\n", "has 'x' in row 1 of column x"),
        ("1 nan 0\n", "has 'nan' in row 1 of column y"),
        ("1 2 -1\n", "has a point at z -1, before the first section"),
    ],
)
def test_broken_imod(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.imod.txt").write_text(text)
    with pytest.raises(FileError, match=rf"a\.imod\.txt {message}"):
        read_picks(tmp_path)


def test_boxes_by_their_centre(tmp_path: Path) -> None:
    (tmp_path / "a.box").write_text("60 50 20 20\n")
    np.testing.assert_array_equal(read_picks(tmp_path, "box-centre")["a"].yx, [[50, 60]])
    np.testing.assert_array_equal(read_picks(tmp_path, "box")["a"].yx, [[60, 70]])


#: As cryosparc-tools documents them; a path has the exposure's uid before the name.
CS = np.array(
    [
        (7, 41, 2, b"J14/motioncorrected/008578565574161745010_a_01.mrc", (3000, 5000), 0.9, 0.25, 0.5, 0.75),
        (8, 42, 2, "J14/motioncorrected/µ.mrc".encode(), (3000, 5000), 0.9, 0.1, 0.001, np.nan),
        (9, 41, 2, b"J14/motioncorrected/008578565574161745010_a_01.mrc", (3000, 5000), 0.9, 0, 1, 0.5),
    ],
    dtype=[
        ("uid", "<u8"),
        ("location/micrograph_uid", "<u8"),
        ("location/exp_group_id", "<u4"),
        ("location/micrograph_path", "S60"),
        ("location/micrograph_shape", "<u4", (2,)),
        ("location/micrograph_psize_A", "<f4"),
        ("location/center_x_frac", "<f4"),
        ("location/center_y_frac", "<f4"),
        ("pick_stats/ncc_score", "<f4"),
    ],
)
LONG = "008578565574161745010_a_01"


def save(path: Path, table: np.ndarray, **how: bool) -> Path:
    with path.open("wb") as file:
        np.save(file, table, **how)
    return path


def test_cryosparc_holds_fractions(tmp_path: Path) -> None:
    picks = read_picks(save(tmp_path / "p.cs", CS))
    assert list(picks) == [LONG, "µ"]
    np.testing.assert_allclose(picks[LONG].yx, [[1500, 1250], [3000, 0]], atol=1e-3)
    np.testing.assert_allclose(picks["µ"].yx, [[3, 500]], atol=1e-3)
    np.testing.assert_array_equal(picks[LONG].scores, [0.75, 0.5])
    without = CS[["location/micrograph_path", "location/micrograph_shape", *CS.dtype.names[-3:-1]]]
    assert np.isnan(read_picks(save(tmp_path / "p.cs", without))["µ"].scores).all()


def test_the_uid_before_a_name_does_not_keep_picks_from_their_micrograph() -> None:
    one, two = Picks([[1, 1]]), Picks([[2, 2]])
    assert match_names({LONG: one, "b": two}, ["a_01.mrc", "b"]).picks == {"a_01": one, "b": two}
    assert match_names({"a_01": one}, [f"{LONG}.mrc"]).picks == {LONG: one}
    assert match_names({LONG: one, "a_01": two}, ["a_01"]).picks == {"a_01": two}, "the same name first"
    other = {LONG: one, LONG.replace("8", "9"): two}
    with pytest.raises(FileError, match="names must agree"):  # nobody knows which
        match_names(other, ["a_01"])


@pytest.mark.parametrize("order", ["=", ">"])
def test_what_is_written_for_cryosparc(tmp_path: Path, order: str) -> None:
    write_mrc(tmp_path / "a.mrc", np.zeros((200, 400), np.float32), 0.9)
    files = {"a": MicrographFile(tmp_path / "a.mrc")}
    write_picks(tmp_path / "p.cs", ONE, files=files, pixel_size=0.9)
    table = np.load(tmp_path / "p.cs", allow_pickle=False)
    assert table.dtype.names == CS.dtype.names
    for field in set(CS.dtype.names) - {"location/micrograph_path"}:
        assert table.dtype[field] == CS.dtype[field]
    assert table["location/micrograph_path"].tolist() == [str(tmp_path / "a.mrc").encode()] * 2
    assert table["location/micrograph_shape"].tolist() == [[200, 400]] * 2
    np.testing.assert_allclose(table["location/center_x_frac"], [0.15, 0.00125], rtol=1e-6)
    np.testing.assert_allclose(table["location/center_y_frac"], [0.25, 0.06625], rtol=1e-6)
    assert len(set(table["uid"].tolist())) == 2
    save(tmp_path / "q.cs", table.astype(table.dtype.newbyteorder(order)))
    np.testing.assert_allclose(read_picks(tmp_path / "q.cs")["a"].yx, ONE["a"].yx, atol=1e-3)


def test_picks_join_the_exposures_of_cryosparc(tmp_path: Path) -> None:
    """Passed through: uid, path, group and size are those that cryoSPARC knows."""
    fields = {"uid": "<u8", "micrograph_blob/path": "S60", "ctf/exp_group_id": "<u4"}
    dtype = [*fields.items(), ("micrograph_blob/shape", "<u4", (2,)), ("micrograph_blob/psize_A", "<f4")]
    text = f"J2/imported/{LONG}.mrc".encode()
    exposures = save(tmp_path / "e.cs", np.array([(41, text, 3, (200, 400), 1.5)], dtype))
    for given, name in ((exposures, "a_01"), (exposures, LONG)):
        write_picks(tmp_path / "p.cs", {name: ONE["a"]}, exposures=given)
        table = np.load(tmp_path / "p.cs")
        assert table["location/micrograph_uid"].tolist() == [41, 41]
        assert table["location/micrograph_path"].tolist() == [text] * 2
        assert table["location/exp_group_id"].tolist() == [3, 3]
        assert table["location/micrograph_shape"].tolist() == [[200, 400]] * 2
        np.testing.assert_allclose(table["location/center_x_frac"], [0.15, 0.00125], rtol=1e-6)
    write_picks(tmp_path / "p.cs", {"a_01": ONE["a"]}, exposures=save(tmp_path / "old.cs", CS))
    assert np.load(tmp_path / "p.cs")["location/micrograph_uid"].tolist() == [41, 41], "of earlier particles"
    other = f"J3/imported/{LONG.replace('8', '9')}.mrc".encode()
    two = np.array([(41, text, 3, (200, 400), 1.5), (42, other, 3, (200, 400), 1.5)], dtype)
    save(tmp_path / "two.cs", two)
    write_picks(tmp_path / "p.cs", {LONG: ONE["a"]}, exposures=tmp_path / "two.cs")
    assert np.load(tmp_path / "p.cs")["location/micrograph_uid"].tolist() == [41, 41]
    with pytest.raises(FileError, match=r"two\.cs has no exposure 'a_01', or two"):  # nobody knows which
        write_picks(tmp_path / "p.cs", {"a_01": ONE["a"]}, exposures=tmp_path / "two.cs")
    with pytest.raises(FileError, match=r"e\.cs has no exposure 'b'"):
        write_picks(tmp_path / "p.cs", {"b": ONE["a"]}, exposures=exposures)


def test_fractions_need_a_size(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"p\.cs needs the size of 'a', .*; give micrographs or exposures"):
        write_picks(tmp_path / "p.cs", ONE)
    assert list(tmp_path.iterdir()) == []


class Trap:
    """Opening a file in the folder it is told, when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_pickles_are_not_executed(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    table = np.empty(1, [("location/micrograph_path", "O")])
    table["location/micrograph_path"] = [Trap(trap)]
    save(tmp_path / "p.cs", table, allow_pickle=True)
    with pytest.raises(FileError, match=r"p\.cs has an array of Python objects, which could run code"):
        read_picks(tmp_path / "p.cs")
    (tmp_path / "p.cs").write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(FileError, match=r"p\.cs is no NumPy file, or is cut short"):
        read_picks(tmp_path / "p.cs")
    assert not trap.exists()


def cut(data: bytes) -> bytes:
    return data[:-5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, "is no NumPy file, or is cut short; give a .cs file"),
        (lambda data: data[:20], "is no NumPy file, or is cut short"),
        (lambda _: b"", "is no NumPy file, or is cut short"),
        (lambda _: b"\x93CSDAT\x02" + bytes(90), "is in cryoSPARC's compressed format; export"),
        (
            lambda data: data.replace(b"center_x_frac", b"center_q_frac"),
            "has no location/center_x_frac; give",
        ),
    ],
)
def test_broken_cryosparc(tmp_path: Path, change, message: str) -> None:
    path = save(tmp_path / "p.cs", CS)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FileError, match=rf"p\.cs {message}"):
        read_picks(path)


def test_cryosparc_without_sense(tmp_path: Path) -> None:
    table = CS.copy()
    table["location/center_y_frac"][1] = np.nan
    with pytest.raises(FileError, match=r"p\.cs has 'nan' in row 2 of column location/center_y_frac"):
        read_picks(save(tmp_path / "p.cs", table))
    table = CS.copy()
    table["location/micrograph_shape"][1] = 0
    with pytest.raises(FileError, match=r"p\.cs has micrographs of no size"):
        read_picks(save(tmp_path / "p.cs", table))
    table = CS.copy()
    table["location/micrograph_path"][2] = b".."
    with pytest.raises(FileError, match=r"p\.cs has '\.\.' as the name of a micrograph"):
        read_picks(save(tmp_path / "p.cs", table))
    with pytest.raises(FileError, match=r"p\.cs is a NumPy file without named fields"):
        read_picks(save(tmp_path / "p.cs", np.zeros((3, 2))))
    assert read_picks(save(tmp_path / "p.cs", CS[:0])) == {}
