"""Asks how particles are cut, before they are exported."""

from __future__ import annotations

from pydantic import ValidationError
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from napari_topaz.gui.form import Form
from napari_topaz.settings import StackSettings


class ExportDialog(QDialog):
    """A form of :class:`StackSettings` with Export and Cancel.

    Parameters
    ----------
    settings : StackSettings
        Shown first.
    """

    def __init__(self, settings: StackSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export particles")
        self.form = Form(settings)
        self._why_not = QLabel()
        self._why_not.setWordWrap(True)
        kinds = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(kinds.Ok | kinds.Cancel)
        self.buttons.button(kinds.Ok).setText("Export …")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for widget in (self.form, self._why_not, self.buttons):
            layout.addWidget(widget)
        self.form.changed.connect(self._check)
        self._check()

    def value(self) -> StackSettings:
        """Return the settings as they stand in the form."""
        return self.form.value()

    def _check(self) -> None:
        reason = self._reason()
        self._why_not.setText(reason)
        self._why_not.setVisible(bool(reason))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not reason)

    def _reason(self) -> str:
        try:
            settings = self.value()
        except ValidationError as error:
            return str(error.errors()[0]["msg"])
        if settings.box_size is None:
            return "Type the box size, in pixels of the micrographs: 1.5 to 2 particle diameters."
        if settings.downsample_to is not None and settings.downsample_to > settings.box_size:
            return "Particles cannot be downsampled to more than the box size."
        return ""


def ask_stack_settings(parent: QWidget, settings: StackSettings) -> StackSettings | None:
    """Ask how particles are cut; None where she cancels."""
    dialog = ExportDialog(settings, parent)
    try:
        return dialog.value() if dialog.exec() == QDialog.DialogCode.Accepted else None
    finally:
        dialog.deleteLater()
