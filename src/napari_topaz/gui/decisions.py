"""What follows from marks and labels together: how far she is, and what training is told. No Qt."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from napari_topaz.gui.marks import Mark, MarkBook, State
from napari_topaz.training_set import Ticks

if TYPE_CHECKING:
    from napari_topaz.gui.micrograph_list import Source
    from napari_topaz.gui.workspace import Workspace


class Decisions:
    """What she decided about the micrographs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.marks = MarkBook()

    def state(self, name: str) -> State:
        """How far she is with a micrograph."""
        if self.marks.has(name, Mark.EXCLUDED):
            return State.EXCLUDED
        if self.marks.has(name, Mark.FINISHED):
            return State.FINISHED
        if len(self._workspace.labels(name)):
            return State.LABELLED
        return State.SEEN if self.marks.has(name, Mark.SEEN) else State.UNSEEN

    def is_excluded(self, name: str) -> bool:
        """Whether a micrograph is neither trained on, nor picked, nor saved."""
        return name in self.marks.excluded

    @property
    def in_use(self) -> list[Source]:
        """Micrographs that are not excluded."""
        excluded = self.marks.excluded
        return [source for name, source in self._workspace.list.of.items() if name not in excluded]

    @property
    def names_in_use(self) -> set[str]:
        """Their names."""
        return self._workspace.list.of.keys() - self.marks.excluded

    def put(self, names: Collection[str], mark: Mark, *, on: bool) -> None:
        """Give a mark to micrographs, or take it from them; :meth:`Workspace.undo` takes that back."""
        if self._workspace.lock.refuses():
            return
        before = self.marks.put(names, mark, on=on)
        after = {name: self.marks.words(name) for name in before}
        if before:
            back, forth = partial(self.marks.restore, before), partial(self.marks.restore, after)
            self._workspace.history.note(back, forth)

    def toggle(self, mark: Mark) -> None:
        """Give a mark to the micrograph that is shown, or take it from it."""
        if (name := self._workspace.current) is not None:
            self.put([name], mark, on=not self.marks.has(name, mark))

    @property
    def ticks(self) -> Ticks:
        """What is known about whole micrographs in use; labels of particles gainsay that there are none."""
        names = self.names_in_use
        empty = self.marks.among(names, Mark.EMPTY)
        return Ticks(
            complete=self.marks.among(names, Mark.COMPLETE),
            empty=frozenset(name for name in empty if not self.has_particles(name)),
        )

    def has_particles(self, name: str) -> bool:
        """Whether a particle is labelled on a micrograph."""
        return self._workspace.particles_on(name) > 0
