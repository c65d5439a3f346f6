"""The ruler: a drag across a particle sets the diameter. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_topaz.settings import PreprocessSettings

if TYPE_CHECKING:
    from napari_topaz.gui.layers import Layers
    from napari_topaz.gui.workspace import Workspace


class Ruler:
    """Makes diameters of what was measured; `say` tells her."""

    def __init__(self, workspace: Workspace, layers: Layers, say: Callable[[str], None]) -> None:
        self._workspace, self._layers, self._say = workspace, layers, say
        layers.gestures.measured.connect(self._take)

    @property
    def out(self) -> bool:
        """Whether the next drag measures."""
        return self._layers.gestures.ruler

    def toggle(self) -> None:
        """Take the ruler out, or put it away."""
        on = not self.out
        if on and self._workspace.lock.refuses():
            return
        if on and self._layers.shown is None:
            self._say("Open micrographs first.")
        elif on and self._workspace.pixel_size(self._layers.shown) is None:
            self._say("Type the pixel size (Å/px) first: these files do not state it.")
        else:
            if on:
                self._layers.label_next(self._layers.kind)
                self._say("Drag from one edge of a particle to the other.")
            self._layers.gestures.ruler = on

    def _take(self, length: float) -> None:
        """Set the diameter to a length in pixels of the original."""
        size, old = (
            self._workspace.pixel_size(self._layers.shown),
            self._workspace.options.preprocess.diameter,
        )
        if size is None:
            return
        new = float(f"{length * size:.3g}")
        try:
            PreprocessSettings(diameter=new)
        except ValidationError:
            self._say(f"{new:g} Å cannot be a diameter; drag across a particle.")
            return
        self._set(new)
        self._workspace.history.note(lambda: self._set(old), lambda: self._set(new))
        before = "" if old is None else f" (it was {old:g} Å)"
        self._say(f"The ruler set the diameter to {new:g} Å{before}; Undo takes it back.")

    def _set(self, diameter: float | None) -> None:
        preprocess = self._workspace.options.preprocess.model_copy(update={"diameter": diameter})
        self._workspace.change(preprocess=preprocess)
