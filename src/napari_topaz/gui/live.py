"""Learns while she clicks: decides when a live training runs, and shows what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_topaz.events import EpochDone, Event, Warned
from napari_topaz.gui.background import Background
from napari_topaz.gui.general import is_guess
from napari_topaz.gui.guide import guide, particles
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.session import Session
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.gui.workspace import Source
from napari_topaz.jobs.live import FEWEST_LABELS, Mailbox, Wish
from napari_topaz.jobs.live_run import RoundDone
from napari_topaz.picks import Picks

if TYPE_CHECKING:
    from napari_topaz.score_map import ScoreMap

#: How long she may take from digit to digit of a number, in ms.
TYPING = 400


class Live(QObject):
    """Runs one live training behind the other jobs while its box is ticked; `parent` is the dock.

    Before the fifth label it shows a first guess. It learns from the fifth label on, gives way to every
    other job, and goes on with the next label. It is not restored with a session: opening a folder must
    not change the model.

    Signals
    -------
    began_anew
        A job starts: for the first time, or after another job or option.
    rested(PickerModel)
        All labels are learnt for now.
    guess_wanted
        There is no model, and there are too few labels for one.
    """

    began_anew = Signal()
    rested = Signal(object)
    guess_wanted = Signal()

    def __init__(self, session: Session, job_bar: JobBar, panel: TrainingPanel, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._layers = session, session.workspace, session.layers
        self._job_bar, self._panel = job_bar, panel
        self._mailbox = Mailbox()
        #: What the job was made of, what it was told last, and what is learnt so far.
        self._sources: list[Source] = []
        self._how: tuple[Any, ...] = ()
        self._told: Wish | None = None
        self._known: tuple[Mapping[str, Picks], tuple[Any, ...]] | None = None
        self._model: Any = None
        self._fresh = False
        self._guessed = False  # once is enough, also where it failed
        self._masks = 0  # how often they changed
        self._map: ScoreMap | None = None
        self._then: Callable[[], None] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._look)
        panel.live_switched.connect(self._switch)
        job_bar.running_changed.connect(self._hurry)
        job_bar.behind.ended.connect(self._on_ended)
        workspace = self._workspace
        links: list[Link] = [
            (workspace.labels_changed, self._hurry),
            (workspace.current_changed, self._hurry),
            (workspace.files_changed, self._hurry),
            (session.keeper.began, self._on_began),
            (workspace.options_changed, self._on_options),
            (workspace.model_changed, self._on_model),
            (workspace.decisions.marks.changed, self._hurry),
            (session.masks.changed, self._on_masks),
        ]
        connect_until_destroyed(parent, links)

    @property
    def on(self) -> bool:
        """Whether the box is ticked."""
        return bool(self._panel.live.isChecked())

    def first(self, verb: Callable[[], Any]) -> None:
        """Do something after a live training has handed over what it learnt."""
        if not self._job_bar.behind.serves:
            verb()
            return
        self._then = verb
        self._panel.say_live("Live hands over what it learnt …")
        self._job_bar.behind.stop()

    def redraw(self) -> None:
        """Another micrograph is drawn: draw its heat map too, where that was faster."""
        if self._map is not None and self._job_bar.behind.serves and self._map.name == self._layers.shown:
            self._layers.show_scores(self._map)

    # -- what changed -----------------------------------------------------------------------------

    def _switch(self, on: bool) -> None:
        self._known, self._fresh, self._guessed = None, on, False
        if on and not self._job_bar.preview.busy:  # while she clicks: it takes seconds
            say_error = partial(self._job_bar.say, error=True)
            self._job_bar.preview.ask(_load_torch, lambda: True, lambda _: None, say_error)
        if not on:
            self._job_bar.behind.stop()
        self._look()

    def _hurry(self, *_: object) -> None:
        self._soon.start(0)

    def _on_options(self, *_: object) -> None:
        self._soon.start(TYPING)

    def _on_masks(self, *_: object) -> None:
        self._masks += 1
        self._soon.start(TYPING)

    def _on_began(self) -> None:
        """Other micrographs are open: what is learnt of those before is not wanted any more."""
        self._job_bar.behind.stop(drop=True)
        self._guessed = False
        self._note_as_known()
        self._hurry()

    def _on_model(self) -> None:
        """A model that came from elsewhere stays as it is until the labels change; a guess gives way."""
        if is_guess(self._workspace.model):
            self._hurry()
        elif self._workspace.model is not self._model:
            self._job_bar.behind.stop(drop=True)
            self._note_as_known()
            self._hurry()

    def _on_ended(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()
        self._look()

    # -- the job ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """Start, stop or tell the job, as things are now."""
        behind, why_not = self._job_bar.behind, self._why_not()
        if behind.serves:
            if not self.on or why_not is not None or not self._is_made_of_this():
                behind.stop()
            else:
                self._tell()
        elif self.on and why_not is None and self._is_free() and not self._is_known():
            self._start()
        if self.on and guide(self._workspace, self._job_bar.running).guess is None and self._is_early():
            self._guessed = True
            self.guess_wanted.emit()
        if not self.on:
            self._panel.say_live("")
        elif why_not is not None:
            self._panel.say_live(why_not)

    def _why_not(self) -> str | None:
        n = particles(self._workspace)
        reason = guide(self._workspace, None).train
        if reason is None and n < FEWEST_LABELS:
            left = FEWEST_LABELS - n
            reason = f"Live begins with {left} more label{'s' * (left > 1)}."
        return reason

    def _is_early(self) -> bool:
        """Whether a guess is of use: there are too few labels for more, and none was made yet."""
        return not self._guessed and self._is_free() and particles(self._workspace) < FEWEST_LABELS

    def _is_free(self) -> bool:
        return not self._job_bar.behind.busy and self._job_bar.running is None

    def _options(self) -> tuple[Any, ...]:
        options = self._workspace.options
        pick = options.pick.model_copy(update={"threshold": None})
        how = (options.preprocess, options.train, options.network, options.run, pick)
        return (*how, self._workspace.decisions.ticks, self._masks)

    def _is_made_of_this(self) -> bool:
        return self._how == self._options() and self._sources == self._workspace.decisions.in_use

    def _tell(self) -> None:
        wish, told = Wish(self._workspace.all_labels, self._workspace.current), self._told
        if told is None or told.shown != wish.shown or not _same(told.labels, wish.labels):
            self._told = wish
            self._mailbox.put(wish)

    def _start(self) -> None:
        workspace, learning, mailbox = self._workspace, Learning.of(self._session), Mailbox()
        guess = is_guess(workspace.model)
        start = None if guess else workspace.model  # it starts from the same weights by itself
        self._fresh = self._fresh or guess
        self._sources, self._how = list(learning.sources), self._options()
        self._mailbox, self._told = mailbox, None
        self._model, self._map = start, None
        self._tell()
        self.began_anew.emit()
        self._panel.clear()
        self._panel.say_live("Live begins …")
        self._job_bar.notes.clear()
        self._job_bar.behind.start(
            Background(
                lambda stop: learning.live(mailbox, stop, start),
                self._on_event,
                self._on_result,
                self._on_failed,
            )
        )

    def _is_known(self) -> bool:
        if self._known is None:
            return False
        labels, how = self._known
        return how == self._options() and _same(labels, self._workspace.all_labels)

    def _note_as_known(self) -> None:
        self._known = (self._workspace.all_labels, self._options())

    # -- what it tells ----------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._job_bar.notes.add(event.message)
        elif isinstance(event, RoundDone):
            self._take_round(event)

    def _take_round(self, event: RoundDone) -> None:
        if event.model is not self._workspace.model:
            self._take_model(event)
        found = event.score_map
        if found is not None and found.name in self._workspace.names:
            self._map = found
            self._workspace.set_candidates(found.name, event.picks)
            self.redraw()
        self._panel.show_round(event)

    def _take_model(self, event: RoundDone) -> None:
        """Take a snapshot; only the last one before a rest is worth a file in the session."""
        card = event.model.card
        self._session.keeper.note_training(
            EpochDone(
                epoch=len(card.history),
                epochs=len(card.history),
                step=event.step,
                loss=event.loss or 0.0,
                held_out=None,
                kept=event.resting,
                seconds=0.0,
                model=event.model,
            )
        )
        if self._fresh:  # a threshold of another model's scores would mean nothing
            pick = self._workspace.options.pick.model_copy(update={"threshold": None})
            self._workspace.change(pick=pick)
        self._model, self._fresh = event.model, False
        self._workspace.set_model(event.model)
        if event.resting:
            self.rested.emit(event.model)

    def _on_result(self, model: Any) -> None:
        told = self._told
        self._known = (told.labels if told is not None else {}, self._how)
        if model is not None and model is not self._workspace.model:
            self._model = model
            self._workspace.set_model(model)
            self.rested.emit(model)

    def _on_failed(self, message: str) -> None:
        self._panel.live.setChecked(False)
        self._job_bar.say(message, error=True)


def _same(one: Mapping[str, Picks], other: Mapping[str, Picks]) -> bool:
    """Whether nothing changed: labels that change are other objects."""
    return len(one) == len(other) and all(other.get(name) is picks for name, picks in one.items())


def _load_torch() -> None:
    import torch  # noqa: F401
