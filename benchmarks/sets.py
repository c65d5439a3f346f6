"""Named sets of simulated micrographs that benchmarks share.

Each is 12 micrographs of 1024 × 1024 with a particle of 39 px: 19 px after the downsampling by 2 that
follows from its diameter. Each is hard in one way; pictures and measures are in docs/simulator.md.

    python benchmarks/sets.py OUTPUT [SET …]     # one folder each: micrographs (MRC) and particles.star
    python benchmarks/sets.py --measure          # the table in docs/simulator.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_topaz.jobs.simulate import simulate
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.suppression import suppress
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate as simulate_one

#: What the sets share; the noise makes single particles hard to see, not invisible.
COMMON = SimulateSettings(
    micrographs=12, size=1024, pixel_size=4.6, diameter=180.0, particles=170, dose=1.0, carbon=0.1
)


def _like(**changes: object) -> SimulateSettings:
    return SimulateSettings(**(COMMON.model_dump() | changes))


SETS: dict[str, SimulateSettings] = {
    "globular": COMMON,
    "elongated": _like(shape="rod", dose=6.0, spacing=0.6, seed=1),
    "crowded": _like(shape="barrel", dose=4.0, particles=550, spacing=0.65, seed=2),
    "contaminated": _like(
        shape="disc",
        dose=8.0,
        particles=190,
        carbon=0.7,
        contaminations=25.0,
        gold=8.0,
        ice_gradient=0.1,
        seed=3,
    ),
    "noisy": _like(dose=0.4, seed=4),
}

#: Crowds of other kinds and seeds, on which the recipe for them was chosen; nothing is reported of these.
CROWDS: dict[str, SimulateSettings] = {
    "crowd-globular": _like(particles=550, spacing=0.65, seed=1020),
    "crowd-noisy": _like(particles=550, spacing=0.65, dose=0.4, seed=1021),
    "crowd-contaminated": SETS["contaminated"].model_copy(
        update={"particles": 500, "spacing": 0.65, "seed": 1022}
    ),
    "crowd-thinner": _like(shape="ring", dose=3.0, particles=350, spacing=0.7, seed=1023),
}

#: What the general model is suspected to be bad at: a start from it must not be worse than one from nothing.
HARD: dict[str, SimulateSettings] = {
    "zero-mean": _like(zero_mean=True, seed=10),
    "bright": _like(seed=11),  # inverted by who loads it
    "1-angstrom": _like(pixel_size=1.0, size=2048, particles=32, seed=12),
    "4-angstrom": _like(pixel_size=4.0, diameter=80.0, particles=400, dose=6.0, seed=13),
}


def difference_of_gaussians(settings: SimulateSettings) -> tuple[float, float]:
    """Average precision on six micrographs, and mean number of particles."""
    scores, hits, counts = [], [], []
    for index in range(settings.micrographs):
        micrograph, truth = simulate_one(settings, index)
        counts.append(len(truth))
        if index >= 6:
            continue
        prepared = prepare(micrograph, PreprocessSettings(diameter=settings.diameter))
        image = np.clip(prepared.image, -3, 3)
        matched = ndimage.gaussian_filter(image, 7.0) - ndimage.gaussian_filter(image, 3.5)
        ij, found = suppress(matched, 9.0)
        scores.append(found)
        hits.append(match(truth.yx / np.array(prepared.step_yx), ij, 4.75).hits)
    curve = precision_recall(np.concatenate(scores), np.concatenate(hits), sum(counts[:6]))
    return curve.average_precision, float(np.mean(counts))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all without it")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    if options.measure:
        for name, settings in SETS.items():
            precision, count = difference_of_gaussians(settings)
            print(f"| {name} | {settings.shape} | {count:.0f} | {precision:.2f} |", flush=True)
        return
    if options.output is None:
        parser.error("Give a folder for the micrographs, or --measure.")
    for unknown in set(options.sets) - set(SETS):
        parser.error(f"{unknown!r} is not a set; choose from {', '.join(SETS)}.")
    for name in options.sets or SETS:
        for _ in simulate(SETS[name], options.output / name):
            pass


if __name__ == "__main__":
    main()
