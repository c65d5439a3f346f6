"""The list of micrographs: open, look through, see what is labelled and picked, decide about each."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_topaz.gui.arranging import FILTERS, NAME
from napari_topaz.gui.fold import heading
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.marks_row import MARKS, MarksRow
from napari_topaz.gui.micrograph_table import WIDTHS, MicrographTable
from napari_topaz.gui.session_line import SessionLine
from napari_topaz.gui.workspace import Workspace

#: From so many micrographs on there is something to find.
MANY = 9


#: Height of a row, and of the list where there are many, in pixels.
ROW, HIGHEST = 22, 192


class _Table(QTableView):
    """Wants to be as high as its rows, so that what comes below it is in view."""

    def sizeHint(self) -> QSize:  # noqa: N802
        """Tell Qt the usual size."""
        rows = self.model().rowCount() if self.model() is not None else 0
        height = ROW * (rows + 1) + 12
        return QSize(super().sizeHint().width(), min(height, HIGHEST))


class MicrographsPanel(QWidget):
    """Buttons to open, the list, and what is decided about the micrograph that is shown.

    Signals
    -------
    open_folder, open_files
        A button was pressed.
    chosen(str)
        She went to another micrograph in the list.
    marked(list of str, Mark, bool)
        She gave a mark to micrographs, or took it from them.
    """

    open_folder = Signal()
    open_files = Signal()
    chosen = Signal(str)
    marked = Signal(object, object, bool)

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.table = MicrographTable(workspace, self)
        self.table.arranged.connect(self._on_arranged)
        self.folder_button = QPushButton("Open folder …")
        self.folder_button.setToolTip("Open all micrographs of a folder (MRC, TIFF, PNG, JPEG).")
        self._files = QPushButton("Open files …")
        self._files.setToolTip("Open some micrographs.")
        self.folder_button.clicked.connect(self.open_folder.emit)
        self._files.clicked.connect(self.open_files.emit)
        self.session_line = SessionLine()
        self.find_row = self._make_find_row()
        self.view = self._make_view()
        self.marks_row = MarksRow()
        self.marks_row.marked.connect(
            lambda mark, on: self.marked.emit(self._shown_name(), mark, on) if self._shown_name() else None
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(heading("1 · Micrographs", self.folder_button, self._files))
        for widget in (self.session_line, self.find_row, self.view, self.marks_row):
            layout.addWidget(widget)

    def select(self, name: str) -> None:
        """Mark the micrograph that is shown."""
        row = self.table.row_of(name)
        blocked = self.view.selectionModel().blockSignals(True)
        if row is None:
            self.view.clearSelection()
        else:
            self.view.selectRow(row)
        self.view.selectionModel().blockSignals(blocked)
        if row is not None:
            self.view.scrollTo(self.table.index(row, 0))
        self.view.viewport().update()

    def _shown_name(self) -> list[str]:
        return [] if self._workspace.current is None else [self._workspace.current]

    def _make_find_row(self) -> QWidget:
        row = QWidget()
        self.find = QLineEdit()
        self.find.setPlaceholderText("Find …")
        self.find.setClearButtonEnabled(True)
        self.find.setToolTip("Show the micrographs whose name contains this.")
        self.find.textChanged.connect(lambda text: self.table.want(text=text))
        self.states = QComboBox()
        self.states.addItems(list(FILTERS))
        self.states.setToolTip("Show these only; one that you change stays until you choose again.")
        self.states.currentTextChanged.connect(lambda text: self.table.want(state=text))
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.find, 1)
        layout.addWidget(self.states)
        row.setVisible(False)
        return row

    def _make_view(self) -> QTableView:
        view = _Table()
        view.setModel(self.table)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(ROW)
        header = view.horizontalHeader()
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in WIDTHS.items():
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            view.setColumnWidth(column, width)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        view.setSortingEnabled(True)
        view.setMinimumHeight(72)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu)
        view.selectionModel().currentRowChanged.connect(self._on_row)
        return view

    def menu_at(self, place: QPoint) -> QMenu | None:
        """Return the menu for the selected rows; a tick says how it is in the row under the mouse."""
        index = self.view.indexAt(place)
        if not index.isValid():
            return None
        name = self.table.name_of(index.row())
        names = [self.table.name_of(row.row()) for row in self.view.selectionModel().selectedRows()]
        names = names if name in names else [name]
        menu = QMenu(self)
        if len(names) > 1:
            menu.addSection(f"{len(names)} micrographs")
        for mark, (text, tip, key) in MARKS.items():
            action = menu.addAction(f"{text}\t{key}" if key else text)
            action.setToolTip(tip)
            action.setCheckable(True)
            action.setChecked(self._workspace.decisions.marks.has(name, mark))
            action.toggled.connect(lambda on, mark=mark: self.marked.emit(names, mark, on))
        menu.setToolTipsVisible(True)
        return menu

    def show_listing(self, busy: bool) -> None:
        """Say that micrographs are still looked for."""
        self.folder_button.setText("Looking …" if busy else "Open folder …")

    def show_marks(self) -> None:
        """Show what is decided about the micrograph that is shown."""
        name, marks = self._workspace.current, self._workspace.decisions.marks
        self.marks_row.show_marks(None if name is None else {m for m in Mark if marks.has(name, m)})

    def _on_menu(self, place: QPoint) -> None:
        if (menu := self.menu_at(place)) is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(place))

    def _on_arranged(self) -> None:
        self.find_row.setVisible(len(self._workspace.list.of) >= MANY or self.table.wanted.state != "all")
        self.view.updateGeometry()
        if self._workspace.current is not None:
            self.select(self._workspace.current)

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.table.name_of(index.row()))
