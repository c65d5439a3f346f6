"""The papers' methods against one another on simulated sets and a real one: a table, tests and a figure.

PN, NNPU, GE-KL and GE-binomial (Bepler et al. 2018, 2019), each with and without their autoencoder (up to
250 labels, as there), DeepEM (Zhu et al. 2017), this package's default recipe, and two reference pickers
learn from 10, 100 and 1000 labels. Labels are drawn at random from all particles of the training
micrographs; a draw is the same for all methods, and the 10 are among the 100. π comes from the true mean
number of particles per training micrograph (of the real set: of curated centres, which are incomplete).

The papers' methods share network, minibatches (16 positive and 240 unlabelled regions at random angles)
and all else of `--preset paper`, but for the network's width, the number of steps, the learning rate and
its schedule (a cosine), which are the same for all of them; the autoencoder draws 64 regions of a minibatch,
not all 256. No labels are held out from them: the network after the last step is measured, without averaging
over symmetries. DeepEM and the default recipe are trained as their presets say, with their own numbers of
steps, held-out labels, and scores averaged over four rotations or eight symmetries.
Preprocessing is the default one for all. Picks are matched within the particle's radius; the
average precision (AP) counts all particles of the test micrographs.

What was chosen on which data: width, steps and learning rate in some twenty trials, all but one without
autoencoder, on a globular set of another seed (papers_tuning.md: what other rates and four times the steps
give). The doses of the globular and the noisy set were lowered after a look at the AP of PN and the default
recipe there, 100 labels, draw 0, as they were too easy. On the real set the constants of the default recipe
and of the reference pickers were chosen earlier while looking at the micrographs that test here; those of
the other methods were not.

    python benchmarks/papers_table.py [--data FOLDER] [--draws 3] [--workers 2] [--time-limit SECONDS]
    python benchmarks/papers_table.py --table-only [--data FOLDER]      # of what is measured so far
    python benchmarks/papers_table.py --tune                            # writes papers_tuning.md

FOLDER is that of real_data.py; without it the real set is left out. Every cell is kept in the work folder and
not repeated: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import date
from itertools import product
from multiprocessing import get_context
from pathlib import Path

# Before torch is imported, here and in the workers: threads of two processes wait for one another.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

from papers_cells import (
    AUTOENCODER,
    DEEPEM,
    METHODS,
    OBJECTIVES,
    PER_PIXEL,
    REAL,
    Cell,
    MicrographSet,
    available,
    cells,
    run_cell,
)
from papers_report import figure, labelled_table, number, results_table, table, tests_table
from papers_statistics import columns, comparisons

HERE = Path(__file__).parent
#: Of the papers' methods, chosen with --tune.
STEPS, LEARNING_RATE, WIDTH = 300, 1e-2, 16
#: What --tune tries, with this many labels, on the globular set drawn with another seed.
TUNING, TUNING_LABELS, TUNING_SEED = "tuning", 100, 1000
TUNED_RATES, LONGER = (3e-3, 1e-2), 4
COUNTS = (10, 100, 1000)
#: What measures a cell: of its set, with results kept in a folder.
Measure = Callable[[Cell, MicrographSet, Path], dict]


def known_sets(data: Path | None) -> dict[str, MicrographSet]:
    """All sets by name; the real one where its folder is given and there."""
    from sets import SETS

    found = {name: MicrographSet(name, settings) for name, settings in SETS.items()}
    if data is not None:
        found[REAL] = MicrographSet(REAL, folder=data)
    return found


def run_all(
    todo: Sequence[tuple[Cell, MicrographSet]],
    work: Path,
    workers: int,
    time_limit: float | None,
    run: Measure = run_cell,
) -> Iterator[tuple[Cell, dict | Exception]]:
    """Measure cells in processes of one thread each; yields each result, or why there is none.

    After `time_limit` seconds no cell is begun, and those that run are waited for. `run` measures one.
    """
    clock, waiting = time.monotonic(), iter(todo)
    running: dict[Future[dict], Cell] = {}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        try:
            while True:
                while len(running) < workers and (
                    time_limit is None or time.monotonic() - clock < time_limit
                ):
                    cell, micrographs = next(waiting, (None, None))
                    if cell is None:
                        break
                    running[pool.submit(single_threaded, cell, micrographs, work, run)] = cell
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    error = future.exception()
                    failed = error if isinstance(error, Exception) else None
                    yield running.pop(future), failed or future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def single_threaded(cell: Cell, micrographs: MicrographSet, work: Path, run: Measure) -> dict:
    """Measure a cell in a worker."""
    import torch

    torch.set_num_threads(1)
    return run(cell, micrographs, work)


def measure(
    todo: Sequence[tuple[Cell, MicrographSet]], options: argparse.Namespace, run: Measure = run_cell
) -> list[str]:
    """Measure what is not yet there, and say how it goes; returns why cells have no result."""
    missing = [(cell, m) for cell, m in todo if not cell.file(options.work, m).exists()]
    print(f"{len(todo) - len(missing)} of {len(todo)} cells are there already", flush=True)
    failures, clock = [], time.monotonic()
    results = run_all(missing, options.work, options.workers, options.time_limit, run)
    for n, (cell, row) in enumerate(results, 1):
        what = f"{cell.set} {cell.method} {cell.labels} labels, draw {cell.draw}"
        if isinstance(row, Exception):
            failures.append(f"{what}: {row}")
            said = f"failed: {row}"
        else:
            said = f"AP {row['average_precision']:.3f} in {row.get('cpu', row['seconds']):.1f} CPU s"
        passed = time.monotonic() - clock
        left = passed / n * (len(missing) - n) / 60
        print(f"[{n}/{len(missing)}] {what}: {said}; about {left:.0f} min left", flush=True)
    return failures


def kept_rows(todo: Sequence[tuple[Cell, MicrographSet]], work: Path, run: Measure = run_cell) -> list[dict]:
    """Results of the cells that are measured."""
    return [run(cell, m, work) for cell, m in todo if cell.file(work, m).exists()]


def machine() -> str:
    """Say what this ran on."""
    import torch

    python = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{os.cpu_count()} cores ({platform.machine()}), no GPU, {python}"


def days(files: Iterable[Path]) -> str:
    """Say from when to when cells were measured."""
    found = sorted({date.fromtimestamp(f.stat().st_mtime).isoformat() for f in files if f.exists()})
    return " to ".join(dict.fromkeys([found[0], found[-1]])) if found else "never"


def command(script: str = "papers_table.py") -> str:
    """Return the command that measures this, without folders of this machine."""
    words, given = [], iter(sys.argv[1:])
    for word in given:
        if word in ("--note", "--time-limit"):
            next(given, None)
        elif word != "--table-only":
            words.append(word)
            if word in ("--data", "--work", "--output"):
                next(given, None)
                words.append("FOLDER")
    return shlex.join(["python", f"benchmarks/{script}", *words])


def write_report(rows: list[dict], todo: int, options: argparse.Namespace, failures: list[str]) -> Path:
    """Write the table and the figure."""
    found = columns(rows, options.labels, options.draws)
    made = comparisons(found, options.labels)
    about = (__doc__ or "").split("\n\n")
    parts = [
        "# The papers' methods against one another",
        *about[1:4],
        f"Command: `{command()}`; {len(rows)} of {todo} cells measured, {options.draws} draws, "
        f"{options.steps} steps, learning rate {options.learning_rate:g}, width {options.width}; "
        f"on {machine()}.",
    ]
    parts += notes(options)
    parts += [f"Not measured: {failure}" for failure in failures]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for count in options.labels:
        parts += [f"## AP with {count} labels, mean over draws", results_table(found, options.sets, count)]
    parts += [f"![AP against labels]({options.output.name})".replace(".md)", ".png)")]
    parts += ["## Paired tests", tests_text(len(made)), tests_table(made)]
    parts += ["## What there is to learn from", labelled_table(rows, options.sets, options.labels)]
    parts += ["## Time of a cell", times_table(rows)]
    cells_file = options.output.with_name("papers_cells.csv")
    parts += [f"Every cell stands in [{cells_file.name}]({cells_file.name})."]
    write_cells(rows, cells_file)
    figure(found, options.sets, options.labels, options.output.with_suffix(".png"))
    options.output.write_text("\n\n".join(parts) + "\n")
    return Path(options.output)


def write_cells(rows: Sequence[dict], path: Path) -> None:
    """Write the result of every cell, for other tests than ours."""
    names = ["set", "method", "labels", "draw", "average_precision", "best_f1", "labelled", "prior"]
    with path.open("w", newline="") as file:
        lines = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        lines.writeheader()
        for row in rows:
            rounded = {k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()}
            lines.writerow(rounded)


def notes(options: argparse.Namespace) -> list[str]:
    """What was left out, and what was written about the result by hand."""
    said = []
    if options.data is None:
        said.append(f"The real set ({REAL}) is left out: no --data was given.")
    if not available(DEEPEM):
        said.append("DeepEM is left out: this version of the package has no preset of that name.")
    by_hand = HERE / "papers_notes.md"
    return said + ([by_hand.read_text().strip()] if by_hand.exists() else [])


def tests_text(count: int) -> str:
    """Say what the tests are."""
    return (
        "Differences of AP, paired by (set, draw): two-sided t-test as in the papers, and Wilcoxon's signed "
        "ranks. The draws of a set are not independent, so that these p are too small; the last columns "
        f"compare the means of the sets. Holm: corrected for the {count} comparisons of this table."
    )


def times_table(rows: list[dict]) -> str:
    """Mean seconds of a cell by method."""
    header = ["method", "cells", "mean seconds of one core"]
    lines = []
    for method in METHODS:
        seconds = [r["seconds"] for r in rows if r["method"] == method]
        if seconds:
            lines.append([method, str(len(seconds)), number(sum(seconds) / len(seconds), 1)])
    return table(header, lines)


def tune(options: argparse.Namespace) -> None:
    """Try learning rates, and longer training at the chosen one, on a set that is not reported."""
    settings = known_sets(None)["globular"].settings
    assert settings is not None
    micrographs = MicrographSet(TUNING, settings.model_copy(update={"seed": TUNING_SEED}))
    chosen = options.learning_rate
    rates = [chosen, *(rate for rate in TUNED_RATES if rate != chosen)]
    recipes = [(options.steps, rate) for rate in rates]
    recipes.insert(1, (options.steps * LONGER, chosen))
    endings = (AUTOENCODER, AUTOENCODER + PER_PIXEL)
    methods = [*OBJECTIVES, *(objective + end for objective in ("pn", "ge-binomial") for end in endings)]
    made = {
        (method, *recipe): Cell(TUNING, method, TUNING_LABELS, 0, *recipe, options.width)
        for recipe, method in product(recipes, methods)
    }
    failures = measure([(cell, micrographs) for cell in made.values()], options)
    rows = []
    for steps, rate in recipes:
        kept = [cell.file(options.work, micrographs) for m in methods for cell in [made[m, steps, rate]]]
        values = [
            number(run_cell(made[m, steps, rate], micrographs, options.work)["average_precision"])
            if file.exists()
            else "–"
            for m, file in zip(methods, kept, strict=True)
        ]
        rows.append([str(steps), f"{rate:g}", *values])
    text = (
        "# Steps and learning rate of the papers' methods\n\nAP on the globular set drawn with another "
        f"seed, {TUNING_LABELS} labels, one draw; width {options.width}, cosine schedule. "
        f"`{AUTOENCODER}`: with the papers' autoencoder, whose error is a sum over the pixels of a region; "
        f"`{AUTOENCODER + PER_PIXEL}`: with their mean.\n\n"
        f"Command: `{command()}`, on {machine()}.\n\n{table(['steps', 'learning rate', *methods], rows)}\n"
    )
    (options.output.parent / "papers_tuning.md").write_text(text)
    print(text)
    if failures:
        raise SystemExit("\n".join(failures))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the real set")
    parser.add_argument("--sets", nargs="+", help="all by default")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--labels", nargs="+", type=int, default=list(COUNTS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the papers' methods")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--width", type=int, default=WIDTH, help="32 in the papers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--time-limit", type=float, help="seconds after which no cell is begun")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-papers")
    parser.add_argument("--output", type=Path, default=HERE / "results/papers_table.md")
    parser.add_argument("--table-only", action="store_true")
    parser.add_argument("--tune", action="store_true")
    options = parser.parse_args(words)
    if options.data is not None and not (options.data / "micrographs").is_dir():
        parser.error(f"there is no folder {options.data / 'micrographs'}")
    known = known_sets(options.data)
    options.sets = options.sets or list(known)
    for unknown in set(options.sets) - set(known):
        parser.error(f"{unknown!r} is not a set; choose from {', '.join(known)} (the real one needs --data).")
    return options


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    if options.tune:
        tune(options)
        return 0
    known = known_sets(options.data)
    methods = [m for m in options.methods if available(m)]
    planned = cells(
        options.sets,
        methods,
        options.labels,
        options.draws,
        options.steps,
        options.learning_rate,
        options.width,
    )
    todo = [(cell, known[cell.set]) for cell in planned]
    failures = [] if options.table_only else measure(todo, options)
    path = write_report(kept_rows(todo, options.work), len(todo), options, failures)
    print(f"wrote {path} and {path.with_suffix('.png').name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
