"""Connects what she sees and how she labels: display, ruler, centring, undo and redo, the key card."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import ValidationError
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.card_overlay import CardOverlay
from napari_topaz.gui.display_panel import DisplayPanel
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.key_card import KeyCard
from napari_topaz.gui.label_row import LabelRow
from napari_topaz.gui.opening import timer
from napari_topaz.gui.session import Session
from napari_topaz.jobs.centre import centre_labels
from napari_topaz.picks import Picks

#: How long she may take from digit to digit before the picture is made anew, in ms.
TYPING = 250
#: Labels that move less than this, in particle diameters, stay where she put them.
CENTRED = 0.01


class Seeing(QObject):
    """The verbs of :class:`DisplayPanel` and :class:`LabelRow`; `parent` is the dock."""

    def __init__(
        self, session: Session, job_bar: JobBar, section: QWidget, row: LabelRow, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._workspace = session, session.workspace
        self._job_bar, self._row = job_bar, row
        options = self._workspace.options
        self.panel = DisplayPanel(options.display, options.drawing)
        section.layout().addWidget(self.panel)
        self.overlay = CardOverlay(session.card, parent)
        self._take_soon = timer(self, self._take, TYPING)
        self.panel.changed.connect(self._take_soon.start)
        row.kind_chosen.connect(session.layers.label_next)
        row.undo.connect(session.undo)
        row.redo.connect(session.redo)
        row.ruler.connect(session.ruler.toggle)
        row.centre.connect(self.centre)
        row.keys.connect(session.card.toggle)
        links: list[tuple[Any, Callable[..., Any]]] = [
            (session.said, job_bar.say),
            (session.centre, self.centre),
            (session.card.toggled, self._show_card),
            (session.mask_layer.drawing_changed, self._show_kind),
            (session.preferences.changed, self._show_palette),
            (session.card.changed, self.overlay.refresh),
            (session.layers.gestures.ruler_changed, self._show_ruler),
            (self._workspace.options_changed, self._show_options),
            (self._workspace.picks_changed, self._show_legend),
            (self._workspace.labels_changed, self._show_legend),
            (self._workspace.current_changed, self._show_legend),
            (self._workspace.current_changed, self._show_lengths),
        ]
        for signal, slot in links:
            signal.connect(slot)
        parent.destroyed.connect(partial(_disconnect, links, session.card, self.overlay))
        self._show_palette()
        self._show_legend()
        self._show_lengths()

    def centre(self) -> None:
        """Move the labels of the shown micrograph to their centres."""
        workspace, name = self._workspace, self._session.layers.shown
        if name is None:
            return
        sources, labels, cache = workspace.sources, workspace.all_labels, self._session.prepared
        before, settings = workspace.labels(name), workspace.options.preprocess
        self._job_bar.start(
            "Centring",
            lambda stop: centre_labels(sources, labels, name, settings, stop=stop, cache=cache),
            on_result=lambda found: self._take_centred(name, before, found),
        )

    def _take_centred(self, name: str, before: Picks, found: Picks) -> None:
        if self._workspace.labels(name) is not before:
            self._job_bar.say("The labels changed meanwhile; none was moved.")
            return
        away = ((found.yx - before.yx) ** 2).sum(axis=1) ** 0.5
        diameter = self._workspace.diameter(name) or 1.0
        moved = away >= CENTRED * diameter
        n, most = int(moved.sum()), float(away.max(initial=0)) * (self._workspace.pixel_size(name) or 1.0)
        if not n:
            self._job_bar.say("All labels are centred already.")
            return
        self._workspace.set_labels(name, found)
        which = "label was" if n == 1 else "labels were"
        self._job_bar.say(f"{n} {which} moved, by up to {most:.3g} Å; Undo takes it back.")

    def _take(self) -> None:
        try:
            display, drawing = self.panel.value()
        except ValidationError as error:
            self._job_bar.say(f"Display: {error.errors()[0]['msg']}.", error=True)
            return
        self._workspace.change(display=display, drawing=drawing)

    def _show_palette(self) -> None:
        self._row.colour(self._session.preferences.palette)

    def _show_kind(self) -> None:
        """While clicks draw masks they make no labels."""
        self._row.show_kind(None if self._session.mask_layer.drawing else self._session.layers.kind)

    def _show_card(self, shown: bool) -> None:
        self._row.keys_button.setChecked(shown)
        self.overlay.show(shown)

    def _show_ruler(self, on: bool) -> None:
        self._row.ruler_button.setChecked(on)

    def _show_options(self, old: Any, new: Any) -> None:
        if (old.display, old.drawing) != (new.display, new.drawing):
            self.panel.show_settings(new.display, new.drawing)
        self._row.ruler_button.setChecked(self._session.ruler.out)
        self._show_legend()
        self._show_lengths()

    def _show_lengths(self, *_: object) -> None:
        """Filters in Å need a pixel size."""
        self.panel.show_lengths(known=self._workspace.current is None or bool(self._workspace.pixel_size()))

    def _show_legend(self, name: str | None = None) -> None:
        if name in (None, "", self._session.layers.shown):
            self.panel.legend.show_limits(self._session.layers.score_limits)


def _disconnect(
    links: list[tuple[Any, Callable[..., Any]]], card: KeyCard, overlay: CardOverlay, *_: object
) -> None:
    """The dock was destroyed."""
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
    overlay.leave()
    card.show(False)
