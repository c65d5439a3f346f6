"""Few labels: this package against Topaz 0.3.20, with 0, 10, 30 and 100 labelled particles.

The same sets, draws of labels, test micrographs and evaluation for all: labels are drawn at random from all
particles of the training micrographs (of one draw, the 10 are among the 30, and those among the 100),
unlabelled regions come from all training micrographs, and π from the true mean number of particles, which all
are told. Picks are matched one-to-one within the particle's radius, and the average precision (AP) counts all
particles of the test micrographs.

Topaz is run as a program: its own preprocessing (with the whole factor nearest to ours: particles are 17
to 20 px wide, 19 px for us), its own minibatches, objective and learning rate (256 regions of which 16 are
positive, GE-binomial, 2e-4), 500 steps of the 10 000 that it takes by default, and its own picking with a
suppression radius of half a particle. Two things are put right from outside: it counts 203 pixels for 29 in a
disc of radius 3, and its worker processes draw the same regions (it gets none). Without labels, the networks
that come with it pick as they are. Ours is trained as the program does by default.

Seconds are CPU seconds of one thread, without preprocessing and without start-up (for Topaz:
that of a trivial command); the models of ours are judged after each epoch, those of Topaz after 50, 100,
250 and 500 steps.

    python benchmarks/few_labels.py [--data FOLDER] [--weights FILE] [--draws 1] [--workers 2]
    python benchmarks/few_labels.py --plan          # the cells that are missing, in their order
    python benchmarks/few_labels.py --table-only    # of what is measured so far

FOLDER is that of real_data.py; without it the real set is left out. FILE is a model that ours starts from in
place of the package's own. Topaz is left out where its environment is not there (`./run bench
--peer` makes it). Every cell is kept in the work folder and not repeated: a run that was stopped goes on
where it was, and what tells most for its time comes first.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# Before torch is imported, here and in the workers: threads of two processes wait for one another.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import peer
from few_labels_cells import (
    PEER,
    PEER_EPOCHS,
    PEER_STEPS,
    RECIPES,
    Cell,
    cells,
    run_cell,
)
from few_labels_report import absent_cells, against_rival, figure, results_table, seconds_table, speed_table
from papers_table import kept_rows, known_sets, measure
from peer_process import machine

from napari_topaz.model.general import WEIGHTS

HERE = Path(__file__).parent
COUNTS = (0, 10, 30, 100)
#: Minutes of one core that a cell takes: for the peer 1.15 s a step, and 35 s to judge a model.
PEER_MINUTES, OUR_MINUTES = 12.0, 1.0


def write_report(rows: list[dict], planned: int, options: argparse.Namespace, missing: list[str]) -> Path:
    """Write table, figure and cells."""
    about = (__doc__ or "").split("\n\n")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture = options.output.with_suffix(".png")
    parts = [
        "# Few labels",
        *about[1:4],
        f"{len(rows)} of {planned} cells measured, {options.draws} draws, on {machine()} "
        f"(one core a cell, {options.workers} at once).",
        *missing,
    ]
    for count in options.labels:
        parts += [f"## AP with {count} labels, mean over draws", results_table(rows, options.sets, count)]
        parts += [against_rival(rows, count)] * (count > 0)
    parts += [
        f"![AP against labels and over seconds]({picture.name})",
        "Curves over seconds are of the first draw.",
        "## Seconds until as good as Topaz",
        "Target: the highest AP of Topaz (from its resnet8) among its judged models, of the same set, labels "
        "and draw.",
        speed_table(rows),
        "## Seconds of a training",
        seconds_table(rows),
    ]
    names = options.output.with_name("few_labels_cells.csv")
    parts += [f"Every judged model stands in [{names.name}]({names.name})."]
    write_cells(rows, names)
    figure(rows, options.sets, options.labels, picture, machine())
    options.output.write_text("\n\n".join(parts) + "\n")
    return Path(options.output)


def write_cells(rows: Sequence[dict], path: Path) -> None:
    """Write a line for every judged model, for other tests than ours."""
    names = ["set", "method", "labels", "draw", "step", "seconds", "average_precision", "best_f1", "last"]
    with path.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(names)
        for row in rows:
            for k, (seconds, step, average, best) in enumerate(row["curve"], 1):
                cell = [row[name] for name in names[:4]]
                judged = [step, f"{seconds:.2f}", f"{average:.5f}", f"{best:.5f}"]
                lines.writerow([*cell, *judged, int(k == len(row["curve"]))])


def plan(missing: Sequence[Cell]) -> str:
    """Say what is missing, in which order, and about how long it takes."""
    lines, minutes = [], 0.0
    for cell in missing:
        trained = cell.labels > 0
        peers = PEER_MINUTES * cell.steps / (PEER_EPOCHS * PEER_STEPS)
        minutes += (peers if cell.recipe.who == PEER else OUR_MINUTES) if trained else 0.5
        what = f"{cell.set} {cell.method} {cell.labels} labels, draw {cell.draw}"
        lines.append(f"{minutes:7.0f}  {what}")
    return "\n".join(["minutes of one core until it is done", *lines])


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the real set")
    parser.add_argument(
        "--weights",
        type=Path,
        default=WEIGHTS,
        help="model to start from; the package's own by default",
    )
    parser.add_argument("--sets", nargs="+", help="all by default")
    parser.add_argument("--methods", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--labels", nargs="+", type=int, default=list(COUNTS), choices=COUNTS)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--peer-steps", type=int, default=PEER_EPOCHS * PEER_STEPS, help="a multiple of 50")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--time-limit", type=float, help="seconds after which no cell is begun")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-few-labels")
    parser.add_argument("--output", type=Path, default=HERE / "results/few_labels.md")
    parser.add_argument("--plan", action="store_true", help="say what would be measured, and end")
    parser.add_argument("--table-only", action="store_true")
    options = parser.parse_args(words)
    if options.data is not None and not (options.data / "micrographs").is_dir():
        parser.error(f"there is no folder {options.data / 'micrographs'}")
    if not options.weights.is_file():
        parser.error(f"there is no model {options.weights}")
    if options.peer_steps < PEER_STEPS or options.peer_steps % PEER_STEPS:
        parser.error(f"--peer-steps is {options.peer_steps}; give a multiple of {PEER_STEPS}.")
    known = known_sets(options.data)
    # The real one first: what is measured there counts most.
    options.sets = options.sets or list(reversed(known))
    for unknown in set(options.sets) - set(known):
        parser.error(f"{unknown!r} is not a set; choose from {', '.join(known)} (the real one needs --data).")
    return options


def left_out(options: argparse.Namespace) -> list[str]:
    """Sentences on what cannot be measured."""
    said = []
    if options.data is None:
        said.append("The real set is left out: no --data was given.")
    if absent := peer.absent():
        said.append(absent)
    return said


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    known, said = known_sets(options.data), left_out(options)
    methods = [m for m in options.methods if not (peer.absent() and RECIPES[m].who == PEER)]
    weights = str(options.weights.resolve())
    planned = cells(
        options.sets, methods, options.labels, options.draws, steps=options.peer_steps, weights=weights
    )
    todo = [(cell, known[cell.set]) for cell in planned]
    for sentence in said:
        print(sentence, file=sys.stderr)
    if options.plan:
        print(plan([cell for cell, m in todo if not cell.file(options.work, m).exists()]))
        return 0
    failures = [] if options.table_only else measure(todo, options, run_cell)
    rows = kept_rows(todo, options.work, run_cell)
    missing = [*said, *(f"Failed: {failure}." for failure in failures), *absent_cells(rows, planned)]
    path = write_report(rows, len(todo), options, missing)
    print(f"wrote {path} and {path.with_suffix('.png').name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
