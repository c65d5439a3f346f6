"""What a writer of picks may need besides the picks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_topaz.files.names import refuse_bytes
from napari_topaz.micrograph import MicrographFile

#: RELION writes this file into the folder of a project.
_PROJECT = "default_pipeline.star"


@dataclass(frozen=True)
class WriteOptions:
    """Options of :func:`napari_topaz.files.write_picks`, for the writers of all formats.

    Attributes
    ----------
    files : mapping of str to MicrographFile
        Where the micrographs lie, by name; for formats that write paths.
    pixel_size : float or None
        Å/px of the micrographs, where known.
    box_size : int or None
        Edge of a particle's box in pixels of the micrograph.
    one_each : bool
        Whether the file is one of a folder of files with one micrograph each.
    shapes : mapping of str to tuple of int
        (height, width) of micrographs in pixels, where there are no files to ask.
    exposures : Path or None
        cryoSPARC's file of the exposures that the picks are to belong to.
    """

    files: Mapping[str, MicrographFile] = field(default_factory=dict)
    pixel_size: float | None = None
    box_size: int | None = None
    one_each: bool = False
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    exposures: Path | None = None

    def star_name(self, name: str) -> str:
        """The micrograph as RELION writes it; just its name where its file is not known."""
        if name not in self.files:
            return name
        file = self.files[name]
        return MicrographFile(Path(project_path(file.path)), file.section).star_name


def project_path(path: Path) -> str:
    """Return a path relative to RELION's project, where it lies in one; else as it is given.

    The project is the nearest folder above that has a ``default_pipeline.star``. Links are not
    followed: RELION's own names go through them.

    Raises
    ------
    FileError
        Where it has bytes that are not UTF-8.
    """
    refuse_bytes([str(path)])
    full = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links)
    for parent in full.parents:
        if (parent / _PROJECT).is_file():
            return full.relative_to(parent).as_posix()
    return str(path)
