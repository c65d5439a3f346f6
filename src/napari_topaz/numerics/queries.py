"""Which candidates a person should be asked about, so that a few answers teach a model the most.

The objectives take labelled particles for a random sample of all (Elkan & Noto 2008, Learning classifiers
from only positive and unlabelled data, KDD 08, section 2). Answers to questions at the decision surface
(uncertainty sampling: Lewis & Gale 1994) are anything but: the particles among them are the odd ones, which
pull up their look-alikes that are none. So questions are of two kinds, both about picks:

* *At random*: the particles among them are nearly a random sample, the others wrong picks as frequent as
  they are.
* *Odd*: picks that do not look like the others. Of positive and unlabelled data alone a model cannot know
  that they are wrong, and it may be sure of them: the regions with the highest scores are presumed particles
  (``cvir``), and only an answer contradicts.

Two places on one micrograph are some particle diameters apart: questions asked at once must not all be the
same one (Settles 2009, Active learning literature survey, section 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_topaz.numerics.boxes import rotational_average, thumbnail

#: Part of the questions that is kept for odd picks.
ODD_PART = 0.5
#: They are drawn from this part of the picks, those that are most unlike the others.
ODDEST = 0.1
#: Part of the picks whose score is below the point of doubt.
QUARTER = 0.25
#: Probability ¼ to ¾: logits this close to the point of doubt are doubtful.
DOUBTFUL = float(np.log(3))
#: Questions on one micrograph are this far apart, in particle diameters.
APART = 2.0
#: Edge to which boxes are downsampled before they are compared, px.
EDGE = 24
#: Micrographs with fewer boxes have no median of their own.
FEWEST = 8
#: Robust standard deviations beyond which a number counts no more, and those within which boxes are usual.
MOST_DEVIATIONS, USUAL = 8.0, 3.0


def choose_queries(
    margins: NDArray[np.floating],
    groups: NDArray[np.integer],
    places: NDArray[np.floating],
    oddity: NDArray[np.floating],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Choose candidates to ask about: picks, and where there are too few, what comes next to them.

    Parameters
    ----------
    margins : ndarray of shape (n,)
        Score (logit) minus the threshold; picks have 0 or more.
    groups : ndarray of int, shape (n,)
        The micrograph of each.
    places : ndarray of shape (n, 2)
        Where it lies on it, in particle diameters.
    oddity : ndarray of shape (n,)
        How much unlike the other picks it looks (see :func:`oddities`); NaN where that is not known.
    count : int
        How many to choose at most.
    rng : Generator
        Draws them.

    Returns
    -------
    chosen : ndarray of int, shape (m,)
        Indices.
    odd : ndarray of bool, shape (m,)
        Those chosen for their oddity.
    """
    picks = np.flatnonzero(margins >= 0)
    known = picks[np.isfinite(oddity[picks])]
    wanted = round(ODD_PART * count)
    oddest = known[np.argsort(-oddity[known], kind="stable")][: max(wanted, round(ODDEST * len(known)))]
    chosen: list[int] = []
    _take(chosen, rng.permutation(oddest), wanted, groups, places)
    odd = len(chosen)
    _take(chosen, rng.permutation(picks), count, groups, places)
    below = np.flatnonzero(margins < 0)
    _take(chosen, below[np.argsort(-margins[below], kind="stable")], count, groups, places)
    return np.array(chosen, np.intp), np.arange(len(chosen)) < odd


def _take(
    chosen: list[int],
    order: Iterable[int],
    count: int,
    groups: NDArray[np.integer],
    places: NDArray[np.floating],
) -> None:
    """Append to `chosen`, up to `count`, what comes first in `order` and is not near what is chosen."""
    for i in map(int, order):
        if len(chosen) >= count:
            return
        same = [j for j in chosen if groups[j] == groups[i]]
        if same and float(np.hypot(*(places[same] - places[i]).T).min()) < APART:
            continue
        chosen.append(i)


def doubt_point(margins: NDArray[np.floating]) -> float:
    """Return the margin at which a candidate is most in doubt; 0 where there are no picks.

    A threshold that makes F1 largest lies where the probability is F1/2, so below ½ (Lipton, Elkan &
    Naryanaswamy 2014, Optimal thresholding of classifiers to maximize F1 measure). The score below which a
    quarter of the picks lie stands for it.
    """
    picks = margins[margins >= 0]
    return float(np.quantile(picks, QUARTER)) if len(picks) else 0.0


def doubtful(margins: NDArray[np.floating], groups: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Return how many doubtful candidates each of `count` groups has (see :data:`DOUBTFUL`)."""
    near = np.abs(margins - doubt_point(margins)) <= DOUBTFUL
    return np.bincount(np.asarray(groups)[near], minlength=count)


def features(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Downsample a box, shape (size, size), to mean 0 and standard deviation 1, shape (e, e)."""
    return thumbnail(box, EDGE)


def levels(box: NDArray[np.float32], diameter: float) -> NDArray[np.float64]:
    """Standard deviation of a box; and of it without its noise, with minimum, maximum and mean; shape (5,).

    `diameter` is that of the particle in pixels of the box; noise is what is finer than an eighth of it.
    """
    smooth = gaussian_filter(np.asarray(box, np.float32), diameter / 8)
    return np.array([box.std(), smooth.std(), smooth.min(), smooth.max(), smooth.mean()], np.float64)


def oddities(
    boxes: NDArray[np.float32], grey: NDArray[np.float64], groups: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Say how unlike the rest each box is.

    Its grey levels, its middle against its rim and its correlation with the average of all over all
    rotations are counted in robust standard deviations (1.4826 × the median absolute deviation) from the
    median of its micrograph. Of these seven numbers the squared Mahalanobis distance counts, with the
    covariance of the usual boxes.

    Parameters
    ----------
    boxes : ndarray of float32, shape (n, e, e)
        See :func:`features`.
    grey : ndarray of float64, shape (n, 5)
        See :func:`levels`.
    groups : ndarray of int, shape (n,)
        The micrograph of each; those with fewer than :data:`FEWEST` boxes are taken together.

    Returns
    -------
    ndarray of float64, shape (n,)
        Squared distances; NaN where there are too few boxes to say.
    """
    if len(boxes) < FEWEST:
        return np.full(len(boxes), np.nan)
    e = boxes.shape[1]
    distance = np.hypot(*(np.indices((e, e)) - e // 2))
    template = rotational_average(np.median(boxes, axis=0))[0]
    template = (template - template.mean()) / (float(template.std()) or 1.0)
    contrast = boxes[:, distance < 0.2 * e].mean(axis=1) - boxes[:, distance > 0.42 * e].mean(axis=1)
    x = np.column_stack([grey, contrast, (boxes * template).mean(axis=(1, 2))])
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    which = np.where(counts[which] < FEWEST, -1, which)
    for group in np.unique(which):
        x[which == group] = _robust(x[which == group])
    x = np.clip(x, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    usual = x[(np.abs(x) < USUAL).all(axis=1)]
    covariance = np.cov(usual.T) if len(usual) > x.shape[1] else np.eye(x.shape[1])
    return np.asarray(np.einsum("ni,ij,nj->n", x, np.linalg.pinv(covariance), x))


def _robust(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns in robust standard deviations from their medians; 0 where a column hardly varies."""
    away = values - np.median(values, axis=0)
    width = 1.4826 * np.median(np.abs(away), axis=0)
    return np.where(width > 0, away / np.where(width > 0, width, 1.0), 0.0)
