"""Suggested masks against simulated truth: how much of carbon, gold and contaminations they cover (and ice).

Usage: python -m benchmarks.masks [--micrographs N]   (about a second per micrograph)
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from napari_topaz.jobs.mask import SuggestOne
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate
from napari_topaz.simulate.canvas import empty_canvas
from napari_topaz.simulate.scene import add_contaminations, add_gold, carbon_film

#: Conditions: name → settings of the simulation.
CONDITIONS = {
    "carbon and gold": {"carbon": 1.0, "gold": 4.0},
    "contaminations": {"carbon": 0.0, "contaminations": 12.0},
    "as simulated by default": {},
    "clean, uneven ice": {"carbon": 0.0, "contaminations": 0.0, "particles": 150, "ice_gradient": 0.06},
}
COLUMNS = ("carbon", "gold", "lumps", "ice lost", "particles lost")


def measure(settings: SimulateSettings, index: int) -> NDArray[np.float64]:
    """Return covered and all of each column, shape (5, 2): pixels, and numbers of gold, lumps, particles.

    Lumps are contaminations at least as large as a particle; ice is what is farther than a particle's radius
    from them and from gold, and has less than 5 % of carbon.
    """
    micrograph, truth = simulate(settings, index)
    how = PreprocessSettings(diameter=settings.diameter, normalise="none")
    mask, _ = SuggestOne(how)(prepare(micrograph, how))
    shape, canvas = micrograph.shape, empty_canvas(settings, index)
    film, dirt, gold = carbon_film(canvas), add_contaminations(canvas), add_gold(canvas)
    carbon = np.zeros(shape) if film is None else film[canvas.middle]
    covered = mask.on_grid(shape, shape, (1.0, 1.0))
    ice, (y, x) = carbon < 0.05, np.ogrid[: shape[0], : shape[1]]
    half = settings.diameter / settings.pixel_size / 2
    places = []
    for objects, least in ((gold, 0.0), (dirt, half)):
        objects = objects - [canvas.margin, canvas.margin, 0]
        for cy, cx, radius in objects:
            ice &= (y - cy) ** 2 + (x - cx) ** 2 > (radius + half) ** 2
        inside = (objects[:, :2] >= 0).all(axis=1) & (objects[:, :2] < np.array(shape) - 1).all(axis=1)
        large = objects[inside & (objects[:, 2] >= least), :2]
        places.append(large[carbon[tuple(large.astype(int).T)] < 0.05])
    counted = [mask.covers(place, shape) for place in (*places, truth.yx)]
    pairs = [covered[carbon > 0.5], *counted[:2], covered[ice], counted[2]]
    return np.array([(np.sum(one), len(one)) for one in pairs], np.float64)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--micrographs", type=int, default=8)
    count = parser.parse_args().micrographs
    print(f"| {count} micrographs each | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    for name, options in CONDITIONS.items():
        settings = SimulateSettings(seed=11, **options)
        total = sum(measure(settings, index) for index in range(count))
        cells = [f"{a / b:.1%}" if b else "–" for a, b in np.asarray(total)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
