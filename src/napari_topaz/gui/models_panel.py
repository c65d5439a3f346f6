"""The fold *Models*: kept models and their epochs in a list, and their curves in one plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel
from napari_topaz.gui.training_plots import SEVERAL, ComparePlot, NamedCurve

#: So many of the newest models have a curve, besides the chosen one.
MOST_CURVES = 12
#: What a row is.
ROLE = Qt.ItemDataRole.UserRole
USE = "Pick with this model from now on; for an epoch: go back to it."
RENAME = "Give the model another name (or double-click it)."
DELETE = "Take the model off the list and remove its file."
CHOOSE = "Choose a model in the list first."
LOST = "Only the epochs of the last training outlive the window; of these the figures are left."


class ModelsPanel(QWidget):
    """List, buttons and plot of the kept models.

    Signals
    -------
    use(KeptModel, KeptEpoch or None)
        She wants this model, or an epoch of it.
    rename(KeptModel, str)
        She typed another name.
    delete(KeptModel)
        She does not want it any more.
    """

    use = Signal(object, object)
    rename = Signal(object, str)
    delete = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fold = Fold("Models")
        self.list = QTreeWidget()
        self.list.setObjectName("models")
        self.list.setHeaderLabels(["Model", "Labels", "AP", "Epoch"])
        self.list.headerItem().setToolTip(2, "Average precision on held-out labels.")
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setFixedHeight(110)
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.itemSelectionChanged.connect(self._look)
        self.list.itemChanged.connect(self._edited)
        self.list.itemDoubleClicked.connect(self._double_clicked)
        self.plot = ComparePlot()
        self.use_button, self.rename_button, self.delete_button = (
            QPushButton(text) for text in ("Use", "Rename", "Delete")
        )
        self.use_button.clicked.connect(self._use)
        self.rename_button.clicked.connect(self._edit)
        self.delete_button.clicked.connect(lambda: self.delete.emit(self._chosen()[0]))
        row = QWidget()
        buttons = QHBoxLayout(row)
        buttons.setContentsMargins(0, 0, 0, 0)
        for button in (self.use_button, self.rename_button, self.delete_button):
            buttons.addWidget(button)
        for widget in (self.list, row, self.plot):
            self.fold.add(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self.fold.button.toggled.connect(self._draw)
        self.list.itemDelegate().closeEditor.connect(self._end_edit)
        self._busy: str | None = None
        self._locked: str | None = None
        self._shown: list[KeptModel] = []
        self._used: Any = None
        self._edits = False  # she types a name
        self._later: Sequence[KeptModel] | None = None
        self.show_models([], None)

    def show_models(self, models: Sequence[KeptModel], used: Any) -> None:
        """List models, the newest first, and mark the one in use; what is chosen stays chosen.

        While she types a name the list stays as it is.
        """
        self._used = used
        if self._edits:
            self._later = models
            return
        unfolded = {id(self._kept(i)) for i in self._items() if i.isExpanded()}
        self._shown = list(reversed(models))
        place = self.list.verticalScrollBar().value()
        with self._silence():
            chosen = self._chosen()
            self.list.clear()
            for n, kept in enumerate(self._shown):
                self._add(kept, SEVERAL[n % len(SEVERAL)], unfolded=id(kept) in unfolded)
            self._choose(*chosen)
            self.list.verticalScrollBar().setValue(place)
        self.fold.button.setText(f"Models ({len(models)})" if len(models) else "Models")
        self.show_used(used)
        self._look()

    def show_used(self, used: Any) -> None:
        """Mark the model in use; nothing else changes."""
        self._used = used
        with self._silence():
            for item in self._items():
                _mark(item, used is not None and used is self._kept(item).model)
                for below in _below(item):
                    _mark(below, used is not None and used is below.data(0, ROLE).model)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        blocked = self.list.blockSignals(True)
        try:
            yield
        finally:
            self.list.blockSignals(blocked)

    def _add(self, kept: KeptModel, colour: str, *, unfolded: bool) -> None:
        item = _model_item(kept, colour)
        self.list.addTopLevelItem(item)
        for epoch in kept.epochs:
            item.addChild(_epoch_item(epoch))
        item.setExpanded(unfolded)

    def _choose(self, kept: KeptModel | None, epoch: KeptEpoch | None) -> None:
        """Choose what was chosen in the list before: an epoch by its number, as it may be another object."""
        for item in self._items():
            if self._kept(item) is kept:
                same = [i for i in _below(item) if epoch and i.data(0, ROLE).epoch == epoch.epoch]
                self.list.setCurrentItem((same or [item])[0])

    def enable(self, busy: str | None) -> None:
        """Say why no model can be taken now; None where one can."""
        self._busy = busy
        self._look()

    def lock(self, reason: str | None) -> None:
        """Say why no model can be renamed or deleted; None where one can."""
        self._locked = reason
        self._look()

    def _look(self) -> None:
        kept, epoch = self._chosen()
        gone = LOST if epoch is not None and not epoch.is_there else None
        for button, reason, tip in (
            (self.use_button, self._busy or gone, USE),
            (self.rename_button, self._locked, RENAME),
            (self.delete_button, self._locked, DELETE),
        ):
            reason = CHOOSE if kept is None else reason
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)
        self.use_button.setText("Use" if epoch is None else f"Back to epoch {epoch.epoch}")
        self._draw()

    def _draw(self, *_: object) -> None:
        """Draw the curves of the newest models and of the chosen one, where they can be seen."""
        if not self.fold.button.isChecked():
            return
        kept = self._chosen()[0]
        drawn = [(k, k is kept, n < MOST_CURVES or k is kept) for n, k in enumerate(self._shown)]
        self.plot.show_curves([_curve(k, chosen=chosen, drawn=is_drawn) for k, chosen, is_drawn in drawn])

    def _items(self) -> list[QTreeWidgetItem]:
        return [self.list.topLevelItem(n) for n in range(self.list.topLevelItemCount())]

    def _kept(self, item: QTreeWidgetItem) -> KeptModel:
        return item.data(0, ROLE)  # type: ignore[no-any-return]

    def _chosen(self) -> tuple[KeptModel | None, KeptEpoch | None]:
        items = self.list.selectedItems()
        if not items:
            return None, None
        above = items[0].parent()
        return (self._kept(items[0]), None) if above is None else (self._kept(above), items[0].data(0, ROLE))

    def _use(self) -> None:
        self.use.emit(*self._chosen())

    def _edit(self) -> None:
        item = self.list.selectedItems()[0]
        self._edit_name(item if item.parent() is None else item.parent())

    def _edit_name(self, item: QTreeWidgetItem) -> None:
        self.list.editItem(item, 0)
        self._edits = self.list.viewport().findChild(QLineEdit) is not None

    def _end_edit(self, *_: object) -> None:
        self._edits = False
        if self._later is not None:
            models, self._later = self._later, None
            self.show_models(models, self._used)

    def _double_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        if item.parent() is None and column == 0 and self._locked is None:
            self._edit_name(item)

    def _edited(self, item: QTreeWidgetItem, column: int) -> None:
        if item.parent() is None and column == 0:
            self.rename.emit(self._kept(item), item.text(0))


def _model_item(kept: KeptModel, colour: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([kept.name, str(kept.labels), _figure(kept.held_out), str(kept.epoch)])
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    item.setData(0, ROLE, kept)
    item.setForeground(0, QColor(colour))
    item.setToolTip(0, f"{kept.name}: {len(kept.epochs)} epochs; unfold it to go back to one.")
    return item


def _below(item: QTreeWidgetItem) -> list[QTreeWidgetItem]:
    return [item.child(n) for n in range(item.childCount())]


def _epoch_item(epoch: KeptEpoch) -> QTreeWidgetItem:
    item = QTreeWidgetItem([f"loss {epoch.loss:.3f}", "", _figure(epoch.held_out), str(epoch.epoch)])
    item.setData(0, ROLE, epoch)
    if not epoch.is_there:
        item.setForeground(0, QColor("#7a828c"))
    return item


def _mark(item: QTreeWidgetItem, used: bool) -> None:
    font = item.font(0)
    if font.bold() != used:
        font.setBold(used)
        item.setFont(0, font)


def _figure(held_out: float | None) -> str:
    return "–" if held_out is None else f"{held_out:.2f}"


def _curve(kept: KeptModel, *, chosen: bool, drawn: bool) -> NamedCurve:
    if not drawn:
        return NamedCurve(kept.name, [], False, False)  # it keeps its colour
    judged = [(e.step, e.held_out) for e in kept.epochs if e.held_out is not None]
    if judged:
        return NamedCurve(kept.name, judged, True, chosen)
    return NamedCurve(kept.name, [(e.step, e.loss) for e in kept.epochs], False, chosen)
