"""RELION STAR files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile

from napari_topaz.files import FileError, read_picks, write_list, write_picks
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks

OLD = """
data_

loop_
_rlnCoordinateX #1
_rlnMicrographName #2
_rlnAutopickFigureOfMerit #3
_rlnCoordinateY #4
10.5 MotionCorr/job002/a.mrc 0.25 20
11   MotionCorr/job002/b.mrc -999 21

12   MotionCorr/job002/a.mrc -1.5 22
"""

NEW = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographOriginalPixelSize #3
opticsGroup1 1 0.885


# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnImageName #3
_rlnMicrographName #4
_rlnOpticsGroup #5
10.5 20 000001@Extract/a.mrcs 1234.mrc 1
12 22 000002@Extract/a.mrcs 1234.mrc 1
"""


def read_text(folder: Path, text: str, name: str = "p.star") -> dict[str, Picks]:
    (folder / name).write_text(text)
    return read_picks(folder / name)


def test_one_block(tmp_path: Path) -> None:
    picks = read_text(tmp_path, OLD)
    assert list(picks) == ["a", "b"]
    np.testing.assert_array_equal(picks["a"].yx, [[20, 10.5], [22, 12]])
    np.testing.assert_array_equal(picks["a"].scores, np.float32([0.25, -1.5]))
    np.testing.assert_array_equal(picks["b"].scores, [np.nan])
    assert (picks["a"].kinds == Kind.PICK).all()


def test_optics_groups_and_names_that_are_numbers(tmp_path: Path) -> None:
    picks = read_text(tmp_path, NEW)
    assert list(picks) == ["1234"]
    np.testing.assert_array_equal(picks["1234"].yx, [[20, 10.5], [22, 12]])
    assert np.isnan(picks["1234"].scores).all()


@pytest.mark.parametrize("end", ["_autopick", "_manualpick", ""])
def test_files_of_one_micrograph(tmp_path: Path, end: str) -> None:
    text = "data_\n\nloop_ \n_rlnCoordinateX #1 \n_rlnCoordinateY #2 \n 1.5 2.5 \n"
    picks = read_text(tmp_path, text, f"a_01.frames{end}.star")
    assert list(picks) == ["a_01.frames"]
    np.testing.assert_array_equal(picks["a_01.frames"].yx, [[2.5, 1.5]])


def test_relion_4_list_of_coordinate_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tmp_path / "AutoPick" / "job006"
    job.mkdir(parents=True)
    (job / "a_autopick.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n")
    (job / "b_autopick.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n")
    head = "data_coordinate_files\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n"
    text = head + "".join(f"MotionCorr/{n}.mrc AutoPick/job006/{n}_autopick.star\n" for n in "ab")
    picks = read_text(job, text, "autopick.star")  # from anywhere
    assert list(picks) == ["a"]
    np.testing.assert_array_equal(picks["a"].yx, [[2, 1]])
    monkeypatch.chdir(tmp_path)  # from the project's folder
    assert list(read_picks("AutoPick/job006/autopick.star")) == ["a"]
    with pytest.raises(FileError, match=r"names nowhere\.star, which does not exist; run from RELION's"):
        read_text(job, head + "a.mrc nowhere.star\n")
    (job / "a.box").write_text("")
    with pytest.raises(FileError, match="is not a STAR file"):
        read_text(job, head + "a.mrc AutoPick/job006/a.box\n")


def test_written_for_relion(tmp_path: Path) -> None:
    picks = {"a": Picks([[20, 10.5], [1, 2]], scores=[1.25, np.nan]), "b c": Picks([[3, 4]])}
    files = {"a": MicrographFile(Path("MotionCorr/a.mrc"))}
    assert write_picks(tmp_path / "p.star", picks, files=files, pixel_size=0.885) == [tmp_path / "p.star"]
    blocks = starfile.read(tmp_path / "p.star")
    assert list(blocks) == ["optics", "particles"]
    assert blocks["optics"].to_dict("records") == [
        {
            "rlnOpticsGroup": 1,
            "rlnOpticsGroupName": "opticsGroup1",
            "rlnMicrographOriginalPixelSize": 0.885,
            "rlnImagePixelSize": 0.885,
        }
    ]
    rows = blocks["particles"]
    assert list(rows["rlnMicrographName"]) == ["MotionCorr/a.mrc", "MotionCorr/a.mrc", "b c"]
    assert list(rows["rlnCoordinateX"]) == [10.5, 2, 4]
    assert list(rows["rlnCoordinateY"]) == [20, 1, 3]
    assert list(rows["rlnAutopickFigureOfMerit"]) == [1.25, -999, -999]
    assert set(rows["rlnOpticsGroup"]) == {1}


