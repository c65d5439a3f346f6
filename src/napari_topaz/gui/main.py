"""The dock: connects workspace, layers, panels and jobs, and knows as little as possible itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_topaz.files.errors import FileError
from napari_topaz.gui import dialogs
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.best import Best
from napari_topaz.gui.emphasis import Emphasis
from napari_topaz.gui.expecting import Expecting
from napari_topaz.gui.general import is_guess
from napari_topaz.gui.guess import Guess
from napari_topaz.gui.guide import guide
from napari_topaz.gui.help_most import HelpMost
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.judging import Judging
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.live import Live
from napari_topaz.gui.locking import Locking
from napari_topaz.gui.marking import Marking
from napari_topaz.gui.masking import Masking
from napari_topaz.gui.meaning import Meaning, expected_precision
from napari_topaz.gui.micrographs_panel import MicrographsPanel
from napari_topaz.gui.models import Models
from napari_topaz.gui.opening import Opening, timer
from napari_topaz.gui.options import Options
from napari_topaz.gui.particle_panel import ParticlePanel
from napari_topaz.gui.picks_panel import PicksPanel
from napari_topaz.gui.renewing import Renewing
from napari_topaz.gui.saving import Saving
from napari_topaz.gui.seeing import Seeing
from napari_topaz.gui.session import session_of
from napari_topaz.gui.summary import Summarising
from napari_topaz.gui.theme import colours_of, hint_style
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.picks import Picks

if TYPE_CHECKING:
    import napari

#: How long she may take from digit to digit, in ms.
TYPING = 400


class ParticlePicker(QWidget):
    """The dock widget *Particle picker*.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Injected by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        session = session_of(napari_viewer)
        self.workspace, self.layers = session.workspace, session.layers
        self.keeper = session.keeper
        self.job_bar = JobBar()
        self.opening = Opening(napari_viewer, session, self, lambda: self.job_bar.running)
        self.actions_ = Actions(session, self.job_bar, self)
        # While she types a number, each digit is another option.
        self._score_soon = timer(self, self.actions_.score_shown, TYPING)
        self._refresh = timer(self, self._show_state)  # many changes, one look at what buttons can do
        self._make_panels()
        self.saving = Saving(session, self.job_bar, self.actions_, self.picks, self.training, self)
        self.summary = Summarising(session, self.job_bar, self.actions_, self.picks.summary, self)
        self.judging = Judging(session, self.job_bar, self.picks.judging, self)
        self.best = Best(session, self.job_bar, self.picks.best, self)
        self.seeing = Seeing(session, self.job_bar, self.micrographs, self.particle.labels, self)
        self.live = Live(session, self.job_bar, self.training, self)
        self.guess = Guess(session, self.job_bar, self.particle.suggestions, self.live, self)
        self.models = Models(session, self.job_bar, self.actions_, self.live, self.training, self)
        self.marking = Marking(session, self.job_bar, self.micrographs, self._look_again, self)
        self.masking = Masking(session, self.job_bar, self.particle.masks, self.opening.shown, self)
        self.locking = Locking(napari_viewer, session, self.micrographs, self.training, self)
        self.renewing = Renewing(session, self.job_bar, self)
        self.meaning = Meaning(session, self.particle.meaning, self)
        self.expecting = Expecting(session, self.job_bar, self.particle.expecting, self)
        self.help_most = HelpMost(napari_viewer, session, self.job_bar, self.picks.help_most, self)
        self._arrange()
        self._connect_panels()
        self._connect_rest()
        self._show_theme()
        self._catch_up()

    # -- building ---------------------------------------------------------------------------------

    def _make_panels(self) -> None:
        self.hint = QLabel()
        self.hint.setObjectName("hint")
        self.hint.setWordWrap(True)
        self.hint.setMinimumHeight(2 * self.hint.fontMetrics().lineSpacing() + 12)  # or all below it jumps
        self.restore = QPushButton("Bring the removed layers back")
        self.restore.setToolTip("Nothing that was in them is lost.")
        self.restore.hide()
        self.micrographs = MicrographsPanel(self.workspace)
        self.particle = ParticlePanel(self.workspace.options)
        self.training = TrainingPanel()
        self.picks = PicksPanel()

    def _arrange(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 0, 6, 0)
        column.setSpacing(8)
        for panel in (self.micrographs, self.particle, self.training, self.picks):
            column.addWidget(panel, 1 if panel is self.micrographs else 0)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.emphasis = self._emphasis(scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for widget in (self.hint, self.restore, scroll, self.job_bar):
            layout.addWidget(widget, 1 if widget is scroll else 0)
        self.setMinimumWidth(340)

    def _connect_panels(self) -> None:
        do, ask = self.actions_, dialogs
        self.micrographs.open_folder.connect(lambda: self._with(ask.ask_folder(self), self._open_folder))
        self.micrographs.open_files.connect(lambda: self.opening.open_paths(ask.ask_files(self)))
        self.micrographs.chosen.connect(self.workspace.show)
        self.micrographs.session_line.copy.connect(
            lambda: self._with(ask.ask_session_folder(self), self._copy_session)
        )
        self.particle.changed.connect(self._take_options)
        self.particle.labels.load.connect(lambda: self._with(ask.ask_labels(self), do.load_labels))
        self.training.train.connect(lambda go_on: self.live.first(lambda: do.train(go_on=go_on)))
        self.particle.suggestions.suggest.connect(do.suggest)
        self.particle.suggestions.from_file.connect(
            lambda: self._with(ask.ask_templates(self), lambda path: do.suggest("template", path))
        )
        self.particle.suggestions.take.connect(do.take_picks)
        self.particle.suggestions.drop.connect(do.drop_suggestions)
        self.training.load_model.connect(lambda: self._with(ask.ask_model(self), do.load_model))
        self.picks.threshold_chosen.connect(do.choose_threshold)
        self.picks.pick_all.connect(lambda: self.live.first(do.pick_all))
        self.restore.clicked.connect(self.layers.restore)

    def _connect_rest(self) -> None:
        """Listen to actions and jobs; and to workspace and viewer, until the dock is destroyed."""
        self.actions_.training_began.connect(self.training.clear)
        self.actions_.training_event.connect(self.training.on_event)
        self.actions_.training_event.connect(self.keeper.note_training)
        self.actions_.model_loaded.connect(self._show_history)
        self.opening.shown.connect(self._on_shown)
        self.opening.shown.connect(self.live.redraw)
        self.opening.listing_changed.connect(self.micrographs.show_listing)
        self.opening.failed.connect(partial(self.job_bar.say, error=True))
        self.opening.restored.connect(self._show_history)
        self.job_bar.running_changed.connect(self._look_again)
        workspace = self.workspace
        links: list[Link] = [
            (workspace.files_changed, self._on_files),
            (workspace.current_changed, self._on_current),
            (workspace.labels_changed, self._on_counts),
            (workspace.picks_changed, self._on_counts),
            (workspace.options_changed, self._on_options),
            (workspace.model_changed, self._on_shown),
            (self.keeper.began, self._on_began),
            (self.keeper.model_awaited, self.opening.load_model),
            (self.keeper.status_changed, self._show_session),
            (self.layers.lost_changed, self._look_again),
            (self._viewer.layers.events.inserted, self._on_inserted),
            (self._viewer.events.theme, self._show_theme),
        ]
        ends = self.job_bar.close_down, self.opening.latest.close, self.keeper.leave
        connect_until_destroyed(self, links, *ends)

    def _catch_up(self) -> None:
        """Show what is there already: an earlier dock's workspace, layers of the reader."""
        if self.workspace.model is not None:
            self._show_history(self.workspace.model)
        self._on_files()
        if self.workspace.current is not None:
            self._on_current(self.workspace.current)
        self._show_session()
        self.opening.load_model()
        for layer in self._viewer.layers:
            self.opening.offer(layer)
        self._show_state()

    # -- what she does ----------------------------------------------------------------------------

    def _with(self, path: Path | None, do: Callable[[Path], None]) -> None:
        """Do something with the file she chose, if she did."""
        if path is not None:
            do(path)

    def _open_folder(self, folder: Path) -> None:
        self.opening.open_paths([folder])

    def _copy_session(self, folder: Path) -> None:
        try:
            self.keeper.copy_to(folder)
        except FileError as error:
            self.job_bar.say(str(error), error=True)

    def _take_options(self) -> None:
        try:
            settings = self.particle.value()
        except ValidationError as error:
            self.job_bar.say(_sentence(error), error=True)
            return
        threshold = self.workspace.options.pick.threshold  # it has no row in the forms
        settings["pick"] = settings["pick"].model_copy(update={"threshold": threshold})
        self.workspace.change(**settings)

    # -- what changed -----------------------------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        self.opening.offer(event.value)

    def _on_files(self) -> None:
        self.micrographs.table.refresh()
        if self.workspace.current is not None:
            self.micrographs.select(self.workspace.current)
        self._look_again()

    def _on_current(self, name: str) -> None:
        self.micrographs.select(name)
        self.opening.draw(name)
        self._look_again()

    def _on_shown(self) -> None:
        self.actions_.score_shown()
        self._look_again()

    def _on_counts(self, name: str) -> None:
        self.micrographs.table.refresh_counts(name or None)
        self._look_again()

    def _on_options(self, old: Options, new: Options) -> None:
        if old.but_thresholds() != new.but_thresholds():
            self.particle.show_options(new)
        self.micrographs.table.refresh_counts()
        lengths = old.preprocess.pixel_size != new.preprocess.pixel_size
        if (lengths or old.display != new.display) and self.workspace.current is not None:
            self.opening.draw(self.workspace.current)
        elif not self.workspace.is_picked(shown := self.layers.shown or "") or shown in self.workspace.former:
            self._score_soon.start()
        self._look_again()

    def _on_began(self) -> None:
        """Micrographs were opened in place of all others: curves and messages of those are history."""
        self.training.clear()
        self.job_bar.say("")
        if self.workspace.model is not None:
            self._show_history(self.workspace.model)

    def _show_session(self) -> None:
        self.micrographs.session_line.show_status(self.keeper.status)
        self._look_again()

    def _show_history(self, model: Any) -> None:
        history = () if is_guess(model) else model.card.history  # the package's is not hers
        self.training.show_history(history, model.card.best_epoch)

    # -- what can be done -------------------------------------------------------------------------

    def _look_again(self) -> None:
        self._refresh.start()

    def _show_state(self) -> None:
        """Hint, buttons, histogram: everything that follows from the workspace."""
        workspace, name = self.workspace, self.workspace.current
        awaited = self.keeper.awaited_model is not None
        states = {"live": self.live.on, "awaited": awaited, "renewing": self.renewing.busy}
        advice = guide(workspace, self.job_bar.running, **states)
        self.hint.setText(advice.next_step)
        self.restore.setVisible(bool(self.layers.lost))
        self.training.enable(advice)
        self.particle.expecting.enable(advice.train)
        self.picks.enable(advice)
        self.help_most.enable(advice)
        self.particle.labels.enable(advice.label, workspace.history)
        self.particle.suggestions.enable(advice, suggested=name in workspace.suggested)
        self.emphasis.show(advice.emphasis)
        stated = None if name is None else workspace.stated_pixel_size(name)
        self.particle.show_pixel_size(stated, name is not None)
        self.picks.show_scores(
            (Picks() if name is None else workspace.candidates(name)).scores,
            workspace.threshold,
            None if name is None or not workspace.is_picked(name) else workspace.count(name),
            chosen=workspace.chosen_threshold(name) is not None,
            precision=expected_precision(workspace, name),
        )

    def _emphasis(self, scroll: QScrollArea) -> Emphasis:
        buttons = {
            "open": self.micrographs.folder_button,
            "guess": self.particle.suggestions.guess_button,
            "take": self.particle.suggestions.take_button,
            "train": self.training.button,
            "pick": self.picks.pick_button,
            "save": self.picks.save_button,
        }
        numbers = {name: self.particle.number(name) for name in ("diameter", "pixel_size")}
        beside = {"train": self.training.plot} | dict.fromkeys(("take", "pick", "save"), self.picks.count)
        return Emphasis(scroll, buttons, numbers, beside)

    def _show_theme(self, event: Any = None) -> None:
        colours = colours_of(self._viewer)
        self.training.set_colours(colours)
        self.picks.set_colours(colours)
        self.hint.setStyleSheet(hint_style(self._viewer))
        self._look_again()


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'The options'}: {first['msg']}."
