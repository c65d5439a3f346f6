"""Put labels and picks of one micrograph together: what a user vouches for beats what a model says."""

from __future__ import annotations

from napari_topaz.jobs.nearness import same_as, scores_at
from napari_topaz.picks import Kind, Picks

#: All peaks are taken, whatever their score: a label has the score of its peak, however low that is.
ALL_SCORES = -1000.0


def with_labels(peaks: Picks, labels: Picks, reach: float, threshold: float) -> Picks:
    """Return labelled particles, with the score of the peak at their place, and all other picks.

    Parameters
    ----------
    peaks : Picks
        All of a micrograph, whatever their score (:data:`ALL_SCORES`), best first.
    labels : Picks
        Of the same micrograph. A pick at a place labelled "no particle" is left out.
    reach : float
        Up to how far from a label the nearest peak is the same particle, in pixels: the particle's radius.
    threshold : float
        Lowest score of a pick (logit).

    Returns
    -------
    Picks
        Labels first, NaN as score of those without a peak.
    """
    particles = labels.of_kind(Kind.PARTICLE)
    scored = Picks(particles.yx, scores_at(particles.yx, peaks, reach), particles.kinds)
    return scored + peaks[~same_as(peaks.yx, labels.yx, reach)].above(threshold)
