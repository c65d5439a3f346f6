"""What scores mean: how far the probabilities of the default recipe's picks are from the truth, and why.

A model is trained by the default recipe on each set of simulated micrographs (the sets of ablation.py with
other seeds: constants are chosen on these and not on those that are reported). Its plain scores, those before
calibration, of all picks are kept, with what is true of them. Then numerics/presence.py can be tried with
other constants at no cost: the expected slope and its spread, and which labels count: those held out, these
and the others together for 8 more, as in the package, or all. (Those that were trained on score too high.)

The table gives the slope that fits best where the truth is known (a logistic regression of the test picks),
and over all (set, number of labels, draw) the mean and the largest distance of the precision expected of the
test picks at the default threshold from the true one, the mean of the signed difference, and the mean of how
much F1 is below that of the best threshold.

    python benchmarks/calibration.py [--labels 10 100] [--draws 3]
    python benchmarks/calibration.py --starts "general model" "random weights" --labels 10
    python benchmarks/calibration.py --reported     # on the sets that are reported; choose nothing by it

Every cell is kept in the work folder and not repeated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean
from unittest.mock import patch

import ablation  # sets the number of threads before torch is imported
import numpy as np
from numpy.typing import NDArray
from papers_cells import MicrographSet, cache, draw_labels, load, result_of, training_set_of
from papers_report import number, table
from papers_table import command, machine
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sets import HARD

from napari_topaz.extract import SPACING, extract
from napari_topaz.files.atomic import replace_file
from napari_topaz.jobs import calibrating
from napari_topaz.jobs.train import train
from napari_topaz.model.picker import PickerModel
from napari_topaz.numerics import presence
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import NetworkSettings, PreprocessSettings

HERE = Path(__file__).parent
#: Constants of presence.py that are tried: the expected slope, and the spread of its logarithm.
SLOPES, SPREADS = (0.6, 0.8, 1.0, 1.1, 1.25), (0.2, 0.35, 0.5)
#: Which labels count.
HELD_OUT, PACKAGE, ALL = COUNTED = ("held out", f"and {calibrating.TRAINED_COUNT}", "all")
#: The expected precision should be no farther from the true one.
TOLERATED = 0.05
#: Elements of ablation_elements.py by where training starts.
STARTS = {"general model": "default", "random weights": "random-start"}


@dataclass(frozen=True)
class Known:
    """Picks of some micrographs: plain scores, which are particles, which of those are labelled.

    Attributes
    ----------
    scores, right, labelled : ndarray, shape (n,)
    held_out : ndarray of bool, shape (n,)
        On a micrograph that was held out of the training.
    image : ndarray of int, shape (n,)
        Its number, those held out first; -1 on a test micrograph.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    image: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> Known:
        return Known(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Row:
    """A trained model's picks, how many particles are expected a micrograph, and how many the test has."""

    set: str
    start: str
    labels: int
    draw: int
    known: Known
    expected: float
    test_particles: int


def sets(*, development: bool) -> dict[str, MicrographSet]:
    """The usual sets and the hard ones, with other seeds for development."""
    more = ablation.DEVELOPMENT if development else 0
    found = ablation.known_sets(None, development=development)
    for name, settings in HARD.items():
        changed = settings.model_copy(update={"seed": settings.seed + more})
        found[name] = MicrographSet(name, changed, inverted=name == "bright")
    return found


def picks_of(model: PickerModel, prepared: Prepared, radius: float) -> tuple[NDArray, NDArray]:
    """Plain scores and positions (preprocessed pixels) as calibration sees them."""
    scale = np.asarray(prepared.step_yx, np.float32)
    found = extract(model.score(prepared), SPACING * radius * float(scale.mean()))
    return (found.scores - model.card.score_offset) / model.card.score_slope, found.yx / scale


def row_of(
    micrographs: MicrographSet, start: str, labels: int, draw: int, work: Path, *, kept_only: bool = False
) -> Row | None:
    """Train a model and keep its picks, or return what is kept."""
    cell = ablation.Cell(micrographs.name, STARTS[start], labels, draw)
    file = cell.file(work, micrographs).with_suffix(".npz")
    if kept_only and not file.exists():
        return None
    if not file.exists():
        with replace_file(file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **measured(cell, micrographs))
    with np.load(file) as kept:
        known = Known(*(kept[field] for field in Known.__dataclass_fields__))
        expected, particles = float(kept["expected"]), int(kept["test_particles"])
    return Row(micrographs.name, start, labels, draw, known, expected, particles)


def measured(cell: ablation.Cell, micrographs: MicrographSet) -> dict[str, object]:
    """Train, and pick all micrographs."""
    world = load(micrographs)
    drawn = draw_labels(world.truth, [s.name for s in world.training], cell.labels, cell.draw)
    preprocess = PreprocessSettings(diameter=world.diameter, pixel_size=world.pixel_size)
    training_set = training_set_of(world, drawn, preprocess, cell.settings)
    model = result_of(train(training_set, preprocess, cell.settings, NetworkSettings(), device="cpu"))
    images = [*training_set.validation, *training_set.training]
    columns: list[tuple[NDArray, ...]] = []
    test = [(-1, cache().prepare(source, preprocess), None) for source in world.test]
    for k, prepared, positives in [*((k, i.prepared, i.positives) for k, i in enumerate(images)), *test]:
        scores, ij = picks_of(model, prepared, training_set.particle_radius)
        truth = world.truth[prepared.name].yx / np.asarray(prepared.step_yx, np.float32)
        right = match(truth, ij, training_set.particle_radius).target_of_pick >= 0
        known = np.zeros(len(ij), bool)
        if positives is not None:
            known = match(positives, ij, training_set.particle_radius).target_of_pick >= 0
        held_out = np.full(len(ij), 0 <= k < len(training_set.validation))
        columns.append((scores, right, known, held_out, np.full(len(ij), k)))
    arrays = [np.concatenate(c) for c in zip(*columns, strict=True)]
    return dict(zip(Known.__dataclass_fields__, arrays, strict=True)) | {
        "expected": training_set.expected,
        "test_particles": sum(len(world.truth[s.name]) for s in world.test),
    }


@dataclass(frozen=True)
class Outcome:
    """What a calibration does on the test micrographs."""

    slope: float
    true: float
    expected: float
    f1_below: float


def constants(row: Row) -> tuple[float, float]:
    """Expected slope and spread of the package."""
    slope = calibrating.expected_slope(row.labels, pretrained=row.start == "general model")
    return slope, presence.SPREAD


def weights_of(seen: Known, counted: str) -> NDArray[np.float64]:
    """How much each labelled pick counts."""
    held_out = seen.held_out[seen.labelled]
    trained = max(int((~held_out).sum()), 1)
    little = {HELD_OUT: 0.0, PACKAGE: min(1.0, calibrating.TRAINED_COUNT / trained), ALL: 1.0}[counted]
    return np.where(held_out, 1.0, little)


_OFFSETS: dict[tuple[object, ...], float] = {}
_offset = presence._offset


def offset_of(row: Row, logits: NDArray[np.float64], particles: float) -> float:
    """Offset of logits, which other constants ask for again: remembered, as it takes most of the time."""
    key = (row.set, row.start, row.labels, row.draw, float(logits[0]), float(logits[-1]), particles)
    if key not in _OFFSETS:
        _OFFSETS[key] = _offset(logits, particles)
    return _OFFSETS[key]


def outcome(row: Row, slope: float, spread: float, counted: str = PACKAGE) -> Outcome:
    """Calibrate with these constants, and look at the test picks."""
    seen = row.known.of((row.known.image >= 0) & (row.known.image < calibrating.MOST_IMAGES))
    particles = row.expected * len(np.unique(seen.image))
    labels, weights = seen.scores[seen.labelled], weights_of(seen, counted)
    remembered = partial(offset_of, row)
    with patch.object(presence, "SPREAD", spread), patch.object(presence, "_offset", remembered):
        fit = presence.fit_precision(seen.scores, particles, labels, weights, slope=slope)
    threshold, _ = presence.best_threshold(fit.logits_of(seen.scores), particles)
    test = row.known.of(row.known.image < 0)
    logits = fit.logits_of(test.scores)
    curve = precision_recall(logits, test.right, row.test_particles)
    at = curve.index_at(threshold)
    chosen = logits >= threshold
    f1 = 0.0 if at is None else float(curve.f()[at])
    true = float(test.right[chosen].mean()) if chosen.any() else 1.0
    expected = float(expit(logits[chosen]).mean()) if chosen.any() else 1.0
    return Outcome(fit.slope, true, expected, float(curve.f().max()) - f1)


def best_slope(row: Row) -> float:
    """Slope of the logistic regression of the test picks on their scores."""
    test = row.known.of(row.known.image < 0)
    sign = np.where(test.right, 1.0, -1.0)

    def loss(ab: NDArray[np.float64]) -> float:
        return -float(log_expit(sign * (ab[0] * test.scores + ab[1])).sum())

    return float(minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x[0])


def by_set(rows: Sequence[Row]) -> Iterator[list[str]]:
    """One line a set, start and number of labels, with the package's constants."""
    for name, start, count in sorted({(r.set, r.start, r.labels) for r in rows}, key=lambda k: k[::-1]):
        of = [r for r in rows if (r.set, r.start, r.labels) == (name, start, count)]
        ends = [outcome(r, *constants(r)) for r in of]
        values = [mean(best_slope(r) for r in of), mean(e.slope for e in ends)]
        values += [mean(e.true for e in ends), mean(e.expected for e in ends)]
        values += [mean(abs(e.true - e.expected) for e in ends), mean(e.f1_below for e in ends)]
        yield [name, start, str(count), str(len(of)), *map(number, values)]


def by_constants(rows: Sequence[Row]) -> Iterator[list[str]]:
    """One line a choice of constants."""
    for counted, slope, spread in product(COUNTED, SLOPES, SPREADS):
        ends = [outcome(r, slope, spread, counted) for r in rows]
        signed = [e.expected - e.true for e in ends]
        distances = [abs(s) for s in signed]
        values = [number(mean(distances)), number(max(distances)), f"{mean(signed):+.3f}"]
        values.append(f"{sum(d > TOLERATED for d in distances)} of {len(rows)}")
        yield [counted, f"{slope:g}", f"{spread:g}", *values, number(mean(e.f1_below for e in ends))]


def _the(start: str) -> str:
    return f"the {start}" if start == "general model" else start


def report(rows: Sequence[Row], options: argparse.Namespace) -> str:
    """Return the tables."""
    first = ["set", "start", "labels", "models", "best slope", "slope"]
    first += ["precision", "expected", "distance", "F1 below best"]
    second = ["labels that count", "slope", "spread", "mean distance", "largest", "expected − true"]
    second += [f"above {TOLERATED}", "F1 below best"]
    parts = ["# What scores mean", "\n\n".join((__doc__ or "").split("\n\n")[1:3])]
    parts.append(f"Command: `{command('calibration.py')}`; {len(rows)} models; on {machine()}.")
    parts += ["## By set, with the package's constants", table(first, list(by_set(rows)))]
    for start, count in product(STARTS, sorted({r.labels for r in rows})):
        of = [r for r in rows if (r.start, r.labels) == (start, count)]
        if of:
            parts += [f"## By constants, from {_the(start)}, {count} labels"]
            parts += [table(second, list(by_constants(of)))]
    return "\n\n".join(parts) + "\n"


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reported", action="store_true", help="the sets that are reported")
    parser.add_argument("--sets", nargs="+", help="all by default")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS)[:1])
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--table-only", action="store_true", help="of what is measured so far")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-calibration")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(words)
    kind = "reported" if options.reported else "development"
    options.work = options.work / kind
    options.output = options.output or HERE / "results" / f"calibration_{kind}.md"
    return options


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    options.work.mkdir(parents=True, exist_ok=True)
    known = sets(development=not options.reported)
    rows: list[Row] = []
    todo = product(options.labels, options.starts, range(options.draws), options.sets or known)
    for count, start, draw, name in todo:
        row = row_of(known[name], start, count, draw, options.work, kept_only=options.table_only)
        if row is not None:
            rows.append(row)
            print(f"{len(rows)}: {name}, {start}, {count} labels, draw {draw}", flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(report(rows, options))
    print(report(rows, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
