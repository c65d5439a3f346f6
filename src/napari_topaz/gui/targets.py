"""True particles to compare picks with, for as long as the viewer lives. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    from napari_topaz.gui.workspace import Workspace
    from napari_topaz.jobs.evaluate import Evaluation


class Targets:
    """Targets by micrograph.

    Signals
    -------
    changed
        Others were loaded.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._of: dict[str, Picks] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def set(self, targets: Mapping[str, Picks]) -> None:
        """Take targets in place of earlier ones; what is labelled "no particle" is none."""
        real = {name: one[one.kinds != Kind.NOT_PARTICLE] for name, one in targets.items()}
        self._of = {name: one for name, one in real.items() if len(one)}
        self.changed.emit()

    def comparable(self, workspace: Workspace) -> Iterator[tuple[str, float]]:
        """Micrographs in use with targets and peaks, each with the particle's diameter in its pixels."""
        for name in self._of:
            counts = workspace.is_picked(name) and not workspace.decisions.is_excluded(name)
            if counts and (diameter := workspace.diameter(name)) is not None:
                yield name, diameter

    def question(self, workspace: Workspace) -> Question | None:
        """What can be compared now; None where nothing can."""
        pairs = {
            name: (workspace.peaks(name), self._of[name], 2 / diameter)
            for name, diameter in self.comparable(workspace)
        }
        return Question(pairs) if pairs else None


@dataclass(frozen=True, eq=False)
class Question:
    """Peaks, targets, and particle radii per pixel of each micrograph; to be answered in a thread."""

    pairs: dict[str, tuple[Picks, Picks, float]]

    def answer(self) -> Evaluation:
        """Compare them: a hit lies nearer to its target than a particle's radius; distances are in those."""
        from napari_topaz.jobs.evaluate import evaluate

        peaks = {name: found.rescaled(unit) for name, (found, _, unit) in self.pairs.items()}
        real = {name: targets.rescaled(unit) for name, (_, targets, unit) in self.pairs.items()}
        return evaluate(peaks, real, 1.0)
