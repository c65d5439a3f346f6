"""Named sets of simulated micrographs that benchmarks share.

Each is 12 micrographs of 1024 × 1024 with a particle of 39 px: 19 px after the downsampling by 2 that
follows from its diameter. Each is hard in one way; pictures and measures are in docs/simulator.md.

    python benchmarks/sets.py OUTPUT [SET …]     # one folder each: micrographs (MRC) and particles.star
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_topaz.jobs.simulate import simulate
from napari_topaz.settings import SimulateSettings

#: What the sets share; the noise makes single particles hard to see, not invisible.
COMMON = SimulateSettings(
    micrographs=12, size=1024, pixel_size=4.6, diameter=180.0, particles=170, dose=3.0, carbon=0.1
)


def _like(**changes: object) -> SimulateSettings:
    return SimulateSettings(**(COMMON.model_dump() | changes))


SETS: dict[str, SimulateSettings] = {
    "globular": COMMON,
    "elongated": _like(shape="rod", dose=6.0, spacing=0.6, seed=1),
    "crowded": _like(shape="barrel", dose=2.0, particles=550, spacing=0.65, seed=2),
    "contaminated": _like(
        shape="disc", particles=190, carbon=0.7, contaminations=25.0, gold=8.0, ice_gradient=0.1, seed=3
    ),
    "noisy": _like(dose=0.8, seed=4),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all without it")
    options = parser.parse_args()
    for unknown in set(options.sets) - set(SETS):
        parser.error(f"{unknown!r} is not a set; choose from {', '.join(SETS)}.")
    for name in options.sets or SETS:
        for _ in simulate(SETS[name], options.output / name):
            pass


if __name__ == "__main__":
    main()
