"""Labels and picks as points in napari's layers, and what napari's own tools made of them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Points
from numpy.typing import NDArray

from napari_topaz.gui.looks import LOOKS, METADATA, OUTLINES, Palette, score_colours
from napari_topaz.gui.workspace import Workspace
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks


@dataclass(frozen=True)
class Style:
    """How points are drawn.

    Attributes
    ----------
    diameter : float
        Of the particle, in pixels of the original.
    outline : str
        Key of :data:`napari_topaz.choices.OUTLINES`.
    palette : Palette
    score_limits : tuple of float, optional
        Scores with the first and the last colour; None for picks of one colour.
    """

    diameter: float
    outline: str
    palette: Palette
    score_limits: tuple[float, float] | None = None


def draw_labels(layer: Points, labels: Picks, style: Style, about: dict[str, Any]) -> None:
    """Draw labels; `about` goes into the metadata of the layer, for the writer."""
    if not np.array_equal(np.asarray(layer.data, np.float32), labels.yx):
        layer.selected_data = set()
        layer.data = labels.yx
    kinds = [Kind(k) for k in labels.kinds]
    layer.features = pd.DataFrame({"kind": np.array([LOOKS[kind][0] for kind in kinds], object)})
    layer.metadata.update(about)
    symbol, size = OUTLINES[style.outline]
    _size_next(layer, style)
    if len(labels):
        layer.shown = True
        layer.size = [style.diameter * (1 if LOOKS[kind][1] else size) for kind in kinds]
        layer.border_color = [style.palette.of(kind) for kind in kinds]
        layer.symbol = ["x" if LOOKS[kind][1] else symbol for kind in kinds]
    layer.refresh()


def draw_picks(layer: Points, picks: Picks, style: Style, about: dict[str, Any]) -> None:
    """Draw picks, see :func:`draw_labels`."""
    layer.selected_data = set()
    _size_next(layer, style)
    symbol, size = OUTLINES[style.outline]
    layer.data = picks.yx
    layer.features = pd.DataFrame({"score": picks.scores})
    layer.metadata.update(about)
    if len(picks):
        layer.shown = True
        layer.size = style.diameter * size
        layer.symbol = symbol
        limits = style.score_limits
        layer.border_color = style.palette.pick if limits is None else score_colours(picks.scores, limits)
    layer.refresh()


def about(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return what the writer needs to know about the layers of a micrograph, for their metadata."""
    source = workspace.source(name)
    known = {
        "name": name,
        "pixel_size": workspace.pixel_size(name),
        "diameter": workspace.diameter(name),
        "file": source if isinstance(source, MicrographFile) else None,
        "shape": None if isinstance(source, MicrographFile) else source.shape,
    }
    return {METADATA: known}


def _size_next(layer: Points, style: Style) -> None:
    with layer.block_update_properties():
        layer.current_size = style.diameter * OUTLINES[style.outline][1]


def labels_in(layer: Points) -> Picks:
    """Return the labels that a layer holds after somebody edited it."""
    yx = np.array(layer.data, np.float32)
    particle, no_particle = (LOOKS[kind][0] for kind in (Kind.PARTICLE, Kind.NOT_PARTICLE))
    texts = layer.features.get("kind", pd.Series([particle] * len(yx)))
    kinds = [Kind.NOT_PARTICLE if text == no_particle else Kind.PARTICLE for text in texts]
    return Picks(yx, kinds=np.array(kinds, np.uint8))


def without(yx: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of `yx` (n, 2) that are not among the rows of `others`."""
    seen = set(map(tuple, others.tolist()))
    return np.array([row for row in yx.tolist() if tuple(row) not in seen], np.float32).reshape(-1, 2)
