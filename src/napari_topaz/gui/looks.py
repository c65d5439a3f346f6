"""How the layers look."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from napari.layers import Image, Points
from numpy.typing import NDArray

from napari_topaz.gui.display import Picture
from napari_topaz.picks import Kind

#: Key of what the package writes into a layer's metadata.
METADATA = "napari_topaz"
#: Circles drawn before the diameter is known: this part of the micrograph's longer side.
UNKNOWN_DIAMETER = 1 / 40
#: Colormaps of pictures: as they are, and inverted.
GREYS = ("gray", "gray_r")
#: Thickness of the circles, as a part of their diameter.
LINE_WIDTH = 0.09
#: The heat map fades in and saturates at this many standard deviations of the scores round the threshold.
HEAT_RANGE = 1.5
#: Edge of a box, in particle diameters.
BOX_PER_DIAMETER = 1.5
#: Kinds of labels: text in the features, and whether a cross stands there in place of an outline.
LOOKS = {Kind.PARTICLE: ("particle", False), Kind.NOT_PARTICLE: ("no particle", True)}
#: Symbols by :data:`napari_topaz.choices.OUTLINES`, and their size in particle diameters.
OUTLINES = {"circle": ("disc", 1.0), "box": ("square", BOX_PER_DIAMETER)}


class Palette(NamedTuple):
    """Colours of what is drawn over a micrograph."""

    particle: str
    not_particle: str
    pick: str

    def of(self, kind: Kind) -> str:
        """Colour of labels of that kind."""
        return self.not_particle if kind is Kind.NOT_PARTICLE else self.particle


#: By the names in the preferences. Of the first one all pairs differ for colour-blind eyes, too.
PALETTES = {
    "yellow, red, blue": Palette("#ffe14d", "#ff5a6e", "#35c9ff"),
    "green, red, blue": Palette("#5dff7a", "#ff5a6e", "#35c9ff"),
    "white, orange, blue": Palette("#ffffff", "#e8590c", "#35b5ff"),
}
USUAL = next(iter(PALETTES.values()))
#: Colour of the ruler's circle.
RULER_COLOUR = (1.0, 1.0, 1.0, 1.0)
#: Colours of low to high scores: lighter and lighter, and none of them that of a label.
SCORE_COLOURS = ["#2a4fc4", "#2f78d8", "#3fa0e4", "#67c2ec", "#a0dff2", "#e6fafa"]
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


def show_picture(image: Image, picture: Picture) -> None:
    """Draw a picture into a layer."""
    image.data = picture.pixels
    image.contrast_limits_range = (picture.span[0], picture.span[1] + 1e-6)
    image.contrast_limits = picture.limits
    if image.colormap.name in GREYS:  # else it is hers
        image.colormap = GREYS[picture.inverted]
    if image.axis_labels != ("y", "x"):
        image.axis_labels = ("y", "x")
    image.name = picture.name if picture.bin == 1 else f"{picture.name} (1/{picture.bin})"


def heat_map_layer(**placement: Any) -> Image:
    """Return an empty layer for heat maps."""
    layer = Image(np.zeros((2, 2), np.float32), name="heat map", **placement)
    layer.colormap = {"colors": HEAT_COLOURS, "name": "topaz heat"}
    layer.interpolation2d = "linear"
    return layer


def put_pixels(layer: Image, pixels: NDArray[np.float32]) -> None:
    """Draw other pixels; of as many as before napari need not look how far the layers reach now."""
    if layer.data.shape != pixels.shape:
        layer.data = pixels.copy()  # the next ones are written into it
        return
    layer.data[...] = pixels
    # The thumbnail follows with the contrast.
    layer.refresh(extent=False, thumbnail=False, highlight=False)


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


def heat_range(logits: NDArray[np.float32]) -> tuple[float, float]:
    """Return between which scores the colours of a heat map can be moved."""
    spread = 2 * max(float(logits.std()) * HEAT_RANGE, 1e-3)
    return float(logits.min()) - spread, float(logits.max()) + spread


def score_colours(scores: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Return the colours (n, 4) of scores; `limits` have the first and the last of :data:`SCORE_COLOURS`."""
    low, high = limits
    place = np.clip((scores - low) / max(high - low, 1e-6), 0, 1) * (len(SCORE_COLOURS) - 1)
    table = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in SCORE_COLOURS])
    mixed = [np.interp(place, np.arange(len(table)), channel) for channel in table.T]
    return np.stack([*mixed, np.ones_like(place)], axis=1).astype(np.float32)
