"""What a wrong diameter costs where nothing is labelled.

The general model picks the test micrographs of all sets, given the particle's diameter times a factor, once
as it does for a user, once at the given size alone. Judged is with the true diameter.

    python benchmarks/wrong_diameter.py [--data FOLDER] [--sets …] [--factors 0.7 0.85 1 1.15 1.3]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import mean

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

from ablation import known_sets, pick_test
from papers_cells import World, load
from papers_report import number, table
from papers_table import command, machine

from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.model.general import general_model
from napari_topaz.settings import PreprocessSettings

HERE = Path(__file__).parent
#: Sizes at which the image is scored, by what the table calls them.
WAYS = {"at two sizes (default)": None, "at the given size": (1.0,)}


def average_precision(world: World, factor: float, scales: tuple[float, ...] | None) -> float:
    """Return the average precision with `factor` times the true diameter."""
    preprocess = PreprocessSettings(diameter=factor * world.diameter, pixel_size=world.pixel_size)
    changes = {"preprocess": preprocess} | ({} if scales is None else {"scales": scales})
    picks = pick_test(general_model().with_card(**changes), world, preprocess)
    targets = {source.name: world.truth[source.name] for source in world.test}
    return evaluate(picks, targets, world.diameter / world.pixel_size / 2).average_precision


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the real set")
    parser.add_argument("--sets", nargs="+", help="all by default")
    parser.add_argument("--factors", nargs="+", type=float, default=[0.7, 0.85, 1.0, 1.15, 1.3])
    parser.add_argument("--output", type=Path, default=HERE / "results/wrong_diameter.md")
    options = parser.parse_args()
    known = known_sets(options.data, development=False)
    names = options.sets or list(known)
    worlds = {name: load(known[name]) for name in names}
    lines = []
    for way, scales in WAYS.items():
        for factor in options.factors:
            found = [average_precision(worlds[name], factor, scales) for name in names]
            lines.append([way, f"{factor:g}", *map(number, found), number(mean(found))])
            print(*lines[-1], flush=True)
    parts = ["# A wrong diameter, without labels", "\n\n".join((__doc__ or "").split("\n\n")[1:2])]
    parts.append(f"Command: `{command('wrong_diameter.py')}`; on {machine()}. Average precision:")
    parts.append(table(["scored", "diameter ×", *names, "mean"], lines))
    options.output.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
