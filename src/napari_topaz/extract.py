"""From a score map to picks."""

from __future__ import annotations

import math

import numpy as np

from napari_topaz.numerics.deviations import deviations_at
from napari_topaz.numerics.suppression import refine_peaks, suppress
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap


def extract(
    score_map: ScoreMap,
    radius: float,
    *,
    margin: float = 0.0,
    threshold: float = -math.inf,
    deviations: tuple[float, float] | None = None,
) -> Picks:
    """Pick the peaks of a score map, where its mask lets them be.

    Parameters
    ----------
    score_map : ScoreMap
    radius : float
        Smallest distance between two picks on the grid of the map, in pixels of the original micrograph.
    margin : float
        Picks nearer to an edge than this, in pixels of the original, are dropped.
    threshold : float
        Lowest score of a pick.
    deviations : tuple of float, optional
        Picks whose box has a standard deviation outside this range (both ends belong to it) are dropped.

    Returns
    -------
    Picks
        Of kind PICK, best first, in pixels of the original. Positions are refined to less than the
        step of the map; scores are those of the grid points.

    Raises
    ------
    ValueError
        Where there is a range of deviations, but the map has none.
    """
    step = np.asarray(score_map.step_yx)
    on_grid = (radius / score_map.step_yx[0], radius / score_map.step_yx[1])
    ij, scores = suppress(score_map.logits, on_grid, threshold)
    peaks = refine_peaks(score_map.logits, ij)
    picks = Picks((peaks * step).astype(np.float32), scores)
    if deviations is not None:
        if score_map.deviations is None:
            raise ValueError(f"The score map of {score_map.name} has no standard deviations to filter by.")
        found = deviations_at(score_map.deviations, peaks)
        picks = picks[(found >= deviations[0]) & (found <= deviations[1])]
    picks = picks[picks.inside(score_map.shape, margin)]
    # Afterwards: a slope that is cut off by the mask's outline would be a peak of its own.
    return picks if (mask := score_map.mask) is None else picks[~mask.covers(picks.yx, score_map.shape)]
