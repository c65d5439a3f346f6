"""Everything the user has in one viewer: micrographs, labels, picks, model, options. No Qt.

Panels and layers show the workspace and change it through its methods; it tells by signals what
changed. It outlives the dock: closing and reopening the dock loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from psygnal import Signal

from napari_topaz.gui.decisions import Decisions
from napari_topaz.gui.history import History
from napari_topaz.gui.label_book import LabelBook, relabelled
from napari_topaz.gui.lock import Lock
from napari_topaz.gui.marks import State
from napari_topaz.gui.micrograph_list import MicrographList, Source
from napari_topaz.gui.options import Options
from napari_topaz.gui.pick_book import PickBook
from napari_topaz.gui.results import Results
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
        Of one micrograph; of several with an empty name.
    options_changed(old, new)
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
        self.options, self.lock = Options(), Lock()
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
        self._results = Results((), self.labels, self._picks, self.threshold_of, self._reach)

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
            state = self.decisions.state
            found = self.list.next_where(self.current, lambda name: state(name) < State.LABELLED)
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
        if old.finds_other_scores(new, as_model_states=stated):
            self._picks_are_new(self._picks.forget())
        elif old.takes_other_peaks(new):
            self._picks.outdate(old.but_thresholds().pick, new.but_thresholds().pick)
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

    @property
    def particles(self) -> dict[str, int]:
        """Number of labelled particles of each micrograph in use that has some."""
        of, excluded = self.list.of, self.decisions.marks.excluded
        return {n: k for n, k in self._labels.particles.items() if n in of and n not in excluded}

    def particles_on(self, name: str) -> int:
        """Number of labelled particles on a micrograph."""
        return self._labels.particles.get(name, 0)

    def set_labels(self, name: str, labels: Picks) -> None:
        """Replace the labels of one micrograph; :meth:`undo` brings the old ones back."""
        self.set_many_labels({name: labels})

    def set_many_labels(self, labels: Mapping[str, Picks]) -> None:
        """Replace the labels of some micrographs in one step of :meth:`undo`."""
        self._labels_are_new(None if self.lock.refuses() else self._labels.put(labels))

    def undo(self) -> str | None:
        """Take the last change back; returns the micrograph whose labels changed, or None."""
        return self._labels_are_new(None if self.lock.refuses() else self.history.go_back())

    def redo(self) -> str | None:
        """Do again what was taken back last; returns the micrograph whose labels changed, or None."""
        return self._labels_are_new(None if self.lock.refuses() else self.history.go_forth())

    @property
    def history(self) -> History:
        """The way back from changes, and forth again."""
        return self._labels.history

    def label(self, name: str, yx: ArrayLike, kind: Kind) -> None:
        """Add labels of one kind, see :func:`relabelled`."""
        reach = SAME_PARTICLE * (self.diameter(name) or 0.0)
        self.set_labels(name, relabelled(self.labels(name), Picks.labels(yx, kind), reach))

    def _on_marks(self, _: object) -> None:
        self.changes += 1

    def _labels_are_new(self, name: str | None) -> str | None:
        if name is not None:
            self._picks.labels_changed(name or None)
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
        """Take another model; picks of the old one are forgotten, but here drawn until new ones come."""
        self.model = model
        self._picks_are_new(self._picks.forget(but=self.current))
        self.model_changed.emit()

    def _picks_are_new(self, names: Collection[str]) -> None:
        """Tell it once, however many they are."""
        if names:
            self.picks_changed.emit(next(iter(names)) if len(names) == 1 else "")

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
        """Take all peaks of one micrograph; stale or suggested ones are drawn, but do not count."""
        self._picks.put(name, picks, stale=stale, suggested=suggested)
        self.changes += 1
        self.picks_changed.emit(name)

    def mask(self, masks: Mapping[str, Mask]) -> None:
        """Let picks under masks of polygons neither show nor count."""
        for name, mask in masks.items():
            self._picks.cover(name, mask)
        self.changes += bool(masks)
        self._picks_are_new(masks)

    @property
    def former(self) -> frozenset[str]:
        """Those of them whose picks keep the distances of former options."""
        return frozenset(self._picks.former)

    @property
    def unpicked(self) -> int:
        """How many of the micrographs in use are not picked with the current model and options."""
        return len(self.decisions.names_in_use - (self.picked - self.former))

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
        return self.candidates(name)[: self._picks.count(name, self.threshold_of(name))]

    def count(self, name: str) -> int:
        """How many particles would be saved for this micrograph."""
        return self._picks.count(name, self.threshold_of(name)) + self.particles_on(name)

    def result(self, name: str) -> Picks:
        """What is saved of one micrograph, see :meth:`Results.of`."""
        return self._results.of(name)

    @property
    def results(self) -> dict[str, Picks]:
        """:meth:`result` of all micrographs in use that are labelled or picked; takes long for thousands."""
        return self.frozen_results().all()

    def frozen_results(self) -> Results:
        """Return what makes :attr:`results` as they are now, in a thread."""
        names = [source.name for source in self.decisions.in_use]
        return self._results.frozen(names, self._labels.all, self.threshold_of(None))

    def _reach(self, name: str) -> float:
        return (self.diameter(name) or 0.0) / 2
