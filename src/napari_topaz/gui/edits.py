"""What she does to labels and picks in the picture, by gestures or by napari's own tools. No Qt.

Every edit ends in one change of the workspace, which is one step of Undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_topaz.gui.circles import labels_in, without
from napari_topaz.gui.looks import RULER_COLOUR
from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    from napari_topaz.gui.layers import Layers
    from napari_topaz.gui.workspace import Workspace


class Edits:
    """Takes edits of the layers of one viewer into the workspace."""

    def __init__(self, layers: Layers, workspace: Workspace) -> None:
        self._layers, self._workspace = layers, workspace

    # -- by gestures ------------------------------------------------------------------------------

    def label(self, yx: NDArray[np.float32], kind: Kind) -> None:
        """Label one place (y, x); nothing is labelled beyond the edges."""
        name, places = self._name, self._inside(yx)
        if len(places):
            self._workspace.label(name, places, kind)

    def preview(self, layer: Points, row: int, yx: NDArray[np.float32]) -> None:
        """Draw a point elsewhere while it is dragged."""
        data = np.array(layer.data)
        if row < len(data):  # fewer: there are other picks by now
            data[row] = yx
            with self._layers.silence():
                layer.data = data

    def move(self, layer: Points, row: int, yx: NDArray[np.float32]) -> None:
        """Move a label, or make a label of a pick that was moved; beyond the edges it goes back."""
        name, places = self._name, self._inside(yx)
        labels = self._workspace.labels(name)
        if not len(places) or (layer is self._layers.labels_layer and row >= len(labels)):
            self._layers.redraw()
        elif layer is self._layers.picks_layer:
            self._workspace.set_labels(name, labels + Picks.labels(places))
        else:
            moved = labels.yx.copy()
            moved[row] = places[0]
            self._workspace.set_labels(name, Picks(moved, labels.scores, labels.kinds))

    def erase(self, labels: NDArray[np.float32], picks: NDArray[np.float32]) -> None:
        """Remove the labels at some places (n, 2), and label picks at others (m, 2) "no particle"."""
        if len(labels) or len(picks):
            known = self._workspace.labels(self._name)
            gone = (known.yx[:, None] == labels[None]).all(axis=2).any(axis=1)
            kept = known[~gone] + Picks.labels(picks, Kind.NOT_PARTICLE)
            self._workspace.set_labels(self._name, kept)

    def show_ruler(self, centre: NDArray[np.float32] | None, length: float) -> None:
        """Draw a circle among the labels; None: only the labels."""
        layer = self._layers.labels_layer
        if layer is None or centre is None:
            self._layers.redraw()
            return
        known = len(self._workspace.labels(self._name))
        with self._layers.silence():
            layer.data = np.concatenate([np.array(layer.data)[:known], [centre]])
            size, colours = np.array(layer.size), np.array(layer.border_color)
            size[known], colours[known] = max(length, 1e-3), RULER_COLOUR
            layer.size, layer.border_color = size, colours

    def toggle(self) -> None:
        """Hide labels and picks, or show them."""
        points = self._layers.points
        visible = any(layer.visible for layer in points)
        for layer in points:
            layer.visible = not visible

    # -- by napari's tools ------------------------------------------------------------------------

    def on_labels(self, event: Any) -> None:
        """Labels were added, removed or moved."""
        layer = self._layers.labels_layer
        if (
            layer is None
            or self._layers.picture is None
            or event.action not in ("added", "removed", "changed")
        ):
            return
        name, labels = self._name, labels_in(layer)
        known = len(self._workspace.labels(name))
        if event.action == "added" and len(labels) > known:
            self._workspace.label(name, self._inside(labels.yx[known:]), self._layers.kind)
        else:
            self._workspace.set_labels(name, labels[labels.inside(self._layers.picture.shape)])

    def on_picks(self, event: Any) -> None:
        """A pick she deletes is no particle; one she adds or moves is one."""
        layer = self._layers.picks_layer
        if (
            layer is None
            or self._layers.picture is None
            or event.action not in ("added", "removed", "changed")
        ):
            return
        name, before = self._name, self._workspace.picks(self._name).yx
        after = np.array(layer.data, np.float32)
        gone, new = without(before, after), self._inside(without(after, before))
        edit = Picks.labels(gone, Kind.NOT_PARTICLE) if event.action == "removed" else Picks.labels(new)
        self._workspace.set_labels(name, self._workspace.labels(name) + edit)

    @property
    def _name(self) -> str:
        assert self._layers.picture is not None
        return self._layers.picture.name

    def _inside(self, yx: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places (n, 2) on the micrograph."""
        assert self._layers.picture is not None
        return self._layers.picture.inside(np.asarray(yx, np.float32).reshape(-1, 2))
