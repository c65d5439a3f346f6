"""Draws masks and the margin into a viewer, and takes her drawing back. No Qt."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from psygnal import Signal

from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.still import watch
from napari_topaz.masks import Mask

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_topaz.gui.layers import Layers
    from napari_topaz.gui.workspace import Workspace

#: "Reddish purple" of Okabe & Ito's palette for colour-blind eyes.
COLOUR = "#cc79a7"
OPACITY = 0.4
#: Width of outlines, as a part of the micrograph's longer side.
LINE = 1 / 400
#: Place in the list of layers: above micrograph and heat map.
ABOVE = 2
#: Corners of an ellipse.
ROUND = np.linspace(0, 2 * np.pi, 48, endpoint=False)


class MaskLayer:
    """A layer of polygons and one of the margin, each made when there is something to draw.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    workspace : Workspace
    layers : Layers
        Say which micrograph is drawn.
    book : MaskBook

    Signals
    -------
    drawing_changed
        Clicks draw masks from now on, in another way, or not any more.
    """

    drawing_changed = Signal()

    def __init__(self, viewer: ViewerModel, workspace: Workspace, layers: Layers, book: MaskBook) -> None:
        self._viewer_ref = weakref.ref(viewer)
        self._workspace, self._layers, self._book = workspace, layers, book
        self._masks: Shapes | None = None
        self._margin: Shapes | None = None
        self._drawn: str | None = None
        self._quiet = False
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._tell)
        book.changed.connect(self._on_changed)

    def draw(self) -> None:
        """Draw what belongs to the micrograph that is shown."""
        name = self._layers.shown
        if name is None:
            return
        if self._masks is not None and name != self._drawn:
            self._masks.mode = "pan_zoom"  # what she was drawing is complete, and the one before's
        self._drawn = name
        polygons = self._book.of(name).polygons
        if self._masks is None and polygons:
            self._masks = self._make("masks")
        if self._masks is not None:
            self._fill(self._masks, list(polygons))
        self.draw_margin()

    def draw_margin(self) -> None:
        """Draw the margin, and where the layers lie."""
        frame = self._frame()
        if self._margin is None and frame:
            self._margin = self._make("margin")
        if self._margin is not None:
            self._fill(self._margin, frame)
            self._margin.editable = False
        for layer in (self._masks, self._margin):
            if layer is not None:
                self._place(layer)

    def begin(self, mode: str) -> None:
        """Let her draw: ``add_polygon`` or ``add_polygon_lasso`` (with the button held)."""
        viewer = self._viewer_ref()
        if viewer is None or self._layers.shown is None:
            return
        if self._drawn != self._layers.shown:
            self.draw()
        if self._masks is None:
            self._masks = self._make("masks")
            self._place(self._masks)
        viewer.layers.selection.active = self._masks
        self._masks.visible = True
        self._masks.mode = mode

    @property
    def mode(self) -> str | None:
        """How clicks draw masks; None where they do not."""
        viewer = self._viewer_ref()
        if viewer is None or self._masks is None or viewer.layers.selection.active is not self._masks:
            return None
        mode = str(self._masks.mode)
        return mode if mode.startswith("add") else None

    @property
    def drawing(self) -> bool:
        """Whether clicks draw masks."""
        return self.mode is not None

    def _tell(self, event: Any = None) -> None:
        self.drawing_changed.emit()

    def _frame(self) -> list[NDArray[np.float32]]:
        """Four rectangles: all that is nearer to an edge than the margin."""
        picture, size = self._layers.picture, self._workspace.pixel_size(self._drawn)
        margin = self._workspace.options.pick.margin
        if picture is None or not margin or not size:
            return []
        h, w = picture.shape
        m = min(margin / size, h / 2, w / 2)
        corners = [(0, 0, m, w), (h - m, 0, h, w), (m, 0, h - m, m), (m, w - m, h - m, w)]
        sides = [np.array([(a, b), (a, d), (c, d), (c, b)], np.float32) - 0.5 for a, b, c, d in corners]
        return [side for side in sides if np.ptp(side[:, 0]) > 0 and np.ptp(side[:, 1]) > 0]

    def _make(self, name: str) -> Shapes:
        viewer = self._viewer_ref()
        assert viewer is not None
        picture = self._layers.picture
        size = max(picture.shape) if picture is not None else 1000
        layer = Shapes(
            ndim=2,
            name=name,
            opacity=OPACITY,
            face_color=COLOUR,
            edge_color=COLOUR,
            edge_width=size * LINE,
        )
        self._place(layer)
        before = viewer.layers.selection.active
        viewer.layers.insert(ABOVE, layer)  # and below all circles
        viewer.layers.selection.active = before
        if name == "masks":
            watch(layer, self._workspace.lock)
            layer.events.data.connect(self._on_edited)
            layer.events.mode.connect(self._tell)
        return layer

    def _place(self, layer: Shapes) -> None:
        size = self._workspace.pixel_size(self._drawn or self._layers.shown)
        unit = "pixel" if size is None else "angstrom"
        layer.units, layer.scale, layer.axis_labels = (unit, unit), (size or 1.0,) * 2, ("y", "x")

    def _fill(self, layer: Shapes, polygons: list[NDArray[np.float32]]) -> None:
        before, self._quiet = self._quiet, True
        try:
            layer.selected_data = set(range(len(layer.data)))
            layer.remove_selected()
            if polygons:
                layer.add_polygons(polygons)
            layer.selected_data = set()
        finally:
            self._quiet = before

    def _on_edited(self, event: Any) -> None:
        if self._quiet or self._drawn is None or self._masks is None:
            return
        if event.action not in ("added", "removed", "changed"):
            return
        pairs = zip(self._masks.data, self._masks.shape_type, strict=True)
        areas = [_area(np.asarray(corners, np.float32), kind) for corners, kind in pairs]
        before, self._quiet = self._quiet, True  # it is drawn already
        try:
            self._book.put({self._drawn: Mask(tuple(a for a in areas if a is not None))})
        finally:
            self._quiet = before

    def _on_changed(self, name: str) -> None:
        if not self._quiet and name in ("", self._layers.shown):
            self.draw()

    def _on_removed(self, event: Any) -> None:
        for role in ("_masks", "_margin"):
            if event.value is getattr(self, role):
                setattr(self, role, None)


def _area(corners: NDArray[np.float32], kind: str) -> NDArray[np.float32] | None:
    """Return the polygon of a shape; None of a line, which has no area."""
    corners = corners[:, -2:]
    if kind == "ellipse":
        centre, across, down = corners.mean(axis=0), corners[1] - corners[0], corners[3] - corners[0]
        turned = np.cos(ROUND)[:, None] * across / 2 + np.sin(ROUND)[:, None] * down / 2
        return np.asarray(centre + turned, np.float32)
    return None if kind == "line" or len(corners) < 3 else corners
