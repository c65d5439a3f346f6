"""A form made from an instance of settings: a row per field, all of it derived from the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar, get_args

from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent, QValidator, QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from napari_topaz.settings import Settings, choices_of

S = TypeVar("S", bound=Settings)

#: What may still become a number while it is typed.
_UNFINISHED = re.compile(r"[+-]?\d*\.?\d*(e[+-]?\d*)?", re.IGNORECASE)
#: Text of an option that follows from others.
AUTOMATIC = "automatic"


def spell(value: float | None) -> str:
    """Write a number shortly, but so that it reads back as the same number; None is empty."""
    if value is None:
        return ""
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


class NumberBox(QAbstractSpinBox):
    """A spin box that keeps the number itself: any size, any digits, or none where that is allowed.

    Parameters
    ----------
    integer : bool
        Whether the number is whole.
    optional : bool
        Whether the box may be empty (value None).
    bounds : tuple of (float, float)
        Lowest and highest value.
    exclusive : bool
        Whether the lowest value itself is not allowed.
    step : float
        Of the arrows and the mouse wheel.
    """

    changed = Signal()

    def __init__(
        self,
        *,
        integer: bool = False,
        optional: bool = False,
        bounds: tuple[float, float] = (float("-inf"), float("inf")),
        exclusive: bool = False,
        step: float = 1.0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._integer, self._optional, self._step = integer, optional, step
        self._low, self._high, self._exclusive = *bounds, exclusive
        self._value: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(True)
        self.lineEdit().setPlaceholderText(AUTOMATIC if optional else "")
        self.lineEdit().textEdited.connect(self._take_text)
        self.editingFinished.connect(self._show)

    def value(self) -> float | None:
        """Return the number, or None where the box is empty."""
        return self._value

    def set_value(self, value: float | None) -> None:
        """Show a number; does not emit `changed`."""
        self._value = value
        # While she types, the text is hers: "0." must not become "0".
        if self._parse(self.text()) != value or not self.hasFocus():
            self._show()

    def setPlaceholderText(self, text: str) -> None:  # noqa: N802 (Qt's name)
        """Text of the empty box."""
        self.lineEdit().setPlaceholderText(text)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Tell Qt whether a text is a number that is allowed here."""
        stripped = text.strip()
        if self._is_allowed(stripped):
            state = QValidator.State.Acceptable
        elif _UNFINISHED.fullmatch(stripped):
            state = QValidator.State.Intermediate
        else:
            state = QValidator.State.Invalid
        return state, text, position

    def fixup(self, text: str) -> str:
        """Give Qt the last allowed number in place of a text that is none."""
        return spell(self._value)

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Go up or down."""
        start = self._value if self._value is not None else max(self._low, 0.0)
        value = float(f"{start + steps * self._step:.10g}")
        if self._exclusive and value <= self._low:
            return
        value = min(max(value, self._low), self._high)
        self._set_and_tell(int(value) if self._integer else value)
        self._show()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:  # noqa: N802
        """Tell Qt which arrows work."""
        flags = QAbstractSpinBox.StepEnabledFlag
        up = flags.StepUpEnabled if self._value is None or self._value < self._high else flags.StepNone
        down = (
            flags.StepDownEnabled if self._value is not None and self._value > self._low else flags.StepNone
        )
        return up | down

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Scroll the panel, not a number that happens to lie under the mouse."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Enter takes the number and leaves the box, so that the viewer's keys work again."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()

    def _parse(self, text: str) -> float | None:
        try:
            return int(text) if self._integer else float(text)
        except ValueError:
            return None

    def _is_allowed(self, text: str) -> bool:
        if not text:
            return self._optional
        value = self._parse(text)
        if value is None or value != value:
            return False
        return self._low <= value <= self._high and not (self._exclusive and value == self._low)

    def _take_text(self, text: str) -> None:
        if self._is_allowed(text.strip()):
            self._set_and_tell(self._parse(text.strip()))

    def _set_and_tell(self, value: float | None) -> None:
        if value != self._value or type(value) is not type(self._value):
            self._value = value
            self.changed.emit()

    def _show(self) -> None:
        self.lineEdit().setText(spell(self._value))


class Form(QWidget, Generic[S]):
    """Rows for (some of) the fields of one settings object.

    Parameters
    ----------
    settings : Settings
        Shown first; fields without a row keep their value from here.
    names : sequence of str, optional
        Fields to show; all by default.
    labels : dict of str to str, optional
        Labels of rows where the field's name does not say it well.
    """

    changed = Signal()

    def __init__(
        self,
        settings: S,
        names: Sequence[str] | None = None,
        labels: dict[str, str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._rows: dict[str, QWidget] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in names if names is not None else type(settings).model_fields:
            field = type(settings).model_fields[name]
            row = self._rows[name] = _widget_of(field)
            row.setObjectName(name)
            label = QLabel(_label_of(name, field, labels or {}))
            label.setBuddy(row)
            for widget in (row, label):
                widget.setToolTip(_tooltip_of(field))
            layout.addRow(label, row)
            _signal_of(row).connect(self._tell)
        self.set_value(settings)

    def value(self) -> S:
        """Return the settings as they stand in the form."""
        entered = {name: _value_of(row) for name, row in self._rows.items()}
        return type(self._settings).model_validate(self._settings.model_dump() | entered)

    def set_value(self, settings: S) -> None:
        """Show other settings; does not emit `changed`."""
        self._settings = settings
        for name, row in self._rows.items():
            blocked = row.blockSignals(True)
            _set_value(row, getattr(settings, name))
            row.blockSignals(blocked)

    @property
    def names(self) -> list[str]:
        """The fields that have a row."""
        return list(self._rows)

    def row(self, name: str) -> QWidget:
        """Return the widget of a field."""
        return self._rows[name]

    def allow(self, name: str, reason: str | None) -> None:
        """Disable the row of a field and say why; None enables it."""
        row = self._rows[name]
        row.setEnabled(reason is None)
        row.setToolTip(reason or _tooltip_of(type(self._settings).model_fields[name]))

    def _tell(self) -> None:
        self.changed.emit()


def advanced_fields(settings: type[Settings]) -> list[str]:
    """Names of the fields that are folded away in the viewer."""
    return [name for name, field in settings.model_fields.items() if _extra(field).get("advanced")]


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _types_of(field: FieldInfo) -> set[Any]:
    return set(get_args(field.annotation)) or {field.annotation}


def _bound(field: FieldInfo, names: Iterable[str]) -> float | None:
    found = [getattr(m, n) for m in field.metadata for n in names if getattr(m, n, None) is not None]
    return float(found[0]) if found else None


def _label_of(name: str, field: FieldInfo, labels: dict[str, str]) -> str:
    text = labels.get(name) or name.replace("_", " ").capitalize()
    unit = _extra(field).get("unit")
    return f"{text} ({unit})" if unit else text


def _tooltip_of(field: FieldInfo) -> str:
    default = "automatic" if field.default is None else field.default
    shown = spell(default) if isinstance(default, float) else default
    return f"<p>{field.description}</p><p>Default: {shown}</p>"


def _widget_of(field: FieldInfo) -> QWidget:
    choices = choices_of(field)
    types = _types_of(field)
    if choices:
        box = QComboBox()
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for name, text in choices.items():
            box.addItem(name, name)
            box.setItemData(box.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
        return box
    if bool in types:
        return QCheckBox()
    if str in types:
        return QLineEdit()
    return _number_box_of(field, types)


def _number_box_of(field: FieldInfo, types: set[Any]) -> NumberBox:
    above = _bound(field, ["gt"])
    low, high = _bound(field, ["ge", "gt"]), _bound(field, ["le", "lt"])
    below = _bound(field, ["lt"])
    if below is not None:  # the highest number under an excluded bound
        high = below - 1e-9
    return NumberBox(
        integer=int in types,
        optional=type(None) in types,
        bounds=(float("-inf") if low is None else low, float("inf") if high is None else high),
        exclusive=above is not None,
        step=_extra(field).get("step") or 1,
    )


def _signal_of(row: QWidget) -> Any:
    if isinstance(row, NumberBox):
        return row.changed
    if isinstance(row, QComboBox):
        return row.currentIndexChanged
    return row.toggled if isinstance(row, QCheckBox) else row.textEdited


def _value_of(row: QWidget) -> Any:
    if isinstance(row, NumberBox):
        return row.value()
    if isinstance(row, QComboBox):
        return row.currentData()
    return row.isChecked() if isinstance(row, QCheckBox) else row.text()


def _set_value(row: QWidget, value: Any) -> None:
    if isinstance(row, NumberBox):
        row.set_value(value)
    elif isinstance(row, QComboBox):
        row.setCurrentIndex(row.findData(value))
    elif isinstance(row, QCheckBox):
        row.setChecked(value)
    elif row.text() != value:
        row.setText(value)
