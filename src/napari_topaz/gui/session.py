"""What belongs to one viewer for as long as it lives, whether the dock is open or not. No Qt."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_topaz.gui.display import Pictures
from napari_topaz.gui.keeper import Keeper
from napari_topaz.gui.key_card import KeyCard
from napari_topaz.gui.keys import accepted, bind, card_parts, unbind
from napari_topaz.gui.layers import Layers
from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.mask_layer import MaskLayer
from napari_topaz.gui.models_files import ModelFiles
from napari_topaz.gui.models_shelf import Shelf
from napari_topaz.gui.preferences import Preferences, prefer_device
from napari_topaz.gui.ruler import Ruler
from napari_topaz.gui.skipped import Skipped
from napari_topaz.gui.still import Still
from napari_topaz.gui.targets import Targets
from napari_topaz.gui.workspace import Workspace
from napari_topaz.jobs.kept_scores import KeptScores
from napari_topaz.jobs.preparing import PreparedCache

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Session:
    """Workspace, layers and caches of one viewer, and what its keys do.

    Signals
    -------
    said(str)
        A sentence about what was just done.
    centre
        She wants the labels of the shown micrograph moved to their centres.
    """

    said = Signal(str)
    centre = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)  # weakly: it would never die
        self.workspace = Workspace()
        self.workspace.lock.refused.connect(self.said.emit)
        self.targets = Targets()
        self.layers = Layers(viewer, self.workspace)
        self.pictures = Pictures()
        self.prepared = PreparedCache()
        #: Of the present model; distances of picks are tried on them.
        self.scores = KeptScores()
        #: Saves the workspace by itself.
        self.keeper = Keeper(self.workspace, self.layers, self.targets)
        self.keeper.began.connect(self._forget_scores)
        self.shelf = Shelf()
        self.model_files = ModelFiles(self.shelf, self.keeper, lambda: self.workspace.model)
        self.masks = MaskBook(self.workspace)
        self.mask_layer = MaskLayer(viewer, self.workspace, self.layers, self.masks)
        #: While nothing may be edited.
        self.still = Still(self.workspace.lock, self.layers)
        self.keeper.register("masks", self.masks.plain, self.masks.restore, self.masks.changed)
        self.skipped = Skipped()
        self.keeper.register(
            "skipped questions", self.skipped.plain, self.skipped.restore, self.skipped.changed
        )
        self.ruler = Ruler(self.workspace, self.layers, self.said.emit)
        self.card = KeyCard()
        self._bound: list[str] = []
        #: What she prefers on this machine.
        self.preferences = Preferences()
        self.preferences.changed.connect(self._prefer)
        self._prefer()

    def _prefer(self) -> None:
        """Do as she prefers."""
        preferences = self.preferences
        prefer_device(preferences.device)
        self.keeper.saver.quiet = preferences.autosave
        self.layers.colour(preferences.palette)
        self._set_keys(preferences.keys)

    def _forget_scores(self) -> None:
        """Other micrographs may have the same names; what still scores those before keeps them elsewhere."""
        self.scores = KeptScores()

    def _set_keys(self, chosen: Mapping[str, str]) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        unbind(viewer, self._bound)
        taken, wrong = accepted(chosen)
        self._bound = bind(viewer, self, taken)
        self.card.parts = card_parts(taken)
        if wrong:
            self.said.emit(f"Of the keys in the preferences these cannot be taken: {', '.join(wrong)}.")

    def undo(self) -> None:
        """Take the last change back, and show where it was."""
        if not self.workspace.history.can_go_back:
            self.said.emit("There is nothing to take back.")
        self._show_change(self.workspace.undo(), "Taken back")

    def redo(self) -> None:
        """Do again what was taken back last, and show where it was."""
        if not self.workspace.history.can_go_forth:
            self.said.emit("There is nothing to do again.")
        self._show_change(self.workspace.redo(), "Done again")

    def _show_change(self, name: str | None, what: str) -> None:
        if name == "":
            self.said.emit(f"{what} on several micrographs.")
        elif name is not None and name != self.workspace.current:
            self.workspace.show(name)
            self.said.emit(f"{what} on {name}.")

    def reject_under_mouse(self) -> None:
        """Label the place under the mouse "no particle"; on such a label, take it back."""
        viewer, layer = self._viewer(), self.layers.labels_layer
        if viewer is not None and layer is not None:
            yx = np.array(layer.world_to_data(viewer.cursor.position), np.float32)
            self.layers.gestures.reject_at(yx[-2:])

    def put_away(self) -> None:
        """Put the ruler away, and hide the card."""
        self.layers.gestures.ruler = False
        self.card.show(False)


_SESSIONS: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of a viewer; made on first use.

    napari gives each dock a proxy of its own: the session must not die with the dock that came first.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Session(viewer)
    return _SESSIONS[viewer]
