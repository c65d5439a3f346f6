"""Says what the expected number means: so many particles of that width, on every micrograph."""

from __future__ import annotations

import math

import numpy as np
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QLabel, QWidget
from scipy.special import expit

from napari_topaz.gui.links import Link, connect_until_destroyed
from napari_topaz.gui.options import Options
from napari_topaz.gui.session import Session
from napari_topaz.gui.workspace import Workspace
from napari_topaz.preprocess import downsampling
from napari_topaz.training_set import ASSUMED_COVERAGE, expected_and_prior

#: A fraction of fewer picks is not worth telling.
FEWEST_PICKS = 5
#: Share of the area above which circles could hardly lie side by side (hexagonal packing: 0.907).
MOST_COVERAGE = 0.9


def expected_precision(workspace: Workspace, name: str | None) -> float | None:
    """Return the fraction of what would be saved for a micrograph that is expected to be particles.

    Labels count as particles, and each pick as the probability that its score stands for. None where the
    model's scores are no probabilities, or the micrograph is not picked by it.
    """
    model = workspace.model
    if name is None or model is None or not model.calibrated or not workspace.is_picked(name):
        return None
    scores, count = workspace.picks(name).scores, workspace.count(name)
    if count < FEWEST_PICKS:
        return None
    return float(expit(scores.astype(np.float64)).sum() + count - len(scores)) / count


def meaning(
    options: Options,
    shape: tuple[int, int],
    diameter: float,
    pixel_size: float | None,
    counted: float | None = None,
    labelled: float = 0.0,
) -> str:
    """Return one sentence.

    Parameters
    ----------
    options : Options
        Expected number or prior, label radius, downsampling.
    shape : tuple of int
        (height, width) of a micrograph, pixels.
    diameter : float
        Of the particle, pixels.
    pixel_size : float or None
        Å per pixel.
    counted : float, optional
        Mean number of labels on complete micrographs.
    labelled : float
        Mean number of labels on the others, of those that have any.

    Raises
    ------
    ValueError
        Where the downsampling cannot be known.
    """
    factor = downsampling(options.preprocess, pixel_size)
    train = options.train
    pixels = math.prod(shape) / factor**2
    expected, prior = expected_and_prior(
        pixels, diameter / factor, train.expected or counted, train.prior, train.label_radius
    )
    one = round(expected) == 1
    width = f"{diameter:.4g} px" if pixel_size is None else f"{diameter * pixel_size:.4g} Å"
    particles = f"{'1 particle' if one else f'{expected:,.0f} particles'} of {width}"
    covered = expected * math.pi * (diameter / 2) ** 2 / math.prod(shape)
    if covered > MOST_COVERAGE:
        return f"{particles} do not fit on a micrograph: they would cover {covered:.0%} of it."
    if labelled > expected * (1 + 1e-6):
        how = "assumed" if train.expected is train.prior is None else "expected"
        return (
            f"{particles} {'is' if one else 'are'} {how} per micrograph, but {labelled:.0f} are labelled "
            "where any are: give a number that counts those too that nobody labelled."
        )
    share = f"{covered:.0%}" if covered >= 0.01 else "less than 1%"
    pi, cover = f"(π = {prior:.2g})", "it covers" if one else "they cover"
    if train.prior is not None:
        return f"The prior means about {particles} per micrograph; {cover} {share} of its area {pi}."
    if train.expected is None and counted is not None:
        return f"Not given: about {particles} per micrograph, as on the complete ones {pi}."
    if train.expected is None:
        return f"Not given: about {particles} per micrograph, {ASSUMED_COVERAGE:.0%} of its area {pi}."
    return f"About {particles} per micrograph; {cover} {share} of its area {pi}."


class Meaning(QObject):
    """Keeps the sentence in a label up to date; `parent` is the dock."""

    def __init__(self, session: Session, label: QLabel, parent: QWidget) -> None:
        super().__init__(parent)
        self._workspace, self._layers, self._label = session.workspace, session.layers, label
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.show)
        workspace = self._workspace
        links: list[Link] = [
            (workspace.options_changed, self._hurry),
            (workspace.current_changed, self._hurry),
            (workspace.files_changed, self._hurry),
            (workspace.labels_changed, self._hurry),
            (workspace.decisions.marks.changed, self._hurry),
        ]
        connect_until_destroyed(parent, links)
        self._hurry()

    def show(self) -> None:
        """Show the sentence, where there is something to say."""
        workspace, picture = self._workspace, self._layers.picture
        diameter = workspace.diameter()
        text = ""
        if picture is not None and diameter is not None:
            try:
                lengths = (picture.shape, diameter, workspace.pixel_size())
                text = meaning(workspace.options, *lengths, self._counted(), self._labelled())
            except ValueError:  # lengths are missing still: the hint asks for them
                text = ""
        self._label.setText(text)
        self._label.setVisible(bool(text))

    def _counted(self) -> float | None:
        complete = self._workspace.decisions.ticks.complete
        counts = [n for name in complete if (n := self._workspace.particles_on(name))]
        return sum(counts) / len(counts) if counts else None

    def _labelled(self) -> float:
        complete = self._workspace.decisions.ticks.complete
        counts = [n for name, n in self._workspace.particles.items() if name not in complete]
        return sum(counts) / len(counts) if counts else 0.0

    def _hurry(self, *_: object) -> None:
        self._soon.start(100)  # when the picture is drawn
