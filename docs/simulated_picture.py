"""Make the picture of docs/simulator.md: all shapes, all effects, and the sets for benchmarks.

Usage: python docs/simulated_picture.py [OUTPUT]   (docs/images/simulated.png without it)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_topaz.settings import SimulateSettings
from napari_topaz.simulate import simulate

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from sets import SETS

#: Edge of a picture in pixels, height of its title, pictures in a row.
EDGE, TITLE, COLUMNS = 184, 16, 5

PLAIN = SimulateSettings(
    size=384, pixel_size=2.0, particles=9, dose=60, carbon=0, contaminations=0, ice_gradient=0, fragments=0
)
#: By title: changes of PLAIN, and the index of a micrograph that shows the effect.
PICTURES: dict[str, tuple[dict[str, object], int]] = {
    "globular": ({}, 0),
    "barrel": ({"shape": "barrel"}, 0),
    "rod": ({"shape": "rod", "dose": 150}, 0),
    "ring": ({"shape": "ring"}, 0),
    "l-shape": ({"shape": "l-shape", "dose": 150}, 0),
    "y-shape": ({"shape": "y-shape", "dose": 150}, 0),
    "disc": ({"shape": "disc"}, 0),
    "shell": ({"shape": "shell"}, 0),
    "preferred views 0.95": ({"shape": "barrel", "preferred_views": 0.95}, 0),
    "dose 3": ({"dose": 3}, 0),
    "underfocus 0.6 um": ({"defocus_low": 0.6, "defocus_high": 0.6}, 0),
    "underfocus 5 um": ({"defocus_low": 5, "defocus_high": 5}, 0),
    "spacing 0.5": ({"particles": 40, "spacing": 0.5}, 0),
    "carbon, gold": ({"carbon": 1, "gold": 5}, 1),
    "contaminations, ice": ({"contaminations": 60, "ice_gradient": 0.05}, 1),
}


def picture(pixels: NDArray[np.float32], title: str) -> Image.Image:
    """Smooth a little, stretch the contrast, and write the title above."""
    smooth = ndimage.gaussian_filter(pixels, 1.5)
    low, high = np.percentile(smooth, [0.5, 99.5])
    grey = (np.clip((smooth - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    whole = Image.new("L", (EDGE, EDGE + TITLE), 255)
    whole.paste(Image.fromarray(grey).resize((EDGE - 4, EDGE), Image.Resampling.LANCZOS), (2, TITLE))
    ImageDraw.Draw(whole).text((3, 1), title, fill=0, font_size=12)
    return whole


def main(output: Path) -> None:
    pictures = []
    for title, (changes, index) in PICTURES.items():
        settings = SimulateSettings(**(PLAIN.model_dump() | changes))
        pictures.append(picture(simulate(settings, index)[0].pixels, title))
    for name, settings in SETS.items():
        pictures.append(picture(simulate(settings, 0)[0].pixels[:512, :512], f"set: {name}"))
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * EDGE, rows * (EDGE + TITLE)), 255)
    for number, one in enumerate(pictures):
        row, column = divmod(number, COLUMNS)
        sheet.paste(one, (column * EDGE, row * (EDGE + TITLE)))
    # Twelve greys are enough for the eye, and a third of the bytes.
    sheet.quantize(12).save(output, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images/simulated.png")
