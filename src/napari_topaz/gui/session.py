"""What belongs to one viewer for as long as it lives, whether the dock is open or not. No Qt."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_topaz.gui.display import Pictures
from napari_topaz.gui.keeper import Keeper
from napari_topaz.gui.layers import Layers
from napari_topaz.gui.targets import Targets
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.preparing import PreparedCache

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Keys in the viewer → what they do. None of them is a default of napari for images and points.
KEYS: dict[str, Callable[[Workspace], Any]] = {
    "N": lambda workspace: workspace.step(1),
    "B": lambda workspace: workspace.step(-1),
    "PageDown": lambda workspace: workspace.step(1),
    "PageUp": lambda workspace: workspace.step(-1),
    "Control-Z": lambda workspace: workspace.undo(),
}


class Session:
    """Workspace, layers and caches of one viewer."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.workspace = Workspace()
        self.targets = Targets()
        self.layers = Layers(viewer, self.workspace)
        self.pictures = Pictures()
        self.prepared = PreparedCache()
        #: Saves the workspace by itself.
        self.keeper = Keeper(self.workspace, self.layers, self.targets)
        for key, action in KEYS.items():
            viewer.bind_key(key, _calling(action, self.workspace), overwrite=True)


_SESSIONS: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of a viewer; made on first use."""
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Session(viewer)
    return _SESSIONS[viewer]


def _calling(action: Callable[[Workspace], Any], workspace: Workspace) -> Callable[[Any], None]:
    def press(viewer: Any) -> None:
        action(workspace)

    return press
