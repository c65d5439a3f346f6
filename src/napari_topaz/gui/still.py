"""Keeps labels, picks and masks in a viewer as they are while nothing may be edited. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_topaz.gui.layers import Layers
    from napari_topaz.gui.lock import Lock


class _Watch:
    """One layer; the lock, which lives longer, knows it weakly."""

    def __init__(self, layer: Layer, lock: Lock) -> None:
        self._layer, self._lock = layer, lock
        lock.changed.connect(self.look)

    def look(self) -> None:
        """Make it editable or not."""
        if self._layer.editable != (self._lock.reason is None):
            self._layer.editable = self._lock.reason is None


def watch(layer: Layer, lock: Lock) -> None:
    """Let a layer be edited only where the lock is open; napari makes it editable with any new data."""
    watching = _Watch(layer, lock)
    layer.events.editable.connect(lambda _: watching.look())
    watching.look()


class Still:
    """Draws back what is edited all the same; where the lock opens, clicks make labels again."""

    def __init__(self, lock: Lock, layers: Layers) -> None:
        self._lock, self._layers = lock, layers
        lock.changed.connect(self._on_changed)
        lock.refused.connect(self._draw_back)

    def _on_changed(self) -> None:
        if self._lock.reason is None and self._layers.shown is not None:
            for layer in self._layers.points:
                layer.editable = True  # whoever is told first
            self._layers.label_next(self._layers.kind)

    def _draw_back(self, _: str) -> None:
        if self._layers.shown is not None:
            self._layers.redraw()
