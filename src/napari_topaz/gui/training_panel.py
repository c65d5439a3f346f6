"""Train, and see how it goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_topaz.events import EpochDone, Event, StepDone
from napari_topaz.gui.fold import heading
from napari_topaz.gui.guide import Guide
from napari_topaz.gui.plots import Colours, CurvesPlot


class TrainingPanel(QWidget):
    """The Train button and the live curves.

    Signals
    -------
    train(bool)
        Train was pressed; whether to go on from the present model.
    save_model, load_model
        A button was pressed.
    """

    train = Signal(bool)
    save_model = Signal()
    load_model = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Train")
        self.button.setObjectName("train")
        self.go_on = QCheckBox("Continue")
        self.go_on.setObjectName("go_on")
        self.button.clicked.connect(lambda: self.train.emit(self.go_on.isChecked()))
        self.load_button = QPushButton("Load …")
        self.load_button.clicked.connect(self.load_model.emit)
        self.save_button = QPushButton("Save …")
        self.save_button.clicked.connect(self.save_model.emit)
        self.plot = CurvesPlot()
        self.summary = QLabel()
        self.summary.setObjectName("summary")
        self.summary.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(heading("3 · Train", self.load_button, self.save_button, self.button))
        layout.addWidget(self.plot)
        below = QHBoxLayout()
        below.addWidget(self.summary, 1)
        below.addWidget(self.go_on)
        layout.addLayout(below)
        self.clear()

    def enable(self, guide: Guide) -> None:
        """Enable the buttons that can work, and say of the others why not."""
        for button, reason, tip in (
            (self.button, guide.train, "Learn from the labels; heat map and picks follow while it learns."),
            (self.save_button, guide.save_model, "Save the model, to pick with it later or on a cluster."),
            (
                self.load_button,
                guide.load,
                "Take a model that was trained before, here or with Topaz (.sav), instead of training.",
            ),
            (
                self.go_on,
                guide.go_on,
                "Train starts from the present model, with its network and in small steps, "
                "rather than from random weights.",
            ),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)

    def clear(self) -> None:
        """Empty the curves: a new training begins."""
        self._loss: list[tuple[int, float]] = []
        self._held_out: list[tuple[int, float]] = []
        self._best: int | None = None
        self.summary.setText("")
        self.summary.hide()
        self.plot.show_curves([], [], None)

    def on_event(self, event: Event) -> None:
        """Draw what a training tells."""
        if isinstance(event, StepDone):
            self._loss.append((event.step, event.loss))
        elif isinstance(event, EpochDone):
            if event.held_out is not None:
                self._held_out.append((event.step, event.held_out))
                self._best = len(self._held_out) - 1 if event.kept else self._best
            self._say(event.epoch, event.epochs, event.loss, event.held_out)
        else:
            return
        self.plot.show_curves(self._loss, self._held_out, self._best)

    def show_history(self, history: Iterable[Any], best_epoch: int) -> None:
        """Draw the history of a model that was loaded."""
        records = list(history)
        self._loss = [(r.step, r.loss) for r in records]
        held_out = [r for r in records if r.held_out is not None]
        self._held_out = [(r.step, r.held_out) for r in held_out]
        self._best = next((i for i, r in enumerate(held_out) if r.epoch == best_epoch), None)
        self.plot.show_curves(self._loss, self._held_out, self._best)
        if records:
            last = records[-1]
            self._say(last.epoch, len(records), last.loss, last.held_out)

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        self.plot.set_colours(colours)

    def _say(self, epoch: int, epochs: int, loss: float, held_out: float | None) -> None:
        text = f"Epoch {epoch}/{epochs} · loss {loss:.3f}"
        if held_out is not None:
            text += f" · held-out AP {held_out:.2f}"
        self.summary.setText(text)
        self.summary.show()
