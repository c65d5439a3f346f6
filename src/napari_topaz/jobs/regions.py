"""Average precision over regions: every point of a score map counts, not only its peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import JobError
from napari_topaz.files import Heatmap, match_names
from napari_topaz.numerics.curves import Curve, precision_recall
from napari_topaz.numerics.regions import disc_mask
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap


@dataclass(frozen=True, eq=False)
class RegionEvaluation:
    """How well scores tell regions near a particle from the others, over all micrographs with targets.

    Attributes
    ----------
    average_precision : float
        Over the points of the score maps; those within the label radius of a target are positive.
    prior : float
        Fraction of positive points: the average precision of random scores.
    label_radius : float
        Pixels of the micrograph (the mean, where micrographs differ).
    micrographs, regions : int
        Counts.
    curve : Curve
    """

    average_precision: float
    prior: float
    label_radius: float
    micrographs: int
    regions: int
    curve: Curve


def evaluate_regions(
    heatmaps: Iterable[Heatmap], targets: Mapping[str, Picks], radius: float | None = None
) -> RegionEvaluation:
    """Compare score maps with targets, point by point.

    A network with a stride scores every stride-th pixel, and those points are what is compared: a
    regular sample of all pixels.

    Parameters
    ----------
    heatmaps : iterable of Heatmap
        One is needed at a time. Those of micrographs without targets are left out.
    targets : mapping of str to Picks
        By micrograph, pixels of the original micrograph. Rejected ones are left out.
    radius : float, optional
        Label radius in pixels of the micrograph; each heat map's own where not given.

    Raises
    ------
    JobError
        Where no heat map belongs to targets, no point is near one, or the label radius is not known.
    """
    wanted = match_names(targets, list(targets)).picks
    scores: list[NDArray[np.float32]] = []
    positive: list[NDArray[np.bool_]] = []
    radii: list[float] = []
    for heatmap in heatmaps:
        real = wanted.get(heatmap.score_map.name, Picks())
        real = real[real.kinds != Kind.NOT_PARTICLE]
        if not len(real):
            continue
        radii.append(radius or heatmap.label_radius)
        scores.append(heatmap.score_map.logits.ravel())
        positive.append(positive_points(heatmap.score_map, real, radii[-1]).ravel())
    if not radii:
        raise JobError("No heat map belongs to a micrograph with targets; check the names.")
    return _pooled(np.concatenate(scores), np.concatenate(positive), radii)


def positive_points(score_map: ScoreMap, targets: Picks, radius: float) -> NDArray[np.bool_]:
    """Mask of the points of a score map within `radius` (pixels of the micrograph) of a target."""
    if not radius > 0:
        raise JobError(f"The label radius of {score_map.name!r} is not known; give --label-radius.")
    step = np.asarray(score_map.step_yx)
    small = (radius / step[0], radius / step[1])
    return disc_mask(score_map.logits.shape, targets.yx / step, small)


def _pooled(scores: NDArray[np.float32], positive: NDArray[np.bool_], radii: list[float]) -> RegionEvaluation:
    if not positive.any():
        raise JobError(
            "No point of the score maps is within the label radius of a target; give a larger --label-radius."
        )
    curve = precision_recall(scores, positive, int(positive.sum()))
    return RegionEvaluation(
        average_precision=curve.average_precision,
        prior=float(positive.mean()),
        label_radius=float(np.mean(radii)),
        micrographs=len(radii),
        regions=len(scores),
        curve=curve,
    )
