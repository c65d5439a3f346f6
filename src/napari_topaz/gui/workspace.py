"""Everything the user has in one viewer: micrographs, labels, picks, model, options. No Qt.

Panels and layers show the workspace and change it through its methods; it tells by signals what
changed. It outlives the dock: closing and reopening the dock loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from psygnal import Signal

from napari_topaz.gui.decisions import Decisions
from napari_topaz.gui.history import History
from napari_topaz.gui.label_book import LabelBook, relabelled
from napari_topaz.gui.marks import State
from napari_topaz.gui.micrograph_list import MicrographList, Source
from napari_topaz.gui.nearness import scores_at
from napari_topaz.gui.options import Options
from napari_topaz.gui.pick_book import PickBook
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

__all__ = ["SAME_PARTICLE", "Source", "Workspace"]

#: A click this close to a label (in particle diameters) means that label.
SAME_PARTICLE = 0.3


class Workspace:
    """The one place that holds what the user has.

    Signals
    -------
    files_changed
        Micrographs were added.
    current_changed(name)
        Another micrograph is to be shown.
    labels_changed(name), picks_changed(name)
        Of one micrograph.
    options_changed(old, new)
        See :class:`Options`.
    model_changed
        There is another model, or a snapshot of one that is still learning.
    """

    files_changed = Signal()
    current_changed = Signal(str)
    labels_changed = Signal(str)
    picks_changed = Signal(str)
    options_changed = Signal(object, object)
    model_changed = Signal()

    def __init__(self) -> None:
        self.options = Options()
        self.model: PickerModel | None = None
        self.current: str | None = None
        #: Where picks were saved last.
        self.saved_to: Path | None = None
        #: Counts the changes of what would be saved.
        self.changes = 0
        self._saved_changes = 0
        #: The micrographs in the order in which they are shown, and what she decided about each.
        self.list = MicrographList()
        self.decisions = Decisions(self)
        self.decisions.marks.changed.connect(self._on_marks)
        self._labels = LabelBook()
        self._picks = PickBook(self.labels, self._reach)

    # -- micrographs ------------------------------------------------------------------------------

    @property
    def sources(self) -> list[Source]:
        """All micrographs, in their order."""
        return list(self.list.of.values())

    @property
    def names(self) -> list[str]:
        """Their names."""
        return list(self.list.of)

    def source(self, name: str) -> Source:
        """Return the micrograph of that name."""
        return self.list.of[name]

    def add(self, sources: Iterable[Source]) -> int:
        """Add micrographs, see :meth:`MicrographList.add`."""
        new = self.list.add(sources)
        if new:
            self.files_changed.emit()
        if self.current is None and self.list.of:
            self.show(next(iter(self.list.of)))
        return new

    def begin(
        self,
        sources: Iterable[Source],
        labels: Mapping[str, Picks] | None = None,
        current: str | None = None,
        marks: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """Have these micrographs in place of all others, with labels, marks and some other settings."""
        self.list.begin(sources)
        self.decisions.marks.begin(marks or {})
        self._labels = LabelBook(labels)
        self._picks.clear()
        self.current = self.saved_to = None
        self.files_changed.emit()
        self.change(**settings)
        self.show(current if current in self.list.of else next(iter(self.list.of)))

    def show(self, name: str) -> None:
        """Show another micrograph."""
        if name in self.list.of and name != self.current:
            self.current = name
            self.decisions.marks.see(name)
            self.current_changed.emit(name)

    def step(self, by: int) -> None:
        """Show the micrograph `by` places further down the list, as it is shown."""
        if self.current is not None:
            self.show(self.list.step(self.current, by))

    def next_unlabelled(self) -> None:
        """Show the next micrograph without a label that is neither finished nor excluded."""
        if self.current is not None:
            found = self.list.next_where(
                self.current, lambda name: self.decisions.state(name) < State.LABELLED
            )
            self.show(found or self.current)

    def pixel_size(self, name: str | None = None) -> float | None:
        """Å/px of a micrograph (the current one by default): the user's number, else the file's."""
        if self.options.preprocess.pixel_size is not None:
            return self.options.preprocess.pixel_size
        name = name or self.current
        return None if name is None else self.stated_pixel_size(name)

    def stated_pixel_size(self, name: str) -> float | None:
        """What the file says; None where it is silent or cannot be read."""
        return self.list.stated_pixel_size(name)

    def diameter(self, name: str | None = None) -> float | None:
        """Diameter of the particle in pixels of a micrograph; None where it is not known."""
        size, diameter = self.pixel_size(name), self.options.preprocess.diameter
        return None if diameter is None or size is None else diameter / size

    # -- options ----------------------------------------------------------------------------------

    def change(self, **settings: Any) -> None:
        """Replace settings by name, for example ``change(train=TrainSettings(epochs=3))``."""
        old, new = self.options, replace(self.options, **settings)
        if new == old:
            return
        self.options = new
        if old.preprocess != new.preprocess:
            self._picks.labels_changed()  # how close a pick is to a label depends on the diameter
        self.changes += old.pick != new.pick
        stated = self.model is None or self.model.knows_preprocessing
        if old.finds_other_peaks(new, as_model_states=stated):
            self._forget_picks()
        self.options_changed.emit(old, new)

    @property
    def threshold(self) -> float:
        """Lowest score of a pick on the current micrograph."""
        return self.threshold_of(self.current)

    def chosen_threshold(self, name: str | None) -> float | None:
        """The user's threshold for a micrograph: suggestions have one of their own."""
        return self.options.thresholds[name in self.suggested]

    def threshold_of(self, name: str | None) -> float:
        """Lowest score of a pick: the user's, else the model's or the reference picker's."""
        chosen, of_model = self.chosen_threshold(name), self.model.card.threshold if self.model else -math.inf
        return self.suggested.get(name, of_model) if chosen is None else chosen

    # -- labels -----------------------------------------------------------------------------------

    def labels(self, name: str) -> Picks:
        """Labels of one micrograph, of both kinds."""
        return self._labels.of(name)

    @property
    def all_labels(self) -> dict[str, Picks]:
        """Labels of all micrographs in use that have some."""
        labels = self._labels.among(self.list.of)
        return {name: picks for name, picks in labels.items() if not self.decisions.is_excluded(name)}

    @property
    def kept_labels(self) -> dict[str, Picks]:
        """These, and the labels of micrographs that are not open."""
        return self._labels.all

    def set_labels(self, name: str, labels: Picks) -> None:
        """Replace the labels of one micrograph; :meth:`undo` brings the old ones back."""
        self._labels.put(name, labels)
        self._labels_are_new(name)

    def undo(self) -> str | None:
        """Take the last change back; returns the micrograph whose labels changed, or None."""
        return self._labels_are_new(self.history.go_back())

    def redo(self) -> str | None:
        """Do again what was taken back last; returns the micrograph whose labels changed, or None."""
        return self._labels_are_new(self.history.go_forth())

    @property
    def history(self) -> History:
        """The way back from changes, and forth again."""
        return self._labels.history

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return self.history.can_go_back

    def label(self, name: str, yx: ArrayLike, kind: Kind) -> None:
        """Add labels of one kind, see :func:`relabelled`."""
        reach = SAME_PARTICLE * (self.diameter(name) or 0.0)
        self.set_labels(name, relabelled(self.labels(name), Picks.labels(yx, kind), reach))

    def _on_marks(self, _: object) -> None:
        self.changes += 1

    def _labels_are_new(self, name: str | None) -> str | None:
        if name is not None:
            self._picks.labels_changed(name)
            self.changes += 1
            self.labels_changed.emit(name)
        return name

    def mark_saved(self, path: Path, changes: int) -> None:
        """Remember where picks were saved, and after how many changes."""
        self.saved_to, self._saved_changes = path, changes

    @property
    def unsaved(self) -> bool:
        """Whether something has changed since picks were saved."""
        return self.saved_to is None or self.changes != self._saved_changes

    # -- picks ------------------------------------------------------------------------------------

    def set_model(self, model: PickerModel | None) -> None:
        """Take another model; picks of the old one are forgotten, as they would be mixed up.

        Those of the current micrograph are still drawn, so that nothing flickers while it learns, but
        they do not count any more: new ones come at once.
        """
        self.model = model
        self._forget_picks(but=self.current)
        self.model_changed.emit()

    def _forget_picks(self, but: str | None = None) -> None:
        for name in self._picks.forget(but):
            self.picks_changed.emit(name)

    @property
    def suggested(self) -> dict[str | None, float]:
        """Micrographs whose candidates a reference picker suggested, and the threshold that it proposes."""
        return self._picks.suggested

    @property
    def forgotten(self) -> int:
        """Counts how often picks were forgotten: what was begun before must not count after."""
        return self._picks.forgotten

    @property
    def picked(self) -> frozenset[str]:
        """Micrographs that the current model has seen."""
        return self._picks.picked

    def set_candidates(
        self, name: str, picks: Picks, *, stale: bool = False, suggested: float | None = None
    ) -> None:
        """Take all peaks of one micrograph; `stale` ones (of an earlier model) are drawn but do not count.

        So are those that a reference picker suggested (with that threshold), until they are labels.
        """
        self._picks.put(name, picks, stale=stale, suggested=suggested)
        self.changes += 1
        self.picks_changed.emit(name)

    def mask(self, name: str, mask: Mask) -> None:
        """Let picks under a mask of polygons neither show nor count."""
        self._picks.cover(name, mask)
        self.changes += 1
        self.picks_changed.emit(name)

    @property
    def unpicked(self) -> int:
        """How many of the micrographs in use the current model has not seen."""
        return len(self.decisions.names_in_use - self.picked)

    def is_picked(self, name: str) -> bool:
        """Whether the current model has seen this micrograph."""
        return self._picks.is_picked(name)

    def peaks(self, name: str) -> Picks:
        """All peaks of the current model, also those at labels, best first."""
        return self._picks.peaks(name)

    def candidates(self, name: str) -> Picks:
        """All peaks that are not at a label, best first: those the threshold selects from."""
        return self._picks.free(name)

    def picks(self, name: str) -> Picks:
        """The candidates at or above the threshold."""
        return self.candidates(name)[: self._count(name)]

    def count(self, name: str) -> int:
        """How many particles would be saved for this micrograph."""
        labelled = int((self.labels(name).kinds == Kind.PARTICLE).sum())
        return self._count(name) + labelled

    def result(self, name: str) -> Picks:
        """What is saved: labelled particles, with the score of the pick they replace, and all picks.

        A label beats the pick at the same place; a pick at a place labelled "no particle" is left out.
        """
        labels = self.labels(name).of_kind(Kind.PARTICLE)
        if not self.is_picked(name):
            return labels
        found = self.peaks(name)
        known = Picks(labels.yx, scores_at(labels.yx, found, self._reach(name)), labels.kinds)
        return known + self.picks(name)

    @property
    def results(self) -> dict[str, Picks]:
        """:meth:`result` of all micrographs in use that are labelled or picked."""
        names = [name for name in self.list.of if not self.decisions.is_excluded(name)]
        return {n: self.result(n) for n in names if self.is_picked(n) or len(self.labels(n))}

    def _reach(self, name: str) -> float:
        return (self.diameter(name) or 0.0) / 2

    def _count(self, name: str) -> int:
        return self._picks.count(name, self.threshold_of(name))
