"""Train a model: from labels to a :class:`~napari_topaz.model.picker.PickerModel`."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from napari_topaz.events import EpochDone, Event, Job, JobError, Started, StepDone, StopToken, Warned, remarks
from napari_topaz.jobs.calibrating import calibrated
from napari_topaz.jobs.glimpse import look_at
from napari_topaz.jobs.masking import Masks, masked_for_training
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_dataset
from napari_topaz.jobs.training_ends import why_ended
from napari_topaz.jobs.training_files import PartialModel
from napari_topaz.jobs.training_inputs import (
    average_of,
    box_edge,
    deviation_range,
    doubts,
    ignore_radius,
    planned_epochs,
    prior_of,
    refuse_impossible,
    small_diameter,
    with_box,
    without_labels,
)
from napari_topaz.jobs.validation import Validation, validate
from napari_topaz.jobs.warm_start import general_start, network_of, origin_of, preprocess_of, settings_of
from napari_topaz.picks import Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks, TrainingSet, build_training_set

if TYPE_CHECKING:
    from torch import Tensor

    from napari_topaz.model.picker import PickerModel

#: Loss is reported (and the device waited for) every so many steps.
REPORT_EVERY = 10
STOPPED_EARLY = "Training was stopped before its first step; there is no model to keep."
NO_BETTER = "No epoch was better than the model that training started from, so that one is kept."
NOT_CALIBRATED = "Scores are no probabilities: memory was too small, or there were no picks to calibrate by."


def train_on_files(
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
    start: PickerModel | None = None,
    masks: Masks | None = None,
    ticks: Ticks | None = None,
    partial: PartialModel | None = None,
) -> Job[PickerModel]:
    """Read and preprocess the labelled micrographs, then train on them.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        Those without labels are not read, unless they are ticked.
    picks : mapping of str to Picks
        Labels by micrograph name; kind NOT_PARTICLE is a labelled negative, all else a particle.
    preprocess : PreprocessSettings
        With the particle's diameter.
    settings : TrainSettings, optional
        How to learn.
    network : NetworkSettings, optional
        What learns.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the best model so far is returned.
    cache : PreparedCache, optional
        Keeps preprocessed micrographs for another training.
    start : PickerModel, optional
        Training goes on from its weights, with its network. Where `preprocess` leaves options open,
        its preprocessing is taken; it stays as it is.
    masks : mapping of str to Mask, optional
        By micrograph name: regions under them are neither labelled nor unlabelled, nor held out.
    ticks : Ticks, optional
        Micrographs on which all particles are labelled, or there are none.
    partial : PartialModel, optional
        Where the best epoch so far is kept, and what it takes to go on after a break.

    Yields
    ------
    Started, Progress, Warned, StepDone, EpochDone

    Returns
    -------
    PickerModel
        The best epoch, on the CPU.

    Raises
    ------
    JobError
        Where there is nothing to learn from, or `network` contradicts `start`.
    """
    settings = settings or TrainSettings()
    network = network_of(start, network)
    preprocess = preprocess_of(start, preprocess) if start else preprocess
    ticks = ticks or Ticks()
    labelled = [f for f in files if len(picks.get(f.name, ())) or f.name in ticks.known]
    if not any(len(picks.get(f.name, ())) for f in labelled):
        raise JobError("None of the micrographs has a label; label some particles first.")
    if preprocess.diameter is None:
        raise JobError("The particle's diameter in Å is not given; it is the one number that is needed.")
    prepared, preprocess = yield from prepare_dataset(labelled, preprocess, stop=stop, cache=cache)
    if stop is not None and stop.is_set():
        raise JobError(STOPPED_EARLY)
    if not prepared:
        raise JobError("None of the labelled micrographs can be used.")
    prepared = yield from masked_for_training(prepared, picks, masks, settings.margin)
    if settings.estimate_expected:
        from napari_topaz.jobs.prior import with_estimate  # which trains, too

        how = (preprocess, network, device, stop, ticks)
        settings = yield from with_estimate(settings, prepared, picks, *how)
    yield from without_labels(prepared, picks, ticks)
    try:
        training_set = build_training_set(
            prepared,
            picks,
            diameter=small_diameter(prepared[0], preprocess),
            expected=settings.expected,
            prior=settings.prior,
            label_radius=settings.label_radius,
            held_out=settings.held_out,
            seed=settings.seed,
            ticks=ticks,
        )
    except ValueError as error:
        raise JobError(str(error)) from error
    learn = train(
        training_set, preprocess, settings, network, device=device, stop=stop, start=start, partial=partial
    )
    return (yield from learn)


def train(
    training_set: TrainingSet,
    preprocess: PreprocessSettings,
    settings: TrainSettings | None = None,
    network: NetworkSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    start: PickerModel | None = None,
    partial: PartialModel | None = None,
) -> Job[PickerModel]:
    """Train on what is preprocessed already (see :func:`train_on_files` for the parameters).

    Of all epochs the latest is kept whose held-out average precision is within one standard error
    of the highest so far; a model to start from (not the general one) counts as an epoch before the
    first. Where training cannot go on (memory, numbers), what it has learnt is kept.
    """
    settings = settings or TrainSettings()
    if start is None:
        start = general_start(training_set, settings, network)
    try:
        settings = settings_of(start, settings, training_set.n_labels, training_set.coverage)
        run = _Run.start(training_set, preprocess, settings, network, device, start)
    except (MemoryError, RuntimeError) as error:
        raise JobError(why_ended(error)) from error
    if partial is not None:
        partial.begin(run)
    yield from doubts(training_set, run.settings)
    yield Started("Training", run.epochs * run.settings.steps)
    ended = False
    for epoch in range(run.done + 1, run.epochs + 1):
        try:
            yield from run.epoch(epoch, stop)
        except (FloatingPointError, MemoryError, RuntimeError) as error:
            reason = why_ended(error)
            if run.best is None or not run.step:
                raise JobError(reason) from error
            yield Warned(f"{reason} What was learnt before is kept.")
            ended = True
            break
        ended = stop is not None and stop.is_set()
        if partial is not None and not ended:  # an epoch that was cut short is done again
            yield from partial.put_away(run)
        if ended or run.finished():
            break
    model = run.result()
    if partial is not None:
        partial.whole = not ended
    if not model.card.best_epoch:
        yield Warned(NO_BETTER)
    if not model.calibrated:
        yield Warned(NOT_CALIBRATED)
    return model


@dataclass(eq=False)
class _Run:
    """State of one training."""

    training_set: TrainingSet
    settings: TrainSettings
    epochs: int
    model: PickerModel
    steps: Iterator[Tensor]
    clock: float = field(default_factory=time.monotonic)
    step: int = 0
    done: int = 0  # epochs
    best: PickerModel | None = None
    highest: float = 0.0

    @classmethod
    def start(
        cls,
        training_set: TrainingSet,
        preprocess: PreprocessSettings,
        settings: TrainSettings,
        network: NetworkSettings | None,
        device: str,
        start: PickerModel | None,
    ) -> _Run:
        import torch

        from napari_topaz.model.devices import choose_device
        from napari_topaz.model.networks import build
        from napari_topaz.model.picker import ModelCard, PickerModel
        from napari_topaz.model.sampling import Regions
        from napari_topaz.model.training import train_steps

        network = with_box(network_of(start, network), training_set)
        try:
            where = choose_device(device)
        except ValueError as error:
            raise JobError(str(error)) from error
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            classifier = build(network)
        if start is not None:
            classifier.load_state_dict(start.network.state_dict())
        classifier.to(where)
        prior = prior_of(training_set, settings)
        ignore = ignore_radius(training_set, settings)
        regions = Regions.from_images(training_set.training, training_set.label_radius, ignore, where)
        refuse_impossible(classifier, regions, settings)
        card = ModelCard(
            network=network,
            preprocess=preprocess,
            train=settings,
            pixel_size=training_set.images[0].prepared.pixel_size,
            expected=training_set.expected,
            prior=training_set.prior,
            labels=training_set.n_labels,
            micrographs=len(training_set.images),
            pretrained=origin_of(start),
            deviation_box=(box := box_edge(training_set)),
            deviation_range=deviation_range(training_set, box),
            average=average_of(training_set),
            average_radius=training_set.particle_radius,
        )
        epochs = settings.epochs or planned_epochs(training_set, warm=start is not None)
        run = cls(training_set, settings, epochs, PickerModel(classifier, card), iter(()))
        run.steps = train_steps(classifier, regions, settings, prior, run.progress)
        # The general model is nobody's: a handful of held-out labels must not prefer it to what was learnt.
        if start is not None and training_set.held_out and not start.is_general:
            run.highest, run.best = run.validate(run.model).average_precision, run.model.snapshot()
        return run

    def progress(self, step: int) -> float:
        """Fraction of the training that is done, by steps or by time."""
        done = step / (self.epochs * self.settings.steps)
        if self.settings.time_limit is not None:
            done = max(done, (time.monotonic() - self.clock) / self.settings.time_limit)
        return done

    def finished(self) -> bool:
        return self.step > 0 and self.progress(self.step) >= 1  # however short the time, something is learnt

    def epoch(self, epoch: int, stop: StopToken | None) -> Iterator[Event]:
        total = self.epochs * self.settings.steps
        losses: list[float] = []
        left = self.settings.steps
        while left > 0 and not self.finished() and not (stop is not None and stop.is_set()):
            chunk = list(islice(self.steps, min(REPORT_EVERY, left)))
            left -= len(chunk)
            self.step += len(chunk)
            losses += [float(loss) for loss in chunk]
            mean = sum(losses[-len(chunk) :]) / len(chunk)
            if not math.isfinite(mean):
                raise FloatingPointError(f"The loss is {mean} after {self.step} steps.")
            look = functools.partial(look_at, self.model, self.validate)
            yield StepDone(self.step, total, mean, time.monotonic() - self.clock, look)
        if losses:
            with remarks() as said:
                done = self.close_epoch(epoch, sum(losses) / len(losses))
            yield from map(Warned, said if epoch == 1 else ())
            yield done

    def close_epoch(self, epoch: int, loss: float) -> EpochDone:
        from napari_topaz.model.picker import EpochRecord

        validation = self.validate(self.model)
        held_out = validation.average_precision if self.training_set.held_out else None
        self.done = epoch
        # Later epochs, at a smaller rate, are better unless the labels, a noisy judge, clearly say otherwise.
        self.highest = max(self.highest, held_out or 0.0)
        kept = held_out is None or held_out >= self.highest - validation.standard_error
        seconds = time.monotonic() - self.clock
        record = EpochRecord(epoch=epoch, step=self.step, loss=loss, held_out=held_out, seconds=seconds)
        card = self.model.card
        self.model = self.model.with_card(history=(*card.history, record), threshold=validation.threshold)
        snapshot = self.model.snapshot()
        if kept:
            self.best = snapshot.with_card(best_epoch=epoch)
        return EpochDone(
            epoch=epoch,
            epochs=self.epochs,
            step=self.step,
            loss=loss,
            held_out=held_out,
            kept=kept,
            seconds=seconds,
            model=snapshot,
            judged=validation.judged,
        )

    def validate(self, model: PickerModel, *, symmetries: str = "none") -> Validation:
        """On the held-out micrographs; for the threshold alone, on one trained on where there are none."""
        by_labels = sorted(self.training_set.training, key=lambda i: len(i.positives))
        images = self.training_set.validation or by_labels[-1:]
        radius = self.training_set.particle_radius
        expected, beta = self.training_set.expected, self.settings.beta
        return validate(model, images, expected, radius, symmetries=symmetries, beta=beta)

    def result(self) -> PickerModel:
        if self.best is None or not self.step:
            raise JobError(STOPPED_EARLY)
        best = self.best.with_card(history=self.model.card.history)
        try:
            return calibrated(best, self.training_set, beta=self.settings.beta)
        except MemoryError:
            return best
