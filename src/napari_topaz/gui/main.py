"""The dock: connects workspace, layers, panels and jobs, and knows as little as possible itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_topaz.events import EpochDone, Event, MicrographDone
from napari_topaz.files import find_micrographs
from napari_topaz.files.errors import FileError
from napari_topaz.gui import dialogs, tasks
from napari_topaz.gui.display import Picture
from napari_topaz.gui.guide import guide
from napari_topaz.gui.job_bar import JobBar, explain
from napari_topaz.gui.layers import METADATA
from napari_topaz.gui.micrographs_panel import MicrographsPanel
from napari_topaz.gui.particle_panel import ParticlePanel
from napari_topaz.gui.picks_panel import PicksPanel
from napari_topaz.gui.plots import Colours
from napari_topaz.gui.session import session_of
from napari_topaz.gui.training_panel import TrainingPanel
from napari_topaz.gui.workspace import Options, Source
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

#: The button of the next step.
EMPHASIS = "QPushButton { background: #1f7a9e; color: white; } QPushButton:hover { background: #2891ba; }"
#: How often to look whether a picture is ready, in ms.
POLL = 15


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
        self._session = session_of(napari_viewer)
        self.workspace, self._layers = self._session.workspace, self._session.layers
        self._make_panels()
        self._awaited: Future[Picture] | None = None
        self._offered: list[Layer] = []
        self._poll = _timer(self, self._look_for_picture, POLL, repeat=True)
        self._refresh = _timer(self, self._show_state)  # many changes, one look at what buttons can do
        self._adopt_soon = _timer(self, self._adopt_offered)
        self._connect_panels()
        self._connect_workspace()
        self._show_theme()
        self._catch_up()

    # -- building ---------------------------------------------------------------------------------

    def _make_panels(self) -> None:
        self.hint = QLabel()
        self.hint.setObjectName("hint")
        self.hint.setWordWrap(True)
        self.hint.setMinimumHeight(40)
        self.restore = QPushButton("Bring the removed layers back")
        self.restore.setToolTip("Nothing that was in them is lost.")
        self.restore.hide()
        self.job_bar = JobBar()
        self.micrographs = MicrographsPanel(self.workspace)
        self.particle = ParticlePanel(self.workspace.options)
        self.training = TrainingPanel()
        self.picks = PicksPanel()
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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for widget in (self.hint, self.restore, scroll, self.job_bar):
            layout.addWidget(widget, 1 if widget is scroll else 0)
        self.setMinimumWidth(340)

    def _connect_panels(self) -> None:
        self.micrographs.open_folder.connect(self._ask_folder)
        self.micrographs.open_files.connect(lambda: self.open_paths(dialogs.ask_files(self)))
        self.micrographs.chosen.connect(self.workspace.show)
        self.particle.changed.connect(self._take_options)
        self.particle.kind_chosen.connect(self._choose_kind)
        self.particle.undo.connect(self.workspace.undo)
        self.particle.load_labels.connect(self._load_labels)
        self.training.train.connect(self.train)
        self.picks.threshold_chosen.connect(self._take_threshold)
        self.picks.pick_all.connect(self.pick_all)
        self.picks.save.connect(self._ask_and_save)
        self.training.save_model.connect(self._save_model)
        self.training.load_model.connect(self._load_model)
        self.restore.clicked.connect(self._layers.restore)
        self.job_bar.running_changed.connect(self._look_again)

    def _connect_workspace(self) -> None:
        """Listen to the workspace and the viewer until the dock is destroyed."""
        workspace, events = self.workspace, self._viewer.events
        links: list[tuple[Any, Callable[..., Any]]] = [
            (workspace.files_changed, self._on_files),
            (workspace.current_changed, self._on_current),
            (workspace.labels_changed, self._on_counts),
            (workspace.picks_changed, self._on_counts),
            (workspace.options_changed, self._on_options),
            (workspace.model_changed, self._on_model),
            (self._layers.lost_changed, self._look_again),
            (self._viewer.layers.events.inserted, self._on_inserted),
            (events.theme, self._show_theme),
        ]
        for signal, slot in links:
            signal.connect(slot)
        # Not a method: when `destroyed` comes, this object is hardly one any more.
        self.destroyed.connect(partial(_close_down, links, self.job_bar, self._layers))

    def _catch_up(self) -> None:
        """Show what is there already: an earlier dock's workspace, layers of the reader."""
        model = self.workspace.model
        if model is not None:
            self.training.show_history(model.card.history, model.card.best_epoch)
        self._on_files()
        if self.workspace.current is not None:
            self._on_current(self.workspace.current)
        for layer in list(self._viewer.layers):
            self._adopt(layer)
        self._show_state()

    # -- micrographs ------------------------------------------------------------------------------

    def _ask_folder(self) -> None:
        folder = dialogs.ask_folder(self)
        if folder is not None:
            self.open_paths([folder])

    def open_paths(self, paths: Sequence[str | Path]) -> None:
        """Open micrographs: files, folders, globs."""
        if paths:
            self._add(lambda: find_micrographs(paths))

    def _add(self, find: Callable[[], Iterable[Source]]) -> bool:
        try:
            self.workspace.add(find())
        except (FileError, OSError) as error:
            self.job_bar.say(explain(error), error=True)
            return False
        return True

    def _on_inserted(self, event: Any) -> None:
        self._offered.append(event.value)
        self._adopt_soon.start()  # napari is in the middle of adding it

    def _adopt_offered(self) -> None:
        while self._offered:
            self._adopt(self._offered.pop(0))

    def _adopt(self, layer: Layer) -> None:
        """Take over the micrographs of a layer that our reader or the sample data made."""
        offer = layer.metadata.get(METADATA, {})
        if "files" not in offer or self._layers.is_ours(layer) or layer not in self._viewer.layers:
            return
        first = self._layers.shown is None and self._awaited is None
        diameter = offer.get("diameter")
        if diameter is not None and self.workspace.options.preprocess.diameter is None:
            self._change_lengths(diameter=diameter)
        if first:
            self._layers.adopt(layer)
        new = offer["files"]
        if self._add(lambda: new) and not first:
            self._viewer.layers.remove(layer)
            self.workspace.show(new[0].name)

    def _on_files(self) -> None:
        self.micrographs.table.refresh()
        if self.workspace.current is not None:
            self.micrographs.select(self.workspace.current)
        self._look_again()

    def _on_current(self, name: str) -> None:
        self.micrographs.select(name)
        self._awaited = self._picture_of(self.workspace.source(name))
        self._look_for_picture()
        self._poll.start()
        self._look_again()

    def _picture_of(self, source: Source) -> Future[Picture]:
        return self._session.gallery.get(
            source, self.workspace.options.display, self.workspace.pixel_size(source.name)
        )

    def _look_for_picture(self) -> None:
        """Draw the awaited picture if it is made; neighbours are made next."""
        future = self._awaited
        if future is None or not future.done():
            return
        self._poll.stop()
        self._awaited = None
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self.job_bar.say(explain(error), error=True)
            return
        picture = future.result()
        if picture.name != self.workspace.current:
            return
        self._layers.show(picture)
        for source in self.workspace.neighbours(picture.name):
            self._picture_of(source)
        self._score_shown()
        self._look_again()

    # -- labels and options -----------------------------------------------------------------------

    def _choose_kind(self, kind: Kind) -> None:
        self._layers.label_next(kind)

    def _take_options(self) -> None:
        try:
            settings = self.particle.value()
        except ValidationError as error:
            self.job_bar.say(_sentence(error), error=True)
            return
        settings["pick"] = settings["pick"].model_copy(
            update={"threshold": self.workspace.options.pick.threshold}
        )
        self.workspace.change(**settings)

    def _change_lengths(self, **lengths: float | None) -> None:
        self.workspace.change(preprocess=self.workspace.options.preprocess.model_copy(update=lengths))

    def _take_threshold(self, threshold: float | None) -> None:
        self.workspace.change(pick=self.workspace.options.pick.model_copy(update={"threshold": threshold}))

    def _load_labels(self) -> None:
        path = dialogs.ask_labels(self)
        if path is None:
            return
        sources = self.workspace.sources
        self.job_bar.start(
            "Reading labels", lambda stop: tasks.loading_labels(path, sources), on_result=self._take_labels
        )

    def _take_labels(self, labels: dict[str, Picks]) -> None:
        for name, picks in labels.items():
            self.workspace.set_labels(name, self.workspace.labels(name) + picks)
        n = sum(map(len, labels.values()))
        self.job_bar.say(f"{n} labels on {len(labels)} micrographs were read.")

    def _on_counts(self, name: str) -> None:
        self.micrographs.table.refresh_counts(name)
        self._look_again()

    def _on_options(self, old: Options, new: Options) -> None:
        self.particle.show_options(new)
        self.micrographs.table.refresh_counts()
        lengths = old.preprocess.pixel_size != new.preprocess.pixel_size
        if (lengths or old.display != new.display) and self.workspace.current is not None:
            self._on_current(self.workspace.current)
        elif not self.workspace.is_picked(self._layers.shown or ""):
            self._score_shown()
        self._look_again()

    # -- jobs -------------------------------------------------------------------------------------

    def train(self) -> None:
        """Learn from the labels."""
        self._take_threshold(None)  # the scores of another model mean something else
        self.training.clear()
        sources, labels, options = self.workspace.sources, self.workspace.all_labels, self.workspace.options
        self.job_bar.start(
            "Training",
            lambda stop: tasks.training(sources, labels, options, stop, self._session.prepared),
            on_event=self._on_training,
            on_result=self._take_trained,
        )

    def _on_training(self, event: Event) -> None:
        self.training.on_event(event)
        if isinstance(event, EpochDone):
            self.workspace.set_model(event.model)

    def _take_trained(self, model: Any) -> None:
        self.workspace.set_model(model)
        card = model.card
        held_out = [r.held_out for r in card.history if r.epoch == card.best_epoch and r.held_out is not None]
        precision = f" (held-out average precision {held_out[0]:.2f})" if held_out else ""
        self.job_bar.say(f"Training is done; epoch {card.best_epoch} is kept{precision}.")

    def _on_model(self) -> None:
        self._score_shown()
        self._look_again()

    def _score_shown(self) -> None:
        """Score the shown micrograph in a thread; of several wishes only the latest counts."""
        model, name, run = self.workspace.model, self._layers.shown, self.job_bar.run_id
        if model is None or name is None:
            return
        source, options, size = (
            self.workspace.source(name),
            self.workspace.options,
            self.workspace.pixel_size(name),
        )
        if self.job_bar.running == "Training":  # quick: the next epoch follows soon
            options = Options(
                **(vars(options) | {"pick": options.pick.model_copy(update={"symmetries": False})})
            )
        self.job_bar.preview.ask(
            lambda: tasks.scoring(source, model, options, size, self._session.prepared),
            wanted=lambda: self._layers.shown == name and self.job_bar.run_id == run,
            on_done=self._take_scores,
            on_failed=lambda message: self.job_bar.say(message, error=True),
        )

    def _take_scores(self, scored: tuple[Any, Picks]) -> None:
        score_map, picks = scored
        self._layers.show_scores(score_map)
        self.workspace.set_candidates(score_map.name, picks)

    def pick_all(self) -> None:
        """Pick all micrographs that are not picked yet."""
        sources, model, options = self.workspace.sources, self.workspace.model, self.workspace.options
        assert model is not None
        done = frozenset(filter(self.workspace.is_picked, self.workspace.names))
        self.job_bar.start(
            "Picking",
            lambda stop: tasks.picking(sources, model, options, done, stop),
            on_event=self._on_picking,
        )

    def _on_picking(self, event: Event) -> None:
        if isinstance(event, MicrographDone) and event.picks is not None:
            self.workspace.set_candidates(event.name, event.picks)

    # -- files ------------------------------------------------------------------------------------

    def _ask_and_save(self) -> None:
        path = dialogs.ask_save_picks(self, self._folder())
        if path is not None:
            self.save(path)

    def save(self, path: Path) -> None:
        """Save the picks of all micrographs; the format follows the suffix."""
        picks, sources = self.workspace.results, self.workspace.sources
        size, diameter = self.workspace.pixel_size(), self.workspace.diameter()
        self.workspace.mark_saved(path)  # what changes while it is written is not saved

        def report(written: list[Path]) -> None:
            n = sum(map(len, picks.values()))
            where = written[0] if len(written) == 1 else f"{len(written)} files in {written[0].parent}"
            self.job_bar.say(f"{n} particles of {len(picks)} micrographs were saved to {where}.")
            self.workspace.saved_to = written[0]

        self.workspace.saved_to = None
        self.job_bar.start(
            "Saving", lambda stop: tasks.saving(path, picks, sources, size, diameter), on_result=report
        )

    def _save_model(self) -> None:
        model, path = self.workspace.model, dialogs.ask_save_model(self, self._folder())
        if path is not None and model is not None:
            self.job_bar.start(
                "Saving the model",
                lambda stop: tasks.saving_model(path, model),
                on_result=lambda written: self.job_bar.say(f"The model was saved to {written}."),
            )

    def _load_model(self) -> None:
        path = dialogs.ask_model(self)
        if path is not None:
            self.job_bar.start(
                "Loading the model", lambda stop: tasks.loading_model(path), on_result=self._take_model
            )

    def _take_model(self, model: Any) -> None:
        if self.workspace.options.preprocess.diameter is None:
            self._change_lengths(diameter=model.card.preprocess.diameter)
        self._take_threshold(None)
        self.workspace.set_model(model)
        self.training.show_history(model.card.history, model.card.best_epoch)

    def _folder(self) -> Path:
        """Where to start in a dialog: beside the folder of the micrographs."""
        files = [s for s in self.workspace.sources if isinstance(s, MicrographFile)]
        return files[0].path.absolute().parent.parent if files else Path.cwd()

    # -- what can be done -------------------------------------------------------------------------

    def _look_again(self) -> None:
        self._refresh.start()

    def _show_state(self) -> None:
        """Hint, buttons, histogram: everything that follows from the workspace."""
        workspace, name = self.workspace, self.workspace.current
        advice = guide(workspace, self.job_bar.running)
        self.hint.setText(advice.next_step)
        self.restore.setVisible(bool(self._layers.lost))
        self.training.enable(advice)
        self.picks.enable(advice)
        self._emphasise(advice.emphasis)
        self.particle.enable_labels(advice.label, workspace.can_undo)
        stated = None if name is None else workspace.stated_pixel_size(name)
        self.particle.show_pixel_size(stated, name is not None)
        scores = workspace.candidates(name).scores if name is not None else Picks().scores
        self.picks.show_scores(
            scores,
            workspace.threshold,
            None if name is None or not workspace.is_picked(name) else workspace.count(name),
            chosen=workspace.options.pick.threshold is not None,
        )

    def _emphasise(self, step: str | None) -> None:
        """Colour the button of the next step."""
        buttons = {
            "open": self.micrographs.folder_button,
            "train": self.training.button,
            "pick": self.picks.pick_button,
            "save": self.picks.save_button,
        }
        for name, button in buttons.items():
            button.setStyleSheet(EMPHASIS if name == step and button.isEnabled() else "")

    def _show_theme(self, event: Any = None) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self._viewer.theme)
        dark = theme.id != "light"
        colours = Colours(
            background=theme.background.as_hex(),
            text=theme.text.as_hex(),
            loss="#9fb4d4" if dark else "#3d5a80",
            held_out="#ffb454" if dark else "#b35c00",
            kept="#35c9ff" if dark else "#0077b6",
            dropped="#5a626c" if dark else "#b5bac2",
        )
        self.training.set_colours(colours)
        self.picks.set_colours(colours)
        self.hint.setStyleSheet(
            f"QLabel#hint {{ padding: 6px; border-left: 4px solid {colours.kept};"
            f" background: {theme.foreground.as_hex()}; }}"
        )
        self._look_again()


def _close_down(links: list[tuple[Any, Callable[..., Any]]], job_bar: JobBar, *_: object) -> None:
    """Stop the job and listen to nothing any more: the dock was destroyed."""
    job_bar.close_down()
    for signal, slot in links:
        signal.disconnect(slot)


def _timer(parent: QWidget, slot: Callable[[], None], ms: int = 0, *, repeat: bool = False) -> QTimer:
    timer = QTimer(parent)
    timer.setInterval(ms)
    timer.setSingleShot(not repeat)
    timer.timeout.connect(slot)
    return timer


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'The options'}: {first['msg']}."
