"""Sample data for napari: simulated micrographs, ready for the dock."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from napari_topaz import __version__
from napari_topaz.files import find_micrographs, read_micrograph, write_mrc
from napari_topaz.gui.reader import LayerData, layer_of
from napari_topaz.settings import SimulateSettings
from napari_topaz.simulate import simulate

SETTINGS = SimulateSettings(micrographs=6)


def simulated_micrographs() -> list[LayerData]:
    """Open simulated micrographs, and the dock beside them."""
    files = find_micrographs([_folder()])
    _open_dock()
    return [layer_of(read_micrograph(files[0]), files, diameter=SETTINGS.diameter)]


def is_sample(folder: Path) -> bool:
    """Whether this is the folder of the sample data."""
    return folder == _place()


def _place() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache.absolute() / "napari-topaz" / f"sample-{__version__}"


def _folder() -> Path:
    """Simulated micrographs in the user's cache; made on first use."""
    folder = _place()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: another napari may be doing the same.
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            for index in range(SETTINGS.micrographs):
                micrograph, _ = simulate(SETTINGS, index)
                write_mrc(made / f"simulated_{index + 1:02d}.mrc", micrograph.pixels, micrograph.pixel_size)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def _open_dock() -> None:
    """Open the dock beside the data, where there is a window: it says what to do."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None and hasattr(viewer, "window"):
        viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")
