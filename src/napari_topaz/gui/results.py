"""What would be saved: labelled particles and the picks above the threshold. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from napari_topaz.gui.label_book import NO_LABELS
from napari_topaz.gui.micrograph_list import Source
from napari_topaz.gui.pick_book import PickBook
from napari_topaz.jobs.nearness import scores_at
from napari_topaz.picks import Kind, Picks


@dataclass(frozen=True, eq=False)
class Results:
    """Puts labels and picks of micrographs together; over thousands of them in a thread.

    Attributes
    ----------
    names : sequence of str
        Micrographs in use.
    labels_of : callable
        (name) -> Picks.
    picks : PickBook
    threshold_of : callable
        (name) -> lowest score of a pick.
    reach_of : callable
        (name) -> up to how far from a label a peak is the same particle, in pixels.
    """

    names: Sequence[str]
    labels_of: Callable[[str], Picks]
    picks: PickBook
    threshold_of: Callable[[str], float]
    reach_of: Callable[[str], float]

    def of(self, name: str) -> Picks:
        """Labelled particles, with the score of the pick they replace, and all picks.

        A label beats the pick at the same place; a pick at a place labelled "no particle" is left out.
        """
        labels = self.labels_of(name).of_kind(Kind.PARTICLE)
        if not self.picks.is_picked(name):
            return labels
        if len(labels):
            found = self.picks.peaks(name)
            labels = Picks(labels.yx, scores_at(labels.yx, found, self.reach_of(name)), labels.kinds)
        return labels + self.picks.free(name)[: self.picks.count(name, self.threshold_of(name))]

    def frozen(self, names: Sequence[str], labels: Mapping[str, Picks], threshold: float) -> Results:
        """Return the same with these micrographs and labels, and with picks and lengths as they are now."""
        labels_of = partial(_labels_of, dict(labels))
        reach = {name: self.reach_of(name) for name in names if name in labels}
        picks = self.picks.copied(labels_of, reach.__getitem__)
        return Results(names, labels_of, picks, lambda _: threshold, reach.__getitem__)

    def all(self) -> dict[str, Picks]:
        """:meth:`of` of all micrographs in use that are labelled or picked."""
        return {name: self.of(name) for name in self.with_something()}

    def with_something(self) -> list[str]:
        """Names of the micrographs in use that are labelled or picked."""
        return [n for n in self.names if self.picks.is_picked(n) or len(self.labels_of(n))]

    def counts(self) -> dict[str, int]:
        """Particles of each micrograph in use that is picked, in their order."""
        return {name: self._count(name) for name in self.picked()}

    def picked(self) -> list[str]:
        """Names of the micrographs in use that are picked, in their order."""
        return [name for name in self.names if self.picks.is_picked(name)]

    def _count(self, name: str) -> int:
        labels = self.labels_of(name)
        labelled = int((labels.kinds == Kind.PARTICLE).sum()) if len(labels) else 0
        return labelled + self.picks.count(name, self.threshold_of(name))


@dataclass(frozen=True, eq=False)
class ToSave:
    """What there was to be saved at one moment.

    Attributes
    ----------
    results : Results
    sources : sequence of MicrographFile or Micrograph
    pixel_size : float or None
        Å/px.
    diameter : float or None
        In pixels, for boxes.
    changes : int
        After so many changes.
    is_guess : bool
        Whether the picks are a guess.
    former : int
        So many micrographs keep the distances of former options.
    """

    results: Results
    sources: Sequence[Source]
    pixel_size: float | None
    diameter: float | None
    changes: int
    is_guess: bool
    former: int


def _labels_of(labels: Mapping[str, Picks], name: str) -> Picks:
    return labels.get(name, NO_LABELS)
