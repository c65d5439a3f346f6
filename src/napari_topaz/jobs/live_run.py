"""What a live training has learnt so far: steps, scores and threshold between changes of the labels."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_topaz.events import Event, Job, JobError, Judged, StopToken, Warned
from napari_topaz.jobs.calibrating import calibrated
from napari_topaz.jobs.masking import Masks, masked_for_training
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_dataset
from napari_topaz.jobs.training_inputs import (
    average_of,
    box_edge,
    deviation_range,
    ignore_radius,
    prior_of,
    refuse_impossible,
    small_diameter,
    with_box,
)
from napari_topaz.jobs.validation import Validation, validate
from napari_topaz.jobs.warm_start import WARM_LEARNING_RATE, general_start, origin_of, settings_of
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import LabelledImage, Ticks, TrainingSet, build_training_set

if TYPE_CHECKING:
    from napari_topaz.model.learner import Learner
    from napari_topaz.model.picker import PickerModel

#: Steps of the first learning from random weights; from a model, and after each change of the labels.
FIRST_STEPS, STEPS = 100, 40
#: Steps of a round at most, the first one after a change (which should be seen soon) and the others.
SOON, ROUND = 6, 15
#: Seconds of a round at most.
ROUND_SECONDS = 1.0
#: Micrographs that are learnt from: those whose labels changed last.
MOST_MICROGRAPHS = 32


@dataclass(frozen=True, eq=False)
class RoundDone(Event):
    """A round of learning is done, or the shown micrograph is another one.

    Attributes
    ----------
    step : int
        Training steps since the start.
    loss : float or None
        Mean loss of the round; None where no step was taken.
    labels : int
        Labelled particles that are learnt from.
    model : PickerModel
        A snapshot that can pick at once.
    score_map : ScoreMap or None
        Of the shown micrograph; None where it cannot be read.
    picks : Picks
        All its peaks.
    judged : Judged or None
        On the micrograph with the most labels, which are learnt from: no test.
    resting : bool
        Nothing more is learnt until the labels change.
    """

    step: int
    loss: float | None
    labels: int
    model: Any
    score_map: ScoreMap | None
    picks: Picks
    judged: Judged | None
    resting: bool


@dataclass(eq=False)
class LiveRun:
    """A network, what it learns from, and what is shown of it (see :func:`napari_topaz.jobs.live.live`)."""

    sources: Mapping[str, Source]
    preprocess: PreprocessSettings
    settings: TrainSettings
    network: NetworkSettings
    pick: PickSettings
    device: str
    cache: PreparedCache
    start: PickerModel | None
    masks: Masks | None
    ticks: Ticks

    def __post_init__(self) -> None:
        self.learner: Learner | None = None
        self.left = self.step = self.rests = 0
        self._rate = self.settings.learning_rate
        self._labels: dict[str, Picks] = {}
        self._shown: str | None = None
        self._soon = False
        self._loss: float | None = None
        self._said: set[str] = set()
        self._finished: PickerModel | None = None
        self._began = time.monotonic()

    @property
    def learning(self) -> bool:
        """Whether there are steps to take."""
        return self.left > 0

    # -- news -------------------------------------------------------------------------------------

    def read(self, labels: Mapping[str, Picks], shown: str | None, stop: StopToken) -> Iterator[Event]:
        """Take new labels; the first ones make the network."""
        self._shown = shown
        changed = {n: p for n, p in labels.items() if p is not self._labels.get(n) and len(p)}
        kept = {n: p for n, p in self._labels.items() if labels.get(n) is p}
        if not changed and len(kept) == len(self._labels):
            return
        self._labels = {**kept, **changed}  # in the order in which they changed
        training_set = yield from self._training_set(stop)
        if training_set is None:
            return
        self._set = training_set
        first = self.learner is None
        if first:
            self._begin(training_set)
        self._learn_from(training_set)
        if not first and self.left <= STEPS and "learning_rate" not in self.settings.model_fields_set:
            self._rate = min(self._rate, WARM_LEARNING_RATE)
        self.left = max(self.left, FIRST_STEPS if first and self.start is None else STEPS)
        self._soon, self._finished = True, None

    def _training_set(self, stop: StopToken) -> Job[TrainingSet | None]:
        empty = [n for n in sorted(self.ticks.known) if n not in self._labels]
        names = [n for n in [*empty, *self._labels] if n in self.sources][-MOST_MICROGRAPHS:]
        job = prepare_dataset([self.sources[n] for n in names], self.preprocess, stop=stop, cache=self.cache)
        prepared, self.preprocess = yield from self._once(job)
        hidden = masked_for_training(prepared, self._labels, self.masks, self.settings.margin)
        prepared = yield from self._once(hidden)
        if stop.is_set():
            return None
        if not prepared:
            raise JobError("None of the labelled micrographs can be used.")
        try:
            return build_training_set(
                prepared,
                self._labels,
                diameter=small_diameter(prepared[0], self.preprocess),
                expected=self.settings.expected,
                prior=self.settings.prior,
                label_radius=self.settings.label_radius,
                held_out=0.0,
                seed=self.settings.seed,
                ticks=self.ticks,
            )
        except ValueError as error:
            raise JobError(str(error)) from error

    def _once(self, job: Job[Any]) -> Job[Any]:
        """Pass a job's events on, each warning once."""
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                return end.value
            if not isinstance(event, Warned):
                yield event
            elif event.message not in self._said:
                self._said.add(event.message)
                yield event

    def _begin(self, training_set: TrainingSet) -> None:
        import torch

        from napari_topaz.model.devices import choose_device
        from napari_topaz.model.learner import Learner
        from napari_topaz.model.networks import build
        from napari_topaz.model.picker import ModelCard, PickerModel

        if self.start is None and (general := general_start(training_set, self.settings, self.network)):
            self.start, self.settings = general, settings_of(general, self.settings)
            self._rate = self.settings.learning_rate
        self.network = with_box(self.network, training_set)
        try:
            where = choose_device(self.device)
        except ValueError as error:
            raise JobError(str(error)) from error
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            classifier = build(self.network)
        if self.start is not None:
            classifier.load_state_dict(self.start.network.state_dict())
        classifier.to(where)
        self.learner = Learner(classifier, self.settings)
        card = ModelCard(
            network=self.network,
            preprocess=self.preprocess,
            train=self.settings,
            pixel_size=training_set.images[0].prepared.pixel_size,
            pretrained=origin_of(self.start),
        )
        self._model = PickerModel(classifier, card)

    def _learn_from(self, training_set: TrainingSet) -> None:
        from napari_topaz.model.sampling import Regions

        assert self.learner is not None
        where = next(self._model.network.parameters()).device
        ignore = ignore_radius(training_set, self.settings)
        regions = Regions.from_images(training_set.training, training_set.label_radius, ignore, where)
        refuse_impossible(self._model.network, regions, self.settings)
        self.learner.learn_from(regions, prior_of(training_set, self.settings))
        self._model = self._model.with_card(
            preprocess=self.preprocess,
            expected=training_set.expected,
            prior=training_set.prior,
            labels=training_set.n_labels,
            micrographs=len(training_set.images),
        )

    # -- rounds -----------------------------------------------------------------------------------

    def round(self) -> Iterator[Event]:
        """Take some steps, where there are any to take, and score what is shown."""
        losses = self._take_steps()
        self._loss = sum(losses) / len(losses) if losses else None
        if self._loss is not None and not math.isfinite(self._loss):
            raise JobError(f"Learning diverged after {self.step} steps; take a smaller learning rate.")
        if self.learning:
            validation = self._validate(self._model, "none")
            model = self._model.snapshot().with_card(threshold=self._threshold(validation))
            yield from self._report(model, validation.judged, "none")
        else:
            model = self.finish()
            yield from self._report(model, self._judged, self.pick.symmetries)

    def _take_steps(self) -> list[float]:
        assert self.learner is not None
        most, until = min(SOON if self._soon else ROUND, self.left), time.monotonic() + ROUND_SECONDS
        losses: list[float] = []
        while len(losses) < most and (not losses or time.monotonic() < until):
            # Constant until the last STEPS steps, then a cosine down to nothing.
            falling = 0.5 * (1 - math.cos(math.pi * min(1.0, self.left / STEPS)))
            losses.append(float(self.learner.step(self._rate * falling)))
            self.step += 1
            self.left -= 1
        self._soon = False
        return losses

    def _report(self, model: PickerModel, judged: Judged | None, symmetries: str) -> Iterator[Event]:
        score_map, picks = None, Picks()
        try:
            score_map, picks = self._score(model, symmetries)
        except (ValueError, OSError) as error:
            message = f"{self._shown} cannot be scored: {error}"
            if message not in self._said:
                self._said.add(message)
                yield Warned(message)
        yield RoundDone(
            step=self.step,
            loss=self._loss,
            labels=self._model.card.labels,
            model=model,
            score_map=score_map,
            picks=picks,
            judged=judged,
            resting=not self.learning,
        )

    def _score(self, model: PickerModel, symmetries: str) -> tuple[ScoreMap | None, Picks]:
        from napari_topaz.jobs.pick import picks_of, score_one

        source = self.sources.get(self._shown or "")
        if source is None:
            return None, Picks()
        prepared = self.cache.prepare(source, self.preprocess)
        update = {"symmetries": symmetries} | ({"deviation_filter": "off"} if self.learning else {})
        how = self.pick.model_copy(update=update)
        where = next(self._model.network.parameters()).device
        score_map = score_one(prepared, model.to(where), how, masks=self.masks)
        return score_map, picks_of(score_map, model, how, pixel_size=prepared.pixel_size)

    def _threshold(self, validation: Validation) -> float:
        """While it learns: that of labels which are learnt is too high, one half is enough."""
        return validation.threshold if self.start is None else min(validation.threshold, 0.0)

    def _most(self) -> LabelledImage:
        """The micrograph with the most labels."""
        return max(self._set.images, key=lambda image: len(image.positives))

    def _calibrated(self, model: PickerModel) -> PickerModel:
        """As a training's result is, see :func:`.calibrating.calibrated`; one micrograph is quick."""
        try:
            return calibrated(model, replace(self._set, images=(self._most(),)), beta=self.settings.beta)
        except MemoryError:
            return model

    def _validate(self, model: PickerModel, symmetries: str) -> Validation:
        """On the micrograph with the most labels, for the threshold: nothing is held out."""
        training_set = self._set
        radius, beta = training_set.particle_radius, self.settings.beta
        return validate(
            model, [self._most()], training_set.expected, radius, symmetries=symmetries, beta=beta
        )

    # -- the end ----------------------------------------------------------------------------------

    def finish(self) -> PickerModel:
        """Return the model as it should pick: with the threshold of scores averaged over symmetries."""
        from napari_topaz.model.picker import EpochRecord

        if self._finished is None:
            validation = self._validate(self._model, self.settings.symmetries)
            self._judged, self.rests = validation.judged, self.rests + 1
            record = EpochRecord(
                epoch=self.rests,
                step=self.step,
                loss=self._loss or 0.0,
                held_out=None,
                seconds=time.monotonic() - self._began,
            )
            self._model = self._model.with_card(history=(*self._model.card.history, record))
            box = box_edge(self._set)
            finished = self._model.snapshot().with_card(
                threshold=self._threshold(validation),
                best_epoch=self.rests,
                deviation_box=box,
                deviation_range=deviation_range(self._set, box),
                average=average_of(self._set),
                average_radius=self._set.particle_radius,
            )
            self._finished = self._calibrated(finished)
        return self._finished

    def result(self) -> PickerModel | None:
        """Return the model; None where nothing was learnt."""
        return self.finish() if self.step else None
