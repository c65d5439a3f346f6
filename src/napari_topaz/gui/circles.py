"""Labels and picks as points in napari's layers, and what napari's own tools made of them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Points
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_topaz.gui.looks import LOOKS, METADATA, OUTLINES, Palette, score_colours
from napari_topaz.gui.workspace import Workspace
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks

#: So many circles have smooth edges. Of more nobody sees them, and without a graphics card they take longest.
MOST_SMOOTH = 1000


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
    symbol, size = OUTLINES[style.outline]
    kinds = [Kind(k) for k in labels.kinds]
    _place(layer, labels.yx, style.diameter * size)
    _describe(layer, "kind", np.array([LOOKS[kind][0] for kind in kinds], object))
    layer.metadata.update(about)
    if len(labels):
        crosses = np.array([LOOKS[kind][1] for kind in kinds])
        _put_on(
            layer,
            np.where(crosses, style.diameter, style.diameter * size),
            ["x" if cross else symbol for cross in crosses],
            transform_color([style.palette.of(kind) for kind in kinds]),
        )


def draw_picks(layer: Points, picks: Picks, style: Style, about: dict[str, Any]) -> None:
    """Draw picks, see :func:`draw_labels`."""
    symbol, size = OUTLINES[style.outline]
    limits = style.score_limits
    with layer.block_update_properties():  # points that come are drawn like this, and need no more
        layer.current_symbol, layer.current_border_color = symbol, style.palette.pick
    _place(layer, picks.yx, style.diameter * size)
    _describe(layer, "score", picks.scores)
    layer.metadata.update(about)
    if len(picks):
        plain = np.repeat(transform_color(style.palette.pick), len(picks), axis=0)
        colours = plain if limits is None else score_colours(picks.scores, limits)
        _put_on(layer, np.full(len(picks), style.diameter * size), [symbol] * len(picks), colours)


def _place(layer: Points, yx: NDArray[np.float32], size: float) -> None:
    """Replace the points of a layer, where they are others; points she adds have that size."""
    with layer.block_update_properties():
        layer.current_size = size
    smooth = int(len(yx) <= MOST_SMOOTH)
    if layer.antialiasing != smooth:
        layer.antialiasing = smooth
    if not np.array_equal(np.asarray(layer.data, np.float32), yx):
        layer.selected_data = set()
        # They lie on the micrograph: napari need not look twice how far the layers reach now.
        with layer.events.data.blocker():
            layer.data = yx


def _describe(layer: Points, name: str, values: NDArray[Any]) -> None:
    """Replace the features of a layer, where they are others."""
    now = layer.features.get(name)
    if now is None or len(layer.features.columns) != 1 or not np.array_equal(now.to_numpy(), values):
        layer.features = pd.DataFrame({name: values})


def _put_on(
    layer: Points, sizes: NDArray[np.float64], symbols: list[str], colours: NDArray[np.float32]
) -> None:
    """Draw points so; each change costs napari a look at all of them, so that only changes are made."""
    if not layer.shown.all():
        layer.shown = True
    if not np.array_equal(layer.size, sizes):
        layer.size = sizes
    if not np.array_equal(layer.border_color, colours):
        layer.border_color = colours
    now = layer.symbol.tolist()
    names = {
        id(symbol): str(symbol) for symbol in {id(one): one for one in now}.values()
    }  # of thousands, two
    if [names[id(symbol)] for symbol in now] != symbols:
        layer.symbol = symbols


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
