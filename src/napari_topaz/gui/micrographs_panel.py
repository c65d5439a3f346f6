"""The list of micrographs: open, look through, see what is labelled and picked."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_topaz.gui.fold import heading
from napari_topaz.gui.session_line import SessionLine
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind

COLUMNS = ("Micrograph", "Labels", "Picks")
TIPS = (
    "Click to show it; N and B (or Page Down and Page Up) go to the next and the previous one.",
    "Labelled particles, + places labelled “no particle”.",
    "What would be saved: picks above the threshold and labelled particles; – where not picked yet.",
)


class MicrographTable(QAbstractTableModel):
    """Shows the workspace's micrographs; holds nothing itself."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._names = workspace.names
        self._row = {name: row for row, name in enumerate(self._names)}

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
            return (name, self._labels(name), self._picks(name))[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return name
        if role == Qt.ItemDataRole.TextAlignmentRole and column > 0:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole and name == self._workspace.current:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def refresh(self) -> None:
        """Read the list of micrographs again."""
        self.beginResetModel()
        self._names = self._workspace.names
        self._row = {name: row for row, name in enumerate(self._names)}
        self.endResetModel()

    def refresh_counts(self, name: str | None = None) -> None:
        """Read the counts of one micrograph again, or of all."""
        if self._names:
            first, last = (0, len(self._names) - 1) if name is None else (self._row[name],) * 2
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def row_of(self, name: str) -> int:
        """Return the row of a micrograph."""
        return self._row[name]

    def name_of(self, row: int) -> str:
        """Return the micrograph of a row."""
        return self._names[row]

    def _labels(self, name: str) -> str:
        labels = self._workspace.labels(name)
        particles = int((labels.kinds == Kind.PARTICLE).sum())
        if not len(labels):
            return ""
        return str(particles) + (f" + {len(labels) - particles}" if len(labels) > particles else "")

    def _picks(self, name: str) -> str:
        return str(self._workspace.count(name)) if self._workspace.is_picked(name) else "–"


class MicrographsPanel(QWidget):
    """Buttons to open, and the list.

    Signals
    -------
    open_folder, open_files
        A button was pressed.
    chosen(str)
        She went to another micrograph in the list.
    """

    open_folder = Signal()
    open_files = Signal()
    chosen = Signal(str)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = MicrographTable(workspace, self)
        self.folder_button = QPushButton("Open folder …")
        self.folder_button.setToolTip("Open all micrographs of a folder (MRC, TIFF, PNG, JPEG).")
        self._files = QPushButton("Open files …")
        self._files.setToolTip("Open some micrographs.")
        self.folder_button.clicked.connect(self.open_folder.emit)
        self._files.clicked.connect(self.open_files.emit)
        self.session_line = SessionLine()
        self.view = self._make_view()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(heading("1 · Micrographs", self.folder_button, self._files))
        layout.addWidget(self.session_line)
        layout.addWidget(self.view)

    def select(self, name: str) -> None:
        """Mark the micrograph that is shown."""
        row = self.table.row_of(name)
        blocked = self.view.selectionModel().blockSignals(True)
        self.view.selectRow(row)
        self.view.selectionModel().blockSignals(blocked)
        self.view.scrollTo(self.table.index(row, 0))
        self.view.viewport().update()

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.table)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(22)
        header = view.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            view.setColumnWidth(column, 58)
        view.setMinimumHeight(72)
        view.selectionModel().currentRowChanged.connect(self._on_row)
        return view

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.table.name_of(index.row()))