def test_without_scores_or_pixel_size_no_columns(tmp_path: Path) -> None:
    write_picks(tmp_path / "p.star", {"a": Picks([[1, 2]])})
    text = (tmp_path / "p.star").read_text()
    assert "FigureOfMerit" not in text
    assert "PixelSize" not in text


def test_one_file_each_has_relions_names_and_block(tmp_path: Path) -> None:
    written = write_picks(tmp_path / "out", {"a": Picks([[1, 2]], scores=[3]), "b": Picks()})
    assert [path.name for path in written] == ["a_autopick.star", "b_autopick.star", "autopick.star"]
    table = starfile.read(tmp_path / "out" / "a_autopick.star")
    assert list(table.columns) == ["rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"]
    assert list(read_picks(tmp_path / "out")) == ["a"]


def project(folder: Path) -> dict[str, MicrographFile]:
    """A project of RELION with two micrographs."""
    (folder / "default_pipeline.star").write_text("data_pipeline_general\n\n_rlnPipeLineJobCounter 3\n")
    movies = folder / "MotionCorr" / "job002" / "Movies"
    movies.mkdir(parents=True)
    return {name: MicrographFile(movies / f"{name}.mrc") for name in ("a", "b 1")}


def test_a_folder_gets_the_list_that_relion_extracts_by(tmp_path: Path) -> None:
    files, job = project(tmp_path), tmp_path / "External" / "job003"
    picks = {"a": Picks([[1, 2]]), "b 1": Picks([[3, 4], [5, 6]])}
    written = write_picks(job, picks, files=files)
    assert [path.name for path in written] == ["a_autopick.star", "b 1_autopick.star", "autopick.star"]
    table = starfile.read(job / "autopick.star", always_dict=True)["coordinate_files"]
    assert table.to_dict("list") == {
        "rlnMicrographName": ["MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/b 1.mrc"],
        "rlnMicrographCoordinates": ["External/job003/a_autopick.star", "External/job003/b 1_autopick.star"],
    }, "relative to the project, whatever the working folder"
    for source in (job, job / "autopick.star", str(job / "*_autopick.star")):
        found = read_picks(source)
        assert list(found) == ["a", "b 1"]
        np.testing.assert_array_equal(found["b 1"].yx, picks["b 1"].yx)


def test_a_list_grows_and_forgets_files_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        write_picks(Path("out"), {name: Picks([[1, 2]])}, files={name: MicrographFile(Path(f"{name}.mrc"))})
    Path("out/b_autopick.star").unlink()
    write_picks(Path("out"), {"a": Picks([[7, 8]])})
    table = starfile.read("out/autopick.star", always_dict=True)["coordinate_files"]
    assert list(table["rlnMicrographName"]) == ["a", "c.mrc"]
    assert list(table["rlnMicrographCoordinates"]) == ["out/a_autopick.star", "out/c_autopick.star"]


def test_one_table_has_names_relative_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = project(tmp_path)
    stack = files | {"s": MicrographFile(tmp_path / "Import" / "s.mrcs", 2)}
    picks = {name: Picks([[1, 2]]) for name in stack}
    write_picks(tmp_path / "p.star", picks, files=stack)
    names = list(starfile.read(tmp_path / "p.star")["particles"]["rlnMicrographName"])
    assert names == [
        "MotionCorr/job002/Movies/a.mrc",
        "MotionCorr/job002/Movies/b 1.mrc",
        "000003@Import/s.mrcs",
    ]
    (tmp_path / "default_pipeline.star").unlink()
    write_picks(tmp_path / "p.star", {"a": picks["a"]}, files=files)
    assert list(starfile.read(tmp_path / "p.star")["particles"]["rlnMicrographName"]) == [
        str(files["a"].path)
    ]


def test_a_job_folder_of_relion_is_read_by_its_list(tmp_path: Path) -> None:
    project(tmp_path)
    job = tmp_path / "AutoPick" / "job006"
    (job / "Movies").mkdir(parents=True)
    (job / "Movies" / "a_autopick.star").write_text(LOOP + "1 2\n")
    (job / "job.star").write_text("data_job\n\n_rlnJobTypeLabel relion.autopick\n")
    (job / "summary.star").write_text(
        "data_summary\nloop_\n_rlnMicrographName\n_rlnGroupNrParticles\na.mrc 1\n"
    )
    head = "data_coordinate_files\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n"
    row = "MotionCorr/job002/Movies/a.mrc AutoPick/job006/Movies/a_autopick.star\n"
    for name in ("autopick.star", "manualpick.star"):
        (job / name).write_text(head + row)
        assert list(read_picks(job)) == ["a"]
        (job / "b_manualpick.star").write_text(LOOP + "3 4\n")  # beside the list, and not on it
        assert set(read_picks(job)) == {"a", "b"}
        (job / "b_manualpick.star").unlink()
        (job / name).write_text(head + row + row)
        with pytest.raises(FileError, match="names the micrograph 'a' twice"):
            read_picks(job)
        (job / name).write_text(head + f"a.mrc AutoPick/job006/{name}\n")
        with pytest.raises(FileError, match="names itself"):
            read_picks(job)
        (job / name).unlink()


