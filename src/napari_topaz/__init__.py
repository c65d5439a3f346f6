"""Pick particles in cryo-EM micrographs by positive-unlabelled learning, in napari and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from napari_topaz.files import find_micrographs, read_micrograph, read_picks, write_picks
    from napari_topaz.micrograph import Micrograph, MicrographFile
    from napari_topaz.picks import Kind, Picks

#: The public vocabulary: name → module, imported on first use (so that importing this package is cheap).
_HOMES = {
    "Kind": "napari_topaz.picks",
    "Micrograph": "napari_topaz.micrograph",
    "MicrographFile": "napari_topaz.micrograph",
    "Picks": "napari_topaz.picks",
    "find_micrographs": "napari_topaz.files",
    "read_micrograph": "napari_topaz.files",
    "read_picks": "napari_topaz.files",
    "write_picks": "napari_topaz.files",
}

__all__ = [
    "Kind",
    "Micrograph",
    "MicrographFile",
    "Picks",
    "find_micrographs",
    "read_micrograph",
    "read_picks",
    "write_picks",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
