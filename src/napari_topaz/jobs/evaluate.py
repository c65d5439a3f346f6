"""Compare picks with targets: precision, recall, and the threshold that balances them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_topaz.files import match_names
from napari_topaz.jobs.regions import RegionEvaluation
from napari_topaz.numerics.calibration import Calibration, calibrate
from napari_topaz.numerics.curves import Curve, precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Kind, Picks

#: Recalls at which the precision is reported.
RECALLS = (0.25, 0.5, 0.75, 0.9)
#: A curve as plain values has at most this many steps.
PLAIN_STEPS = 500


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well picks meet targets, over all micrographs that have targets.

    Attributes
    ----------
    average_precision : float
        Area under the precision–recall curve (Σ precision · Δrecall).
    precision_at : dict of float to float
        Precision where the recall first reaches each of :data:`RECALLS`; 0 where it never does.
    beta : float
        Weight of the recall in F_β.
    best_f, threshold : float
        Highest F_β, and the score from which on picks reach it; ∞ without hits, −∞ for picks
        without scores.
    micrographs, targets, picks, hits : int
        Counts; a hit is a pick that is matched to a target of its own.
    median_distance, distance_90 : float
        Half, and nine tenths, of the hits are at most this far from their targets, in pixels of
        the micrograph; NaN without hits.
    radius : float
        Picks farther than this from every target are misses, pixels.
    curve : Curve
        Precision and recall at every score.
    calibration : Calibration
        Predicted and observed precision; it takes scores as logits.
    without_picks : tuple of str
        Micrographs that have targets but no picks (their targets count as missed).
    ignored : tuple of str
        Micrographs that have picks but no targets, and are left out.
    regions : RegionEvaluation or None
        The same over all points of score maps, where there were any.
    """

    average_precision: float
    precision_at: dict[float, float]
    beta: float
    best_f: float
    threshold: float
    micrographs: int
    targets: int
    picks: int
    hits: int
    median_distance: float
    distance_90: float
    radius: float
    curve: Curve
    calibration: Calibration
    without_picks: tuple[str, ...]
    ignored: tuple[str, ...]
    regions: RegionEvaluation | None = None

    @property
    def best_f1(self) -> float:
        """Highest F1, whatever β is."""
        return self.curve.best_f(1.0)[0]

    def with_regions(self, regions: RegionEvaluation) -> Evaluation:
        """Return the same with the evaluation of regions."""
        return replace(self, regions=regions)

    def as_dict(self, *, curves: bool = False) -> dict[str, Any]:
        """Plain values.

        Parameters
        ----------
        curves : bool
            With the precision–recall curve, thinned to at most :data:`PLAIN_STEPS` steps.
        """
        nested = ("curve", "precision_at", "calibration", "regions")
        plain = {k: v for k, v in vars(self).items() if k not in nested}
        plain |= {
            "best_f1": self.best_f1,
            "precision_at_recall": {f"{r:g}": p for r, p in self.precision_at.items()},
            "calibration": self.calibration.rows(),
            "calibration_error": self.calibration.error,
        }
        if self.regions is not None:
            found = {k: v for k, v in vars(self.regions).items() if k != "curve"}
            plain["regions"] = found | ({"curve": plain_curve(self.regions.curve)} if curves else {})
        return plain | ({"curve": plain_curve(self.curve)} if curves else {})


def plain_curve(curve: Curve) -> dict[str, list[float]]:
    """Return a curve as lists, at most :data:`PLAIN_STEPS` steps, the first and the last among them."""
    n = len(curve.recall)
    kept = np.unique(np.linspace(0, n - 1, min(n, PLAIN_STEPS)).round().astype(int))
    return {name: column[kept].tolist() for name, column in vars(curve).items()}


def evaluate(
    picks: Mapping[str, Picks], targets: Mapping[str, Picks], radius: float, *, beta: float = 1.0
) -> Evaluation:
    """Compare picks with targets.

    Only micrographs that have targets count: a micrograph nobody looked at says nothing about
    false picks.

    Parameters
    ----------
    picks, targets : mapping of str to Picks
        By micrograph, pixels of the original micrograph. Picks without a score come last, all
        at once. Rejected ones (kind NOT_PARTICLE) are left out.
    radius : float
        A pick is a hit where it lies less than this from a target of its own, pixels.
    beta : float
        Weight of the recall in the F_β that the best threshold maximises.

    Raises
    ------
    FileError
        Where no name of a micrograph is in both.
    ValueError
        Where there are no targets, or the radius or β is not positive.
    """
    if not 0 < beta < np.inf:
        raise ValueError(f"β must be a positive number, not {beta:g}.")
    if not radius > 0:
        raise ValueError(f"The radius must be positive, not {radius:g} px.")
    real = {name: _without_rejected(one) for name, one in match_names(targets, list(targets)).picks.items()}
    real = {name: one for name, one in real.items() if len(one)}
    if not real:
        raise ValueError("There are no targets, so there is nothing to compare the picks with.")
    matched = match_names(picks, list(real))
    proposed = {name: _without_rejected(matched.picks.get(name, Picks())) for name in real}
    without = tuple(name for name, one in proposed.items() if not len(one))
    pairs = [(proposed[name], real[name]) for name in real]
    return _evaluation(pairs, radius, beta, without, matched.missing)


def _without_rejected(picks: Picks) -> Picks:
    return picks[picks.kinds != Kind.NOT_PARTICLE]


def _evaluation(
    pairs: list[tuple[Picks, Picks]],
    radius: float,
    beta: float,
    without: tuple[str, ...],
    ignored: tuple[str, ...],
) -> Evaluation:
    distances = np.concatenate([match(t.yx, p.yx, radius).distance for p, t in pairs])
    hits = np.isfinite(distances)
    scores = np.concatenate([p.scores for p, _ in pairs])
    n_targets = sum(len(t) for _, t in pairs)
    curve = precision_recall(scores, hits, n_targets)
    best_f, threshold = curve.best_f(beta)
    median, ninety = np.percentile(distances[hits], (50, 90)) if hits.any() else (np.nan, np.nan)
    return Evaluation(
        average_precision=curve.average_precision,
        precision_at={r: curve.precision_at(r) for r in RECALLS},
        beta=beta,
        best_f=best_f,
        threshold=threshold,
        micrographs=len(pairs),
        targets=n_targets,
        picks=len(scores),
        hits=int(hits.sum()),
        median_distance=float(median),
        distance_90=float(ninety),
        radius=radius,
        curve=curve,
        calibration=calibrate(scores, hits),
        without_picks=without,
        ignored=ignored,
    )
