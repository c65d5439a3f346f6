"""Turn picks into labels of both kinds by comparing them with true particles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_topaz.files import match_names
from napari_topaz.files.atomic import replace_file
from napari_topaz.files.label_table import csv_of_labels
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Kind, Picks


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels of both kinds.

    Attributes
    ----------
    labels : dict of str to Picks
        By micrograph: those that were known, and the new ones.
    particles, not_particles : int
        How many of each kind are new.
    ignored : tuple of str
        Micrographs that have picks but no targets, and are left out.
    """

    labels: dict[str, Picks]
    particles: int
    not_particles: int
    ignored: tuple[str, ...]

    def write(self, path: Path) -> Path:
        """Write the labels as CSV (micrograph, x, y, score, kind), the one table that has both kinds."""
        with replace_file(path) as part:
            part.write_bytes(csv_of_labels(self.labels))
        return path


def label(
    picks: Mapping[str, Picks],
    targets: Mapping[str, Picks],
    radius: float,
    *,
    most_true: int | None = None,
    most_false: int | None = None,
    known: Mapping[str, Picks] | None = None,
) -> Labelled:
    """Make labels of the picks: those that meet a target are particles, the others are not.

    The step between two trainings of Zhu, Ouyang & Mao 2017, where a person looks at picks and adds
    true and false ones to what the network learns from.

    Parameters
    ----------
    picks, targets : mapping of str to Picks
        By micrograph, pixels of the original. Only micrographs with targets are looked at: elsewhere
        nobody knows what is false.
    radius : float
        A pick is true where it lies less than this from a target of its own, and false where it is farther
        from every target. One that is near to a target which another pick has taken is neither.
    most_true, most_false : int, optional
        At most so many new labels of each kind over all micrographs, those with the highest scores: the
        false ones among them are what a picker gets wrong most surely. All where not given.
    known : mapping of str to Picks, optional
        Labels so far. They are kept, and picks nearer to one of them than the radius are no new labels.

    Raises
    ------
    FileError
        Where no name of a micrograph is in both.
    ValueError
        Where the radius is not positive.
    """
    real = {name: one[one.kinds != Kind.NOT_PARTICLE] for name, one in targets.items()}
    matched = match_names(picks, [name for name, one in real.items() if len(one)])
    judged = {name: _judged(one, real[name], radius) for name, one in matched.picks.items()}
    before = match_names(known, list(real)) if known else None
    labels = {} if before is None else {n: _as_labels(p) for n, p in before.picks.items()}
    labels |= {} if known is None or before is None else {n: _as_labels(known[n]) for n in before.missing}
    new = {n: one[_far_from(one, labels.get(n, Picks()), radius)] for n, one in judged.items()}
    new = _best(_best(new, Kind.PARTICLE, most_true), Kind.NOT_PARTICLE, most_false)
    for name, one in new.items():
        labels[name] = labels.get(name, Picks()) + one
    counts = [sum(len(one.of_kind(kind)) for one in new.values()) for kind in Kind]
    return Labelled(labels, counts[Kind.PARTICLE], counts[Kind.NOT_PARTICLE], matched.missing)


def _as_labels(picks: Picks) -> Picks:
    """All that are not rejected become particles, as they do in a training."""
    kinds = np.where(picks.kinds == Kind.NOT_PARTICLE, Kind.NOT_PARTICLE, Kind.PARTICLE)
    return Picks(picks.yx, picks.scores, kinds.astype(np.uint8))


def _judged(picks: Picks, targets: Picks, radius: float) -> Picks:
    """Picks with the kind that the targets give them; those that are neither are left out."""
    picks = picks[picks.kinds != Kind.NOT_PARTICLE]
    hits = match(targets.yx, picks.yx, radius).hits
    kinds = np.where(hits, Kind.PARTICLE, Kind.NOT_PARTICLE).astype(np.uint8)
    judged = Picks(picks.yx, picks.scores, kinds)
    return judged[hits | _far_from(picks, targets, radius)]


def _far_from(picks: Picks, others: Picks, radius: float) -> NDArray[np.bool_]:
    """Mask of the picks that lie at least `radius` from all others."""
    if not len(picks) or not len(others):
        return np.ones(len(picks), bool)
    return np.asarray(cKDTree(others.yx).query(picks.yx)[0] >= radius)


def _best(picks: Mapping[str, Picks], kind: Kind, most: int | None) -> dict[str, Picks]:
    """Keep the `most` best-scoring picks of a kind over all micrographs, and all of other kinds."""
    if most is None:
        return dict(picks)
    of_kind = [(name, i) for name, one in picks.items() for i in np.flatnonzero(one.kinds == kind)]
    scores = np.array([picks[name].scores[i] for name, i in of_kind], np.float64)
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    kept = {of_kind[i] for i in order[:most]}
    return {
        name: one[np.array([k != kind or (name, i) in kept for i, k in enumerate(one.kinds)], bool)]
        for name, one in picks.items()
    }
