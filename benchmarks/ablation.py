"""What each element of the default recipe is worth: the recipe with one thing changed, on the same labels.

Elements stand in ablation_elements.py. Every one is trained on the same labels of the same simulated sets
(sets.py) and of the real one (real_data.py), several draws; the table gives the difference of the average
precision (AP) from the default's, paired by (set, draw), with a two-sided t-test and Holm's correction. Where
the draws of a set are not independent p is too small.
Labels are drawn at random from all particles of the training micrographs, the expected number is the true
mean of those, and all training micrographs are used, with a label or without.

With --hard the sets are those that the general model is suspected to be bad at (sets.py): a start from it
must not lose to one from random weights there. --weights FILE starts from another general model, such as one
that has never seen the shape of the set:

    napari-topaz pretrain no_rods.safetensors --without rod --steps 4000
    python benchmarks/ablation.py --weights no_rods.safetensors --sets elongated …

With --development the simulated sets have other seeds: other particles on other micrographs. Recipes are
chosen on those, and what is reported is measured on the sets that the other benchmarks report on. With
--crowds they are crowds of several kinds.

    python benchmarks/ablation.py [--data FOLDER] [--elements …] [--labels 10 100] [--draws 3] [--workers 2]
    python benchmarks/ablation.py --hard --elements default random-start --labels 10 1000

Every cell is kept in the work folder and not repeated: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from unittest.mock import patch
from zlib import crc32

# Before torch is imported, here and in the workers: threads of two processes wait for one another.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import numpy as np
from ablation_elements import ELEMENTS
from papers_cells import (
    REAL,
    MicrographSet,
    World,
    cache,
    draw_labels,
    fingerprint,
    load,
    result_of,
    training_set_of,
)
from papers_report import number, table
from papers_statistics import Column, compare, holm
from papers_table import command, days, kept_rows, machine, measure
from scipy.special import expit
from sets import CROWDS, HARD, SETS

from napari_topaz import Picks
from napari_topaz.files.atomic import replace_file
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.pick import picks_of
from napari_topaz.jobs.train import train
from napari_topaz.model import general
from napari_topaz.model.general import WEIGHTS
from napari_topaz.model.picker import PickerModel
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings

HERE = Path(__file__).parent
#: What the seeds of the sets for development are more than those that are reported.
DEVELOPMENT = 1000
#: Raise it where the code below changes what a cell means.
VERSION = 1


@dataclass(frozen=True)
class Cell:
    """What is measured."""

    set: str
    element: str
    labels: int
    draw: int
    weights: Path = WEIGHTS

    @property
    def method(self) -> str:
        """What the progress calls it."""
        return self.element

    @property
    def settings(self) -> TrainSettings:
        return TrainSettings(**{"seed": self.draw, **ELEMENTS[self.element].settings})

    def file(self, work: Path, micrographs: MicrographSet) -> Path:
        """Where its result is kept."""
        options = [self.settings.model_dump_json(), *ELEMENTS[self.element].preprocess.items()]
        what = {k: v for k, v in asdict(self).items() if k != "weights"}
        means = [VERSION, what, *options, fingerprint(micrographs), crc32(self.weights.read_bytes())]
        checksum = crc32(json.dumps(means).encode())
        return work / f"{self.set}_{self.element}_{self.labels}_{self.draw}_{checksum:08x}.json"


@contextmanager
def general_model_of(weights: Path) -> Iterator[None]:
    """Let these weights be the package's."""
    with patch.object(general, "WEIGHTS", weights):
        general.general_model.cache_clear()
        yield
    general.general_model.cache_clear()


def pick_test(model: PickerModel, world: World, preprocess: PreprocessSettings) -> dict[str, Picks]:
    """Pick the test micrographs, down to the lowest score: the whole curve is wanted."""
    test = [cache().prepare(source, preprocess) for source in world.test]
    return {one.name: picks_of(model.score(one), model, PickSettings(threshold=-1000)) for one in test}


