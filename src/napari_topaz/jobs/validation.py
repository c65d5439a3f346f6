"""How well a model finds labels that it has not seen, without any labelled negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from napari_topaz.events import Judged
from napari_topaz.extract import SPACING, extract
from napari_topaz.numerics.matching import match
from napari_topaz.numerics.regions import disc_mask
from napari_topaz.score_map import ScoreMap
from napari_topaz.training_set import LabelledImage

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Bins of the histograms of scores, and points of a curve at most.
BINS, POINTS = 60, 200


@dataclass(frozen=True)
class Validation:
    """Result of :func:`validate`.

    Attributes
    ----------
    average_precision : float
        Estimated under the assumption that labels are a random sample of the particles.
    threshold : float
        Logit with the highest estimated F_β.
    labels : int
        Number of labels it rests on.
    recall, precision : ndarray of float64, shape (k,)
        The curve, highest threshold first.
    judged : Judged or None
        The same in few points, with the scores of regions; None of :func:`estimate`.
    """

    average_precision: float
    threshold: float
    labels: int
    recall: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    precision: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    judged: Judged | None = field(default=None, repr=False, compare=False)

    @property
    def standard_error(self) -> float:
        """Of the average precision, as of a proportion with a pseudo-count of one label each way."""
        n = self.labels + 2
        p = (self.average_precision * self.labels + 1) / n
        return float(np.sqrt(p * (1 - p) / n))


def validate(
    model: PickerModel,
    images: Sequence[LabelledImage],
    expected: float,
    radius: float,
    *,
    symmetries: str = "none",
    beta: float = 1.0,
) -> Validation:
    """Pick labelled images and compare with their labels.

    Labels are few, so that most picks which match none are particles all the same. If the labels
    are a random sample of the particles, the recall of labels estimates the recall of particles, and
    precision = recall × expected particles / picks (compare Lee & Liu 2003, and Bepler et al. 2019
    on held-out labels as a lower bound). Where the labels of a micrograph are complete, nothing is
    estimated: a hit there stands for itself, and one elsewhere for expected particles / labels (a
    Horvitz–Thompson estimate of the particles that were found).

    Parameters
    ----------
    model : PickerModel
        Scores on its own device.
    images : sequence of LabelledImage
        Should not have been trained on.
    expected : float
        Particles per micrograph whose labels are not complete.
    radius : float
        Match and suppression radius, preprocessed pixels.
    symmetries : str
        As in :meth:`PickerModel.score`.
    beta : float
        Weight of the recall in the F_β that the threshold maximises. Where all particles are labelled
        (`expected` is no more than the labels), it is the F_β of the labels themselves, as in Zhu et
        al. 2017.
    """
    scores, hits, regions = [], [], []
    for image in images:
        score_map = model.score(image.prepared, symmetries=symmetries)
        scale = np.asarray(image.prepared.step_yx, np.float32)
        picks = extract(score_map, SPACING * radius * float(scale.mean()))
        matched = match(image.positives, picks.yx / scale, radius)
        scores.append(picks.scores)
        hits.append(matched.target_of_pick >= 0)
        regions.append(_region_scores(score_map, image, radius))
    labels = sum(len(i.positives) for i in images)
    particles, per_hit = _standing_for(images, expected)
    weights = np.repeat(per_hit, list(map(len, scores))) if any(i.complete for i in images) else None
    both = (np.concatenate(scores), np.concatenate(hits))
    found = estimate(*both, labels, particles, beta=beta, weights=weights)
    return replace(found, judged=_judged(found, *map(np.concatenate, zip(*regions, strict=True))))


def _standing_for(images: Sequence[LabelledImage], expected: float) -> tuple[float, NDArray[np.float64]]:
    """Particles on all images, and for how many of them a hit stands on each image."""
    open_ = [len(i.positives) for i in images if not i.complete]
    hidden = max(expected * len(open_), sum(open_))
    weight = hidden / max(sum(open_), 1)
    known = sum(len(i.positives) for i in images if i.complete)
    return hidden + known, np.array([1.0 if i.complete else weight for i in images])


def _region_scores(
    score_map: ScoreMap, image: LabelledImage, radius: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of regions farther than `radius` (preprocessed pixels) from every label, and at particles."""
    logits = score_map.logits
    small = np.asarray(score_map.step_yx) / np.asarray(image.prepared.step_yx)
    places = np.concatenate([image.positives, image.negatives]) / small
    near = disc_mask((logits.shape[0], logits.shape[1]), places, (radius / small[0], radius / small[1]))
    if image.masked is not None:
        near |= image.masked[:: round(small[0]), :: round(small[1])]
    at = np.clip(np.rint(image.positives / small).astype(int), 0, np.array(logits.shape) - 1)
    return logits[~near], logits[tuple(at.T)]


