"""How early labels come among the picks: a measure that needs no number of particles."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def recall_area(scores: ArrayLike, hits: ArrayLike, labels: int, *, micrographs: int, most: float) -> float:
    """Return the area under the recall of labels against the logarithm of the number of picks.

    Precision cannot be known where most particles are not labelled, and an estimate of it takes a
    number of particles. But of two rankings the one that reaches the same labels with fewer picks is
    better, whatever that number is (the reasoning of Lee & Liu, ICML 2003, who take recall² over the
    fraction of picks). The area, from one pick per micrograph to `most`, is the mean over labels of
    1 − log(picks per micrograph down to it) / log(most): half as many picks are worth the same anywhere.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Of all picks.
    hits : array_like of bool, shape (n,)
        Whether a label lies there.
    labels : int
        Number of labels; one that is not found counts 0.
    micrographs : int
        On which these picks are.
    most : float
        Picks per micrograph at the end of the axis; the same for all that is compared.

    Returns
    -------
    float
        From 0 to 1 (all labels before any other pick).

    Raises
    ------
    ValueError
        Where there are no labels, or `most` is not larger than one.
    """
    if labels < 1 or most <= 1:
        raise ValueError(f"Recall needs a label, and more than one pick: {labels} labels, {most:g} picks.")
    scores, hits = np.asarray(scores, np.float64), np.asarray(hits, bool)
    # Picks with a score as high: equal scores are one step, in whatever order they come.
    ranks = np.sort(np.searchsorted(np.sort(-scores), -scores[hits], side="right"))
    share = 1 - np.log(np.clip(ranks / micrographs, 1, most)) / math.log(most)
    return float(share.sum() / labels)