def run_cell(cell: Cell, micrographs: MicrographSet, work: Path) -> dict:
    """Measure a cell, or return what is kept of an earlier run."""
    kept = cell.file(work, micrographs)
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    world = load(micrographs)
    labels = draw_labels(world.truth, [s.name for s in world.training], cell.labels, cell.draw)
    known = {"diameter": world.diameter, "pixel_size": world.pixel_size}
    preprocess = PreprocessSettings(**known, **ELEMENTS[cell.element].preprocess)
    training_set = training_set_of(world, labels, preprocess, cell.settings)
    clock = time.process_time()
    with ELEMENTS[cell.element].context(), general_model_of(cell.weights):
        model = result_of(train(training_set, preprocess, cell.settings, NetworkSettings(), device="cpu"))
    seconds = time.process_time() - clock
    targets = {s.name: world.truth[s.name] for s in world.test}
    picks = pick_test(model, world, preprocess)
    found = evaluate(picks, targets, world.diameter / world.pixel_size / 2)
    scores = np.concatenate([p.scores for p in picks.values()]).astype(float)
    at = found.curve.index_at(model.card.threshold)
    row = asdict(cell) | {
        "weights": cell.weights.name,
        "average_precision": found.average_precision,
        "best_f1": found.best_f1,
        "f1": 0.0 if at is None else float(found.curve.f()[at]),
        "precision": 1.0 if at is None else float(found.curve.precision[at]),
        "expected_precision": float(expit(scores[scores >= model.card.threshold]).mean()),
        "epoch": model.card.best_epoch,
        "epochs": len(model.card.history),
        "seconds": seconds,
    }
    with replace_file(kept) as temporary:
        temporary.write_text(json.dumps(row, indent=1))
    return row


def columns(rows: Sequence[dict]) -> dict[tuple[str, int], Column]:
    """AP by (element, labels), then by (set, draw)."""
    found: dict[tuple[str, int], dict[tuple[str, int], float]] = defaultdict(dict)
    for row in rows:
        found[row["element"], row["labels"]][row["set"], row["draw"]] = row["average_precision"]
    return dict(found)


def report(rows: Sequence[dict], options: argparse.Namespace, when: str = "") -> str:
    """Return the tables; `when` the cells were measured."""
    found = columns(rows)
    about = (__doc__ or "").split("\n\n")
    parts = ["# Ablation of the default recipe", about[1]]
    parts += about[2:4] * (options.hard or options.weights != WEIGHTS) + about[4:5] * (
        options.development or options.crowds
    )
    done = f"{len(rows)} cells, {options.draws} draws; on {machine()}"
    parts.append(f"Command: `{command('ablation.py')}`; {done}; measured {when}.")
    parts += [options.note] * bool(options.note)
    for count in options.labels:
        parts += [f"## {count} labels", table_of(found, rows, options, count)]
    if options.development or options.crowds:
        return "\n\n".join(parts) + "\n"  # what is expected is chosen on these: calibration.py
    parts += [
        "## Threshold and expected precision of the default recipe",
        CALIBRATION,
        calibration(rows, options),
    ]
    return "\n\n".join(parts) + "\n"


def table_of(
    found: dict[tuple[str, int], Column], rows: Sequence[dict], options: argparse.Namespace, count: int
) -> str:
    """One line an element: mean AP of every set, and the difference from the default."""
    default = found.get(("default", count), {})
    names = [e for e in options.elements if (e, count) in found]
    others = [e for e in names if e != "default"]
    made = {e: compare(e, "default", count, found[e, count], default) for e in others}
    corrected = dict(zip(others, holm([made[e].p for e in others]), strict=True))
    lines = []
    for element in names:
        column = found[element, count]
        by_set = [[v for (s, _), v in column.items() if s == name] for name in options.sets]
        seconds = mean(r["seconds"] for r in rows if r["element"] == element and r["labels"] == count)
        line = [ELEMENTS[element].says, *(number(mean(v)) if v else "–" for v in by_set)]
        if element == "default":
            line += [number(mean(column.values())), "", "", ""]
        else:
            one = made[element]
            better = f"{one.wins} of {one.pairs}"
            p = p_text(corrected[element])
            line += [number(mean(column.values())), f"{one.difference:+.3f}", better, p]
        lines.append([*line, f"{seconds:.0f}"])
    header = ["", *options.sets, "mean", "difference", "better", "p (Holm)", "CPU s"]
    return table(header, lines)


