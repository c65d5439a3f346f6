"""What the buttons do: start jobs on copies of the workspace, and take their events and results back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_topaz.events import EpochDone, Event, Job, MicrographDone
from napari_topaz.gui import tasks
from napari_topaz.gui.general import guess_of, is_guess
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.reading import Reading
from napari_topaz.gui.results import ToSave
from napari_topaz.gui.session import Session
from napari_topaz.gui.workspace import SAME_PARTICLE
from napari_topaz.jobs.glimpse import Glimpsed
from napari_topaz.jobs.nearness import near_to
from napari_topaz.picks import Picks
from napari_topaz.settings import SavingSettings

log = logging.getLogger("napari_topaz")

GUESSED = "Those without a label are a guess of the general model: look through them before you use them."


class Actions(QObject):
    """The user's verbs.

    Signals
    -------
    training_began
        A new training starts.
    training_event(Event)
        What it tells.
    model_loaded(PickerModel)
        From a file.
    picking_began, picking_event(Event), picking_done
        Of all micrographs.
    """

    training_began = Signal()
    training_event = Signal(object)
    model_loaded = Signal(object)
    picking_began = Signal()
    picking_event = Signal(object)
    picking_done = Signal()

    def __init__(self, session: Session, job_bar: JobBar, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._layers = session, session.workspace, session.layers
        self._job_bar = job_bar
        self._reading = Reading(self._workspace, job_bar, self)

    def choose_threshold(self, threshold: float | None) -> None:
        """Take a threshold for what is shown; None for the one of the model or the reference picker."""
        if self._workspace.current in self._workspace.suggested:
            settings = self._workspace.options.reference.model_copy(update={"threshold": threshold})
            self._workspace.change(reference=settings)
            return
        pick = self._workspace.options.pick.model_copy(update={"threshold": threshold})
        self._workspace.change(pick=pick)

    def train(self, *, go_on: bool = False) -> None:
        """Learn from the labels; with `go_on` from the weights of the present model."""
        self._forget_threshold()
        self.training_began.emit()
        workspace, learning = self._workspace, Learning.of(self._session)
        labels = workspace.all_labels
        start = workspace.model if go_on and not is_guess(workspace.model) else None
        self._job_bar.start(
            "Training",
            lambda stop: learning.training(labels, stop, start),
            on_event=self._on_training,
            on_result=self._take_trained,
        )
        if workspace.model is None and workspace.options.train.start == "pretrained":
            self._show_guess()

    def _show_guess(self) -> None:
        """Show what training starts from until its first epoch is done; where it does not fit, nothing."""
        options, size = self._workspace.options, self._workspace.pixel_size()
        self._job_bar.preview.ask(
            lambda: guess_of(options, size),
            wanted=lambda: self._workspace.model is None and self._job_bar.running == "Training",
            on_done=self._workspace.set_model,
            on_failed=lambda reason: log.info("There is no guess while training begins: %s", reason),
        )

    def score_shown(self) -> None:
        """Score the shown micrograph in a thread; of several wishes only the latest counts."""
        model, name, run = self._workspace.model, self._layers.shown, self._job_bar.run_id
        if model is None or name is None or name in self._workspace.suggested:
            return
        if self._job_bar.behind.serves:  # it scores what is shown, too
            return
        if not model.knows_preprocessing and self._workspace.options.preprocess.diameter is None:
            return  # the hint asks for it
        source, options = self._workspace.source(name), self._workspace.options
        is_current = self._until_changed()
        size, cache, kept = self._workspace.pixel_size(name), self._session.prepared, self._session.scores
        if self._job_bar.running == "Training":  # quick: the next epoch follows soon
            options = replace(options, pick=options.pick.model_copy(update={"symmetries": "none"}))
        self._job_bar.preview.ask(
            lambda: tasks.scoring(source, model, options, size, cache, kept),
            wanted=lambda: (
                self._layers.shown == name
                and self._job_bar.run_id == run
                and not self._job_bar.behind.serves  # what it draws is newer
            ),
            on_done=lambda scored: self._take_scores(scored, stale=not is_current()),
            on_failed=lambda message: self._job_bar.say(message, error=True),
        )

    def suggest(self, method: str, templates: Path | None = None) -> None:
        """Suggest picks on the shown micrograph without training; the templates may come from a file."""
        workspace, name, is_current = self._workspace, self._layers.shown, self._until_changed()
        if name is None:
            return
        how = workspace.options.reference.model_copy(update={"method": method, "threshold": None})
        workspace.change(reference=how)
        sources, labels, options = workspace.sources, workspace.all_labels, workspace.options

        def take(found: tuple[Any, Picks, float]) -> None:
            score_map, picks, threshold = found
            if is_current():
                workspace.set_candidates(score_map.name, picks, suggested=threshold)
                self._layers.show_scores(score_map)

        self._job_bar.start(
            "Suggesting picks",
            lambda stop: tasks.suggesting(
                name, sources, labels, options, templates, stop, self._session.prepared
            ),
            on_result=take,
        )

    def take_picks(self) -> None:
        """Make labels of the shown picks; Undo takes them back."""
        name = self._workspace.current
        if name is not None and len(picks := self._workspace.picks(name)):
            self._workspace.set_labels(name, self._workspace.labels(name) + Picks.labels(picks.yx))
            self._job_bar.say(f"{_count(len(picks), 'pick')} became labels; Undo takes them back.")

    def drop_suggestions(self) -> None:
        """Forget the suggestions on the shown micrograph; the model's picks come back, if there is one."""
        name = self._workspace.current
        if name in self._workspace.suggested:
            self._workspace.set_candidates(str(name), Picks(), stale=True)
            self._layers.show_scores(None)
            self.score_shown()

    def pick_all(self) -> None:
        """Pick all micrographs that are not picked yet."""
        workspace = self._workspace
        sources, model, options = workspace.decisions.in_use, workspace.model, workspace.options
        if model is None:
            return
        done, is_current = workspace.picked - workspace.former, self._until_changed()
        kept = self._session.scores
        self.picking_began.emit()
        self._job_bar.start(
            "Picking",
            lambda stop: tasks.picking(sources, model, options, done, stop, kept),
            on_event=lambda event: self._on_picking(event, stale=not is_current()),
            on_result=self._report_picking,
        )

    def to_save(self) -> ToSave:
        """Return what there is to be saved now, whatever changes while she is asked where."""
        workspace = self._workspace
        return ToSave(
            workspace.frozen_results(),
            workspace.sources,
            workspace.pixel_size(),
            workspace.diameter(),
            workspace.changes,
            is_guess=is_guess(workspace.model) and bool(workspace.picked),
            former=len(workspace.former & workspace.decisions.names_in_use),
        )

    def save(self, path: Path, settings: SavingSettings | None = None, what: ToSave | None = None) -> None:
        """Save the picks of all micrographs; without settings the format follows the suffix."""
        saved, picks = what or self.to_save(), dict[str, Picks]()

        def write(stop: object) -> Job[list[Path]]:
            picks.update(saved.results.all())
            how = (saved.sources, saved.pixel_size, saved.diameter, settings)
            return (yield from tasks.saving(path, picks, *how))

        def report(written: list[Path]) -> None:
            n = sum(map(len, picks.values()))
            where = written[0] if len(written) == 1 else f"{len(written)} files in {written[0].parent}"
            former = f" ({saved.former} at the former distances)" if saved.former else ""
            self._job_bar.say(
                f"{_count(n, 'particle')} on {_count(len(picks), 'micrograph')}{former} saved to {where}."
                f"{' ' + GUESSED if saved.is_guess else ''}"
            )
            self._workspace.mark_saved(written[0] if len(written) == 1 else written[0].parent, saved.changes)

        self._job_bar.start("Saving", write, on_result=report)

    def load_labels(self, path: Path) -> None:
        """Add labels from a file of picks."""
        self._reading.read("Reading labels", path, self._take_labels)

    def save_model(self, path: Path) -> None:
        """Save the model."""
        model = self._workspace.model
        if model is None:
            return
        options = self._workspace.options
        self._job_bar.start(
            "Saving the model",
            lambda stop: tasks.saving_model(path, model, options),
            on_result=lambda written: self._job_bar.say(f"The model was saved to {written}."),
        )

    def load_model(self, path: Path) -> None:
        """Take a model from a file."""
        self._job_bar.start(
            "Loading the model", lambda stop: tasks.loading_model(path), on_result=self._take_model
        )

    def _on_training(self, event: Event) -> None:
        self.training_event.emit(event)
        if isinstance(event, EpochDone | Glimpsed):
            self._workspace.set_model(event.model)

    def _take_trained(self, model: Any) -> None:
        self._workspace.set_model(model)
        card = model.card
        held_out = [r.held_out for r in card.history if r.epoch == card.best_epoch and r.held_out is not None]
        precision = f" (held-out average precision {held_out[0]:.2f})" if held_out else ""
        kept = f"epoch {card.best_epoch}" if card.best_epoch else "the model that it started from"
        self._job_bar.say(f"Training is done; {kept} is kept{precision}.")

    def _forget_threshold(self) -> None:
        """The scores of another model mean something else."""
        self._workspace.change(pick=self._workspace.options.pick.model_copy(update={"threshold": None}))

    def _until_changed(self) -> Callable[[], bool]:
        """Tell, later, whether picks made with what there is now would still be the same."""
        workspace, forgotten = self._workspace, self._workspace.forgotten
        return lambda: workspace.forgotten == forgotten

    def _take_scores(self, scored: tuple[Any, Picks], *, stale: bool) -> None:
        score_map, picks = scored
        self._layers.show_scores(score_map)
        self._workspace.set_candidates(score_map.name, picks, stale=stale)

    def _on_picking(self, event: Event, *, stale: bool) -> None:
        self.picking_event.emit(event)
        if stale:
            self._job_bar.stop()  # she changed what is looked for
        elif isinstance(event, MicrographDone) and event.picks is not None:
            self._workspace.set_candidates(event.name, event.picks)
            self._workspace.count(event.name)  # now, as at the end there are thousands to be counted

    def _report_picking(self, _: Any) -> None:
        picked = self._workspace.picked & self._workspace.decisions.names_in_use
        n, former = sum(map(self._workspace.count, picked)), len(picked & self._workspace.former)
        left = len(self._workspace.decisions.names_in_use) - len(picked)
        more = (f"; {left} {'is' if left == 1 else 'are'} not picked" if left else "") + (
            f"; {former} at the former distances" * (former > 0)
        )
        self._job_bar.say(f"{_count(n, 'particle')} on {_count(len(picked), 'micrograph')}{more}.")
        self.picking_done.emit()

    def _take_labels(self, labels: dict[str, Picks]) -> None:
        new = {}
        for name, picks in labels.items():
            new[name] = picks
            if len(old := self._workspace.labels(name)):
                reach = SAME_PARTICLE * (self._workspace.diameter(name) or 0.0)
                new[name] = old + picks[~near_to(picks.yx, old.yx, reach)]
        self._workspace.set_many_labels(new)
        n = sum(map(len, labels.values()))
        self._job_bar.say(f"{_count(n, 'label')} on {_count(len(labels), 'micrograph')} read.")

    def _take_model(self, model: Any) -> None:
        preprocess = self._workspace.options.preprocess
        if preprocess.diameter is None and model.knows_preprocessing:
            diameter = model.card.preprocess.diameter
            self._workspace.change(preprocess=preprocess.model_copy(update={"diameter": diameter}))
        self._forget_threshold()
        self._workspace.set_model(model)
        self.model_loaded.emit(model)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
