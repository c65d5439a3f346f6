"""What is decided about the micrograph that is shown, under the list: one line, unless unfolded."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_topaz.gui.fold import Fold
from napari_topaz.gui.marks import Mark

#: Text, what it means, and the key.
MARKS = {
    Mark.FINISHED: (
        "Finished",
        "You are done with this micrograph; key U passes over it. Nothing else follows from it.",
        "F",
    ),
    Mark.EXCLUDED: (
        "Excluded",
        "This micrograph is neither trained on, nor picked, nor saved; its labels are kept.",
        "E",
    ),
    Mark.COMPLETE: (
        "All particles are labelled here",
        "Training takes everything away from the labels for background, and knows how many particles there "
        "are. Without any label it means: no particle.",
        "",
    ),
    Mark.EMPTY: (
        "No particle here",
        "Carbon, empty or thick ice: training takes all of this micrograph for background.",
        "",
    ),
}
TITLE = "This micrograph"


class MarksRow(Fold):
    """Four boxes to tick.

    Signals
    -------
    marked(Mark, bool)
        She ticked one, or took the tick away.
    """

    marked = Signal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(TITLE, parent)
        self.boxes: dict[Mark, QCheckBox] = {}
        for mark, (text, tip, key) in MARKS.items():
            box = QCheckBox(f"{text} ({key})" if key else text)
            box.setToolTip(tip)
            box.clicked.connect(partial(self.marked.emit, mark))
            self.boxes[mark] = box
            self.add(box)

    def lock(self, reason: str | None) -> None:
        """Say why nothing can be ticked; None where it can."""
        for mark, box in self.boxes.items():
            box.setEnabled(reason is None)
            box.setToolTip(reason or MARKS[mark][1])

    def show_marks(self, marks: Collection[Mark] | None) -> None:
        """Show which marks it has; None where there is no micrograph."""
        self.setEnabled(marks is not None)
        for mark, box in self.boxes.items():
            box.setChecked(mark in (marks or ()))
        said = [text.lower() for mark, (text, _, _) in MARKS.items() if mark in (marks or ())]
        self.button.setText(f"{TITLE}: {', '.join(said)}" if said else TITLE)
