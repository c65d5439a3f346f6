"""Train, and see how it goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_topaz.events import EpochDone, Event, Judged, StepDone
from napari_topaz.gui.fold import heading
from napari_topaz.gui.guide import Guide
from napari_topaz.gui.models_panel import ModelsPanel
from napari_topaz.gui.plots import HEIGHT, Colours, CurvesPlot
from napari_topaz.gui.training_plots import JudgedPlot, ScoresPlot

if TYPE_CHECKING:
    from napari_topaz.jobs.live_run import RoundDone

LIVE = (
    "Learn while you click: first you see a guess; from the fifth label on the model learns your particle, "
    "behind everything else, and every click joins at once: heat map and picks follow. It rests when nothing "
    "is new, and gives way to Train and Pick all."
)
#: Said of it before it is ticked.
LIVE_OFF = "Live: learns while you click."
#: Points of the curve of losses; of a longer one every other point goes.
MOST_POINTS = 2000


class TrainingPanel(QWidget):
    """The Train button, the box *Live*, and what is seen of a training while it goes on.

    Signals
    -------
    train(bool)
        Train was pressed; whether to go on from the present model.
    live_switched(bool)
        Live was ticked or not.
    save_model, load_model
        A button was pressed.
    """

    train = Signal(bool)
    live_switched = Signal(bool)
    save_model = Signal()
    load_model = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Train")
        self.button.setObjectName("train")
        self.go_on = QCheckBox("Continue")
        self.go_on.setObjectName("go_on")
        self.button.clicked.connect(lambda: self.train.emit(self.go_on.isChecked()))
        self.live = QCheckBox("Live")
        self.live.setObjectName("live")
        self.live.setToolTip(LIVE)
        self.live.toggled.connect(self.live_switched.emit)
        self.load_button = QPushButton("Load …")
        self.load_button.clicked.connect(self.load_model.emit)
        self.save_button = QPushButton("Save …")
        self.save_button.clicked.connect(self.save_model.emit)
        self.summary = QLabel()
        self.summary.setObjectName("summary")
        self._told = LIVE_OFF  # where Live has nothing to say
        self.summary.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        #: Models that are kept, folded away.
        self.models = ModelsPanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        buttons = (self.load_button, self.save_button, self.live, self.button)
        layout.addLayout(heading("3 · Train", *buttons))
        layout.addWidget(self._plots())
        below = QHBoxLayout()
        below.addWidget(self.watched)
        below.addWidget(self.summary, 1)
        below.addWidget(self.go_on)
        layout.addLayout(below)
        layout.addWidget(self.models)
        self.clear()

    def _plots(self) -> QStackedWidget:
        self.plot, self.scores, self.judged = CurvesPlot(), ScoresPlot(), JudgedPlot()
        stack = QStackedWidget()
        stack.setFixedHeight(HEIGHT)
        self.watched = QComboBox()
        self.watched.setObjectName("watched")
        self.watched.setToolTip("What is seen of the training.")
        for name, plot in (("Loss", self.plot), ("Scores", self.scores), ("Precision", self.judged)):
            stack.addWidget(plot)
            self.watched.addItem(name)
        self.watched.currentIndexChanged.connect(stack.setCurrentIndex)
        return stack

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
                "Continue with the corrections: Train starts from the present model, with its network and in "
                "small steps, rather than anew.",
            ),
        ):
            button.setEnabled(reason is None)
            button.setToolTip(reason or tip)
        self.live.setEnabled(guide.locked is None)
        self.live.setToolTip(guide.locked or LIVE)

    def clear(self) -> None:
        """Empty the curves: a new training begins."""
        self._loss: list[tuple[int, float]] = []
        self._held_out: list[tuple[int, float]] = []
        self._best: int | None = None
        self._kept: Judged | None = None
        self._tell(LIVE_OFF)
        self.plot.show_curves([], [], None)
        self.scores.show_judged(None)
        self.judged.show_judged(None)

    def on_event(self, event: Event) -> None:
        """Draw what a training tells."""
        if isinstance(event, StepDone):
            self._loss.append((event.step, event.loss))
        elif isinstance(event, EpochDone):
            if event.held_out is not None:
                self._held_out.append((event.step, event.held_out))
                self._best = len(self._held_out) - 1 if event.kept else self._best
            self._kept = event.judged if event.kept else self._kept
            self._show_judged(event.judged)
            self._tell(_epoch(event.epoch, event.epochs, event.loss, event.held_out))
        else:
            return
        self.plot.show_curves(self._loss, self._held_out, self._best)

    def show_round(self, event: RoundDone) -> None:
        """Draw what a live training tells."""
        if event.loss is not None:
            self._loss.append((event.step, event.loss))
            if len(self._loss) > MOST_POINTS:
                self._loss = self._loss[::2]
        self._kept = None
        self._show_judged(event.judged)
        self.plot.show_curves(self._loss, [], None)
        state = "up to date" if event.resting else "learning"
        self.say_live(f"Live · {event.labels} labels · {state}")

    def say_live(self, text: str) -> None:
        """Say how a live training is; where there is none, what was told last of another one."""
        self._say(text or self._told)

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
            self._tell(_epoch(last.epoch, len(records), last.loss, last.held_out))

    def set_colours(self, colours: Colours) -> None:
        """Follow the viewer's theme."""
        for plot in (self.plot, self.scores, self.judged, self.models.plot):
            plot.set_colours(colours)

    def _show_judged(self, judged: Judged | None) -> None:
        self.scores.show_judged(judged)
        self.judged.show_judged(judged, self._kept)

    def _tell(self, text: str) -> None:
        self._told = text
        self._say(text)

    def _say(self, text: str) -> None:
        self.summary.setText(text)
        self.summary.setToolTip(text)


def _epoch(epoch: int, epochs: int, loss: float, held_out: float | None) -> str:
    text = f"Epoch {epoch}/{epochs} · loss {loss:.3f}"
    return text if held_out is None else f"{text} · held-out AP {held_out:.2f}"
