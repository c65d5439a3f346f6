"""Draws the workspace into a viewer, and takes her clicks back. No Qt.

One image, one heat map and two Points layers for the life of the viewer: switching the micrograph
replaces their data. Everything is in pixels of the original micrograph times its pixel size, so that
a click means the same whatever binning is drawn.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Points
from psygnal import Signal

from napari_topaz.gui.circles import Style, about, draw_labels, draw_picks
from napari_topaz.gui.display import Picture
from napari_topaz.gui.edits import Edits
from napari_topaz.gui.gestures import Gestures
from napari_topaz.gui.looks import (
    METADATA,
    UNKNOWN_DIAMETER,
    USUAL,
    Palette,
    heat_limits,
    heat_map_layer,
    heat_range,
    image_layer,
    points_layer,
    put_pixels,
    show_picture,
)
from napari_topaz.gui.options import Options
from napari_topaz.gui.still import watch
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind
from napari_topaz.score_map import ScoreMap

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Layers:
    """The layers of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    workspace : Workspace

    Signals
    -------
    lost_changed
        One of the layers was removed from the viewer, or is back.
    """

    lost_changed = Signal()

    def __init__(self, viewer: ViewerModel, workspace: Workspace) -> None:
        # Weakly: what a viewer has must not keep it alive (see napari_topaz.gui.session).
        self._viewer_ref, self._workspace = weakref.ref(viewer), workspace
        self._quiet = False
        self._score_map: ScoreMap | None = None
        self._image: Image | None = None
        self._heat: Image | None = None
        self._picks: Points | None = None
        self._labels: Points | None = None
        #: What is drawn; None until the first micrograph is.
        self.picture: Picture | None = None
        #: Kind of the labels that clicks make.
        self.kind = Kind.PARTICLE
        #: What she does with the points, and what the mouse does.
        self.edits = Edits(self, workspace)
        self.gestures = Gestures(self, self.edits)
        self._palette = USUAL
        viewer.layers.events.removed.connect(self._on_removed)
        workspace.labels_changed.connect(self._on_labels_changed)
        workspace.picks_changed.connect(self._on_picks_changed)
        workspace.options_changed.connect(self._on_options_changed)
        workspace.model_changed.connect(self._tone_heat_map)

    @property
    def _viewer(self) -> ViewerModel:
        viewer = self._viewer_ref()
        assert viewer is not None
        return viewer

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def shown(self) -> str | None:
        """Name of the micrograph that is drawn."""
        return None if self.picture is None else self.picture.name

    @property
    def lost(self) -> list[str]:
        """Names of the layers that were removed although there is a micrograph to draw."""
        if self.picture is None:
            return []
        layers = {"image": self._image, "heat map": self._heat, "picks": self._picks, "labels": self._labels}
        return [name for name, layer in layers.items() if layer is None]

    def is_ours(self, layer: Any) -> bool:
        """Whether this is one of the four layers."""
        return layer in (self._image, self._heat, self._picks, self._labels)

    def adopt(self, image: Image) -> None:
        """Draw micrographs into a layer that is in the viewer already (a reader made it)."""
        if self._image is None:
            self._image = image

    def show(self, picture: Picture) -> None:
        """Draw a micrograph with its labels and picks."""
        first, before = self.picture is None, self.picture
        if before is None or before.name != picture.name:
            self._score_map = None
        look_at_all = self._image is None or before is None or before.shape != picture.shape
        self.picture = picture
        with self.silence():
            self._make_missing()
            self._draw_image()
            self._draw_heat_map()
        if look_at_all:
            self._look_at_all()
        self._draw_labels()
        self._draw_picks()
        if first:
            self._viewer.canvas.overlays.scale_bar.visible = True
            self.label_next(self.kind)

    def _look_at_all(self) -> None:
        """Fit the view to the micrograph alone: points may lie beyond its edges."""
        with self.silence():
            for layer in (self._picks, self._labels):
                if layer is not None:
                    layer.selected_data = set()
                    layer.data = np.empty((0, 2), np.float32)
        self._viewer.reset_view()

    def show_scores(self, score_map: ScoreMap | None) -> None:
        """Draw the heat map of the shown micrograph (None: none); those of others are ignored."""
        if score_map is None or score_map.name == self.shown:
            self._score_map = score_map
            with self.silence():
                self._draw_heat_map()

    def label_next(self, kind: Kind) -> None:
        """Make clicks in the picture labels of that kind."""
        self.kind = kind
        if self._labels is not None:
            self._viewer.layers.selection.active = self._labels
            self._labels.mode = "add"

    def restore(self) -> None:
        """Bring layers back that were removed; what was in them is in the workspace."""
        if self.picture is not None:
            self.show(self.picture)
            self.label_next(self.kind)
            self.lost_changed.emit()

    def _make_missing(self) -> None:
        common: dict[str, Any] = {"axis_labels": ("y", "x"), **self._geometry(1.0, 0.0)}
        layers = self._viewer.layers
        if self._image is None:
            self._image = image_layer(**common)
            layers.insert(0, self._image)
        if self._heat is None:
            self._heat = heat_map_layer(**common)
            layers.insert(layers.index(self._image) + 1, self._heat)
        if self._picks is None:
            self._picks = points_layer("picks", self._palette.pick, **common)
            self.gestures.watch(self._picks)
            watch(self._picks, self._workspace.lock)
            self._picks.events.data.connect(self._when_hers(self.edits.on_picks))
            layers.insert(layers.index(self._heat) + 1, self._picks)
        if self._labels is None:
            self._labels = points_layer("labels", self._palette.particle, **common)
            self.gestures.watch(self._labels)
            watch(self._labels, self._workspace.lock)
            self._labels.events.data.connect(self._when_hers(self.edits.on_labels))
            layers.insert(layers.index(self._picks) + 1, self._labels)
        for layer in (self._image, self._heat, self._picks, self._labels):
            layer.locked = True  # removing and adding Points layers can crash old graphics drivers

    # -- drawing ----------------------------------------------------------------------------------

    def _geometry(self, scale: float | tuple[float, float], translate: float) -> dict[str, Any]:
        """Placement of a layer whose pixels are `scale` original pixels apart, the first at `translate`."""
        size = self._workspace.pixel_size(self.shown) if self.picture is not None else None
        unit = "pixel" if size is None else "angstrom"
        scales = np.broadcast_to(np.asarray(scale, float), (2,)) * (size or 1.0)
        return {"units": (unit, unit), "scale": tuple(scales), "translate": (translate * (size or 1.0),) * 2}

    def _place(self, layer: Any, scale: float | tuple[float, float] = 1.0, translate: float = 0.0) -> None:
        geometry = self._geometry(scale, translate)
        if tuple(map(str, layer.units)) != geometry["units"]:
            layer.units = geometry["units"]
        for name in ("scale", "translate"):  # each costs napari 15 ms, whether it changes or not
            if tuple(getattr(layer, name)) != geometry[name]:
                setattr(layer, name, geometry[name])

    def _draw_image(self) -> None:
        assert self._image is not None
        assert self.picture is not None
        image, picture = self._image, self.picture
        show_picture(image, picture)
        image.metadata[METADATA] = {"files": self._workspace.sources}
        for layer in filter(None, (self._heat, self._picks, self._labels)):
            self._place(layer)
        self._place(image, picture.scale, picture.translate)

    def _draw_heat_map(self) -> None:
        """Draw the scores; without scores the layer is transparent, so that its eye stays hers to click."""
        if self._heat is None:
            return
        if self._score_map is None:
            if self._heat.data.any():
                self._heat.data = np.zeros((2, 2), np.float32)
            self._heat.contrast_limits = (1.0, 2.0)
            self._place(self._heat)
        else:
            put_pixels(self._heat, self._score_map.logits)
            self._place(self._heat, self._score_map.step_yx)
            self._tone_heat_map()  # before the range: limits that fit in need not be set twice
            self._heat.contrast_limits_range = heat_range(self._score_map.logits)

    def _tone_heat_map(self) -> None:
        """Put the middle of the colours at the threshold: what shines becomes a pick."""
        if self._heat is None or self._score_map is None:
            return
        self._heat.contrast_limits = heat_limits(self._score_map.logits, self._workspace.threshold)

    @property
    def diameter(self) -> float:
        """Diameter of the circles in original pixels."""
        assert self.picture is not None
        return self._workspace.diameter(self.shown) or max(self.picture.shape) * UNKNOWN_DIAMETER

    @property
    def score_limits(self) -> tuple[float, float] | None:
        """Scores with the first and the last colour; None where picks have one colour."""
        if self.shown is None or not self._workspace.options.drawing.colour_by_score:
            return None
        scores, threshold = self._workspace.candidates(self.shown).scores, self._workspace.threshold
        high = float(scores.max()) if len(scores) else 1.0
        low = threshold if np.isfinite(threshold) else float(scores.min()) if len(scores) else 0.0
        return min(low, high), max(low, high)

    def colour(self, palette: Palette) -> None:
        """Draw labels and picks in other colours."""
        self._palette = palette
        self.redraw()

    def _style(self) -> Style:
        return Style(self.diameter, self._workspace.options.drawing.outline, self._palette, self.score_limits)

    def _draw_labels(self) -> None:
        if self._labels is not None and self.shown is not None:
            with self.silence():
                labels = self._workspace.labels(self.shown)
                draw_labels(self._labels, labels, self._style(), about(self._workspace, self.shown))

    def _draw_picks(self) -> None:
        if self._picks is not None and self.shown is not None:
            with self.silence():
                picks = self._workspace.picks(self.shown)
                draw_picks(self._picks, picks, self._style(), about(self._workspace, self.shown))

    # -- her edits --------------------------------------------------------------------------------

    @property
    def points(self) -> list[Points]:
        """The layers of labels and picks, labels first; without what was removed."""
        return [layer for layer in (self._labels, self._picks) if layer is not None]

    @property
    def labels_layer(self) -> Points | None:
        """The layer of labels, if it is there."""
        return self._labels

    @property
    def picks_layer(self) -> Points | None:
        """The layer of picks, if it is there."""
        return self._picks

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Changes made here are ours, not hers."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def redraw(self) -> None:
        """Draw labels and picks as they are in the workspace."""
        self._draw_labels()
        self._draw_picks()

    def _when_hers(self, do: Callable[[Any], None]) -> Callable[[Any], None]:
        def listen(event: Any) -> None:
            if not self._quiet:
                do(event)

        return listen

    def _on_removed(self, event: Any) -> None:
        for role in ("_image", "_heat", "_picks", "_labels"):
            if event.value is getattr(self, role):
                setattr(self, role, None)
                self.lost_changed.emit()

    # -- changes of the workspace -----------------------------------------------------------------

    def _on_labels_changed(self, name: str) -> None:
        if name in ("", self.shown):
            self._draw_labels()
            self._draw_picks()

    def _on_picks_changed(self, name: str) -> None:
        if name in ("", self.shown):
            self._draw_picks()

    def _on_options_changed(self, old: Options, new: Options) -> None:
        if self.picture is None:
            return
        if old.preprocess != new.preprocess:
            with self.silence():
                if self._image is not None:
                    self._draw_image()
                self._draw_heat_map()
            if old.preprocess.pixel_size != new.preprocess.pixel_size:
                self._look_at_all()
            self._draw_labels()
        if old.thresholds != new.thresholds:
            self._tone_heat_map()
        if old.drawing != new.drawing:
            self._draw_labels()
        if (old.preprocess, old.thresholds, old.drawing) != (new.preprocess, new.thresholds, new.drawing):
            self._draw_picks()
