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
#: The more labels it was trained on, the surer: slopes are those of ten labels, and fall with this power of
#: their number, up to a hundred (the same table).
FEW_LABELS, MANY_LABELS, SLOPE_DECAY = 10, 100, -0.15
#: Labels that were trained on score too high, and count for no more than so many that were held out. They
#: tell where the particles' scores are at all.
TRAINED_COUNT = 8


def calibrated(model: PickerModel, training_set: TrainingSet, *, beta: float = 1.0) -> PickerModel:
    """Return the model with scores that are logits of probabilities, and the threshold of the best F_β.

    The precision of picks follows from the number of particles expected on the labelled micrographs, and
    from the scores of held-out labels (:func:`~napari_topaz.numerics.presence.fit_precision`). Labels that
    were trained on say little: their scores are too high.

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
    # Those with labels first: empty ones alone would say that there are no particles.
    rest = sorted(training_set.training, key=lambda i: not len(i.positives))
    images = [*training_set.validation, *rest][:MOST_IMAGES]
    picked = [_picks(model, image, training_set.particle_radius) for image in images]
    scores = np.concatenate([found for found, _ in picked])
    if not len(scores):
        return model
    labels = [found[hits] for found, hits in picked]
    particles = _particles(images, training_set.expected)
    # Live calibrates on one micrograph, but has learnt from all.
    learnt = max(model.card.labels, training_set.n_labels)
    slope = expected_slope(learnt, pretrained=bool(model.card.pretrained))
    weights = label_weights([len(found) for found in labels], len(training_set.validation))
    fit = fit_precision(scores, particles, np.concatenate(labels), weights, slope=slope)
    threshold, precision = best_threshold(fit.logits_of(scores), particles, beta)
    return model.with_card(
        score_slope=fit.slope, score_offset=fit.offset, threshold=threshold, expected_precision=precision
    )


def expected_slope(labels: int, *, pretrained: bool) -> float:
    """Return the slope that is expected of a network trained on so many labelled particles."""
    of_few = SLOPE if pretrained else SLOPE_FROM_RANDOM
    times = min(max(labels, FEW_LABELS), MANY_LABELS) / FEW_LABELS
    return float(of_few * times**SLOPE_DECAY)


def label_weights(counts: Sequence[int], held_out: int) -> NDArray[np.float64]:
    """Return how much each label counts, of micrographs with so many; the first of them were held out."""
    trained = sum(counts[held_out:])
    little = min(1.0, TRAINED_COUNT / max(trained, 1))
    return np.repeat(np.where(np.arange(len(counts)) < held_out, 1.0, little), counts)


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
