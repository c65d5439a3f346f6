"""The fold "Masks and edges": what of the micrographs does not count."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.form import NumberBox
from napari_topaz.gui.label_row import PRESSED

TITLE = "Masks and edges"
#: Name → what the button says, and what it does.
BUTTONS = {
    "draw": (
        "Draw",
        "Draw round what does not count, such as carbon: click corner by corner, a double click ends. "
        "Nothing is learnt or picked there.",
    ),
    "lasso": ("Lasso", "The same with the mouse button held down."),
    "suggest": ("Suggest", "Suggest a mask of this micrograph: carbon, its edge, contaminations, gold."),
    "clear": ("Clear", "Remove the mask of this micrograph; Undo brings it back."),
    "suggest_all": ("Suggest on all", "Suggest masks of all micrographs that have none."),
    "load": ("Load …", "Take masks from a folder: NAME_mask.geojson, or .png, .tif, .mrc of other programs."),
    "save": ("Save …", "Write all masks into a folder, for --masks on the command line: NAME_mask.geojson."),
}
#: Buttons that stay pressed while clicks draw.
DRAWS = ("draw", "lasso")


class MaskPanel(Fold):
    """Buttons, the margin, and a line that says what is hidden.

    Signals
    -------
    pressed(str)
        A button of :data:`BUTTONS`.
    margin_chosen(float)
        Å.
    """

    pressed = Signal(str)
    margin_chosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(TITLE, parent)
        self.buttons = {name: self._make_button(name) for name in BUTTONS}
        names = list(BUTTONS)
        for row in (names[:4], names[4:]):
            self.add(self._row(row))
        self.margin = NumberBox(bounds=(0, 100_000), step=10)
        self.margin.setObjectName("mask_margin")
        self.margin.set_value(0)
        tip = "Nothing nearer to the edges than this is learnt or picked."
        self.margin.setToolTip(tip)
        self.margin.changed.connect(lambda: self.margin_chosen.emit(self.margin.value() or 0.0))
        form = QWidget()
        layout = QFormLayout(form)
        layout.setContentsMargins(0, 0, 0, 0)
        label = QLabel("Margin (Å)")
        label.setToolTip(tip)
        layout.addRow(label, self.margin)
        self.add(form)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setObjectName("mask_status")
        self.add(self.status)

    def show_state(self, text: str, reasons: dict[str, str | None]) -> None:
        """Say what is hidden, and enable the buttons, or say of each why it cannot work."""
        self.status.setText(text)
        for name, button in self.buttons.items():
            reason = reasons.get(name)
            button.setEnabled(reason is None)
            button.setToolTip(reason or BUTTONS[name][1])

    def show_drawing(self, how: str | None) -> None:
        """Show which button says what clicks draw, if they do."""
        for name in DRAWS:
            self.buttons[name].setChecked(name == how)

    def _make_button(self, name: str) -> QPushButton:
        button = QPushButton(BUTTONS[name][0])
        button.setObjectName(f"mask_{name}")
        button.setToolTip(BUTTONS[name][1])
        if name in DRAWS:
            button.setCheckable(True)
            button.setStyleSheet(PRESSED)
        press: Callable[..., None] = lambda *_: self.pressed.emit(name)  # noqa: E731
        button.clicked.connect(press)
        return button

    def _row(self, names: list[str]) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for name in names:
            layout.addWidget(self.buttons[name])
        layout.addStretch()
        return row
