"""The list that the gallery shows, kept up with the workspace a little at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_topaz.gui.gallery_rows import SAME_PLACE, Rows, joined, ordered, part_of
from napari_topaz.gui.gallery_tiles import TileKey
from napari_topaz.gui.job_bar import Latest
from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.opening import timer
from napari_topaz.gui.options import Options
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind, Picks

log = logging.getLogger("napari_topaz")

#: Gathering gives the window back its time after so many seconds.
SLICE = 0.015
#: So many rows are put in order in a thread, and changes are waited for this long, ms.
MANY, WAIT = 30_000, 400

NOTHING = Picks()
#: Rows that stay where they are: micrograph, place, and the kind that counts for the order.
Settled = tuple[str, NDArray[np.float32], Kind]


class GalleryList(QObject):
    """Rows in an order, of all micrographs or of the current one.

    Signals
    -------
    changed
        There are other rows.
    began
        Micrographs were added or replaced.
    """

    changed = Signal()
    began = Signal()

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.rows = joined({})
        self.order, self.alone = "best", False
        self._parts: dict[str, Picks] = {}
        self._dirty: dict[str, None] = dict.fromkeys(workspace.names)
        # What she rejects or accepts stays where it is until she sorts again.
        self._settled: list[Settled] = []
        self._soon = timer(self, self._gather)
        self._sorter = Latest(self)
        self._era = 0  # counts when micrographs came or went: rows of before must not be looked at
        links: list[Link] = [
            (workspace.files_changed, self._on_files),
            (workspace.current_changed, self._on_current),
            (workspace.labels_changed, self._on_one),
            (workspace.picks_changed, self._on_one),
            (workspace.options_changed, self._on_options),
        ]
        connect_until_destroyed(self, links, self._sorter.close)
        self._soon.start(0)

    @property
    def gathering(self) -> bool:
        """Whether more rows are to come."""
        return bool(self._dirty) or self._sorter.busy

    def choose(self, *, order: str | None = None, alone: bool | None = None) -> None:
        """Sort, or show the current micrograph alone (or all)."""
        self.order = order or self.order
        self.alone = self.alone if alone is None else alone
        self._settled.clear()
        self._arrange()

    def key(self, row: int) -> TileKey:
        """Return which tile shows a row."""
        name = self.rows.name(row)
        y, x = map(float, self.rows.picks.yx[row])
        return TileKey(self._workspace.source(name), y, x, self._workspace.diameter(name))

    def label(self, row: int, kind: Kind) -> None:
        """Make a label of a row; one of that kind is taken back."""
        name, yx = self.rows.name(row), self.rows.picks.yx[row]
        if not any(n == name and np.array_equal(where, yx) for n, where, _ in self._settled):
            self._settled.append((name, yx, Kind(self.rows.picks.kinds[row])))
        self._workspace.label(name, yx[None], kind)
        if len(self.rows) >= MANY:  # else they are gathered at once
            self._show_label(row, name, yx)

    def _show_label(self, row: int, name: str, yx: NDArray[np.float32]) -> None:
        labels = self._workspace.labels(name)
        here = (np.abs(labels.yx - yx) <= SAME_PLACE).all(axis=1)
        kinds = self.rows.picks.kinds.copy()
        kinds[row] = labels.kinds[here][0] if here.any() else Kind.PICK
        self._take(replace(self.rows, picks=replace(self.rows.picks, kinds=kinds)))

    def _on_files(self) -> None:
        names = self._workspace.list.of
        self._parts = {name: part for name, part in self._parts.items() if name in names}
        self._settled.clear()
        self._era += 1
        self._all_anew()
        self._take(joined({}))  # at once: rows of micrographs that are gone must not be looked at
        self._arrange()
        self.began.emit()

    def _on_current(self, _: str) -> None:
        if self.alone:
            self._arrange()

    def _on_one(self, name: str) -> None:
        if not name:
            self._all_anew()
            return
        self._dirty[name] = None
        if not self._soon.isActive():
            self._soon.start(WAIT if len(self.rows) >= MANY else 0)

    def _on_options(self, old: Options, new: Options) -> None:
        if (old.preprocess, old.thresholds) != (new.preprocess, new.thresholds):
            self._all_anew()

    def _all_anew(self) -> None:
        self._dirty = dict.fromkeys(self._workspace.names)
        if self._workspace.current in self._dirty:  # she looks at it
            self._dirty = {self._workspace.current: None, **self._dirty}
        self._soon.start(0)

    def _gather(self) -> None:
        """Look at micrographs for a while; the rest has its turn when the window has had its own."""
        end, names = time.perf_counter() + SLICE, self._workspace.list.of
        while self._dirty and time.perf_counter() < end:
            name = next(iter(self._dirty))
            del self._dirty[name]
            if name in names:
                self._parts[name] = part_of(self._workspace, name, self._parts.get(name))
        if self._dirty:
            self._soon.start(0)
        else:
            self._arrange()

    def _arrange(self) -> None:
        names = [self._workspace.current] if self.alone else self._workspace.names
        parts = {n: part for n in names if n is not None and len(part := self._parts.get(n, NOTHING))}
        how, era = (self.order, tuple(self._settled)), self._era
        if sum(map(len, parts.values())) < MANY:
            self._take(arranged(parts, *how))
            return
        self._sorter.ask(
            lambda: arranged(parts, *how),
            wanted=lambda: era == self._era,
            on_done=self._take,
            on_failed=log.error,
        )

    def _take(self, rows: Rows) -> None:
        self.rows = rows
        self.changed.emit()


def arranged(parts: Mapping[str, Picks], order: str, settled: Sequence[Settled]) -> Rows:
    """Put parts together in an order; what is settled has its place by the kind that it had."""
    rows = joined(parts)
    kinds = rows.picks.kinds.copy()
    for name, yx, kind in settled:
        if (row := rows.find(name, yx)) is not None:
            kinds[row] = kind
    return ordered(rows, order, kinds)
