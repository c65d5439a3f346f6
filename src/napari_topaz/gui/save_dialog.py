"""Asks how and where picks are saved, and before anything is replaced."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_topaz.files import PICK_FORMATS
from napari_topaz.gui import dialogs
from napari_topaz.gui.form import Form
from napari_topaz.gui.save_where import Where, meant, renamed, where_to
from napari_topaz.settings import SavingSettings

MADE_UP = (
    "Without exposures the uids of the micrographs are made up: cryoSPARC cannot join these picks to its own."
)


class SaveDialog(QDialog):
    """Format, what it needs, and a name; with Save and Cancel.

    Parameters
    ----------
    settings : SavingSettings
        Shown first.
    path : Path
        The same.
    names : collection of str
        Of the micrographs that have something to be saved.
    """

    def __init__(
        self, settings: SavingSettings, path: Path, names: Collection[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Save picks")
        self._names, self._start = names, path
        self.format = QComboBox()
        self.format.setObjectName("format")
        self.format.setToolTip(f"<p>{SavingSettings.model_fields['format'].description}</p>")
        for name, one in PICK_FORMATS.items():
            self.format.addItem(f"{one.help} ({one.suffixes[0]})", name)
        self.format.setCurrentIndex(self.format.findData(settings.format))
        self.form = Form(settings, ["one_each", "box_size", "exposures"], {"one_each": "One file each"})
        self.path = QLineEdit(str(path))
        self.path.setObjectName("path")
        self.path.setMinimumWidth(380)
        self.browse, self.browse_exposures = QPushButton("Browse …"), QPushButton("Browse …")
        self.says = QLabel()
        self.says.setWordWrap(True)
        kinds = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(kinds.Save | kinds.Cancel)
        self._arrange()
        self.format.currentIndexChanged.connect(self._rename)
        self.form.row("one_each").toggled.connect(self._rename)
        self.form.changed.connect(self._check)
        self.path.textEdited.connect(self._take_name)
        self.browse.clicked.connect(self._browse)
        self.browse_exposures.clicked.connect(self._browse_exposures)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._rename()

    def _arrange(self) -> None:
        formats = QFormLayout()
        formats.addRow("Format", self.format)
        rows = self.form.layout()
        assert isinstance(rows, QFormLayout)
        self._rows = rows
        exposures = self.form.row("exposures")
        exposures.setPlaceholderText("exposures.cs")
        place, _ = rows.getWidgetPosition(exposures)
        rows.insertRow(place + 1, "", self.browse_exposures)
        to = QHBoxLayout()
        for widget in (QLabel("To"), self.path, self.browse):
            to.addWidget(widget, 1 if widget is self.path else 0)
        layout = QVBoxLayout(self)
        layout.addLayout(formats)
        layout.addWidget(self.form)
        layout.addLayout(to)
        layout.addWidget(self.says)
        layout.addWidget(self.buttons)

    def value(self) -> SavingSettings:
        """Return the settings as they stand."""
        return self.form.value().model_copy(update={"format": self.format.currentData()})

    def where(self) -> Where:
        """Return where that goes."""
        return where_to(self._typed(), self.value(), len(self._names))

    def _typed(self) -> Path:
        return Path(self.path.text().strip()).expanduser()

    def accept(self) -> None:
        """Ask before anything is replaced; stay open where she does not want that."""
        if not self._reason() and dialogs.may_replace(self, self.where().existing(self._names)):
            super().accept()

    def _take_name(self, text: str) -> None:
        """What she types may mean another format."""
        format_ = meant(Path(text.strip()), self.format.currentData())
        blocked = self.format.blockSignals(True)
        self.format.setCurrentIndex(self.format.findData(format_))
        self.format.blockSignals(blocked)
        self._check()

    def _rename(self, *_: object) -> None:
        if self._usable() is not None:
            text = self.path.text().strip()
            self.path.setText(str(renamed(Path(text), self.value(), len(self._names))))
        self._check()

    def _browse(self) -> None:
        if self._settings() is None:
            return  # the reason is in view
        how = (self.value(), len(self._names))
        where = self._usable() or where_to(renamed(self._start, *how), *how)
        if where.folder:
            path = dialogs.ask_picks_folder(self, where.path)
        else:
            path, chosen = dialogs.ask_picks_file(self, where.path, where.format.name)
            self.format.setCurrentIndex(self.format.findData(chosen))
        if path is not None:
            self.path.setText(str(path))
            self._rename()

    def _browse_exposures(self) -> None:
        if (path := dialogs.ask_exposures(self)) is not None:
            self.form.row("exposures").setText(str(path))
            self._check()

    def _check(self) -> None:
        chosen = PICK_FORMATS[self.format.currentData()]
        self.form.row("one_each").setEnabled(not (chosen.single and len(self._names) != 1))
        self._show_row(self.form.row("box_size"), chosen.boxed)
        for widget in (self.form.row("exposures"), self.browse_exposures):
            self._show_row(widget, chosen.name == "cs")
        reason = self._reason()
        self.says.setText(reason or self._what())
        self.buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(not reason)

    def _show_row(self, widget: QWidget, shown: bool) -> None:
        widget.setVisible(shown)
        if (label := self._rows.labelForField(widget)) is not None:
            label.setVisible(shown)

    def _settings(self) -> SavingSettings | None:
        """The settings; None while a file of exposures is being typed."""
        try:
            return self.value()
        except ValidationError:
            return None

    def _usable(self) -> Where | None:
        """Where it goes; None where name or settings are not such that it could go anywhere."""
        if self._settings() is None or not Path(self.path.text().strip()).name:
            return None
        try:
            where = self.where()
            for path in (self._typed(), where.path):
                path.is_dir()  # raises where the system refuses the name
        except (OSError, RuntimeError):  # too long, in another's folder, in nobody's home
            return None
        return where

    def _reason(self) -> str:
        """Why it cannot be saved so; empty where it can."""
        if not Path(self.path.text().strip()).name:
            return "Type a name."
        settings = self._settings()
        if settings is None:
            return "cryoSPARC's exposures are a file that ends in .cs."
        try:
            return self._why_not(settings)
        except (OSError, RuntimeError) as error:
            return f"{getattr(error, 'strerror', None) or error}: choose another name."

    def _why_not(self, settings: SavingSettings) -> str:
        """The same for names; raises where the system does not even look at one."""
        if settings.format == "cs" and settings.exposures and not Path(settings.exposures).is_file():
            return f"There is no file {settings.exposures}; choose cryoSPARC's exposures, or leave it empty."
        where = self.where()
        self._typed().is_dir()
        if where.folder and where.path.is_dir() and not os.access(where.path, os.R_OK | os.W_OK | os.X_OK):
            return f"You may not write to {where.path}; choose another folder."
        if not where.folder and where.path.is_dir():
            return f"{where.path} is a folder; type another name, or tick One file each."
        if where.folder and where.path.is_file():
            return f"{where.path} is a file; type the name of a folder."
        return ""

    def _what(self) -> str:
        where, n = self.where(), len(self._names)
        if where.folder:
            listed = " and their list autopick.star" if where.format.name == "star" else ""
            example = where.format.one_each.format(name=next(iter(self._names), "NAME"))
            files = "One file" if n == 1 else f"{n} files"
            text = f"{files}, like {example},{listed} in the folder {where.path.name}."
        else:
            text = f"One file, {where.path.name}."
        if where.format.name == "cs" and not self.value().exposures:
            return f"{text} {MADE_UP}"
        return text.replace(",.", ".")


def ask_save_picks(
    parent: QWidget, settings: SavingSettings, path: Path, names: Collection[str]
) -> tuple[Path, SavingSettings] | None:
    """Ask how and where to save picks; None where she cancels."""
    dialog = SaveDialog(settings, path, names, parent)
    dialog.setWindowModality(Qt.WindowModality.WindowModal)
    try:
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return None
        return dialog.where().path, dialog.value()
    finally:
        dialog.deleteLater()
