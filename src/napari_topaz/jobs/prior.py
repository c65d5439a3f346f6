"""Estimate how many particles a micrograph has, from a few labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_topaz.events import Job, JobError, StopToken
from napari_topaz.jobs.folds import UnseenPicks, count_labels, make_folds, pick_unseen
from napari_topaz.jobs.masking import Masks, masked_for_training
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_all
from napari_topaz.jobs.training_inputs import small_diameter
from napari_topaz.numerics.mixture_proportion import ParticleCount, count_particles
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks, build_training_set

#: In how many parts the labelled micrographs are picked without having been seen.
FOLDS = 3
#: Trainings for an estimate are short: with 4 or 7 epochs the numbers were the same.
EPOCHS, STEPS = 4, 50
STOPPED = "It was stopped before the estimate was complete; there is no number yet."


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
    labels, micrographs : int
        What it rests on: labels on micrographs that are not complete, where there are two or more of those.
    """

    expected: float
    low: float
    high: float
    prior: float
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
    masks: Masks | None = None,
    ticks: Ticks | None = None,
) -> Job[ExpectedNumber]:
    """Estimate the number of particles per micrograph.

    The labelled micrographs are dealt out in folds; each fold is picked by a model that was trained on
    the others, and the particles among these picks are counted by
    :func:`~napari_topaz.numerics.mixture_proportion.count_particles` (best bin, Garg et al. 2021).

    These models presume no particle that is not labelled. With a number that is too high, the false picks
    that look most like particles are spared as presumed ones, come right below the particles and are
    counted: where there are 9.5 per micrograph, 20 were found with an assumption of 102, and 10 with
    none; and on another set (11.8) training again with the estimate, as (TED)ⁿ alternates, stayed
    at 19. To take unlabelled particles for background costs little: it lowers all their scores alike, as
    the labelled ones are a random draw of them.

    It is assumed that the labels are a *random sample* of the particles on the micrographs that have any:
    who labels only the clearest ones gets a number that is too low. Complete and empty micrographs are no
    sample: every model learns from them, and nothing is counted there. Where fewer than two others have
    labels, the mean number on complete ones with particles is the answer, as it is in training.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        Those without labels are not read, unless they are ticked.
    picks : mapping of str to Picks
        Labels by micrograph name.
    preprocess, settings, network
        As in :func:`~napari_topaz.jobs.train.train_on_files`; objective and expected number are not taken.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, there is no estimate.
    cache : PreparedCache, optional
        Of preprocessed micrographs.
    masks : mapping of str to Mask, optional
        By micrograph name: particles under them are not counted.
    ticks : Ticks, optional
        Micrographs on which all particles are labelled, or there are none.

    Yields
    ------
    Started, Progress, Warned, StepDone

    Raises
    ------
    JobError
        Where fewer than two micrographs have labels, no label is found again, or it was stopped.
    """
    ticks = ticks or Ticks()
    labelled = [f for f in files if len(picks.get(f.name, ())) or f.name in ticks.known]
    if not any(len(picks.get(f.name, ())) for f in labelled):
        raise JobError("None of the micrographs has a label; label some particles first.")
    if preprocess.diameter is None:
        raise JobError("The particle's diameter in Å is not given; it is the one number that is needed.")
    prepared = yield from prepare_all(labelled, preprocess, stop=stop, cache=cache)
    if stop is not None and stop.is_set():
        raise JobError(STOPPED)
    if not prepared:
        raise JobError("None of the labelled micrographs can be used.")
    margin = 0.0 if settings is None else settings.margin
    prepared = yield from masked_for_training(prepared, picks, masks, margin)
    how = (preprocess, settings, network)
    return (yield from estimate_prepared(prepared, picks, *how, device=device, stop=stop, ticks=ticks))


def estimate_prepared(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    ticks: Ticks | None = None,
) -> Job[ExpectedNumber]:
    """Do the same with what is preprocessed already (see :func:`estimate_expected`)."""
    settings, ticks = settings or TrainSettings(), ticks or Ticks()
    everywhere = count_labels(prepared, picks)
    labels = {name: n for name, n in everywhere.items() if name not in ticks.known and n}
    counted = [n for name, n in everywhere.items() if name in ticks.complete and n]

    def finding(expected: float, low: float, high: float, of: Collection[int]) -> ExpectedNumber:
        prior = _prior(prepared, picks, preprocess, settings, ticks, expected)
        return ExpectedNumber(expected, low, high, prior, sum(of), len(of))

    if len(labels) < 2 and counted:
        mean = float(np.mean(counted))
        return finding(mean, mean, mean, counted)
    try:
        folds = make_folds(labels, FOLDS, settings.seed)
    except ValueError as error:
        raise JobError(str(error)) from error
    micrographs = sum(map(len, folds))
    how = _for_counting(settings, sum(labels.values()) / micrographs)
    unseen: list[UnseenPicks] = []
    for number, fold in enumerate(folds, 1):
        what = f"Counting, training {number} of {len(folds)}"
        found = yield from pick_unseen(
            prepared, picks, fold, preprocess, how, network, what=what, device=device, stop=stop, ticks=ticks
        )
        if stop is not None and stop.is_set():
            raise JobError(STOPPED)
        unseen.append(found)
    all_ = _count(unseen)
    expected, low, high = (n / micrographs for n in (all_.particles, all_.low, all_.high))
    return finding(expected, low, high, labels.values())


def _prior(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings,
    ticks: Ticks,
    expected: float,
) -> float:
    """Return the fraction of positive regions that follows from a number of particles."""
    try:
        return build_training_set(
            prepared,
            picks,
            diameter=small_diameter(prepared[0], preprocess),
            expected=expected,
            label_radius=settings.label_radius,
            ticks=ticks,
        ).prior
    except ValueError as error:
        raise JobError(str(error)) from error


def with_estimate(
    settings: TrainSettings,
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    network: NetworkSettings | None,
    device: str,
    stop: StopToken | None,
    ticks: Ticks,
) -> Job[TrainSettings]:
    """Return the settings with the estimate as the expected number."""
    found = yield from estimate_prepared(
        prepared, picks, preprocess, settings, network, device=device, stop=stop, ticks=ticks
    )
    return settings.model_copy(update={"expected": found.expected, "prior": None})


def _for_counting(settings: TrainSettings, labelled: float) -> TrainSettings:
    """Return the settings of one training: short, and no particles but the labelled ones are presumed.

    Nothing is held out to choose an epoch, as there is none in which the fold itself has no part.
    """
    update = {
        "objective": "cvir",
        "expected": labelled,
        "prior": None,
        "held_out": 0.0,
        "epochs": min(settings.epochs or EPOCHS, EPOCHS),
        "steps": min(settings.steps, STEPS),
    }
    return settings.model_copy(update=update)


def _count(unseen: Sequence[UnseenPicks]) -> ParticleCount:
    """Count the particles of all folds; their models are trained alike, so that scores are pooled."""
    scores, hits = (np.concatenate([getattr(u, name) for u in unseen]) for name in ("scores", "hits"))
    try:
        return count_particles(scores, hits, sum(u.labels for u in unseen))
    except ValueError as error:
        raise JobError(f"{error} Label more particles, or check the diameter.") from error
