"""The masks that she has drawn or taken, by micrograph. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_topaz.masks import Mask
from napari_topaz.picks import Picks

if TYPE_CHECKING:
    from napari_topaz.gui.workspace import Workspace

#: What hides nothing.
NONE = Mask()
#: Decimals of what is saved, pixels of the micrograph.
DECIMALS = 2


class MaskBook:
    """Masks of polygons by micrograph name; picks under them neither show nor count.

    Parameters
    ----------
    workspace : Workspace
        Its history takes changes back; its picks are seen through the masks.

    Signals
    -------
    changed(name)
        The mask of a micrograph; of all with an empty name.
    """

    changed = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._of: dict[str, Mask] = {}

    @property
    def all(self) -> dict[str, Mask]:
        """All masks that hide something, by micrograph name."""
        return dict(self._of)

    def of(self, name: str | None) -> Mask:
        """Return the mask of a micrograph."""
        return self._of.get(name or "", NONE)

    def put(self, masks: Mapping[str, Mask]) -> None:
        """Replace the masks of some micrographs in one step; Undo brings the old ones back."""
        new = {name: mask for name, mask in masks.items() if not _same(mask, self.of(name))}
        if not new or self._workspace.lock.refuses():
            return
        before = {name: self.of(name) for name in new}
        self._set(new)
        self._workspace.history.note(lambda: self._set(before), lambda: self._set(new))

    def add(self, masks: Mapping[str, Mask]) -> dict[str, int]:
        """Add polygons that are not there yet; returns how many, by name of the micrographs with new ones."""
        joined, new = {}, {}
        for name, mask in masks.items():
            here = self.of(name)
            fresh = tuple(p for p in mask.polygons if here.covers(p, (1, 1)).mean() < 0.5)
            if fresh:
                joined[name], new[name] = Mask(here.polygons + fresh), len(fresh)
        self.put(joined)
        return new

    def covered(self, name: str, picks: Picks) -> int:
        """Return how many picks lie under the mask of a micrograph."""
        return int(self.of(name).covers(picks.yx, (1, 1)).sum())  # polygons need no shape

    def plain(self) -> dict[str, Any]:
        """Return what is kept in the session."""
        polygons = {n: [np.round(p, DECIMALS).tolist() for p in m.polygons] for n, m in self._of.items()}
        return {"polygons": polygons} if polygons else {}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take what :meth:`plain` gave in place of all; nothing of it where something makes no sense."""
        found = {str(n): Mask(tuple(map(np.array, p))) for n, p in values.get("polygons", {}).items()}
        before, self._of = self._of, {name: mask for name, mask in found.items() if mask.polygons}
        self._workspace.mask({name: self.of(name) for name in {**before, **self._of}})
        self.changed.emit("")

    def _set(self, masks: Mapping[str, Mask]) -> str | None:
        """Returns the micrograph if it is one: whoever takes a change back wants to see where it was."""
        for name, mask in masks.items():
            if mask.polygons:
                self._of[name] = mask
            else:
                self._of.pop(name, None)
        self._workspace.mask(masks)
        names = list(masks)
        self.changed.emit(names[0] if len(names) == 1 else "")
        return names[0] if len(names) == 1 else None


def _same(one: Mask, other: Mask) -> bool:
    return len(one.polygons) == len(other.polygons) and all(
        np.array_equal(a, b) for a, b in zip(one.polygons, other.polygons, strict=True)
    )
