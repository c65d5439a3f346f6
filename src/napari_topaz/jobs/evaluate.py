"""Compare picks with targets: precision, recall, and the threshold that balances them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_topaz.files import match_names
from napari_topaz.numerics.curves import Curve, precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Kind, Picks

#: Recalls at which the precision is reported.
RECALLS = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well picks meet targets, over all micrographs that have targets.

    Attributes
    ----------
    average_precision : float
        Area under the precision–recall curve (Σ precision · Δrecall).
    precision_at : dict of float to float
        Precision where the recall first reaches each of :data:`RECALLS`; 0 where it never does.
    best_f1, threshold : float
        Highest F1, and the score from which on picks reach it; ∞ without hits, −∞ for picks
        without scores.
    micrographs, targets, picks, hits : int
        Counts; a hit is a pick that is matched to a target of its own.
    median_distance : float
        Of the hits from their targets, in pixels of the micrograph; NaN without hits.
    radius : float
        Picks farther than this from every target are misses, pixels.
    curve : Curve
        Precision and recall at every score.
    without_picks : tuple of str
        Micrographs that have targets but no picks (their targets count as missed).
    ignored : tuple of str
        Micrographs that have picks but no targets, and are left out.
    """

    average_precision: float
    precision_at: dict[float, float]
    best_f1: float
    threshold: float
    micrographs: int
    targets: int
    picks: int
    hits: int
    median_distance: float
    radius: float
    curve: Curve
    without_picks: tuple[str, ...]
    ignored: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the curve."""
        plain = {k: v for k, v in vars(self).items() if k not in ("curve", "precision_at")}
        return plain | {"precision_at_recall": {f"{r:g}": p for r, p in self.precision_at.items()}}


def evaluate(picks: Mapping[str, Picks], targets: Mapping[str, Picks], radius: float) -> Evaluation:
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

    Raises
    ------
    FileError
        Where no name of a micrograph is in both.
    ValueError
        Where there are no targets, or the radius is not positive.
    """
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
    return _evaluation(pairs, radius, without, matched.missing)


def _without_rejected(picks: Picks) -> Picks:
    return picks[picks.kinds != Kind.NOT_PARTICLE]


def _evaluation(
    pairs: list[tuple[Picks, Picks]], radius: float, without: tuple[str, ...], ignored: tuple[str, ...]
) -> Evaluation:
    distances = np.concatenate([match(t.yx, p.yx, radius).distance for p, t in pairs])
    hits = np.isfinite(distances)
    scores = np.concatenate([p.scores for p, _ in pairs])
    n_targets = sum(len(t) for _, t in pairs)
    curve = precision_recall(scores, hits, n_targets)
    best_f1, threshold = curve.best_f(1.0)
    return Evaluation(
        average_precision=float(curve.average_precision),
        precision_at={r: float(curve.precision_at(r)) for r in RECALLS},
        best_f1=float(best_f1),
        threshold=float(threshold),
        micrographs=len(pairs),
        targets=n_targets,
        picks=len(scores),
        hits=int(hits.sum()),
        median_distance=float(np.median(distances[hits])) if hits.any() else float("nan"),
        radius=radius,
        curve=curve,
        without_picks=without,
        ignored=ignored,
    )
