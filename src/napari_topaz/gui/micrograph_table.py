"""The list of micrographs as Qt sees it: rows are asked for one by one, however many there are."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QFont

from napari_topaz.gui.arranging import LABELS, NAME, PICKS, STATE, Wanted, arranged
from napari_topaz.gui.marks import Mark, State
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind

COLUMNS = ("Micrograph", "Labels", "Picks", "State")
TIPS = (
    "Click to show it; N and B (or Page Down and Page Up) go to the next and the previous one, U to the next "
    "without labels. Click on a heading to sort.",
    "Labelled particles, + places labelled “no particle”.",
    "What would be saved: picks above the threshold and labelled particles; – where not picked yet.",
    "· not seen, ○ seen, ◐ labelled, ● finished (key F), ✕ excluded (key E); ■ all particles are labelled, "
    "□ no particle. The right mouse button changes it.",
)
#: Told apart by their shapes, not by colours; and in words.
GLYPHS = {
    State.UNSEEN: ("·", "Not seen yet"),
    State.SEEN: ("○", "Seen, without labels"),
    State.LABELLED: ("◐", "Labelled"),
    State.FINISHED: ("●", "Finished"),
    State.EXCLUDED: ("✕", "Excluded: neither trained on, nor picked, nor saved"),
}
TICKS = {Mark.COMPLETE: ("■", "all particles are labelled"), Mark.EMPTY: ("□", "no particle")}
#: Seconds that arranging may take of the window's time in one go.
SLICE = 0.02


class MicrographTable(QAbstractTableModel):
    """Shows the workspace's micrographs; holds nothing but their order.

    Signals
    -------
    arranged
        The rows are others, or in another order.
    """

    arranged = Signal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.wanted = Wanted()
        self._names = list(workspace.list.order)
        self._row = {name: row for row, name in enumerate(self._names)}
        self._work: Generator[None, None, list[str]] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Tell Qt the number of rows."""
        return 0 if parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Tell Qt the number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Tell Qt the headings."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.ToolTipRole:
            return TIPS[section]
        return COLUMNS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Tell Qt what a cell shows."""
        name, column = self._names[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (lambda name: name, self._labels, self._picks, self._state)[column](name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._said(name) if column == STATE else name
        if role == Qt.ItemDataRole.TextAlignmentRole and column != NAME:
            side = Qt.AlignmentFlag.AlignHCenter if column == STATE else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole:
            return self._font(name, column)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; by none (in the order of opening) where it is negative."""
        descending = order == Qt.SortOrder.DescendingOrder
        self.want(column=None if column < 0 else column, descending=descending)

    def want(self, **wanted: Any) -> None:
        """Narrow or sort the list: some attributes of :class:`Wanted`."""
        new = Wanted(**{**self.wanted.__dict__, **wanted})
        if new != self.wanted:
            self.wanted = new
            self.refresh()

    def refresh(self) -> None:
        """Arrange the list anew; at once where that is quick, else in slices that leave the window time.

        Rows do not move by themselves: what changes meanwhile counts from the next time on.
        """
        self._work = arranged(self._workspace, self.wanted)
        self._go_on()

    def refresh_counts(self, name: str | None = None) -> None:
        """Read the cells of one micrograph again, or of all."""
        if self._names and (name is None or name in self._row):
            first, last = (0, len(self._names) - 1) if name is None else (self._row[name],) * 2
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def row_of(self, name: str) -> int | None:
        """Return the row of a micrograph; None where it is not shown."""
        return self._row.get(name)

    def name_of(self, row: int) -> str:
        """Return the micrograph of a row."""
        return self._names[row]

    def _go_on(self) -> None:
        work, end = self._work, time.perf_counter() + SLICE
        if work is None:
            return
        try:
            next(work)
            while time.perf_counter() < end:
                next(work)
        except StopIteration as done:
            self._work = None
            self._timer.stop()
            self._take(done.value)
            return
        if not self._timer.isActive():
            self._timer.start(0)

    def _take(self, names: list[str]) -> None:
        self.beginResetModel()
        self._names = names
        self._row = {name: row for row, name in enumerate(names)}
        self._workspace.list.set_order(names)
        self.endResetModel()
        self.arranged.emit()

    def _labels(self, name: str) -> str:
        labels = self._workspace.labels(name)
        particles = int((labels.kinds == Kind.PARTICLE).sum())
        if not len(labels):
            return ""
        return str(particles) + (f" + {len(labels) - particles}" if len(labels) > particles else "")

    def _picks(self, name: str) -> str:
        workspace = self._workspace
        saved = workspace.is_picked(name) and not workspace.decisions.is_excluded(name)
        return str(workspace.count(name)) if saved else "–"

    def _ticks(self, name: str) -> list[tuple[str, str]]:
        return [shown for mark, shown in TICKS.items() if self._workspace.decisions.marks.has(name, mark)]

    def _state(self, name: str) -> str:
        glyph = GLYPHS[self._workspace.decisions.state(name)][0]
        return glyph + "".join(f" {tick}" for tick, _ in self._ticks(name))

    def _said(self, name: str) -> str:
        words = [GLYPHS[self._workspace.decisions.state(name)][1], *(said for _, said in self._ticks(name))]
        return "; ".join(words) + "."

    def _font(self, name: str, column: int) -> QFont | None:
        excluded = column == NAME and self._workspace.decisions.is_excluded(name)
        if not excluded and name != self._workspace.current:
            return None
        font = QFont()
        font.setBold(name == self._workspace.current)
        font.setStrikeOut(excluded)
        return font


#: Widths of the columns of numbers and states, in px.
WIDTHS = {LABELS: 54, PICKS: 54, STATE: 48}
