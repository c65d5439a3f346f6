"""Picks through every format, one file or many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_topaz.files import PICK_FORMATS, FileError, read_picks, write_picks
from napari_topaz.picks import Kind, Picks

TWO = {"a": Picks([[20, 10.5], [1, 2]], scores=[1.5, 2]), "b.frames": Picks([[3, 4]], scores=[-1])}

COORDINATES = st.floats(-1e4, 1e5, width=32)
SCORES = st.floats(-(2.0**99), 2.0**99, width=32).filter(lambda score: score not in (-999, -3))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_# .-]{0,12}[A-Za-z0-9]", fullmatch=True).filter(
    lambda name: not name.lower().endswith(("pick", "topaz", ".st", "nan", "na")) and "  " not in name
)


@st.composite
def one_micrograph(draw: st.DrawFn) -> Picks:
    n = draw(st.integers(1, 6))
    yx = draw(hnp.arrays(np.float32, (n, 2), elements=COORDINATES))
    scores = draw(st.one_of(st.none(), hnp.arrays(np.float32, n, elements=SCORES)))
    kinds = draw(hnp.arrays(np.uint8, n, elements=st.sampled_from([Kind.PICK, Kind.PARTICLE])))
    return Picks(yx, scores, kinds)


def assert_same(read: dict[str, Picks], written: dict[str, Picks], *, kinds: bool) -> None:
    assert list(read) == list(written)
    for name, picks in written.items():
        np.testing.assert_array_equal(read[name].yx, picks.yx)
        np.testing.assert_array_equal(read[name].scores, picks.scores)
        if kinds:
            np.testing.assert_array_equal(read[name].kinds, picks.kinds)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, one_micrograph(), min_size=1, max_size=3))
@pytest.mark.parametrize("format_", ["star", "topaz", "csv"])
def test_one_file_gives_back_every_bit(tmp_path_factory, format_: str, picks: dict[str, Picks]) -> None:
    path = tmp_path_factory.getbasetemp() / f"all{PICK_FORMATS[format_].suffixes[0]}"
    write_picks(path, picks)
    assert_same(read_picks(path), picks, kinds=format_ == "csv")


@settings(max_examples=25, deadline=None)
@given(one_micrograph(), st.integers(1, 999))
@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_a_folder_gives_back_every_bit(tmp_path_factory, format_: str, picks: Picks, box_size: int) -> None:
    folder = tmp_path_factory.getbasetemp() / f"each_{format_}"
    if format_ == "box":  # a corner far from 0 has no digits for a coordinate next to 0
        picks = Picks(np.where(np.abs(picks.yx) < 1e-5, 0, picks.yx), picks.scores)
    write_picks(folder, {"a_1.5": picks}, format=format_, box_size=box_size)
    assert_same(read_picks(folder), {"a_1.5": picks}, kinds=format_ == "csv")


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_rejected_picks_are_never_written(tmp_path: Path, format_: str) -> None:
    picks = Picks([[1, 2], [3, 4], [5, 6]], kinds=[Kind.PICK, Kind.NOT_PARTICLE, Kind.PARTICLE])
    write_picks(tmp_path, {"a": picks}, format=format_, box_size=4)
    np.testing.assert_array_equal(read_picks(tmp_path)["a"].yx, [[1, 2], [5, 6]])


@pytest.mark.parametrize("format_", PICK_FORMATS)
@pytest.mark.parametrize("picks", [{"a": Picks()}, {"a": Picks.labels([[1, 2]], Kind.NOT_PARTICLE)}])
def test_no_picks_are_a_valid_file(tmp_path: Path, format_: str, picks: dict[str, Picks]) -> None:
    (path,) = write_picks(tmp_path, picks, format=format_, box_size=4)
    assert path.is_file()
    assert read_picks(path) == {}


@pytest.mark.parametrize("format_", ["star", "topaz", "csv"])
def test_no_micrographs_are_a_valid_file(tmp_path: Path, format_: str) -> None:
    (path,) = write_picks(tmp_path / "p.dat", {}, format=format_)
    assert read_picks(path, format_) == {}


@pytest.mark.parametrize("format_", PICK_FORMATS)
def test_many_files(tmp_path: Path, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_picks(tmp_path, TWO, format=format_, box_size=8)
    assert len(written) == 2
    (tmp_path / "other.log").write_text("x")
    assert_same(read_picks(tmp_path), TWO, kinds=False)
    assert_same(read_picks(str(tmp_path / f"*{written[0].suffix}")), TWO, kinds=False)
    (tmp_path / "list").write_text("\n".join(path.name for path in written))
    assert_same(read_picks(f"@{tmp_path / 'list'}"), TWO, kinds=False)
    monkeypatch.chdir(tmp_path)
    assert_same(read_picks("@list", format_), TWO, kinds=False)


def test_formats_side_by_side_in_a_folder(tmp_path: Path) -> None:
    write_picks(tmp_path, TWO)
    write_picks(tmp_path, TWO, format="csv")
    with pytest.raises(FileError, match=r"a\.csv and .*a_autopick\.star both have picks of 'a'"):
        read_picks(tmp_path)
    assert_same(read_picks(tmp_path, "csv"), TWO, kinds=False)


def test_the_suffix_decides_unless_told(tmp_path: Path) -> None:
    write_picks(tmp_path / "p.STAR", TWO)
    assert "_rlnCoordinateX" in (tmp_path / "p.STAR").read_text()
    write_picks(tmp_path / "p.star", TWO, format="csv")
    assert (tmp_path / "p.star").read_text().startswith("micrograph,x,y")
    assert_same(read_picks(tmp_path / "p.star", "csv"), TWO, kinds=False)


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"p\.xyz has no suffix of a format of picks .*star, topaz, box, csv"):
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
    (path,) = write_picks(tmp_path, {"a": TWO["a"]}, format=format_, box_size=8)
    before = path.read_bytes()

    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(FileError, match="No space left"):
        write_picks(tmp_path, {"a": TWO["b.frames"]}, format=format_, box_size=8)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