def test_a_job_of_relion_3_has_a_file_that_is_none_of_picks(tmp_path: Path) -> None:
    """``coords_suffix_autopick.star`` holds a path alone; our own job folders have one, too."""
    suffix = tmp_path / "coords_suffix_autopick.star"
    suffix.write_text("CtfFind/job003/micrographs_ctf.star\n")
    with pytest.raises(
        FileError, match=r"only says how .* called; give those, such as .*/Movies/\*_autopick"
    ):
        read_picks(suffix)
    (tmp_path / "a_autopick.star").write_text(LOOP + "1 2\n")
    assert list(read_picks(tmp_path)) == ["a"]
    write_picks(tmp_path, {"b": Picks([[1, 2]])})
    assert list(read_picks(tmp_path)) == ["a", "b"]


LOOP = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no data block"),
        ("some words\n", "no data block"),
        ("data_x\n\n_rlnA 1\n", "its columns: rlnA"),
        ("data_\n\nloop_\n_rlnMicrographName #1\na.mrc\n", "its columns: rlnMicrographName"),
        ("data_\n", "not a well-formed STAR file"),
        (LOOP + "1 2 3\n", "not a well-formed STAR file"),
        (LOOP + "1\n", "not a well-formed STAR file"),
        (LOOP + "1 2\n3 x\n", "has 'x' in row 2 of column rlnCoordinateY, where a number"),
        (LOOP + "1 2\nnan 3\n", "has 'nan' in row 2 of column rlnCoordinateX, where a number"),
        (LOOP + "1 2\n3\n", "where a number"),
        (LOOP + "1 inf\n", "has 'inf' in row 1"),
        (LOOP + "_rlnMicrographName #3\n1 2 a.mrc\n3 4\n", "a row without a micrograph's name"),
        (LOOP + "1 1e39\n", "has '1e\\+39' in row 1"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read_text(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "p.star"))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    # A repaired file is read anew.
    assert len(read_text(tmp_path, LOOP + "1 2\n")["p"]) == 1


def test_an_empty_loop_has_no_picks(tmp_path: Path) -> None:
    assert read_text(tmp_path, LOOP) == {}
    assert read_text(tmp_path, LOOP + "\n\n") == {}
    # RELION writes no names of columns, either, where a table has no rows.
    assert read_text(tmp_path, "\n# version 50001\n\ndata_\n\nloop_ \n \n") == {}
    with pytest.raises(FileError, match="its columns: rlnA"):
        read_text(tmp_path, "data_\n\nloop_\n_rlnA #1\n1\n")


def test_a_micrograph_without_picks_does_not_spoil_the_list_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a_manualpick.star").write_text("\n# version 50001\n\ndata_\n\nloop_ \n \n")
    Path("b_manualpick.star").write_text(LOOP + "1 2\n")
    head = "data_coordinate_files\n\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n"
    Path("manualpick.star").write_text(head + "M/a.mrc a_manualpick.star\nM/b.mrc b_manualpick.star\n")
    assert list(read_picks("manualpick.star")) == ["b"]


def test_one_particle_without_a_loop(tmp_path: Path) -> None:
    found = read_text(
        tmp_path, "data_particles\n_rlnMicrographName M/a.mrc\n_rlnCoordinateX 1e1\n_rlnCoordinateY 2\n"
    )
    assert found["a"].yx.tolist() == [[2, 10]]


def test_same_name_in_two_folders(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"'x/a\.mrc' and 'y/a\.mrc' have the same name"):
        read_text(tmp_path, OLD.replace("MotionCorr/job002/b", "y/a").replace("MotionCorr/job002", "x"))


def test_binary_and_missing(tmp_path: Path) -> None:
    (tmp_path / "p.star").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(FileError, match=r"p\.star"):
        read_picks(tmp_path / "p.star")
    with pytest.raises(FileError, match=r"q\.star does not exist"):
        read_picks(tmp_path / "q.star")


def test_a_list_that_is_written_in_two_goes_is_that_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "a", "b", "c"):
        write_picks("out", {name: Picks([[1, 2]])}, format="star", listed=False)
    at_once, twice = [], []
    for goes, found in ((["abc"], at_once), (["ac", "abc"], twice)):
        Path("out/autopick.star").unlink(missing_ok=True)
        write_list(Path("out"), ["old"])
        for names in goes:
            write_list(Path("out"), list(names))
        found.append(Path("out/autopick.star").read_bytes())
    assert at_once == twice
    assert at_once[0].index(b"old") < at_once[0].index(b"a_autopick")
