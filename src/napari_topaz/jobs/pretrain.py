"""Make the weights that training starts from, from simulated micrographs alone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Job, JobError, Progress, Saved, Started, StepDone, StopToken
from napari_topaz.extract import extract
from napari_topaz.jobs.pretraining_files import (
    put_away,
    read_manifest,
    state_file,
    take_up,
    write_manifest,
)
from napari_topaz.jobs.pretraining_samples import Sample, samples
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.presence import best_threshold, fit_precision
from napari_topaz.settings import NetworkSettings, PreprocessSettings, PretrainSettings, TrainSettings
from napari_topaz.training_set import default_label_radius

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel
    from napari_topaz.model.pretraining import Pretraining
    from napari_topaz.model.sampling import Regions

#: The loss is reported, and everything put away, every so many steps.
REPORT_EVERY, SAVE_EVERY = 50, 1000
#: Sizes at which the result scores: a user without labels may be wrong about the diameter.
SCALES = (1.0, 1.45)
#: Worlds that no step sees, from which the default threshold follows.
TESTED = 64


def pretrain(
    output: str | Path,
    settings: PretrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    workers: int = 1,
    resume: bool = False,
    stop: StopToken | None = None,
) -> Job[PickerModel]:
    """Train a network on random worlds (:mod:`napari_topaz.simulate.worlds`), with all particles known.

    The result depends on the settings alone, not on the number of processes nor on interruptions.

    Parameters
    ----------
    output : str or Path
        Model file. Beside it lie a manifest (CSV: all worlds, with digests of their pixels) and, until
        the model is whole, a state to go on from.
    settings : PretrainSettings, optional
        How long, and on what.
    network : NetworkSettings, optional
        What learns.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    workers : int
        Processes that simulate; with 0 this one does.
    resume : bool
        Go on from the state that an interrupted run with the same settings put away.
    stop : StopToken, optional
        Where set, the state is put away and the job ends with an error that says so.

    Yields
    ------
    Started, StepDone, Progress, Saved

    Returns
    -------
    PickerModel
        It does not know a diameter: that is the user's.

    Raises
    ------
    JobError
        Where it was stopped, or a state to go on from does not fit.
    """
    settings, network = settings or PretrainSettings(), network or NetworkSettings()
    output = Path(output)
    run = _begun(settings, network, device)
    rows: list[dict[str, str]] = []
    if resume:
        take_up(output, run, settings, network)
        rows = read_manifest(output)
    yield Started("Pretraining", settings.steps)
    first = run.done // settings.renewed
    last = (settings.steps - 1) // settings.renewed + settings.worlds
    with samples(settings, range(first, last), workers) as made:
        loss = 0.0
        for event in _steps(run, settings, made, rows):
            yield event
            loss = event.loss
            stopped = stop is not None and stop.is_set()
            if stopped or (event.step % SAVE_EVERY == 0 and event.step < settings.steps):
                yield Saved(str(put_away(output, run, settings, network)))
                write_manifest(output, rows)
            if stopped:
                raise JobError(f"Stopped after {event.step} steps; --resume goes on from there.")
    yield Saved(str(write_manifest(output, rows)))
    model = yield from _judged(run, settings, network, loss, workers)
    model.save(output)
    yield Saved(str(output))
    state_file(output).unlink(missing_ok=True)
    return model


def _begun(settings: PretrainSettings, network: NetworkSettings, device: str) -> Pretraining:
    import torch

    from napari_topaz.model.devices import choose_device
    from napari_topaz.model.networks import build
    from napari_topaz.model.pretraining import Pretraining

    try:
        where = choose_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            return Pretraining(build(network).to(where), settings)
    except ValueError as error:
        raise JobError(str(error)) from error


def _steps(
    run: Pretraining, settings: PretrainSettings, made: Iterator[Sample], rows: list[dict[str, str]]
) -> Iterator[StepDone]:
    """Take all steps; step s draws from the worlds s // renewed and the next ones, whose rows are noted."""
    from napari_topaz.model.sampling import Regions

    clock, losses = time.monotonic(), []
    pool: deque[Regions] = deque(maxlen=settings.worlds)
    newest = run.done // settings.renewed - 1
    while run.done < settings.steps:
        wanted = run.done // settings.renewed + settings.worlds - 1
        if newest < wanted:
            for _ in range(wanted - newest if pool else settings.worlds):
                one = next(made)
                newest = one.index
                pool.append(_regions_of(one, run))
                if one.index == len(rows):  # after a resumption the first ones are known already
                    rows.append(one.row())
            regions = Regions.joined(list(pool))
        losses.append(run.step(regions))
        if run.done % REPORT_EVERY == 0 or run.done == settings.steps:
            loss = float(sum(losses)) / len(losses)
            yield StepDone(run.done, settings.steps, loss, time.monotonic() - clock)
            losses = []


def _regions_of(one: Sample, run: Pretraining) -> Regions:
    from napari_topaz.model.sampling import Regions

    radii = default_label_radius(one.diameter), one.diameter / 2
    return Regions.from_images([one.image], *radii, run.device)


def _judged(
    run: Pretraining, settings: PretrainSettings, network: NetworkSettings, loss: float, workers: int
) -> Job[PickerModel]:
    """Return the model with calibrated scores and a threshold, from worlds that it has not seen."""
    from napari_topaz.model.picker import EpochRecord, ModelCard, PickerModel

    card = ModelCard(network=network, preprocess=PreprocessSettings(), train=TrainSettings())
    model, clock = PickerModel(run.network, card), time.monotonic()
    found = yield from _tested(model, settings, workers)
    fit = fit_precision(found.scores, int(found.right.sum()), found.scores[found.right])
    # How scores of several sizes are joined depends on probabilities.
    model = model.with_card(score_slope=fit.slope, score_offset=fit.offset, scales=SCALES)
    found = yield from _tested(model, settings, workers)
    threshold, precision = best_threshold(found.scores, found.particles)
    curve = precision_recall(found.scores, found.right, found.particles)
    record = EpochRecord(
        epoch=1,
        step=run.done,
        loss=loss,
        held_out=curve.average_precision,
        seconds=time.monotonic() - clock,
    )
    return model.snapshot().with_card(
        threshold=threshold, expected_precision=precision, best_epoch=1, history=(record,)
    )


@dataclass(frozen=True, eq=False)
class _Tested:
    """Scores of picks, which of them are particles, and how many particles there are."""

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    particles: int


def _tested(model: PickerModel, settings: PretrainSettings, workers: int) -> Job[_Tested]:
    """Pick worlds that the model has not seen."""
    scores, hits, particles = [], [], 0
    with samples(settings, range(-1, -1 - TESTED, -1), workers) as made:
        for number, one in enumerate(made):
            found, true = _picked(model, one)
            scores.append(found)
            hits.append(true)
            particles += len(one.image.positives)
            yield Progress(number + 1, TESTED, "Testing")
    return _Tested(np.concatenate(scores), np.concatenate(hits), particles)


def _picked(model: PickerModel, one: Sample) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores of the picks of one sample, and which of them are particles."""
    scale = np.asarray(one.image.prepared.step_yx, np.float32)
    picks = extract(
        model.score(one.image.prepared, symmetries="eight"), one.diameter / 2 * float(scale.mean())
    )
    found = match(one.image.positives, picks.yx / scale, one.diameter / 4)
    return picks.scores, found.target_of_pick >= 0
