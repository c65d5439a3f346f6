"""What an *External* job of RELION reads and leaves behind.

Source: RELION's documentation, *Using RELION*, "The External job-type" (3.1 and later). The names of node
types are those of ``data_pipeline_nodes`` in the project's own ``default_pipeline.star``, to which the
documentation points for examples: numbers in 3.1, labels since 4, other labels since 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from napari_topaz.files.atomic import replace_file, write_text
from napari_topaz.files.columns import numbers, text_of
from napari_topaz.files.errors import FileError
from napari_topaz.files.micrographs import refuse_clashes
from napari_topaz.files.names import usable_name
from napari_topaz.files.pick_files import read_picks
from napari_topaz.files.star import SUFFIX_FILE, quoted, read_blocks, read_star, star_text
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks

#: What RELION asks for, and what it is told, by empty files in the job's folder.
ABORT_NOW = "RELION_JOB_ABORT_NOW"
SUCCESS, FAILURE, ABORTED = (f"RELION_JOB_EXIT_{end}" for end in ("SUCCESS", "FAILURE", "ABORTED"))
NODES = "RELION_OUTPUT_NODES.star"
#: As in RELION's own ``a_01_autopick.star``, and ``coords_suffix_autopick.star`` of 3.1.
PICKER = "autopick"
PIPELINE = "default_pipeline.star"
#: What our outputs are, by generation of RELION; 3.1 has no type for a model.
COORDINATES, MODEL = "coordinates", "model"
_TYPES: Mapping[str, Mapping[str, str]] = {
    "3.1": {COORDINATES: "2"},
    "4": {
        COORDINATES: "MicrographsCoords.star.relion.autopick",
        MODEL: "ProcessData.safetensors.napari-topaz.model",
    },
    "5": {
        COORDINATES: "MicrographCoordsGroup.star.relion.autopick",
        MODEL: "ParamsData.safetensors.napari-topaz.model",
    },
}
_NUMBER, _LABEL = "rlnPipeLineNodeType", "rlnPipeLineNodeTypeLabel"
_NAME, _GROUP = "rlnMicrographName", "rlnOpticsGroup"
#: Å/px, the micrograph's own first: the "original" one is the movie's, which may have been binned.
_SIZES = ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")
_JOB = re.compile(r"job\d{3,}")


@dataclass(frozen=True)
class RelionMicrographs:
    """The micrographs of a STAR file.

    Attributes
    ----------
    files : tuple of MicrographFile
        Paths as they are written, relative to the project.
    pixel_sizes : tuple of float
        Å/px of the optics groups that have micrographs, each once; empty where the file does not say.
    """

    files: tuple[MicrographFile, ...]
    pixel_sizes: tuple[float, ...]


def read_micrograph_star(path: Path) -> RelionMicrographs:
    """Read a STAR file of micrographs, as *Import*, *Motion correction* and *CTF estimation* write it.

    No micrograph is opened.

    Raises
    ------
    FileError
        Where it lists none, none of them exists, two have the same name, or a pixel size is not positive.
    """
    tables = {name: b for name, b in read_blocks(path).items() if isinstance(b, pd.DataFrame)}
    rows = next((t for name, t in tables.items() if name != "optics" and _NAME in t.columns), None)
    if rows is None or not len(rows):
        raise FileError(f"{path} lists no micrographs ({_NAME}); give the STAR file of a micrograph job.")
    files = tuple(_file(str(text), path) for text in rows[_NAME])
    refuse_clashes(files)
    if not any(file.path.exists() for file in files):
        raise FileError(
            f"{path} names {files[0].path}, which does not exist; run from RELION's project folder."
        )
    return RelionMicrographs(files, _pixel_sizes(tables.get("optics"), rows, path))


def _file(text: str, path: Path) -> MicrographFile:
    section, at, rest = text.partition("@")
    stacked = bool(at) and section.isdigit()
    if stacked and not int(section):
        raise FileError(f"{path} has {text!r}, but sections are counted from 1; correct that row.")
    file = MicrographFile(Path(rest), int(section) - 1) if stacked else MicrographFile(Path(text))
    usable_name(file.name, f"{path} has")
    return file


def _pixel_sizes(optics: pd.DataFrame | None, rows: pd.DataFrame, path: Path) -> tuple[float, ...]:
    table = rows if optics is None else optics
    column = next((name for name in _SIZES if name in table.columns), None)
    if column is None:
        return ()
    if optics is not None and _GROUP in optics.columns and _GROUP in rows.columns:
        table = optics[optics[_GROUP].astype(str).isin(set(rows[_GROUP].astype(str)))]
    sizes = numbers(table[column], path)
    if len(sizes) and not sizes.min() > 0:
        raise FileError(f"{path} has the pixel size {sizes.min():g} in {column}; it must be positive.")
    return tuple(dict.fromkeys(float(f"{size:.6g}") for size in sizes))


def read_coordinates(path: Path, files: Sequence[MicrographFile]) -> dict[str, Picks]:
    """Read the coordinates that a picking job hands on.

    Parameters
    ----------
    path : Path
        ``manualpick.star`` or ``autopick.star`` (4 and 5), ``coords_suffix_NAME.star`` (3.1: the files lie
        beside it, as the micrographs do in their folders), or any other file of picks.
    files : sequence of MicrographFile
        The micrographs, relative to the project.

    Raises
    ------
    FileError
        Where nothing belongs to the micrographs, or a file is damaged.
    """
    suffix = SUFFIX_FILE.fullmatch(path.name)
    if suffix is None:
        return read_picks(path)
    text_of(path, "the coords_suffix file of a picking job")
    found: dict[str, Picks] = {}
    for file in files:
        place = place_in_job(path.parent, file, suffix[1])
        if place.is_file():
            found[file.name] = Picks.joined(read_star(place).values())
    if not found:
        raise FileError(
            f"{path.parent} has no *_{suffix[1]}.star of these micrographs; pick some, or give the STAR file "
            "of those that were picked."
        )
    return found


def place_in_job(folder: Path, file: MicrographFile, picker: str = PICKER) -> Path:
    """Return where a picking job keeps the coordinates of one micrograph.

    The folders of the micrograph are kept, without those of the job that made it:
    ``MotionCorr/job002/Movies/a.mrc`` becomes ``Movies/a_autopick.star``. A path that is absolute or
    climbs ("..") leaves only its name, so that nothing is written outside of the job.
    """
    path = PurePosixPath(file.path.as_posix())
    parents = path.parent.parts
    if path.is_absolute() or ".." in parents:
        parents = ()
    elif len(parents) > 1 and _JOB.fullmatch(parents[1]):
        parents = parents[2:]
    return folder.joinpath(*parents, f"{usable_name(file.name, 'The list has')}_{picker}.star")


def generation_of(project: Path) -> str:
    """Return which RELION wrote the project's pipeline: 3.1, 4 or 5; 5 where nothing tells."""
    try:
        nodes = read_blocks(project / PIPELINE).get("pipeline_nodes")
    except FileError:  # not a project, or RELION is just writing the file
        return "5"
    if not isinstance(nodes, pd.DataFrame):
        return "5"
    if _LABEL not in nodes.columns:
        return "3.1" if _NUMBER in nodes.columns else "5"
    labels = nodes[_LABEL].astype(str)
    return "4" if labels.str.startswith(("MicrographsData", "MicrographMoviesData")).any() else "5"


