"""Give a trained model scores that mean something, and the threshold that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_topaz.extract import SPACING, extract
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.presence import SLOPE, best_threshold, fit_precision
from napari_topaz.training_set import LabelledImage, TrainingSet

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Micrographs that are scored for it at most; those held out come first.
MOST_IMAGES = 8
#: A network that began with random weights is surer of itself: its best slopes with ten labels were .4 to .8
#: (benchmarks/results/calibration_development.md).
SLOPE_FROM_RANDOM = 0.6


def calibrated(model: PickerModel, training_set: TrainingSet, *, beta: float = 1.0) -> PickerModel:
    """Return the model with scores that are logits of probabilities, and the threshold of the best F_β.

    The precision of picks follows from the number of particles expected on the labelled micrographs, and
    from the scores of held-out labels (:func:`~napari_topaz.numerics.presence.fit_precision`). Labels that
    were trained on say nothing: their scores are too high.

    Parameters
    ----------
    model : PickerModel
        With plain scores.
    training_set : TrainingSet
        What it was trained on.
    beta : float
        Weight of the recall.

    Raises
    ------
    MemoryError
        Where the device's memory is too small to score a micrograph.
    """
    images = [*training_set.validation, *training_set.training][:MOST_IMAGES]
    picked = [_picks(model, image, training_set.particle_radius) for image in images]
    scores = np.concatenate([found for found, _ in picked])
    if not len(scores):
        return model
    held_out = picked[: len(training_set.validation)]
    labels = [found[hits] for found, hits in held_out]
    particles = _particles(images, training_set.expected)
    slope = SLOPE if model.card.pretrained else SLOPE_FROM_RANDOM
    fit = fit_precision(scores, particles, np.concatenate(labels) if labels else (), slope=slope)
    threshold, precision = best_threshold(fit.logits_of(scores), particles, beta)
    return model.with_card(
        score_slope=fit.slope, score_offset=fit.offset, threshold=threshold, expected_precision=precision
    )


def _particles(images: Sequence[LabelledImage], expected: float) -> float:
    """How many particles are expected on these micrographs; no fewer than are labelled."""
    return sum(float(len(i.positives)) if i.complete else max(expected, len(i.positives)) for i in images)


def _picks(
    model: PickerModel, image: LabelledImage, radius: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores of all picks of a micrograph, and which of them are labelled particles."""
    scale = np.asarray(image.prepared.step_yx, np.float32)
    picks = extract(model.score(image.prepared), SPACING * radius * float(scale.mean()))
    matched = match(image.positives, picks.yx / scale, radius)
    return picks.scores, matched.target_of_pick >= 0