def _judged(
    found: Validation, unlabelled: NDArray[np.float32], labelled: NDArray[np.float32]
) -> Judged | None:
    """Put the validation into few numbers; None where scores are not finite."""
    both = np.concatenate([unlabelled, labelled])
    if not len(both) or not np.isfinite(both).all():
        return None
    edges = np.histogram_bin_edges(both, BINS)
    fractions = [np.histogram(x, edges)[0] / max(len(x), 1) for x in (unlabelled, labelled)]
    chosen = np.unique(np.linspace(0, max(len(found.recall) - 1, 0), POINTS).astype(int))[: len(found.recall)]
    return Judged(found.recall[chosen], found.precision[chosen], edges, *fractions)


def estimate(
    scores: NDArray[np.float32],
    hits: NDArray[np.bool_],
    labels: int,
    particles: float,
    *,
    beta: float = 1.0,
    weights: NDArray[np.float64] | None = None,
) -> Validation:
    """Estimate average precision and best threshold from picks and incomplete labels.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Of all picks.
    hits : ndarray of bool, shape (n,)
        Whether a pick is a label.
    labels : int
        Number of labels.
    particles : float
        Expected number of particles, labelled or not.
    beta : float
        Weight of the recall in F_β.
    weights : ndarray, shape (n,), optional
        How many particles each pick stands for if it is a hit; particles / labels where not given.
    """
    particles = max(particles, labels)
    found: NDArray[Any] = hits if weights is None else hits * weights
    of_all = max(labels if weights is None else particles, 1)
    order = np.argsort(-scores, kind="stable")
    ranked, picked = scores[order].astype(np.float64), np.arange(1, len(order) + 1)
    recall = np.cumsum(found[order]) / of_all
    # Equal scores are one step, whatever the order of the picks.
    steps = np.flatnonzero(np.diff(ranked, append=-np.inf))
    ranked_hits = ranked[hits[order]]
    ranked, picked, recall = ranked[steps], picked[steps], recall[steps]
    precision = np.minimum(1.0, recall * particles / picked)
    average = float(np.sum(precision * np.diff(recall, prepend=0.0)))
    if not hits.any():
        return Validation(average, float(ranked[0]) if len(ranked) else 0.0, labels, recall, precision)
    smooth = _smooth_recall(ranked, ranked_hits, found[order][hits[order]]) / of_all
    # F_β = (1 + β²)·precision·recall / (β²·precision + recall), with precision = recall · particles / picks.
    f_beta = (1 + beta**2) * smooth * particles / (picked + beta**2 * particles)
    return Validation(average, float(ranked[np.argmax(f_beta)]), labels, recall, precision)


def _smooth_recall(
    scores: NDArray[np.float64], of_labels: NDArray[np.float64], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Labels found at each score, by weight, each one's score blurred by a Gaussian (Silverman's width).

    A handful of labels makes a staircase, whose best F1 sits at the score of some label by chance.
    """
    width = max(1.06 * float(of_labels.std()) * len(of_labels) ** -0.2, 1e-6)
    found = np.zeros(len(scores))
    for one, weight in zip(of_labels, weights, strict=True):
        found += weight * ndtr((one - scores) / width)
    return found