def write_nodes(folder: Path, outputs: Iterable[tuple[Path, str]], project: Path) -> None:
    """Write ``RELION_OUTPUT_NODES.star``: what other jobs of RELION can take as their input.

    Parameters
    ----------
    folder : Path
        Of the job, relative to the project.
    outputs : iterable of (Path, str)
        A file and what it is: :data:`COORDINATES` or :data:`MODEL`; those that this RELION has no type
        for are left out.
    project : Path
        RELION's project folder.
    """
    generation = generation_of(project)
    types = _TYPES[generation]
    rows = [(quoted(path.as_posix()), types[what]) for path, what in outputs if what in types]
    column = _NUMBER if generation == "3.1" else _LABEL
    table = pd.DataFrame(rows, columns=["rlnPipeLineNodeName", column])
    write_text(folder / NODES, star_text({"output_nodes": table}))


def write_coords_suffix(folder: Path, micrographs: Path) -> Path:
    """Write ``coords_suffix_autopick.star``, by which RELION 3.1 finds coordinates; returns its path."""
    target = folder / f"coords_suffix_{PICKER}.star"
    write_text(target, f"{micrographs.as_posix()}\n")
    return target


def clear_marks(folder: Path) -> None:
    """Remove what an earlier run of the same job has left: RELION continues jobs in their folder."""
    for name in (ABORT_NOW, SUCCESS, FAILURE, ABORTED, NODES):
        (folder / name).unlink(missing_ok=True)


def mark(folder: Path, how: str) -> None:
    """Tell RELION how the job ended: :data:`SUCCESS`, :data:`FAILURE` or :data:`ABORTED`."""
    with replace_file(folder / how):
        pass
    (folder / ABORT_NOW).unlink(missing_ok=True)
