"""Labels of all micrographs, and the way back from each change of them. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from functools import partial

import numpy as np

from napari_topaz.gui.history import History
from napari_topaz.jobs.nearness import near_to
from napari_topaz.picks import Kind, Picks

#: Made once: asked for each of tens of thousands of micrographs.
NO_LABELS = Picks()


class LabelBook:
    """Labels by micrograph name, also of micrographs that are not open.

    Parameters
    ----------
    labels : mapping of str to Picks
        To begin with.
    """

    def __init__(self, labels: Mapping[str, Picks] | None = None) -> None:
        self._of: dict[str, Picks] = {}
        #: Labelled particles of each micrograph that has some; asked for after every click.
        self.particles: dict[str, int] = {}
        self._set(labels or {})
        #: The way back from each change, and forth again.
        self.history = History()

    def of(self, name: str) -> Picks:
        """Labels of one micrograph, of both kinds."""
        return self._of.get(name, NO_LABELS)

    def among(self, names: Container[str]) -> dict[str, Picks]:
        """Labels of those micrographs that have some."""
        return {name: labels for name, labels in self._of.items() if len(labels) and name in names}

    @property
    def all(self) -> dict[str, Picks]:
        """Labels of all that have some, open or not."""
        return {name: labels for name, labels in self._of.items() if len(labels)}

    def put(self, labels: Mapping[str, Picks]) -> str | None:
        """Replace the labels of some micrographs in one step; :attr:`history` brings the old ones back.

        Returns the micrograph if it is one, "" where they are several, None where there is none.
        """
        if not labels:
            return None
        new, before = dict(labels), {name: self.of(name) for name in labels}
        self.history.note(partial(self._set, before), partial(self._set, new))
        return self._set(new)

    def _set(self, labels: Mapping[str, Picks]) -> str:
        self._of |= labels
        for name, count in zip(labels, _particles(labels.values()), strict=True):
            if count:
                self.particles[name] = count
            else:
                self.particles.pop(name, None)
        return next(iter(labels)) if len(labels) == 1 else ""


def _particles(labels: Collection[Picks]) -> list[int]:
    """Count the labelled particles of each, all at once: of tens of thousands one by one takes long."""
    ends = np.cumsum([0, *map(len, labels)])
    before = np.cumsum(np.concatenate([[0], *(one.kinds for one in labels)]) == Kind.PARTICLE)
    return [int(n) for n in np.diff(before[ends])]


def relabelled(old: Picks, new: Picks, reach: float) -> Picks:
    """Return labels with new ones, all of one kind; where there was one, it becomes of that kind.

    A label of the same kind that is hit again is removed: a second click takes back the first. `reach`
    is how near that is, in pixels.
    """
    near = near_to(old.yx, new.yx, reach)
    hit_again = near & np.isin(old.kinds, new.kinds)
    again = near_to(new.yx, old[hit_again].yx, reach)
    return old[~near] + new[~again]
