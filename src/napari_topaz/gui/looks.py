"""How the layers look."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Points
from numpy.typing import NDArray

from napari_topaz.picks import Kind

#: Key of what the package writes into a layer's metadata.
METADATA = "napari_topaz"
#: Circles drawn before the diameter is known: this part of the micrograph's longer side.
UNKNOWN_DIAMETER = 1 / 40
#: Thickness of the circles, as a part of their diameter.
LINE_WIDTH = 0.09
#: The heat map fades in and saturates at this many standard deviations of the scores round the threshold.
HEAT_RANGE = 1.5
#: Kinds of labels: text in the features, colour and symbol on the screen.
LOOKS = {
    Kind.PARTICLE: ("particle", "#5dff7a", "disc"),
    Kind.NOT_PARTICLE: ("no particle", "#ff5a6e", "x"),
}
PICK_COLOUR = "#35c9ff"
#: From nothing through violet and orange to yellow; transparent where there is nothing to see.
HEAT_COLOURS = [
    [0.25, 0.00, 0.45, 0.00],
    [0.45, 0.05, 0.55, 0.18],
    [0.85, 0.22, 0.38, 0.45],
    [0.98, 0.55, 0.15, 0.60],
    [1.00, 0.88, 0.35, 0.70],
]


def image_layer(**placement: Any) -> Image:
    """Return an empty layer for micrographs."""
    return Image(np.zeros((2, 2), np.float32), name="micrograph", colormap="gray", **placement)


def heat_map_layer(**placement: Any) -> Image:
    """Return an empty layer for heat maps."""
    layer = Image(np.zeros((2, 2), np.float32), name="heat map", **placement)
    layer.colormap = {"colors": HEAT_COLOURS, "name": "topaz heat"}
    layer.interpolation2d = "linear"
    return layer


def points_layer(name: str, colour: str, **placement: Any) -> Points:
    """Return an empty layer for circles."""
    return Points(
        ndim=2,
        name=name,
        face_color="transparent",
        border_color=colour,
        border_width=LINE_WIDTH,
        **placement,
    )


def heat_limits(logits: NDArray[np.float32], threshold: float) -> tuple[float, float]:
    """Return the scores that are transparent and brightest; the threshold is half-way."""
    middle = threshold if np.isfinite(threshold) else float(np.median(logits))
    spread = max(float(logits.std()) * HEAT_RANGE, 1e-3)
    return middle - spread, middle + spread
