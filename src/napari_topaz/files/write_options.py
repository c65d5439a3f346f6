"""What a writer of picks may need besides the picks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_topaz.micrograph import MicrographFile


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
    """

    files: Mapping[str, MicrographFile] = field(default_factory=dict)
    pixel_size: float | None = None
    box_size: int | None = None
    one_each: bool = False

    def star_name(self, name: str) -> str:
        """The micrograph as RELION writes it; just its name where its file is not known."""
        return self.files[name].star_name if name in self.files else name
