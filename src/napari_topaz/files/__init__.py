"""Files: paths in, nouns out, and back. This is the only door to disk formats; no torch, no Qt.

Micrographs are read by :func:`read_micrograph` and found by :func:`find_micrographs`; picks go
through :func:`read_picks` and :func:`write_picks`. What a user can do something about is a
:class:`FileError`: one sentence with the file and the remedy.
"""

from napari_topaz.files.atomic import replace_file
from napari_topaz.files.errors import FileError
from napari_topaz.files.heatmaps import Heatmap, find_heatmaps, heatmap_path, read_heatmap, write_heatmap
from napari_topaz.files.masks import MaskFolder, find_masks, mask_path, read_mask, write_mask
from napari_topaz.files.micrographs import (
    MICROGRAPH_FORMATS,
    MicrographFormat,
    find_micrographs,
    read_header,
    read_micrograph,
)
from napari_topaz.files.mrc import write_mrc
from napari_topaz.files.names import Matched, check_inside, match_names
from napari_topaz.files.pick_files import (
    PICK_FORMATS,
    PICK_SUFFIXES,
    PickFormat,
    format_of,
    holds_corners,
    pick_targets,
    read_picks,
    write_list,
    write_picks,
)
from napari_topaz.files.stacks import Optics, StackedPicks, open_stack, write_particle_star

__all__ = [
    "MICROGRAPH_FORMATS",
    "PICK_FORMATS",
    "PICK_SUFFIXES",
    "FileError",
    "Heatmap",
    "MaskFolder",
    "Matched",
    "MicrographFormat",
    "Optics",
    "PickFormat",
    "StackedPicks",
    "check_inside",
    "find_heatmaps",
    "find_masks",
    "find_micrographs",
    "format_of",
    "heatmap_path",
    "holds_corners",
    "mask_path",
    "match_names",
    "open_stack",
    "pick_targets",
    "read_header",
    "read_heatmap",
    "read_mask",
    "read_micrograph",
    "read_picks",
    "replace_file",
    "write_heatmap",
    "write_list",
    "write_mask",
    "write_mrc",
    "write_particle_star",
    "write_picks",
]
