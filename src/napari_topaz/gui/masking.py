"""What the buttons of "Masks and edges" do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_topaz.events import Job, Progress, Started
from napari_topaz.files import find_masks, read_header, write_mask
from napari_topaz.gui import dialogs
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.mask_panel import MaskPanel
from napari_topaz.gui.session import Session
from napari_topaz.jobs.mask import polygons_of, suggest_masks
from napari_topaz.masks import Mask
from napari_topaz.micrograph import MicrographFile

if TYPE_CHECKING:
    from napari_topaz.gui.workspace import Source

MODES = {"draw": "add_polygon", "lasso": "add_polygon_lasso"}


class Masking(QObject):
    """The verbs of :class:`MaskPanel`; `shown` tells that a micrograph is drawn, `parent` is the dock."""

    def __init__(
        self, session: Session, job_bar: JobBar, panel: MaskPanel, shown: Any, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._workspace, self._book = session, session.workspace, session.masks
        self._job_bar, self._panel, self._dock = job_bar, panel, parent
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.show_state)
        self._verbs: dict[str, Callable[[], None]] = {
            "draw": partial(self.draw, "draw"),
            "lasso": partial(self.draw, "lasso"),
            "suggest": self.suggest,
            "suggest_all": self.suggest_all,
            "clear": self.clear,
            "load": lambda: self._with(dialogs.ask_mask_folder(self._dock), self.load),
            "save": lambda: self._with(dialogs.ask_mask_target(self._dock, self._book.all), self.save),
        }
        panel.pressed.connect(lambda name: self._verbs[name]())
        panel.margin_chosen.connect(self.choose_margin)
        shown.connect(self._on_shown)
        links: list[Link] = [
            (self._book.changed, self._look_again),
            (session.mask_layer.drawing_changed, self._show_drawing),
            (self._workspace.current_changed, self._look_again),
            (self._workspace.labels_changed, self._look_again),
            (self._workspace.options_changed, self._on_options),
            (self._workspace.files_changed, self._look_again),
            (self._workspace.lock.changed, self._look_again),
        ]
        job_bar.running_changed.connect(self._look_again)
        connect_until_destroyed(parent, links)
        self._look_again()

    def draw(self, how: str) -> None:
        """Let her draw on the micrograph that is shown."""
        self._session.mask_layer.begin(MODES[how])
        self._show_drawing()  # the click alone has changed the button, too
        ends = "click corner by corner, a double click ends" if how == "draw" else "hold the mouse button"
        self._job_bar.say(f"Draw round what does not count: {ends}. + Particle goes back to labels.")

    def _show_drawing(self) -> None:
        mode = self._session.mask_layer.mode
        self._panel.show_drawing(next((how for how, one in MODES.items() if one == mode), None))

    def clear(self) -> None:
        """Remove the mask of the micrograph that is shown."""
        if self._workspace.current is not None:
            self._book.put({self._workspace.current: Mask()})

    def suggest(self) -> None:
        """Suggest a mask of the micrograph that is shown."""
        if self._workspace.current is not None:
            self._suggest([self._workspace.source(self._workspace.current)])

    def suggest_all(self) -> None:
        """Suggest masks of all micrographs that have none."""
        masked = self._book.all
        self._suggest([s for s in self._workspace.decisions.in_use if s.name not in masked])

    def choose_margin(self, margin: float) -> None:
        """Keep training, picking and suggestions away from the edges."""
        options = self._workspace.options
        update = {"margin": margin}
        self._workspace.change(
            train=options.train.model_copy(update=update),
            pick=options.pick.model_copy(update=update),
            reference=options.reference.model_copy(update=update),
        )

    def load(self, folder: Path) -> None:
        """Take masks from a folder."""
        sources = self._workspace.sources
        self._job_bar.start(
            "Reading masks", lambda stop: _reading(folder, sources), on_result=self._take_loaded
        )

    def save(self, folder: Path) -> None:
        """Write all masks into a folder."""
        masks = self._book.all
        self._job_bar.start(
            "Saving masks",
            lambda stop: _writing(folder, masks),
            on_result=lambda n: self._job_bar.say(f"{_count(n, 'mask')} saved to {folder}."),
        )

    def show_state(self) -> None:
        """Say what is hidden, and what can be done."""
        name, running = self._workspace.current, self._job_bar.running
        options = self._workspace.options
        if self._panel.margin.value() != options.pick.margin:
            self._panel.margin.set_value(options.pick.margin)
        locked, none = self._workspace.lock.sentence, "Open micrographs first." if name is None else None
        busy = f"{running} is running." if running else None
        bare = "Type the particle's diameter first." if options.preprocess.diameter is None else None
        empty = None if self._book.of(name).polygons else "This micrograph has no mask."
        free = None if self._book.all else "No micrograph has a mask."
        reasons = {
            **dict.fromkeys(("draw", "lasso"), locked or none),
            **dict.fromkeys(("suggest", "suggest_all"), locked or none or bare or busy),
            "clear": locked or none or empty,
            "load": locked or none or busy,
            "save": none or free or busy,
        }
        self._panel.show_state(self._state(name), reasons)

    def _state(self, name: str | None) -> str:
        if name is None:
            return ""
        areas, others = len(self._book.of(name).polygons), len(self._book.all.keys() - {name})
        text = f"{_count(areas, 'area')} hidden here" if areas else "Nothing is hidden here"
        have = "has a mask" if others == 1 else "have masks"
        more = f"; {_count(others, 'other micrograph')} {have}" if others else ""
        labels = self._book.covered(name, self._workspace.labels(name))
        under = f" {_count(labels, 'label')} under the mask: not learnt from, but kept." if labels else ""
        return f"{text}{more}.{under}"

    def _suggest(self, sources: list[Source]) -> None:
        preprocess, cache = self._workspace.options.preprocess, self._session.prepared
        if sources:
            self._job_bar.start(
                "Suggesting masks",
                lambda stop: suggest_masks(sources, preprocess, stop=stop, cache=cache),
                on_result=self._take_suggested,
            )

    def _take_suggested(self, found: Mapping[str, tuple[Mask, float]]) -> None:
        new = self._book.add({name: mask for name, (mask, _) in found.items()})
        looked = "" if len(found) == 1 else f" on {len(new)} of {_count(len(found), 'micrograph')}"
        if new:
            areas = _count(sum(new.values()), "area")
            self._job_bar.say(f"{areas} suggested{looked}; look at them, Undo takes them back.")
        else:
            self._job_bar.say("Nothing new to hide was found.")

    def _take_loaded(self, found: Mapping[str, Mask]) -> None:
        self._book.put(found)
        self._job_bar.say(f"{_count(len(found), 'mask')} read; Undo takes them back.")

    def _with(self, path: Path | None, do: Callable[[Path], None]) -> None:
        if path is not None:
            do(path)

    def _look_again(self, *_: object) -> None:
        self._soon.start()

    def _on_shown(self, *_: object) -> None:
        self._session.mask_layer.draw()
        self._look_again()

    def _on_options(self, *_: object) -> None:
        self._session.mask_layer.draw_margin()
        self._look_again()


def _reading(folder: Path, sources: list[Source]) -> Job[dict[str, Mask]]:
    """Read the masks of these micrographs, as polygons."""
    yield Started("Reading masks", len(sources))
    masks = find_masks(folder, [s.name for s in sources])
    found = {}
    for n, source in enumerate(sources, 1):
        if source.name in masks:
            mask = masks[source.name]
            shape = (read_header(source) if isinstance(source, MicrographFile) else source).shape
            mask.check(shape)
            found[source.name] = polygons_of(mask, shape)
        yield Progress(n, len(sources), source.name)
    return found


def _writing(folder: Path, masks: Mapping[str, Mask]) -> Job[int]:
    """Write masks; returns how many."""
    yield Started("Saving masks", len(masks))
    for n, (name, mask) in enumerate(masks.items(), 1):
        write_mask(folder, name, mask)
        yield Progress(n, len(masks), name)
    return len(masks)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
