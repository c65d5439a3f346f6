"""Going to a place: another micrograph, the camera there, and a ring round what is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_topaz.gui.looks import LINE_WIDTH, UNKNOWN_DIAMETER
from napari_topaz.gui.opening import POLL, timer
from napari_topaz.gui.session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Name and colour of the layer with the ring.
RING, RING_COLOUR = "look here", "#ffd166"
#: Diameter of the ring, in particle diameters.
RING_PER_DIAMETER = 1.8
#: The particle is at least this large on the screen (px); where it is smaller, the camera goes nearer.
SMALLEST_ON_SCREEN = 40.0
#: How long a micrograph may take to be drawn, ms.
PATIENCE = 20_000


class Going(QObject):
    """Shows places.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    session : Session
    parent : QObject
    """

    def __init__(self, viewer: ViewerModel, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._target: tuple[str, NDArray[np.float32]] | None = None
        self._waited = 0
        self._poll = timer(self, self._look, POLL, repeat=True)

    def go(self, name: str, yx: NDArray[np.float32]) -> None:
        """Show a micrograph, with the camera at `yx` (2,) in its pixels, as soon as it is drawn."""
        if (window := getattr(self._viewer, "window", None)) is not None:
            open_dock(window, "Particle picker")  # which draws micrographs
        self._target, self._waited = (name, np.array(yx, np.float32)), 0
        self._session.workspace.show(name)
        self._look()
        if self._target is not None:
            self._poll.start()

    def leave(self) -> None:
        """Go nowhere, and take the ring away."""
        self._target = None
        self._poll.stop()
        if (ring := self._ring()) is not None and len(ring.data):
            ring.data = np.empty((0, 2), np.float32)

    def _look(self) -> None:
        """Move the camera if the micrograph is drawn by now."""
        if self._target is None:
            self._poll.stop()
            return
        name, yx = self._target
        self._waited += POLL
        elsewhere = self._session.workspace.current != name  # she went on meanwhile
        if elsewhere or self._waited > PATIENCE:
            self._target = None
        elif self._session.layers.shown == name:
            self._target = None
            self._arrive(name, yx)

    def _arrive(self, name: str, yx: NDArray[np.float32]) -> None:
        workspace, picture = self._session.workspace, self._session.layers.picture
        assert picture is not None
        scale = workspace.pixel_size(name) or 1.0
        diameter = workspace.diameter(name) or max(picture.shape) * UNKNOWN_DIAMETER
        camera = self._viewer.scene.camera
        camera.center = (0.0, float(yx[0]) * scale, float(yx[1]) * scale)
        camera.zoom = max(camera.zoom, SMALLEST_ON_SCREEN / (diameter * scale))
        self._draw_ring(yx, scale, diameter * RING_PER_DIAMETER)

    def _ring(self) -> Any:
        return next((layer for layer in self._viewer.layers if layer.name == RING), None)

    def _draw_ring(self, yx: NDArray[np.float32], scale: float, size: float) -> None:
        image = next((layer for layer in self._viewer.layers if self._session.layers.is_ours(layer)), None)
        # Units of its own would switch those of all layers off.
        units = ("pixel", "pixel") if image is None else image.units
        ring = self._ring()
        if ring is None:
            ring = _ring_layer(self._viewer, units=units, scale=(scale, scale))
        ring.units, ring.scale = units, (scale, scale)
        ring.selected_data = set()
        ring.data = yx[None]
        ring.size = size


def _ring_layer(viewer: ViewerModel, **placement: Any) -> Points:
    """Add the layer; it stays, as taking Points layers away can crash old graphics drivers."""
    active = viewer.layers.selection.active
    ring = Points(
        np.empty((0, 2), np.float32),
        ndim=2,
        name=RING,
        face_color="transparent",
        border_color=RING_COLOUR,
        border_width=LINE_WIDTH / 2,
        axis_labels=("y", "x"),
        **placement,
    )
    viewer.add_layer(ring)
    ring.locked = True
    ring.editable = False
    viewer.layers.selection.active = active
    return ring


def open_dock(window: Any, name: str, area: Any = None) -> Any:
    """Open one of the plugin's docks, or show it if it is open; returns its widget."""
    known = set(window.dock_widgets)
    dock, widget = window.add_plugin_dock_widget("napari-topaz", name)
    if area is not None and set(window.dock_widgets) != known:
        dock.window().addDockWidget(area, dock)
    dock.show()
    return widget
