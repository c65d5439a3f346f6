"""How picks are written to files."""

from __future__ import annotations

from napari_topaz import choices
from napari_topaz.settings.option import Settings, option


class SavingSettings(Settings):
    """How picks are written to files."""

    format: str = option("star", "Format of the picks.", choices=choices.PICK_FORMATS)
    one_each: bool = option(
        False,
        "One file per micrograph, in a folder; with format star also their list for RELION, autopick.star.",
    )
    box_size: int | None = option(
        None,
        "Edge of the boxes in files of boxes; 1.5 particle diameters where not given and that is known.",
        unit="px",
        step=2,
        ge=2,
        le=8192,
    )
    exposures: str = option(
        "",
        "cryoSPARC's exposures (.cs) that the picks are to belong to, for format cs; without them the uids "
        "of micrographs are made up, so that cryoSPARC cannot join the picks to its own.",
        pattern=r"^(.+\.cs)?$",
    )
