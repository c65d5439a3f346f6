"""The card of keys and gestures over the picture. No Qt."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: How the overlay looks while the card is shown.
LOOK = {"position": "top_left", "font_size": 9, "box": True}


class KeyCard:
    """Shows a text in napari's own text overlay, and puts back what was there.

    Signals
    -------
    toggled(bool)
        Whether it is shown now.
    """

    toggled = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        # Weakly: what a viewer has must not keep it alive (see napari_topaz.gui.session).
        self._viewer = weakref.ref(viewer)
        self._before: dict[str, Any] | None = None
        #: What stands on it.
        self.text = ""

    @property
    def shown(self) -> bool:
        """Whether it is shown."""
        return self._before is not None

    def toggle(self) -> None:
        """Show or hide it."""
        self.hide() if self.shown else self.show()

    def show(self) -> None:
        """Show it."""
        overlay = self._overlay()
        if overlay is not None and self._before is None:
            names = ("text", "visible", *LOOK)
            self._before = {name: getattr(overlay, name) for name in names}
            overlay.update({**LOOK, "text": self.text, "visible": True})
            self.toggled.emit(True)

    def hide(self) -> None:
        """Hide it."""
        overlay = self._overlay()
        if overlay is not None and self._before is not None:
            overlay.update(self._before)
        self._before = None
        self.toggled.emit(False)

    def _overlay(self) -> Any:
        viewer = self._viewer()
        return None if viewer is None else viewer.canvas.overlays.text
