"""Keeps the models of all trainings by name: to compare them, to use one again, to go back to an epoch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.events import EpochDone, Event, Job
from napari_topaz.gui import tasks
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.live import Live
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel, Shelf
from napari_topaz.gui.session import Session
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.preparing import PreparedCache, Source

if TYPE_CHECKING:
    from napari_topaz.gui.actions import Actions
    from napari_topaz.model.picker import PickerModel


class Models(QObject):
    """The verbs of :class:`ModelsPanel`; `parent` is the dock."""

    def __init__(
        self,
        session: Session,
        job_bar: JobBar,
        actions: Actions,
        live: Live,
        panel: TrainingPanel,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._job_bar = session, session.workspace, job_bar
        self._shelf, self._panel = session.shelf, panel
        self._epochs: dict[int, KeptEpoch] = {}
        self._keep = partial(_keep, self._shelf, self._workspace, self._epochs)
        self._of_live: KeptModel | None = None
        self._rests: dict[int, KeptEpoch] = {}
        actions.training_began.connect(self._begin)
        actions.training_event.connect(self._note)
        job_bar.running_changed.connect(self._on_running)
        live.rested.connect(self._keep_live)
        live.began_anew.connect(self._forget_live)
        panel.models.use.connect(self.use)
        panel.models.rename.connect(self.rename)
        panel.models.delete.connect(self._shelf.remove)
        links: list[Link] = [
            (self._shelf.changed, self._show),
            (session.model_files.failed, self._say_failed),
            (self._workspace.model_changed, self._show_used),
        ]
        connect_until_destroyed(parent, links, self._keep)
        self._show()

    def use(self, kept: KeptModel, epoch: KeptEpoch | None = None) -> None:
        """Pick with a kept model from now on, or with one of its epochs."""
        if epoch is not None and epoch.model is not None and epoch.settled:
            self._take(epoch.model, f"{kept.name}, epoch {epoch.epoch},")
        elif epoch is not None:
            number, cache = epoch.epoch, self._session.prepared
            path, source = self._session.model_files.path(epoch), self._any_source()
            snapshot, settled = epoch.model, epoch.settled  # now: it may leave the memory
            self._job_bar.start(
                f"Going back to epoch {number}",
                lambda stop: _going_back(snapshot or path, number, settled, source, cache),
                on_result=lambda model: self._take(model, f"{kept.name}, epoch {number},"),
            )
        elif kept.model is not None:
            self._take(kept.model, kept.name)
        elif (path := self._session.model_files.path(kept)) is not None:
            self._job_bar.start(
                "Loading the model",
                lambda stop: tasks.loading_model(path),
                on_result=lambda model: self._take_loaded(kept, model),
            )

    def rename(self, kept: KeptModel, name: str) -> None:
        """Give a kept model another name."""
        if not self._shelf.rename(kept, name):
            taken = f"There is a model {name!r} already" if name.strip() else "A model needs a name"
            self._job_bar.say(f"{taken}; {kept.name} keeps its own.", error=True)
            self._show()

    def _any_source(self) -> Any:
        names = [*self._workspace.all_labels, *self._workspace.names]
        return self._workspace.source(names[0]) if names else None

    def _take_loaded(self, kept: KeptModel, model: Any) -> None:
        kept.model = model
        self._take(model, kept.name)

    def _take(self, model: Any, what: str) -> None:
        pick = self._workspace.options.pick.model_copy(update={"threshold": None})
        self._workspace.change(pick=pick)  # the scores of another model mean something else
        self._workspace.set_model(model)
        self._panel.show_history(model.card.history, model.card.best_epoch)
        self._job_bar.say(f"{what} is in use.")

    def _say_failed(self, sentence: str) -> None:
        self._job_bar.say(sentence, error=True)

    def _begin(self) -> None:
        self._epochs.clear()

    def _note(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self._epochs[event.epoch] = KeptEpoch(
                event.epoch, event.step, event.loss, event.held_out, event.model
            )

    def _on_running(self) -> None:
        self._panel.models.enable(self._busy())
        if self._job_bar.running is None:
            self._keep()

    def _busy(self) -> str | None:
        running = self._job_bar.running
        return f"{running} is running: press Stop first, or wait until it is done." if running else None

    def _keep_live(self, model: Any) -> None:
        last = model.card.history[-1]
        figures = (last.epoch, last.step, last.loss, last.held_out)
        self._rests[last.epoch] = KeptEpoch(*figures, model, settled=True)
        if self._of_live in self._shelf.models and self._of_live is not None:
            self._shelf.renew(self._of_live, model, self._rests)
        else:
            self._of_live = self._shelf.put(model, "Live", self._rests)
        self._rests = {epoch.epoch: epoch for epoch in self._of_live.epochs if epoch.is_there}

    def _forget_live(self) -> None:
        self._of_live, self._rests = None, {}

    def _show(self) -> None:
        self._panel.models.show_models(self._shelf.models, self._workspace.model)

    def _show_used(self) -> None:
        self._panel.models.show_used(self._workspace.model)


def _keep(shelf: Shelf, workspace: Workspace, epochs: dict[int, KeptEpoch]) -> None:
    """Keep a training that ended, however it did."""
    if epochs and workspace.model is not None:
        done = dict(epochs)
        epochs.clear()
        shelf.put(workspace.model, "Model", done)


def _going_back(
    snapshot: PickerModel | Path | None,
    epoch: int,
    settled: bool,
    source: Source | None,
    cache: PreparedCache,
) -> Job[PickerModel]:
    """Make the snapshot of an epoch a model that picks; it is in memory or in a file."""
    if snapshot is None or isinstance(snapshot, Path):
        snapshot = yield from tasks.loading_model(snapshot or Path())
    return snapshot if settled else (yield from tasks.going_back(snapshot, epoch, source, cache))
