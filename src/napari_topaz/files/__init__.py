"""Files: paths in, nouns out, and back. This is the only door to disk formats; no torch, no Qt.

Micrographs are read by :func:`read_micrograph` and found by :func:`find_micrographs`; picks go
through :func:`read_picks` and :func:`write_picks`. What a user can do something about is a
:class:`FileError`: one sentence with the file and the remedy.

Each name is imported on first use: who reads micrographs does not wait for what reads tables.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_topaz.files.atomic import replace_file
    from napari_topaz.files.errors import FileError
    from napari_topaz.files.heatmaps import Heatmap, find_heatmaps, heatmap_path, read_heatmap, write_heatmap
    from napari_topaz.files.masks import MaskFolder, find_masks, mask_path, read_mask, write_mask
    from napari_topaz.files.micrographs import (
        MICROGRAPH_FORMATS,
        MicrographFormat,
        find_micrographs,
        locate_micrograph,
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

#: Name → module of this package.
_HOMES = {
    "FileError": "errors",
    "Heatmap": "heatmaps",
    "MICROGRAPH_FORMATS": "micrographs",
    "MaskFolder": "masks",
    "Matched": "names",
    "MicrographFormat": "micrographs",
    "Optics": "stacks",
    "PICK_FORMATS": "pick_files",
    "PICK_SUFFIXES": "pick_files",
    "PickFormat": "pick_files",
    "StackedPicks": "stacks",
    "check_inside": "names",
    "find_heatmaps": "heatmaps",
    "find_masks": "masks",
    "find_micrographs": "micrographs",
    "format_of": "pick_files",
    "heatmap_path": "heatmaps",
    "holds_corners": "pick_files",
    "locate_micrograph": "micrographs",
    "mask_path": "masks",
    "match_names": "names",
    "open_stack": "stacks",
    "pick_targets": "pick_files",
    "read_header": "micrographs",
    "read_heatmap": "heatmaps",
    "read_mask": "masks",
    "read_micrograph": "micrographs",
    "read_picks": "pick_files",
    "replace_file": "atomic",
    "write_heatmap": "heatmaps",
    "write_list": "pick_files",
    "write_mask": "masks",
    "write_mrc": "mrc",
    "write_particle_star": "stacks",
    "write_picks": "pick_files",
}

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
    "locate_micrograph",
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


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
