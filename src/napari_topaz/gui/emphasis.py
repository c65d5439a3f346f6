"""The next step, made visible: its button is coloured, and scrolled into view."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QPushButton, QScrollArea, QWidget

from napari_topaz.gui.theme import EMPHASIS, REQUIRED

#: Pixels round the button that are in view, too.
MARGIN = 12
#: Pixels by which the column must shrink at once for its step to be scrolled to again; messages are lower.
MUCH = 100


class Emphasis(QObject):
    """Colours one of the buttons, or a number that must be typed.

    Parameters
    ----------
    scroll : QScrollArea
        Where they all lie; it is the parent.
    buttons, numbers : mapping of str to QWidget
        By the step's name, as :class:`~napari_topaz.gui.guide.Guide` has it.
    beside : mapping of str to QWidget
        What else a step is about: it is brought into view first.
    """

    def __init__(
        self,
        scroll: QScrollArea,
        buttons: Mapping[str, QPushButton],
        numbers: Mapping[str, QWidget],
        beside: Mapping[str, QWidget] | None = None,
    ) -> None:
        super().__init__(scroll)
        self._scroll, self._buttons, self._numbers = scroll, buttons, numbers
        self._beside = beside or {}
        self._step: str | None = None
        self._soon = QTimer(self)  # rows that appear with a step are laid out by then
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._scroll_to)
        self._height = scroll.viewport().height()
        scroll.viewport().installEventFilter(self)

    def show(self, step: str | None) -> None:
        """Make a step visible; None where there is none. It is scrolled to once, when it is new."""
        for name, button in self._buttons.items():
            _style(button, EMPHASIS if name == step and button.isEnabled() else "")
        for name, number in self._numbers.items():
            _style(number, REQUIRED if name == step else "")
        if step != self._step:
            self._step = step
            self._soon.start(0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Scroll to the step again where much of the column is hidden now: a dock was opened below."""
        if event is not None and event.type() == QEvent.Type.Resize:
            before, self._height = self._height, self._scroll.viewport().height()
            if self._height < before - MUCH:
                self._soon.start(0)
        return False

    def _scroll_to(self) -> None:
        for widgets in (self._beside, self._buttons, self._numbers):
            if (widget := widgets.get(self._step or "")) is not None:
                self._scroll.ensureWidgetVisible(widget, 0, MARGIN)


def _style(widget: QWidget, sheet: str) -> None:
    if widget.styleSheet() != sheet:  # Qt lays all of it out anew, even where it is the same
        widget.setStyleSheet(sheet)
