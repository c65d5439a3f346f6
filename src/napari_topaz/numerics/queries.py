"""Which candidates a person should be asked about, so that a few answers teach a model the most.

Three things count:

* *Doubt*: candidates that are as likely particles as not; examples there change a model most (uncertainty
  sampling: Lewis & Gale 1994, A sequential algorithm for training text classifiers, SIGIR 94, section 3).
  That is above the threshold of picks: one that makes F1 largest lies where the probability is F1/2, so
  below ½ (Lipton, Elkan & Naryanaswamy 2014, Optimal thresholding of classifiers to maximize F1 measure).
  The score below which a quarter of the picks lie stands for it, see :func:`doubt_point`.
* *Oddity*: candidates that score high but do not look like the others that do. Of positive and unlabelled
  data alone a model cannot know that they are wrong, and it is sure of them, so that doubt never finds
  them; a part of the questions is kept for them.
* *Diversity*: questions asked at once must not all be the same one. Micrographs have their turn
  one after the other, and two places on one are some particle diameters apart (batches by clusters or by
  groups: Settles 2009, Active learning literature survey, section 6.1).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from napari_topaz.numerics.boxes import rotational_average, thumbnail

#: Part of the questions that is kept for odd candidates.
ODD_PART = 0.3
#: Part of the picks whose score is below the point of doubt.
QUARTER = 0.25
#: Probability ¼ to ¾: logits this close to the point of doubt are doubtful.
DOUBTFUL = float(np.log(3))
#: Questions on one micrograph are this far apart, in particle diameters.
APART = 2.0
#: Beyond so many nobody looks for a candidate that is far enough from the others.
MOST_DOUBTFUL = 5000
#: Edge to which boxes are downsampled before they are compared, px.
EDGE = 24
#: Robust standard deviations from which a feature makes a box odd; less is chance.
FEW_DEVIATIONS = 2.0


def choose_queries(
    margins: NDArray[np.floating],
    groups: NDArray[np.integer],
    places: NDArray[np.floating],
    oddity: NDArray[np.floating],
    count: int,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Choose candidates to ask about.

    Parameters
    ----------
    margins : ndarray of shape (n,)
        Score (logit) minus the threshold.
    groups : ndarray of int, shape (n,)
        The micrograph of each.
    places : ndarray of shape (n, 2)
        Where it lies on it, in particle diameters.
    oddity : ndarray of shape (n,)
        How much unlike others of a high score it looks; NaN or at most 0 where that is not known or
        not at all.
    count : int
        How many to choose at most.

    Returns
    -------
    chosen : ndarray of int, shape (m,)
        Indices, the most instructive first.
    odd : ndarray of bool, shape (m,)
        Those chosen for their oddity.
    """
    known = np.nan_to_num(np.asarray(oddity, np.float64), nan=0.0)
    odd_order = [int(i) for i in np.argsort(-known, kind="stable") if known[i] > 0]
    doubt = np.abs(np.asarray(margins, np.float64) - doubt_point(margins))
    doubt_order = [int(i) for i in np.argsort(doubt, kind="stable")[:MOST_DOUBTFUL]]
    chosen: list[int] = []
    each = max(1, -(-count // max(1, len(np.unique(groups)))))
    _take(chosen, odd_order, round(ODD_PART * count), groups, places, each)
    odd = set(chosen)
    while len(chosen) < count:  # where micrographs are few, each has more turns
        before = len(chosen)
        _take(chosen, doubt_order, count, groups, places, each)
        if len(chosen) == before and each >= count:
            break
        each *= 2
    ranked = sorted(chosen, key=lambda i: (float(doubt[i]) if i not in odd else 0.0, i))
    return np.array(ranked, np.intp), np.array([i in odd for i in ranked], bool)


def _take(
    chosen: list[int],
    order: list[int],
    count: int,
    groups: NDArray[np.integer],
    places: NDArray[np.floating],
    each: int,
) -> None:
    """Append to `chosen`, up to `count`, what comes first in `order`, at most `each` of a group."""
    turns = Counter(int(groups[i]) for i in chosen)
    for i in order:
        if len(chosen) >= count:
            return
        same = [j for j in chosen if groups[j] == groups[i]]
        if i in same or turns[int(groups[i])] >= each:
            continue
        if same and float(np.hypot(*(places[same] - places[i]).T).min()) < APART:
            continue
        chosen.append(i)
        turns[int(groups[i])] += 1


def doubt_point(margins: NDArray[np.floating]) -> float:
    """Return the margin at which a candidate is most in doubt; 0 where there are no picks."""
    picks = margins[margins >= 0]
    return float(np.quantile(picks, QUARTER)) if len(picks) else 0.0


def doubtful(margins: NDArray[np.floating], groups: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Return how many doubtful candidates each of `count` groups has (see :data:`DOUBTFUL`)."""
    near = np.abs(margins - doubt_point(margins)) <= DOUBTFUL
    return np.bincount(np.asarray(groups)[near], minlength=count)


def features(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Downsample a box, shape (size, size), to mean 0 and standard deviation 1, shape (e, e)."""
    return thumbnail(box, EDGE)


def oddities(boxes: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Say how unlike the rest each box is.

    Three numbers of a box do not depend on the grey levels of its micrograph: its middle against its
    rim, its correlation with the average of all over all rotations, and how much of its variance is
    smooth (ice and gold are smoother than particles in noise). The farthest from the median of all,
    in robust standard deviations (1.4826 × the median absolute deviation), counts.

    Parameters
    ----------
    boxes : ndarray of float32, shape (n, e, e)
        See :func:`features`.
    known : ndarray of bool, shape (n,)
        Those known to be particles; they make the average where there are some.

    Returns
    -------
    ndarray of float64, shape (n,)
        Robust standard deviations; 0 where they are fewer than :data:`FEW_DEVIATIONS`.
    """
    if len(boxes) < 4:  # no median to speak of
        return np.zeros(len(boxes))
    typical = np.median(boxes[known], axis=0) if known.sum() >= 3 else np.median(boxes, axis=0)
    template = rotational_average(typical)[0]
    template = (template - template.mean()) / (float(template.std()) or 1.0)
    e = boxes.shape[1]
    distance = np.hypot(*(np.indices((e, e)) - e // 2))
    middle, rim = distance < 0.2 * e, distance > 0.42 * e
    contrast = boxes[:, middle].mean(axis=1) - boxes[:, rim].mean(axis=1)
    likeness = (boxes * template).mean(axis=(1, 2))
    rough = np.diff(boxes, axis=1)[:, :, :-1] ** 2 + np.diff(boxes, axis=2)[:, :-1] ** 2
    smooth = np.log(np.maximum(rough.mean(axis=(1, 2)), 1e-6))
    deviations = np.stack([np.abs(_robust(contrast)), -_robust(likeness), np.abs(_robust(smooth))])
    worst = deviations.max(axis=0)
    return np.where(worst >= FEW_DEVIATIONS, worst, 0.0)


def _robust(values: NDArray[np.floating]) -> NDArray[np.float64]:
    away = np.asarray(values - np.median(values), np.float64)
    width = 1.4826 * float(np.median(np.abs(away)))
    return away / width if width > 0 else np.zeros(len(away))
