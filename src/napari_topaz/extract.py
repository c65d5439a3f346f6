"""From a score map to picks."""

from __future__ import annotations

import math

import numpy as np

from napari_topaz.numerics.suppression import refine_peaks, suppress
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap


def extract(
    score_map: ScoreMap, radius: float, *, margin: float = 0.0, threshold: float = -math.inf
) -> Picks:
    """Pick the peaks of a score map.

    Parameters
    ----------
    score_map : ScoreMap
    radius : float
        Smallest distance between two picks on the grid of the map, in pixels of the original micrograph.
    margin : float
        Picks nearer to an edge than this, in pixels of the original, are dropped.
    threshold : float
        Lowest score of a pick.

    Returns
    -------
    Picks
        Of kind PICK, best first, in pixels of the original. Positions are refined to less than the
        step of the map; scores are those of the grid points.
    """
    step = np.asarray(score_map.step_yx)
    on_grid = (radius / score_map.step_yx[0], radius / score_map.step_yx[1])
    ij, scores = suppress(score_map.logits, on_grid, threshold)
    picks = Picks((refine_peaks(score_map.logits, ij) * step).astype(np.float32), scores)
    return picks[picks.inside(score_map.shape, margin)]
