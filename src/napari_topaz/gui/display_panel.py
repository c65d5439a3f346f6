"""The fold *Display*: how the picture and what is over it look, and which colour is which score."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.form import Form
from napari_topaz.gui.looks import SCORE_COLOURS
from napari_topaz.settings import DisplaySettings, DrawingSettings

#: Labels where the names of options do not say it well.
LABELS = {
    "low_pass": "Low-pass",
    "high_pass": "High-pass",
    "black": "Black",
    "white": "White",
    "colour_by_score": "Colour by score",
    "outline": "Round picks",
}
#: Options that are lengths on the specimen.
FILTERS = ("low_pass", "high_pass")
NO_LENGTHS = "The filters are off: in Å they need the pixel size (Å/px), which the files do not state."


class ScoreLegend(QWidget):
    """Which colour is which score."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        bar = QLabel()
        bar.setFixedHeight(10)
        stops = ", ".join(f"stop:{i / (len(SCORE_COLOURS) - 1):.3f} {c}" for i, c in enumerate(SCORE_COLOURS))
        bar.setStyleSheet(f"background: qlineargradient(x1:0, y1:0, x2:1, y2:0, {stops});")
        self.low, self.high = QLabel(), QLabel()
        layout = QGridLayout(self)
        layout.setContentsMargins(8, 0, 0, 2)
        layout.setSpacing(2)
        layout.addWidget(QLabel("Score of picks"), 0, 0, 1, 2)
        layout.addWidget(bar, 1, 0, 1, 2)
        layout.addWidget(self.low, 2, 0)
        layout.addWidget(self.high, 2, 1, Qt.AlignmentFlag.AlignRight)
        self.setToolTip("From the threshold to the best score on this micrograph.")
        self.hide()

    def show_limits(self, limits: tuple[float, float] | None) -> None:
        """Show the scores of the first and the last colour; None where picks have one colour."""
        self.setVisible(limits is not None)
        if limits is not None:
            self.low.setText(f"{limits[0]:.3g}")
            self.high.setText(f"{limits[1]:.3g}")


class DisplayPanel(QWidget):
    """Forms in a fold, and under it the legend.

    Signals
    -------
    changed
        She changed an option; :meth:`value` has them all.
    """

    changed = Signal()

    def __init__(
        self, display: DisplaySettings, drawing: DrawingSettings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.fold = Fold("Display")
        self.fold.button.setToolTip(
            "Filter, contrast and colours of what you see; training and picking read the files."
        )
        self.drawing = Form(drawing, labels=LABELS)
        self.display = Form(display, labels=LABELS)
        self.legend = ScoreLegend()
        #: Why the filters do nothing.
        self.note = QLabel(NO_LENGTHS)
        self.note.setObjectName("no filters")
        self.note.setWordWrap(True)
        self.note.hide()
        self.fold.add(self.note)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for form in (self.display, self.drawing):
            form.changed.connect(self.changed.emit)
            self.fold.add(form)
        layout.addWidget(self.fold)
        layout.addWidget(self.legend)

    def value(self) -> tuple[DisplaySettings, DrawingSettings]:
        """Return the settings as they stand in the forms; a ValueError says what does not fit."""
        return self.display.value(), self.drawing.value()

    def show_settings(self, display: DisplaySettings, drawing: DrawingSettings) -> None:
        """Show settings that came from elsewhere."""
        self.display.set_value(display)
        self.drawing.set_value(drawing)

    def show_lengths(self, *, known: bool) -> None:
        """Enable the filters where a pixel has a length; else say why they do nothing."""
        for name in FILTERS:
            self.display.allow(name, None if known else f"{NO_LENGTHS} Type it under 2 · Particle.")
        self.note.setVisible(not known)