CALIBRATION = (
    "F1 of the test picks at the model's own threshold, the best F1 of all thresholds, the true precision at "
    "the model's threshold, and the one that it expects of these picks (mean of sigmoid(score)); means over "
    "draws, and the mean distance of the two precisions. The expected number of particles was given."
)


def calibration(rows: Sequence[dict], options: argparse.Namespace) -> str:
    """One line a set and number of labels."""
    lines = []
    for name in options.sets:
        for count in options.labels:
            of = [r for r in rows if (r["element"], r["set"], r["labels"]) == ("default", name, count)]
            if of:
                values = [
                    mean(r[k] for r in of) for k in ("f1", "best_f1", "precision", "expected_precision")
                ]
                values.append(mean(abs(r["precision"] - r["expected_precision"]) for r in of))
                lines.append([name, str(count), *map(number, values)])
    return table(["set", "labels", "F1", "best F1", "precision", "expected", "distance"], lines)


def p_text(p: float) -> str:
    return "–" if p != p else ("< .001" if p < 0.001 else f"{p:.3f}")


def known_sets(
    data: Path | None, *, development: bool, hard: bool = False, crowds: bool = False
) -> dict[str, MicrographSet]:
    """All sets by name; the real one is never for development."""
    if crowds:
        return {name: MicrographSet(name, settings) for name, settings in CROWDS.items()}
    if hard:
        return {name: MicrographSet(name, s, inverted=name == "bright") for name, s in HARD.items()}
    more = DEVELOPMENT if development else 0
    found = {
        name: MicrographSet(name, settings.model_copy(update={"seed": settings.seed + more}))
        for name, settings in SETS.items()
    }
    if data is not None and not development:
        found[REAL] = MicrographSet(REAL, folder=data)
    return found


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the real set")
    parser.add_argument("--sets", nargs="+", help="all by default")
    parser.add_argument("--elements", nargs="+", default=list(ELEMENTS), choices=ELEMENTS)
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--development", action="store_true", help="sets of other seeds")
    parser.add_argument("--hard", action="store_true", help="sets that are unlike what was learnt from")
    parser.add_argument("--crowds", action="store_true", help="crowds, for development")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the general model to start from")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--time-limit", type=float, help="seconds after which no cell is begun")
    parser.add_argument("--table-only", action="store_true", help="of what is measured so far")
    parser.add_argument("--note", default="", help="said below the command")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-ablation")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(words)
    known = known_sets(
        options.data, development=options.development, hard=options.hard, crowds=options.crowds
    )
    options.sets = options.sets or list(known)
    for unknown in set(options.sets) - set(known):
        parser.error(f"{unknown!r} is not a set; choose from {', '.join(known)} (the real one needs --data).")
    if not options.weights.is_file():
        parser.error(f"there is no model {options.weights}")
    kind = "_hard" * options.hard + "_development" * options.development + "_crowds" * options.crowds
    kind += "_other_weights" * (options.weights != WEIGHTS)
    name = f"ablation{kind}.md"
    options.output = options.output or HERE / "results" / name
    return options


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    known = known_sets(
        options.data, development=options.development, hard=options.hard, crowds=options.crowds
    )
    # A whole element after the other: what is interrupted compares some of them on everything.
    todo = [
        (Cell(name, element, count, draw, options.weights), known[name])
        for element in options.elements
        for draw in range(options.draws)
        for name in options.sets
        for count in options.labels
    ]
    options.work = options.work / options.output.stem
    options.work.mkdir(parents=True, exist_ok=True)
    failures = [] if options.table_only else measure(todo, options, run_cell)
    rows = kept_rows(todo, options.work, run_cell)
    when = days(cell.file(options.work, m) for cell, m in todo)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = report(rows, options, when)
    options.output.write_text(text)
    print(text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
