"""Picks through every format, one file or many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_topaz.files import (
    PICK_FORMATS,
    PICK_SUFFIXES,
    FileError,
    format_of,
    read_picks,
    write_picks,
)
from napari_topaz.files import names as names_module
from napari_topaz.picks import Kind, Picks

TWO = {"a": Picks([[20, 10.5], [1, 2]], scores=[1.5, 2]), "b.frames": Picks([[3, 4]], scores=[-1])}

#: What formats do not hold; and how near they come to a coordinate, in pixels.
WITHOUT_SCORES, WITH_KINDS, RESOLUTION = {"imod"}, {"csv", "via"}, {"cs": 1e-3}
#: Formats whose files are of one micrograph.
SINGLE = [name for name, format_ in PICK_FORMATS.items() if format_.single]
SHAPES = {"a": (4000, 5000), "b.frames": (30, 40), "a_1.5": (4096, 3000)}

COORDINATES = st.floats(-1e4, 1e5, width=32)
SCORES = st.floats(-(2.0**99), 2.0**99, width=32).filter(lambda score: score not in (-999, -3))
NAMES = st.from_regex(r"[A-Za-z0-9µß猫][A-Za-z0-9_# .éΩ-]{0,12}[A-Za-z0-9ñ]", fullmatch=True).filter(
    lambda name: not name.lower().endswith(("pick", "topaz", ".st", "nan", "na")) and "  " not in name
)
#: Names that files of one micrograph can have, too: nothing a picker writes at the end.
FILE_NAMES = NAMES.filter(
    lambda name: not name.lower().endswith(("picks", "info", ".via", ".imod", ".centre", ".raw", "0"))
)


@st.composite
def one_micrograph(draw: st.DrawFn) -> Picks:
    n = draw(st.integers(1, 6))
    yx = draw(hnp.arrays(np.float32, (n, 2), elements=COORDINATES))
    scores = draw(st.one_of(st.none(), hnp.arrays(np.float32, n, elements=SCORES)))
    kinds = draw(hnp.arrays(np.uint8, n, elements=st.sampled_from([Kind.PICK, Kind.PARTICLE])))
    return Picks(yx, scores, kinds)


def assert_same(
    read: dict[str, Picks], written: dict[str, Picks], *, kinds: bool = False, format_: str = "star"
) -> None:
    assert list(read) == list(written)
    for name, picks in written.items():
        np.testing.assert_allclose(read[name].yx, picks.yx, rtol=0, atol=RESOLUTION.get(format_, 0))
        no_scores = np.full(len(picks), np.nan)
        np.testing.assert_array_equal(
            read[name].scores, no_scores if format_ in WITHOUT_SCORES else picks.scores
        )
        if kinds:
            np.testing.assert_array_equal(read[name].kinds, picks.kinds)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, one_micrograph(), min_size=1, max_size=3))
@pytest.mark.parametrize("format_", ["star", "topaz", "csv", "via"])
def test_one_file_gives_back_every_bit(tmp_path_factory, format_: str, picks: dict[str, Picks]) -> None:
    path = tmp_path_factory.getbasetemp() / f"all{PICK_FORMATS[format_].suffixes[0]}"
    write_picks(path, picks)
    assert_same(read_picks(path), picks, kinds=format_ in WITH_KINDS)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, one_micrograph(), min_size=1, max_size=3), st.integers(1, 12000))
def test_fractions_give_back_a_thousandth_of_a_pixel(
    tmp_path_factory, picks: dict[str, Picks], width: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "all.cs"
    shape = (4000, width)
    picks = {name: Picks(np.clip(one.yx, 0, shape), one.scores) for name, one in picks.items()}
    write_picks(path, picks, shapes=dict.fromkeys(picks, shape))
    assert_same(read_picks(path), picks, format_="cs")


@settings(max_examples=25, deadline=None)
@given(one_micrograph(), st.integers(1, 999))
@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_a_folder_gives_back_every_bit(tmp_path_factory, format_: str, picks: Picks, box_size: int) -> None:
    folder = tmp_path_factory.getbasetemp() / f"each_{format_}"
    if format_ in ("box", "cbox", "imod"):  # a corner far from 0 has no digits for a coordinate next to 0
        picks = Picks(np.where(np.abs(picks.yx) < 1e-5, 0, picks.yx), picks.scores, picks.kinds)
    if format_ == "cs":
        picks = Picks(np.clip(picks.yx, 0, 5000), picks.scores)
    write_picks(folder, {"a_1.5": picks}, format=format_, box_size=box_size, shapes=SHAPES)
    same_kinds = format_ in {*WITH_KINDS, "eman-json"}
    assert_same(read_picks(folder), {"a_1.5": picks}, kinds=same_kinds, format_=format_)


@settings(max_examples=15, deadline=None)
@given(FILE_NAMES)
@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_files_of_any_name(tmp_path_factory, format_: str, name: str) -> None:
    folder = tmp_path_factory.mktemp("named")
    picks = {name: Picks([[10, 20.5]])}
    write_picks(folder, picks, format=format_, box_size=8, shapes={name: (64, 64)})
    assert_same(read_picks(folder), picks)


@pytest.mark.parametrize("name", ["..", ".", "", "../b", "a/b", "a\\b", "a\nb"])
@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_names_that_lead_elsewhere_write_nothing(tmp_path: Path, format_: str, name: str) -> None:
    folder = tmp_path / "out"
    with pytest.raises(FileError, match="which no file can have"):
        write_picks(folder, {name: TWO["a"]}, format=format_, box_size=8, shapes={name: (64, 64)})
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", ["C:a", "a:b", "a?", "nul", "COM1.x", "a|b"])
def test_on_windows_names_may_not_be_drives_streams_or_devices(
    tmp_path: Path, name: str, monkeypatch
) -> None:
    picks = {name: Picks([[1, 2]])}
    assert len(write_picks(tmp_path / "here", picks)) == 2
    monkeypatch.setattr(names_module, "_ON_WINDOWS", True)
    with pytest.raises(FileError, match="which no file can have"):
        write_picks(tmp_path / "there", picks)
    assert write_picks(tmp_path / "there", {"console.1": Picks([[1, 2]])})


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_names_that_are_not_utf_8_are_refused(tmp_path: Path, format_: str) -> None:
    picks = {"a\udcff": Picks([[1, 2]])}
    with pytest.raises(FileError, match=r"'a\\udcff' of a micrograph is not UTF-8"):
        write_picks(tmp_path / "out", picks, format=format_, box_size=4, shapes={"a\udcff": (64, 64)})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_files_are_the_same_on_every_system(tmp_path: Path, format_: str, monkeypatch) -> None:
    """What is written as text may not have the line ends of Windows."""

    def as_on_windows(self: Path, text: str, encoding=None, errors=None, newline=None) -> int:
        with self.open("w", encoding=encoding, errors=errors, newline=newline or "\r\n") as file:
            return file.write(text)

    monkeypatch.setattr(Path, "write_text", as_on_windows)
    for path in write_picks(tmp_path, TWO, format=format_, box_size=4, shapes=SHAPES):
        assert format_ == "cs" or b"\r" not in path.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".star"])
def test_names_that_lead_elsewhere_are_not_read(tmp_path: Path, suffix: str) -> None:
    path, name = tmp_path / f"p{suffix}", "../.."
    separator = {".csv": ",", ".txt": "\t", ".star": " "}[suffix]
    head = "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n"
    table = head if suffix == ".star" else separator.join(("micrograph", "x", "y")) + "\n"
    path.write_text(table + separator.join((name, "1", "2")) + "\n")
    with pytest.raises(FileError, match=r"p\..* has '\.\.' as the name of a micrograph"):
        read_picks(path)
    # A folder on the way is none of our business: only the file's name counts.
    path.write_text(path.read_text().replace(name, "../../raw/a.mrc"))
    assert list(read_picks(path)) == ["a"]


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_rejected_picks_are_never_written(tmp_path: Path, format_: str) -> None:
    picks = Picks([[1, 2], [3, 4], [5, 6]], kinds=[Kind.PICK, Kind.NOT_PARTICLE, Kind.PARTICLE])
    write_picks(tmp_path, {"a": picks}, format=format_, box_size=4, shapes={"a": (64, 64)})
    np.testing.assert_array_equal(read_picks(tmp_path)["a"].yx, [[1, 2], [5, 6]])


@pytest.mark.parametrize("format_", PICK_FORMATS)
@pytest.mark.parametrize("picks", [{"a": Picks()}, {"a": Picks.labels([[1, 2]], Kind.NOT_PARTICLE)}])
def test_no_picks_are_a_valid_file(tmp_path: Path, format_: str, picks: dict[str, Picks]) -> None:
    path, *_ = write_picks(tmp_path, picks, format=format_, box_size=4)
    assert path.is_file()
    assert read_picks(path) == {}
    assert read_picks(tmp_path) == {}


@pytest.mark.parametrize("format_", ["star", "topaz", "csv", "cs", "via"])
def test_no_micrographs_are_a_valid_file(tmp_path: Path, format_: str) -> None:
    (path,) = write_picks(tmp_path / "p.dat", {}, format=format_)
    assert read_picks(path, format_) == {}


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_many_files(tmp_path: Path, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_picks(tmp_path, TWO, format=format_, box_size=8, shapes=SHAPES)[:2]
    (tmp_path / "other.log").write_text("x")
    assert_same(read_picks(tmp_path), TWO, format_=format_)
    pattern = PICK_FORMATS[format_].one_each.format(name="*")
    assert_same(read_picks(str(tmp_path / pattern)), TWO, format_=format_)
    (tmp_path / "list").write_text("\n".join(path.name for path in written))
    assert_same(read_picks(f"@{tmp_path / 'list'}"), TWO, format_=format_)
    monkeypatch.chdir(tmp_path)
    assert_same(read_picks("@list", format_), TWO, format_=format_)


@pytest.mark.parametrize("format_", SINGLE)
def test_one_micrograph_a_file(tmp_path: Path, format_: str) -> None:
    path = tmp_path / f"p{PICK_FORMATS[format_].suffixes[0]}"
    with pytest.raises(FileError, match=r"p.* can hold the \w+ of one micrograph, not of 2; give a folder"):
        write_picks(path, TWO, box_size=8)


@pytest.mark.parametrize("format_", [name for name, format_ in PICK_FORMATS.items() if format_.boxed])
def test_boxes_need_their_size(tmp_path: Path, format_: str) -> None:
    with pytest.raises(FileError, match="needs the size of the box in pixels; give a box size"):
        write_picks(tmp_path, TWO, format=format_)


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.STAR", "star"),
        ("a.tsv", "topaz"),
        ("a.box", "box"),
        ("a.centre.box", "box-centre"),
        ("a.csv", "csv"),
        ("a.via.csv", "via"),
        ("a.txt", "topaz"),
        ("a.imod.txt", "imod"),
        ("P7_J3_particles.cs", "cs"),
        ("a.cbox", "cbox"),
        ("a_info.json", "eman-json"),
        ("a.json", "eman-json"),
        ("a.mrc", None),
        ("csv", None),
    ],
)
def test_which_format_a_name_means(name: str, format_: str | None) -> None:
    found = format_of(name)
    assert (found and found.name) == format_


def test_every_suffix_is_of_a_format_and_every_first_one_its_own() -> None:
    for name, format_ in PICK_FORMATS.items():
        assert PICK_SUFFIXES[format_.suffixes[0]].name == name


def test_formats_side_by_side_in_a_folder(tmp_path: Path) -> None:
    write_picks(tmp_path, TWO)
    write_picks(tmp_path, TWO, format="csv")
    with pytest.raises(FileError, match=r"a\.csv and .*autopick\.star both have picks of 'a'"):
        read_picks(tmp_path)
    assert_same(read_picks(tmp_path, "csv"), TWO)


def test_the_suffix_decides_unless_told(tmp_path: Path) -> None:
    write_picks(tmp_path / "p.STAR", TWO)
    assert "_rlnCoordinateX" in (tmp_path / "p.STAR").read_text()
    write_picks(tmp_path / "p.star", TWO, format="csv")
    assert (tmp_path / "p.star").read_text().startswith("micrograph,x,y")
    assert_same(read_picks(tmp_path / "p.star", "csv"), TWO)


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"p\.xyz has no suffix of a format of picks .*star, topaz, box, csv, cs"
    ):
        write_picks(tmp_path / "p.xyz", TWO)
    (tmp_path / "p.xyz").write_text("")
    with pytest.raises(FileError, match=r"p\.xyz has no suffix"):
        read_picks(tmp_path / "p.xyz")
    with pytest.raises(
        FileError, match="'xml' is not a format of picks; choose one of star, topaz, box, csv"
    ):
        write_picks(tmp_path / "p.star", TWO, format="xml")
    with pytest.raises(FileError, match="'xml' is not a format"):
        read_picks(tmp_path, "xml")
    with pytest.raises(FileError, match="has no files of picks"):
        read_picks(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        read_picks(tmp_path / "none.csv")


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"format": format_, "box_size": 8, "shapes": SHAPES}
    path, *others = write_picks(tmp_path, {"a": TWO["a"]}, **how)
    before = path.read_bytes()

    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    monkeypatch.setattr(np.lib.format, "write_array", fill)
    with pytest.raises(FileError, match="No space left"):
        write_picks(tmp_path, {"a": TWO["b.frames"]}, **how)
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
