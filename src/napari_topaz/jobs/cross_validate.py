"""Compare values of one training option by cross-validation over micrographs; can be interrupted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from napari_topaz.events import Job, JobError, Saved, StopToken, Warned
from napari_topaz.jobs.cross_validation_files import FoldFiles, FoldResult, recipe_of, write_outcome
from napari_topaz.jobs.folds import UnseenPicks, count_labels, make_folds, pick_unseen
from napari_topaz.jobs.masking import Masks, masked_for_training
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_all
from napari_topaz.jobs.training_inputs import small_diameter
from napari_topaz.jobs.validation import estimate
from napari_topaz.numerics.recall_area import recall_area
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks, build_training_set

#: Options that cannot be compared, as folds take their place or they are no option of one training.
NOT_COMPARED = frozenset({"estimate_expected", "margin"})
#: These two say the same thing.
SAME = {"expected": "prior", "prior": "expected"}


@dataclass(frozen=True)
class Candidate:
    """One value of the option, and what it reached.

    Attributes
    ----------
    value : object
        Of the option.
    folds : int
        How many folds are done.
    recall_area, recall_area_error : float
        Mean and standard error over the folds of :func:`~napari_topaz.numerics.recall_area.recall_area`.
    average_precision, average_precision_error : float
        The same of :func:`~napari_topaz.jobs.validation.estimate`, with one number of particles for all.
    areas : tuple of float
        Recall area of each fold that is done, in the order of the folds.
    """

    value: object
    folds: int
    recall_area: float
    recall_area_error: float
    average_precision: float
    average_precision_error: float
    areas: tuple[float, ...] = ()


@dataclass(frozen=True)
class CrossValidation:
    """Result of :func:`cross_validate`.

    Attributes
    ----------
    option : str
        Which one was varied.
    candidates : tuple of Candidate
        In the order asked for.
    choice : object
        The value with the highest mean recall area of those with all folds; None where none has.
    as_good : tuple
        The other values whose mean difference from the choice over the folds, which all share, is within its
        standard error: the labels do not tell them apart.
    reference : float
        Particles per micrograph that the average precision takes for all candidates.
    folds, computed, kept : int
        Folds; trainings that were run now, and those kept from an earlier call.
    table, plot : Path
        The files.
    """

    option: str
    candidates: tuple[Candidate, ...]
    choice: object
    as_good: tuple[object, ...]
    reference: float
    folds: int
    computed: int
    kept: int
    table: Path
    plot: Path

    @property
    def unfinished(self) -> tuple[object, ...]:
        """Values that lack some folds."""
        return tuple(c.value for c in self.candidates if c.folds < self.folds)


def settings_for(base: TrainSettings, option: str, values: Sequence[object]) -> dict[object, TrainSettings]:
    """Return the settings of every candidate by its value.

    Parameters
    ----------
    base : TrainSettings
        All other options.
    option : str
        Name of the one that is varied.
    values : sequence
        Its values, or texts that can be read as such.

    Raises
    ------
    JobError
        Where there is no such option, a value is not allowed, or there are not two different ones.
    """
    if option not in TrainSettings.model_fields or option in NOT_COMPARED:
        known = ", ".join(n for n in TrainSettings.model_fields if n not in NOT_COMPARED)
        raise JobError(f"{option!r} is not an option of training that can be compared; take one of {known}.")
    found: dict[object, TrainSettings] = {}
    for value in values:
        update = {option: value} | ({SAME[option]: None} if option in SAME else {})
        try:
            settings = TrainSettings.model_validate(base.model_dump() | update)
        except ValueError as error:
            raise JobError(f"{value!r} is not a value of {option}; {_reason(error)}.") from error
        found[getattr(settings, option)] = settings
    if len(found) < 2:
        raise JobError(f"Give two different values of {option} or more to compare.")
    return found


def cross_validate(
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    output: Path,
    values: Sequence[object],
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    option: str = "expected",
    folds: int = 3,
    overwrite: bool = False,
    device: str = "auto",
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
    masks: Masks | None = None,
    ticks: Ticks | None = None,
) -> Job[CrossValidation]:
    """Train with every value of an option on all folds but one, and judge by the labels of that one.

    Folds are of whole micrographs and the same for all values. The choice is by the recall area, which
    needs no number of particles: the estimated average precision is proportional to one, so that with the
    candidate's own the largest number would seem best. It is reported too, with one reference for all: the
    number of `settings`, or the usual assumption.

    Every training's result is written into the folder at once and not computed again; more values can
    be added later. With other micrographs, labels or settings the folder is refused.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        Those without labels are not read, unless they are ticked.
    picks : mapping of str to Picks
        Labels by micrograph name.
    preprocess, settings, network
        As in :func:`~napari_topaz.jobs.train.train_on_files`.
    output : Path
        Folder for the results, ``table.csv`` and ``cross_validation.png``.
    values : sequence
        Of the option; texts are read as such.
    option : str
        A field of TrainSettings.
    folds : int
        How many; fewer where fewer micrographs have labels.
    overwrite : bool
        Forget earlier results in the folder.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the training that runs is dropped, and what is complete is returned.
    cache : PreparedCache, optional
        Of preprocessed micrographs.
    masks : mapping of str to Mask, optional
        By micrograph name: they hold for training and for judging.
    ticks : Ticks, optional
        Complete or empty micrographs: they hold for training, and for the average precision, not for the
        recall area. Those without labels are in no fold, so that every training has them.

    Yields
    ------
    Started, Progress, Warned, StepDone, Saved

    Raises
    ------
    JobError
        Where a value is not allowed, fewer than two micrographs have labels, the folder is of another
        comparison, or no value could be trained.
    """
    base = settings or TrainSettings()
    wanted = settings_for(base, option, values)
    if preprocess.diameter is None:
        raise JobError("The particle's diameter in Å is not given; it is the one number that is needed.")
    ticks = ticks or Ticks()
    labelled = [f for f in files if len(picks.get(f.name, ())) or f.name in ticks.known]
    if not any(len(picks.get(f.name, ())) for f in labelled):
        raise JobError("None of the micrographs has a label; label some particles first.")
    prepared = yield from prepare_all(labelled, preprocess, stop=stop, cache=cache)
    if stop is not None and stop.is_set():
        raise JobError("It was stopped before its first training; run it again to go on.")
    prepared = yield from masked_for_training(prepared, picks, masks, base.margin)
    ruler, parts = _ruler(prepared, picks, preprocess, base, folds, ticks)
    readable = {p.name for p in prepared}
    used = [f for f in labelled if f.name in readable]
    recipe = recipe_of(used, picks, preprocess, base, network, option, parts, masks, ticks)
    kept = FoldFiles(Path(output), option, recipe, overwrite=overwrite)
    done: dict[object, list[FoldResult]] = {value: kept.read(value, len(parts)) for value in wanted}
    reused = sum(map(len, done.values()))
    for turn, (value, how) in enumerate(wanted.items(), 1):
        for number in sorted(set(range(1, len(parts) + 1)) - {r.fold for r in done[value]}):
            if stop is not None and stop.is_set():
                break
            what = f"{option} {value} ({turn} of {len(wanted)}), fold {number} of {len(parts)}"
            try:
                found = yield from pick_unseen(
                    prepared, picks, parts[number - 1], preprocess, how, network,
                    what=what, device=device, stop=stop, ticks=ticks,
                )  # fmt: skip
            except JobError as error:
                if stop is None or not stop.is_set():
                    yield Warned(f"{option} {value} is left out: {error}")
                break
            if stop is None or not stop.is_set():
                done[value].append(ruler.measure(found, number))
                yield Saved(str(kept.write(value, done[value][-1], len(parts))))
    return (yield from _concluded(kept, done, ruler.reference, len(parts), reused))


@dataclass(frozen=True)
class _Ruler:
    """What is the same for all candidates: number of particles and end of the axis, per micrograph."""

    reference: float
    most: float

    def measure(self, unseen: UnseenPicks, fold: int) -> FoldResult:
        n = unseen.micrographs
        particles, weights = unseen.standing_for(self.reference)
        judged = estimate(unseen.scores, unseen.hits, unseen.labels, particles, weights=weights)
        area = recall_area(unseen.scores, unseen.hits, unseen.labels, micrographs=n, most=self.most)
        return FoldResult(fold, unseen.labels, area, judged.average_precision)


def _ruler(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    base: TrainSettings,
    folds: int,
    ticks: Ticks,
) -> tuple[_Ruler, tuple[frozenset[str], ...]]:
    """Return how all candidates are judged, and the folds."""
    if not prepared:
        raise JobError("None of the labelled micrographs can be used.")
    try:
        parts = make_folds(count_labels(prepared, picks), folds, base.seed)
        everything = build_training_set(
            prepared,
            picks,
            diameter=small_diameter(prepared[0], preprocess),
            expected=base.expected,
            prior=base.prior,
            label_radius=base.label_radius,
            ticks=ticks,
        )
    except ValueError as error:
        raise JobError(str(error)) from error
    # Peaks at least a radius apart cannot be more than those of a hexagonal grid.
    cell = everything.particle_radius**2 * math.sqrt(3) / 2
    most = max(p.image.size for p in prepared) / cell
    return _Ruler(everything.expected, max(most, 2.0)), parts


def _concluded(
    kept: FoldFiles, done: Mapping[object, list[FoldResult]], reference: float, folds: int, reused: int
) -> Job[CrossValidation]:
    """Choose, and write table and picture."""
    candidates = tuple(_candidate(value, results) for value, results in done.items())
    if not any(c.folds for c in candidates):
        raise JobError(f"No training was completed, so that there is nothing to compare in {kept.folder}.")
    choice, as_good = choose(candidates, folds)
    table, plot = write_outcome(
        kept.folder, kept.option, [asdict(c) for c in candidates], None if choice is None else choice.value
    )
    for path in (table, plot):
        yield Saved(str(path))
    return CrossValidation(
        option=kept.option,
        candidates=candidates,
        choice=None if choice is None else choice.value,
        as_good=tuple(c.value for c in as_good),
        reference=reference,
        folds=folds,
        computed=sum(c.folds for c in candidates) - reused,
        kept=reused,
        table=table,
        plot=plot,
    )


def choose(candidates: Sequence[Candidate], folds: int) -> tuple[Candidate | None, list[Candidate]]:
    """Return the best of those with all folds, and the others that the folds do not tell from it.

    Folds are shared, and some are harder than others: it is their differences that count.
    """
    complete = [c for c in candidates if c.folds == folds]
    if not complete:
        return None, []
    best = max(complete, key=lambda c: c.recall_area)
    return best, [c for c in complete if c is not best and _as_good(best, c)]


def _as_good(best: Candidate, other: Candidate) -> bool:
    differences = [a - b for a, b in zip(best.areas, other.areas, strict=True)]
    mean, error = _mean_and_error(differences)
    return mean <= error


def _candidate(value: object, results: Sequence[FoldResult]) -> Candidate:
    areas = tuple(r.recall_area for r in sorted(results, key=lambda r: r.fold))
    precisions = _mean_and_error([r.average_precision for r in results])
    return Candidate(value, len(results), *_mean_and_error(areas), *precisions, areas)


def _mean_and_error(numbers: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; not a number where there are too few."""
    mean = float(np.mean(numbers)) if numbers else math.nan
    error = float(np.std(numbers, ddof=1)) / math.sqrt(len(numbers)) if len(numbers) > 1 else math.nan
    return mean, error


def _reason(error: ValueError) -> str:
    """Return what a validation says, without the name of the class."""
    text = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    return text.rstrip(".").removeprefix("Value error, ")
