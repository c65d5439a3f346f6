"""The particle: its diameter, how labels are made, and all options that are folded away."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_topaz import choices
from napari_topaz.gui.expecting_row import ExpectingRow
from napari_topaz.gui.fold import Fold, heading
from napari_topaz.gui.form import Form, NumberBox, advanced_fields
from napari_topaz.gui.label_row import LabelRow
from napari_topaz.gui.mask_panel import MaskPanel
from napari_topaz.gui.options import Options
from napari_topaz.gui.suggestions import SuggestRow
from napari_topaz.settings.presets import GROUPS as PRESET_GROUPS
from napari_topaz.settings.presets import filled, preset_of

#: Groups of the folded options: heading → attribute of :class:`Options`.
GROUPS = {
    "Preprocessing": "preprocess",
    "Network": "network",
    "Training": "train",
    "Picking": "pick",
    "Suggestions": "reference",
    "Machine": "run",
}


class ParticlePanel(QWidget):
    """Forms of the options.

    Signals
    -------
    changed
        She changed an option; :meth:`value` has them all.
    """

    changed = Signal()

    def __init__(self, options: Options, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._forms: list[tuple[str, Form[Any]]] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(heading("2 · Particle"))
        layout.addWidget(self._add("preprocess", options.preprocess, ["diameter", "pixel_size"]))
        layout.addWidget(
            self._add("train", options.train, ["expected"], {"expected": "Expected per micrograph"})
        )
        #: What the expected number means.
        self.meaning = QLabel()
        self.meaning.setObjectName("meaning")
        self.meaning.setWordWrap(True)
        self.meaning.hide()
        layout.addWidget(self.meaning)
        self.labels = LabelRow()
        layout.addWidget(self.labels)
        self.suggestions = SuggestRow()
        layout.addWidget(self.suggestions)
        self.masks = MaskPanel()
        layout.addWidget(self.masks)
        self.advanced = Fold("Advanced")
        self.advanced.add(self._preset_row())
        self.expecting = ExpectingRow()
        self.advanced.add(_title("Expected number"))
        self.advanced.add(self.expecting)
        for group, name in GROUPS.items():
            settings = getattr(options, name)
            self.advanced.add(_title(group))
            self.advanced.add(self._add(name, settings, advanced_fields(type(settings))))
        layout.addWidget(self.advanced)
        self.number("diameter").setPlaceholderText("required, for example 180")
        self._show_preset()

    def value(self) -> dict[str, Any]:
        """Return all settings by name; a ValueError says what does not fit together."""
        settings: dict[str, Any] = {}
        for name, form in self._forms:
            entered = form.value()
            shown = {field: getattr(entered, field) for field in form.names}
            settings[name] = settings[name].model_copy(update=shown) if name in settings else entered
        return settings

    def show_options(self, options: Options) -> None:
        """Show options that came from elsewhere."""
        for name, form in self._forms:
            form.set_value(getattr(options, name))
        self._show_preset()

    def show_pixel_size(self, stated: float | None, known: bool) -> None:
        """Say what the file states; `known` is False where no micrograph is open."""
        text = "as in the file" if not known or stated is None else f"as in the file: {stated:.4g}"
        self.number("pixel_size").setPlaceholderText("required" if known and stated is None else text)

    def number(self, name: str) -> NumberBox:
        """Return the box of one of the numbers at the top."""
        for _, form in self._forms:
            if name in form.names and isinstance(row := form.row(name), NumberBox):
                return row
        raise KeyError(name)

    def _add(
        self, name: str, settings: Any, fields: list[str], labels: dict[str, str] | None = None
    ) -> Form[Any]:
        form: Form[Any] = Form(settings, fields, labels)
        form.changed.connect(self.changed.emit)
        self._forms.append((name, form))
        return form

    def _preset_row(self) -> QWidget:
        self.preset = QComboBox()
        self.preset.setObjectName("preset")
        self.preset.setPlaceholderText("changed")
        for name, text in choices.PRESETS.items():
            self.preset.addItem(name, name)
            self.preset.setItemData(self.preset.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
        self.preset.setToolTip("Options of preprocessing, network and training that are set together.")
        self.preset.activated.connect(lambda: self._fill(self.preset.currentData()))
        row = QWidget()
        layout = QFormLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Preset", self.preset)
        return row

    def _fill(self, preset: str) -> None:
        """Show the values of a preset; what she changes afterwards is hers."""
        for name, form in self._forms:
            if name in PRESET_GROUPS:
                form.set_value(filled(preset, form.value()))
        self.changed.emit()

    def _show_preset(self) -> None:
        """Name the preset that the options agree with, if there is one."""
        try:
            agreeing = preset_of(self.value())
        except ValueError:  # while she types
            agreeing = None
        self.preset.setCurrentIndex(-1 if agreeing is None else self.preset.findData(agreeing))


def _title(text: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; margin-top: 6px;")
    return label
