"""What the mouse does in the picture, from one table. No Qt.

Gestures belong to a Points layer in its *add* mode, where they take the place of napari's own; every other
mode and every other layer is napari's as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_topaz.gui.workspace import SAME_PARTICLE
from napari_topaz.picks import Kind

if TYPE_CHECKING:
    from napari.layers import Points

    from napari_topaz.gui.edits import Edits
    from napari_topaz.gui.layers import Layers

#: So far the mouse may move in a click, in pixels of the screen.
CLICK = 5
#: How far from a particle's centre the mouse means it, in diameters, where it clicks or drags nothing new.
REACH = 0.5
#: Buttons of the mouse, as napari counts them.
LEFT, RIGHT, MIDDLE = 1, 2, 3


@dataclass(frozen=True)
class Gesture:
    """One gesture: which button with which key, and what it is called and does, for the key card."""

    button: int
    modifiers: tuple[str, ...]
    how: str
    does: str
    make: Callable[[Gestures, Points, Any], Iterator[None]]


@dataclass
class Hit:
    """A label or pick under the mouse: which layer, and its row there."""

    layer: Points
    row: int


class Gestures:
    """The gestures in the layers of one viewer.

    Signals
    -------
    measured(float)
        The ruler was drawn: so many pixels of the original.
    ruler_changed(bool)
        Whether the next drag measures.
    """

    measured = Signal(float)
    ruler_changed = Signal(bool)

    def __init__(self, layers: Layers, edits: Edits) -> None:
        self._layers, self._edits = layers, edits
        self._ruler = False

    def watch(self, layer: Points) -> None:
        """Have the gestures in a layer whenever it is in add mode."""

        def adopt(event: Any = None) -> None:
            for callback in list(layer.mouse_drag_callbacks):
                if callback is press or (layer.mode == "add" and _adds(callback)):
                    layer.mouse_drag_callbacks.remove(callback)
            if layer.mode == "add":
                layer.mouse_drag_callbacks.append(press)

        def press(layer: Points, event: Any) -> Iterator[None] | None:
            return self._begin(layer, event)

        layer.events.mode.connect(adopt)
        adopt()

    @property
    def ruler(self) -> bool:
        """Whether the next drag measures."""
        return self._ruler

    @ruler.setter
    def ruler(self, on: bool) -> None:
        if on != self._ruler:
            self._ruler = on
            self.ruler_changed.emit(on)

    def _begin(self, layer: Points, event: Any) -> Iterator[None] | None:
        if self._layers.picture is None:
            return None
        if self._ruler and event.button == LEFT:
            return self.measure(layer, event)
        held = tuple(sorted(str(getattr(m, "name", m)) for m in event.modifiers))
        for gesture in GESTURES:
            if (event.button, held) == (gesture.button, gesture.modifiers):
                return gesture.make(self, layer, event)
        return None

    # -- the gestures: generators that stop at each event until the button is released ------------

    def label_or_move(self, layer: Points, event: Any) -> Iterator[None]:
        """A click labels; a drag that begins in a label or pick moves it, any other one moves the view."""
        layers, start = self._layers, np.array(event.pos)
        hit, yx = self._hit(layer, event, SAME_PARTICLE), _place(layer, event)
        with _still(layer) if hit else _as_it_is():
            yield
            dragged = False
            while event.type == "mouse_move":
                dragged = dragged or bool(np.hypot(*(event.pos - start)) > CLICK)
                if hit and dragged:
                    self._edits.preview(hit.layer, hit.row, _place(layer, event))
                yield
        if not dragged:
            self._edits.label(yx, layers.kind)
        elif hit:
            self._edits.move(hit.layer, hit.row, _place(layer, event))

    def erase(self, layer: Points, event: Any) -> Iterator[None]:
        """What the mouse passes: labels vanish, picks become labelled negatives."""
        points, reach = self._layers.points, REACH * self._layers.diameter
        last = _place(layer, event)
        # As they are now: while she drags, training may bring other picks.
        places = [np.array(each.data, np.float32) for each in points]
        gone = [np.zeros(len(yx), bool) for yx in places]
        with _still(layer):
            while True:
                now = _place(layer, event)
                for each, yx, mask in zip(points, places, gone, strict=True):
                    mask |= _distance(yx, last, now) <= reach
                    if mask.any() and len(each.data) == len(mask):
                        each.shown = ~mask
                last = now
                yield
                if event.type != "mouse_move":
                    break
        erased = {id(each): yx[mask] for each, yx, mask in zip(points, places, gone, strict=True)}
        none = np.empty((0, 2), np.float32)
        both = (self._layers.labels_layer, self._layers.picks_layer)
        self._edits.erase(*(erased.get(id(each), none) for each in both))

    def reject(self, layer: Points, event: Any) -> Iterator[None]:
        """A click without a drag: here is no particle."""
        start, far = np.array(event.pos), False
        with _still(layer):
            yield
            while event.type == "mouse_move":
                far = far or bool(np.hypot(*(event.pos - start)) > CLICK)
                yield
        if not far:
            self.reject_at(_place(layer, event))

    def reject_at(self, yx: NDArray[np.float32]) -> None:
        """Label the place "no particle": exactly where the pick or label is, if there is one."""
        hit = self._nearest(yx, REACH)
        where = yx if hit is None else np.asarray(hit.layer.data[hit.row], np.float32)
        self._edits.label(where, Kind.NOT_PARTICLE)

    def measure(self, layer: Points, event: Any) -> Iterator[None]:
        """A drag across a particle measures its diameter."""
        start = _place(layer, event)
        length = 0.0
        with _still(layer):
            yield
            while event.type == "mouse_move":
                end = _place(layer, event)
                length = float(np.hypot(*(end - start)))
                self._edits.show_ruler((start + end) / np.float32(2), length)
                yield
        self.ruler = False
        self._edits.show_ruler(None, 0)
        if length >= 1:
            self.measured.emit(length)

    def _hit(self, layer: Points, event: Any, reach: float) -> Hit | None:
        return self._nearest(_place(layer, event), reach)

    def _nearest(self, yx: NDArray[np.float32], reach: float) -> Hit | None:
        """The label, or else the pick, nearest to a place and within `reach` diameters of it."""
        for layer in self._layers.points:
            if len(layer.data) and layer.visible:
                away = np.hypot(*(np.asarray(layer.data) - yx).T)
                if away.min() <= reach * self._layers.diameter:
                    return Hit(layer, int(away.argmin()))
        return None


#: All gestures; the key card is made from them.
GESTURES = (
    Gesture(
        LEFT,
        (),
        "Click",
        "labels (as the pressed button says); a second click takes it back",
        Gestures.label_or_move,
    ),
    Gesture(
        LEFT,
        ("Shift",),
        "Shift-click, Shift-drag",
        "erases labels; picks become “no particle”",
        Gestures.erase,
    ),
    Gesture(MIDDLE, (), "Middle click, middle drag", "the same", Gestures.erase),
    Gesture(RIGHT, (), "Right click", "rejects a pick: here is no particle", Gestures.reject),
)
#: Parts of gestures that the table does not tell apart, for the key card.
DRAGS = (
    ("Drag a label or pick", "moves it; the pick becomes a label"),
    ("Drag elsewhere", "moves the view; with Space held always"),
)


def _place(layer: Points, event: Any) -> NDArray[np.float32]:
    """Where the mouse is, in pixels of the original."""
    return np.array(layer.world_to_data(event.position), np.float32)[-2:]


def _distance(
    yx: NDArray[np.floating], start: NDArray[np.float32], end: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Distance of points (n, 2) from the line from `start` to `end`: a quick mouse jumps."""
    along = (end - start).astype(np.float64)
    square = float(along @ along)
    part = np.clip((yx - start) @ along / square, 0, 1) if square else np.zeros(len(yx))
    away = yx - (start + part[:, None] * along)
    return np.hypot(away[:, 0], away[:, 1])


@contextmanager
def _still(layer: Points) -> Iterator[None]:
    """While the mouse drags, the view stays where it is."""
    before, layer.mouse_pan = layer.mouse_pan, False
    try:
        yield
    finally:
        layer.mouse_pan = before


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _adds(callback: Any) -> bool:
    """Whether this is what napari does in add mode."""
    return getattr(callback, "__name__", "") == "add"
