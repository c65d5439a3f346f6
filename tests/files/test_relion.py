"""What RELION's External jobs read and write; the files are as its documentation shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile

from napari_topaz.files import FileError
from napari_topaz.files.relion import (
    COORDINATES,
    MODEL,
    generation_of,
    place_in_job,
    read_coordinates,
    read_micrograph_star,
    write_coords_suffix,
    write_nodes,
)
from napari_topaz.micrograph import MicrographFile

MICROGRAPHS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographOriginalPixelSize #3
_rlnMicrographPixelSize #4
opticsGroup1 1 0.4425 0.885
opticsGroup2 2 0.5 1.0


# version 30001

data_micrographs

loop_
_rlnCtfPowerSpectrum #1
_rlnMicrographName #2
_rlnOpticsGroup #3
a_PS.mrc MotionCorr/job002/Movies/a.mrc 1
b_PS.mrc MotionCorr/job002/Movies/b.mrc 1
"""
NODES = """
# version 30001

data_pipeline_general

_rlnPipeLineJobCounter                       7


# version 30001

data_pipeline_nodes

loop_
_rlnPipeLineNodeName #1
{column} #2
CtfFind/job005/micrographs_ctf.star {type}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that exist where RELION's names lead."""
    monkeypatch.chdir(tmp_path)
    for name in ("MotionCorr/job002/Movies/a.mrc", "Others/a.mrc", "s.mrcs"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def written(folder: Path, text: str, name: str = "micrographs_ctf.star") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_micrographs_have_the_pixel_size_of_their_groups(tmp_path: Path) -> None:
    found = read_micrograph_star(written(tmp_path, MICROGRAPHS))
    assert [f.star_name for f in found.files] == [f"MotionCorr/job002/Movies/{n}.mrc" for n in "ab"]
    assert found.pixel_sizes == (0.885,)  # group 2 has no micrograph; the movie's size is another one
    both = read_micrograph_star(written(tmp_path, MICROGRAPHS.replace("b.mrc 1", "b.mrc 2")))
    assert both.pixel_sizes == (0.885, 1.0)


def test_micrographs_without_optics_and_of_a_stack(tmp_path: Path) -> None:
    found = read_micrograph_star(
        written(tmp_path, "data_\nloop_\n_rlnMicrographName #1\n3@s.mrcs\n1234.mrc\n")
    )
    assert found.files == (MicrographFile(Path("s.mrcs"), 2), MicrographFile(Path("1234.mrc")))
    assert found.pixel_sizes == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("data_\nloop_\n_rlnMicrographMovieName #1\na.tif\n", "lists no micrographs"),
        (MICROGRAPHS.replace("0.885", "-0.885"), "has the pixel size -0.885 in rlnMicrographPixelSize"),
        (MICROGRAPHS.replace("0.885", "nan"), "where a number is needed"),
        (MICROGRAPHS.replace("Movies/b.mrc", "Others/a.mrc"), "are both called 'a'"),
        ("data_\nloop_\n_rlnMicrographName #1\n0@s.mrcs\n", "sections are counted from 1"),
        ("data_\nloop_\n_rlnMicrographName #1\nMovies/..\n", "which no file can have"),
    ],
)
def test_bad_micrographs(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        read_micrograph_star(written(tmp_path, text))


def test_coordinates_of_relion_3_lie_beside_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "ManualPick" / "job004" / "Movies").mkdir(parents=True)
    job = tmp_path / "ManualPick" / "job004"
    suffix = written(job, "CtfFind/job005/micrographs_ctf.star\n", "coords_suffix_manualpick.star")
    files = read_micrograph_star(written(tmp_path, MICROGRAPHS)).files
    with pytest.raises(FileError, match=r"has no \*_manualpick\.star of these micrographs"):
        read_coordinates(suffix, files)
    table = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n10 20\n"
    (job / "Movies" / "b_manualpick.star").write_text(table)
    found = read_coordinates(suffix, files)
    assert list(found) == ["b"]
    np.testing.assert_array_equal(found["b"].yx, [[20, 10]])


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("MotionCorr/job002/Movies/a.mrc", "Movies/a_autopick.star"),
        ("Micrographs/a.mrc", "Micrographs/a_autopick.star"),
        ("a.mrc", "a_autopick.star"),
        ("Movies/job002/a.mrc", "a_autopick.star"),
        ("../../etc/a.mrc", "a_autopick.star"),
        ("Movies/../../../a.mrc", "a_autopick.star"),
        ("/etc/a.mrc", "a_autopick.star"),
    ],
)
def test_nothing_lies_outside_of_the_job(name: str, place: str) -> None:
    assert place_in_job(Path("External/job006"), MicrographFile(Path(name))) == Path("External/job006", place)


@pytest.mark.parametrize(
    ("column", "type_", "generation", "coordinates", "model"),
    [
        ("_rlnPipeLineNodeType", "1", "3.1", "2", None),
        (
            *("_rlnPipeLineNodeTypeLabel", "MicrographsData.star.relion.ctf", "4"),
            *("MicrographsCoords.star.relion.autopick", "ProcessData.safetensors.napari-topaz.model"),
        ),
        (
            *("_rlnPipeLineNodeTypeLabel", "MicrographGroupMetadata.star.relion.ctf", "5"),
            *("MicrographCoordsGroup.star.relion.autopick", "ParamsData.safetensors.napari-topaz.model"),
        ),
    ],
)
def test_nodes_speak_as_the_project_does(
    tmp_path: Path, column: str, type_: str, generation: str, coordinates: str, model: str | None
) -> None:
    written(tmp_path, NODES.format(column=column, type=type_), "default_pipeline.star")
    assert generation_of(tmp_path) == generation
    write_nodes(tmp_path, [(Path("E/job6/autopick.star"), COORDINATES), (Path("E/m"), MODEL)], tmp_path)
    table = starfile.read(tmp_path / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert list(table.columns) == ["rlnPipeLineNodeName", column.removeprefix("_")]
    rows = [["E/job6/autopick.star", coordinates], *([["E/m", model]] if model else [])]
    assert table.astype(str).to_numpy().tolist() == rows


def test_a_pipeline_that_is_being_written_tells_nothing(tmp_path: Path) -> None:
    assert generation_of(tmp_path) == "5"
    written(tmp_path, "data_pipeline_nodes\nloop_\n_rln", "default_pipeline.star")
    assert generation_of(tmp_path) == "5"


def test_suffix_file_names_the_micrographs(tmp_path: Path) -> None:
    path = write_coords_suffix(tmp_path, Path("CtfFind/job005/micrographs_ctf.star"))
    assert path.name == "coords_suffix_autopick.star"
    assert path.read_text() == "CtfFind/job005/micrographs_ctf.star\n"
