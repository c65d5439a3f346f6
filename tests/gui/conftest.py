"""Small worlds for the viewer: micrographs in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_topaz.files import find_micrographs, write_mrc
from napari_topaz.gui.display import DisplaySettings, picture_of
from napari_topaz.gui.layers import Layers
from napari_topaz.gui.workspace import Workspace
from napari_topaz.micrograph import Micrograph
from napari_topaz.settings import PreprocessSettings

#: Not square, and no multiple of a bin.
SHAPE = (301, 407)
PIXEL_SIZE = 2.0
DIAMETER = 40.0


def micrograph(name: str, seed: int = 0, pixel_size: float | None = PIXEL_SIZE) -> Micrograph:
    pixels = np.random.default_rng(seed).normal(100, 5, SHAPE).astype(np.float32)
    return Micrograph(name, pixels, pixel_size)


@pytest.fixture(autouse=True)
def user_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions go that cannot lie beside their micrographs: not into the developer's home."""
    folder = tmp_path_factory.mktemp("user-data")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def usual_preferences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of the developer."""
    monkeypatch.setattr("napari_topaz.gui.preferences.pages", lambda: None)


@pytest.fixture
def workspace() -> Workspace:
    """Two micrographs and a diameter."""
    workspace = Workspace()
    workspace.add([micrograph("a", 1), micrograph("b", 2)])
    workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
    return workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three micrographs on disk."""
    folder = tmp_path / "micrographs"
    folder.mkdir()
    for k in range(3):
        write_mrc(folder / f"m_{k + 1}.mrc", micrograph("m", k).pixels, PIXEL_SIZE)
    return folder


@pytest.fixture
def files(folder: Path) -> list:
    return find_micrographs([folder])


class Stage:
    """A viewer without a window, and what is drawn into it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.viewer = ViewerModel()
        self.layers = Layers(self.viewer, workspace)

    def show(self, name: str, longest_side: int = 200) -> None:
        self.workspace.show(name)
        settings = DisplaySettings(longest_side=longest_side)
        self.layers.show(picture_of(self.workspace.source(name), settings, PIXEL_SIZE))

    def __getitem__(self, name: str):
        return self.viewer.layers[name]


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    stage = Stage(workspace)
    stage.show("a")
    return stage
