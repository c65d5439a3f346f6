"""From a score map to picks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_topaz.numerics.deviations import deviations_at
from napari_topaz.numerics.peaks import Ellipses, finer, finer_factor, local_maxima, settled, spaced
from napari_topaz.numerics.refinement import long_axis, refine
from napari_topaz.numerics.suppression import refine_peaks, suppress
from napari_topaz.picks import Picks
from napari_topaz.score_map import ScoreMap

#: Distance that picks keep where nobody says otherwise, in radii of the particle.
SPACING = 0.9
#: Ellipses are no narrower: scores tell two particles apart no nearer than this, in radii of the longer axis.
NARROWEST = 2 / 3


@dataclass(frozen=True, eq=False)
class Shape:
    """What a particle looks like.

    Attributes
    ----------
    average : ndarray of float32, shape (size, size)
        Of :func:`~napari_topaz.numerics.refinement.particle_average`, in preprocessed pixels.
    radius : float
        Of the particle, in preprocessed pixels.
    oriented : bool
        Whether elongated particles may be nearer to one another side by side than end to end.
    """

    average: NDArray[np.float32]
    radius: float
    oriented: bool = False


def extract(
    score_map: ScoreMap,
    radius: float,
    *,
    margin: float = 0.0,
    threshold: float = -math.inf,
    deviations: tuple[float, float] | None = None,
    shape: Shape | None = None,
    interpolated: bool = True,
) -> Picks:
    """Pick the peaks of a score map, where its mask lets them be.

    Parameters
    ----------
    score_map : ScoreMap
    radius : float
        Smallest distance between two picks, in pixels of the original micrograph.
    margin : float
        Picks nearer to an edge than this, in pixels of the original, are dropped.
    threshold : float
        Lowest score of a pick.
    deviations : tuple of float, optional
        Picks whose box has a standard deviation outside this range (both ends belong to it) are dropped.
    shape : Shape, optional
        Picks are centred by it where the score map has the image.
    interpolated : bool
        Whether peaks are those of the interpolated map, or whatever grid points are left when those
        near to better ones are taken away.

    Returns
    -------
    Picks
        Of kind PICK, best first, in pixels of the original. Scores are those of the (finer) grid's points
        where they were found.

    Raises
    ------
    ValueError
        Where there is a range of deviations, but the map has none; where the shape is oriented, but the
        map has no image.
    """
    step = np.asarray(score_map.step_yx)
    if interpolated:
        yx, scores = _between(score_map, radius, threshold, shape)
    else:
        ij, scores = suppress(score_map.logits, (radius / step[0], radius / step[1]), threshold)
        yx = refine_peaks(score_map.logits, ij) * step
    picks = Picks(yx.astype(np.float32), scores)
    if deviations is not None:
        if score_map.deviations is None:
            raise ValueError(f"The score map of {score_map.name} has no standard deviations to filter by.")
        found = deviations_at(score_map.deviations, yx / step)
        picks = picks[(found >= deviations[0]) & (found <= deviations[1])]
    picks = picks[picks.inside(score_map.shape, margin)]
    # Afterwards: a slope that is cut off by the mask's outline would be a peak of its own.
    return picks if (mask := score_map.mask) is None else picks[~mask.covers(picks.yx, score_map.shape)]


def _between(
    score_map: ScoreMap, radius: float, threshold: float, shape: Shape | None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Peaks between grid points, centred, at their distances: places in the original, and scores."""
    step = np.asarray(score_map.step_yx)
    factor = finer_factor(radius / float(step.min()))
    fine = finer(score_map.logits, factor)
    ij = local_maxima(fine, threshold)
    yx, scores = refine_peaks(fine, ij) * step / factor, fine[tuple(ij.T)]
    if shape is None or score_map.image is None:
        if shape is not None and shape.oriented:
            raise ValueError(f"The scores of {score_map.name} come without its image, to see directions in.")
        taken = spaced(yx, scores, radius)
        return yx[taken], scores[taken]
    pixel = np.asarray(score_map.shape) / score_map.image.shape
    finest = (float(step[0] / factor / pixel[0]), float(step[1] / factor / pixel[1]))
    found = refine(score_map.image, shape.average, shape.radius, yx / pixel, fine, finest)
    ellipses = None
    if shape.oriented:
        aspect, axis = long_axis(shape.average)
        ellipses = Ellipses(axis - found.angles, min(aspect, 1 / NARROWEST))
    # First by their peaks: moved ones of the same particle would be nearer to one another.
    taken = spaced(yx, scores, radius, ellipses)
    if ellipses is not None:
        ellipses = replace(ellipses, angles=ellipses.angles[taken])
    kept, places = settled(yx[taken], found.places[taken] * pixel, radius, ellipses)
    return places, scores[taken][kept]
