"""Estimate how many particles a micrograph has, from a few labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.events import Job, JobError, StopToken
from napari_topaz.jobs.folds import UnseenPicks, count_labels, make_folds, pick_unseen
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_all
from napari_topaz.jobs.train import small_diameter
from napari_topaz.numerics.mixture_proportion import ParticleCount, count_particles
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import build_training_set

if TYPE_CHECKING:
    from napari_topaz.training_set import TrainingSet

#: In how many parts the labelled micrographs are picked without having been seen.
FOLDS = 3
#: Trainings for an estimate are short: with 4 or 7 epochs the numbers were the same.
EPOCHS = 4
#: It is trained again with the estimate, until that changes less than this, or so many times.
CHANGE, MOST_ROUNDS = 0.1, 3
STOPPED = "It was stopped before the first estimate was complete; there is no number yet."


@dataclass(frozen=True)
class ExpectedNumber:
    """Result of :func:`estimate_expected`.

    Attributes
    ----------
    expected : float
        Estimated particles per micrograph.
    low, high : float
        Quantiles of 5 and 95 % of a bootstrap of the labels; what the models do otherwise with other labels,
        and the false picks that are counted, is not in them.
    prior : float
        Fraction of positive regions π that follows.
    assumed : float
        Number that the first training took.
    rounds : tuple of float
        Estimate of each round; the last is `expected`.
    converged : bool
        Whether the last round changed little.
    labels, micrographs : int
        What it rests on.
    """

    expected: float
    low: float
    high: float
    prior: float
    assumed: float
    rounds: tuple[float, ...]
    converged: bool
    labels: int
    micrographs: int


def estimate_expected(
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[ExpectedNumber]:
    """Estimate the number of particles per micrograph.

    The labelled micrographs are dealt out in folds; each fold is picked by a model that was trained on
    the others, and the particles among these picks are counted by
    :func:`~napari_topaz.numerics.mixture_proportion.count_particles` (Garg et al. 2021). Training itself
    assumes a number, so that it is repeated with the estimate, as their (TED)ⁿ alternates
    between estimation and classification.

    It is assumed that the labels are a *random sample* of the particles on the micrographs that have any:
    who labels only the clearest ones gets a number that is too low.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        Those without labels are not read.
    picks : mapping of str to Picks
        Labels by micrograph name.
    preprocess, settings, network
        As in :func:`~napari_topaz.jobs.train.train_on_files`; `expected` or `prior` of the settings is where
        it starts from.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the last complete round is returned.
    cache : PreparedCache, optional
        Of preprocessed micrographs.

    Yields
    ------
    Started, Progress, Warned, StepDone

    Raises
    ------
    JobError
        Where fewer than two micrographs have labels, or no label is found again.
    """
    labelled = [f for f in files if f.name in picks and len(picks[f.name])]
    if not labelled:
        raise JobError("None of the micrographs has a label; label some particles first.")
    if preprocess.diameter is None:
        raise JobError("The particle's diameter in Å is not given; it is the one number that is needed.")
    prepared = yield from prepare_all(labelled, preprocess, stop=stop, cache=cache)
    if stop is not None and stop.is_set():
        raise JobError(STOPPED)
    if not prepared:
        raise JobError("None of the labelled micrographs can be used.")
    job = estimate_prepared(prepared, picks, preprocess, settings, network, device=device, stop=stop)
    return (yield from job)


def estimate_prepared(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
) -> Job[ExpectedNumber]:
    """Do the same with what is preprocessed already (see :func:`estimate_expected`)."""
    settings = settings or TrainSettings()
    try:
        folds = make_folds(count_labels(prepared, picks), FOLDS, settings.seed)
        first = _training_set(prepared, picks, preprocess, settings)
    except ValueError as error:
        raise JobError(str(error)) from error
    micrographs = sum(map(len, folds))
    rounds: list[float] = []
    counted: ParticleCount | None = None
    while len(rounds) < MOST_ROUNDS and not _settled(first.expected, rounds):
        how = _short(settings, rounds[-1] if rounds else first.expected)
        job = _pick_folds(prepared, picks, folds, preprocess, how, network, len(rounds) + 1, device, stop)
        unseen = yield from job
        if len(unseen) < len(folds):
            break
        counted = _count(unseen)
        rounds.append(counted.particles / micrographs)
    if counted is None:
        raise JobError(STOPPED)
    return ExpectedNumber(
        expected=rounds[-1],
        low=counted.low / micrographs,
        high=counted.high / micrographs,
        prior=_training_set(prepared, picks, preprocess, _short(settings, rounds[-1])).prior,
        assumed=first.expected,
        rounds=tuple(rounds),
        converged=_settled(first.expected, rounds),
        labels=first.n_labels,
        micrographs=micrographs,
    )


def with_estimate(
    settings: TrainSettings,
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    network: NetworkSettings | None,
    device: str,
    stop: StopToken | None,
) -> Job[TrainSettings]:
    """Return the settings with the estimate as the expected number; JobError where it was stopped."""
    found = yield from estimate_prepared(
        prepared, picks, preprocess, settings, network, device=device, stop=stop
    )
    if stop is not None and stop.is_set():
        raise JobError(
            f"Training was stopped before its first step; {found.expected:.0f} particles per micrograph are "
            f"estimated so far."
        )
    return settings.model_copy(update={"expected": found.expected, "prior": None})


def _pick_folds(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    folds: Sequence[frozenset[str]],
    preprocess: PreprocessSettings,
    settings: TrainSettings,
    network: NetworkSettings | None,
    nth: int,
    device: str,
    stop: StopToken | None,
) -> Job[list[UnseenPicks]]:
    """Pick every fold with a model of the others; fewer where it was stopped."""
    unseen: list[UnseenPicks] = []
    for number, fold in enumerate(folds, 1):
        what = f"Estimate {nth}, training {number} of {len(folds)}"
        try:
            one = yield from pick_unseen(
                prepared, picks, fold, preprocess, settings, network, what=what, device=device, stop=stop
            )
        except JobError:
            if stop is not None and stop.is_set():
                break
            raise
        if stop is not None and stop.is_set():
            break
        unseen.append(one)
    return unseen


def _settled(assumed: float, rounds: Sequence[float]) -> bool:
    """Whether the last round changed little."""
    before, after = [assumed, assumed, *rounds][-2:] if rounds else (0.0, assumed)
    return bool(rounds) and abs(after / before - 1) < CHANGE


def _short(settings: TrainSettings, expected: float) -> TrainSettings:
    """Return the settings of one training: short, with that number, and nothing held out to choose an epoch.

    An epoch that was chosen by the micrographs to be picked would have seen them.
    """
    epochs = min(settings.epochs or EPOCHS, EPOCHS)
    return settings.model_copy(
        update={"expected": expected, "prior": None, "held_out": 0.0, "epochs": epochs}
    )


def _training_set(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings,
) -> TrainingSet:
    return build_training_set(
        prepared,
        picks,
        diameter=small_diameter(prepared[0], preprocess),
        expected=settings.expected,
        prior=settings.prior,
        label_radius=settings.label_radius,
    )


def _count(unseen: Sequence[UnseenPicks]) -> ParticleCount:
    """Count the particles of all folds; their models are trained alike, so that scores are pooled."""
    scores, hits = (np.concatenate([getattr(u, name) for u in unseen]) for name in ("scores", "hits"))
    try:
        return count_particles(scores, hits, sum(u.labels for u in unseen))
    except ValueError as error:
        raise JobError(f"{error} Label more particles, or check the diameter.") from error
