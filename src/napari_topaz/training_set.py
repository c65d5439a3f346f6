"""A training set: preprocessed micrographs, the labels on them, and which are held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_topaz.numerics.regions import disc_mask, disc_pixels
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared

#: Where nobody says how many particles there are: discs of the particle's diameter cover this much.
ASSUMED_COVERAGE = 0.2
#: Labels that are held out at most: their recall is known to .03 or better.
MOST_HELD_OUT = 300
#: Labels nearer to one another than this are of one particle, in preprocessed pixels.
DOUBLE = 1.0


@dataclass(frozen=True)
class Ticks:
    """What is known about whole micrographs.

    Attributes
    ----------
    complete : frozenset of str
        Names of those on which all particles are labelled; without any label there is no particle.
    empty : frozenset of str
        Names of those without any particle.
    """

    complete: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """Names of those whose particles are all known."""
        return self.complete | self.empty


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One preprocessed micrograph with its labels.

    Attributes
    ----------
    prepared : Prepared
        The network's input.
    positives, negatives : ndarray of float32, shape (n, 2)
        (y, x) in pixels of the *preprocessed* image.
    masked : ndarray of bool, shape of the image, or None
        Regions that are neither labelled nor unlabelled; None where there is no mask.
    complete : bool
        Whether `positives` are all particles there are: what is not near one of them is background.
    """

    prepared: Prepared
    positives: NDArray[np.float32]
    negatives: NDArray[np.float32]
    masked: NDArray[np.bool_] | None = None
    complete: bool = False

    @property
    def pixels(self) -> int:
        """Number of pixels of the image that are under no mask."""
        return self.prepared.image.size - (0 if self.masked is None else int(self.masked.sum()))


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a model learns from.

    Attributes
    ----------
    images : tuple of LabelledImage
        All labelled micrographs.
    held_out : frozenset of str
        Names of those that choose the best epoch and are not trained on; whole micrographs, never
        particles of a micrograph that is trained on.
    particle_radius : float
        Radius of the particle in preprocessed pixels.
    label_radius : float
        Regions this close to a label are positive, preprocessed pixels.
    expected : float
        Expected number of particles per micrograph, under no mask, where not all are labelled.
    assumed : bool
        Whether `expected` is only an assumption (see :data:`ASSUMED_COVERAGE`).
    doubled : int
        Labels that were left out, as they lie on another one.
    """

    images: tuple[LabelledImage, ...]
    held_out: frozenset[str]
    particle_radius: float
    label_radius: float
    expected: float
    assumed: bool
    doubled: int = 0

    @property
    def training(self) -> tuple[LabelledImage, ...]:
        """Images to train on."""
        return tuple(i for i in self.images if i.prepared.name not in self.held_out)

    @property
    def validation(self) -> tuple[LabelledImage, ...]:
        """Images held out."""
        return tuple(i for i in self.images if i.prepared.name in self.held_out)

    @property
    def n_labels(self) -> int:
        """Number of labelled particles."""
        return sum(len(i.positives) for i in self.images)

    @property
    def coverage(self) -> float:
        """Fraction of a micrograph that the expected particles cover, as discs that do not overlap."""
        pixels = float(np.mean([i.pixels for i in self.images]))
        return float(self.expected * np.pi * self.particle_radius**2 / max(pixels, 1.0))

    @property
    def prior(self) -> float:
        """Fraction of positive regions π: expected particles × pixels of a disc / pixels, at most ½.

        Masked pixels do not count. On complete micrographs the number of particles is that of the labels.
        """
        pixels = float(np.mean([i.pixels for i in self.images]))
        particles = float(np.mean([len(i.positives) if i.complete else self.expected for i in self.images]))
        return min(0.5, particles * disc_pixels(self.label_radius) / max(pixels, 1.0))

    def ignore_radius(self, flanks: bool) -> float:
        """Return up to where regions round a label are not unlabelled: with or without its flanks."""
        return self.particle_radius if flanks else self.label_radius

    def unlabelled_prior(self, ignore_radius: float) -> float:
        """Fraction of positives among the regions farther than `ignore_radius` from every label.

        Only the training images count, and of those only the ones that are not complete: the others have
        no unlabelled region. At or below 0 where all expected particles are labelled.
        """
        open_ = [i for i in self.training if not i.complete]
        hidden = len(open_) * self.expected - sum(len(i.positives) for i in open_)
        # Counted, as the discs of neighbours overlap.
        near = (ignore_radius, ignore_radius)
        rest = sum(int(np.sum(~_taken(i, near))) for i in open_)
        return min(0.5, hidden * disc_pixels(self.label_radius) / max(float(rest), 1.0))


def build_training_set(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    *,
    diameter: float,
    expected: float | None = None,
    prior: float | None = None,
    label_radius: float | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    ticks: Ticks | None = None,
) -> TrainingSet:
    """Join micrographs and labels.

    Parameters
    ----------
    prepared : sequence of Prepared
        Micrographs; those without any label that is under no mask are left out, unless ticked.
    picks : mapping of str to Picks
        Labels by micrograph name, coordinates in pixels of the original micrographs. Kind
        NOT_PARTICLE counts as a labelled negative, everything else as a particle.
    diameter : float
        Diameter of the particle in preprocessed pixels.
    expected, prior : float, optional
        Expected particles per micrograph, or π in its place. Where both are None, the mean number on
        complete micrographs that have particles; an assumption where there are none of those.
    label_radius : float, optional
        In preprocessed pixels; min(3, a quarter of the diameter), at least 1.5, if None.
    held_out : float
        Fraction of the labelled micrographs that is held out, with a third of the labels at most.
    seed : int
        Of the choice of held-out micrographs.
    ticks : Ticks, optional
        Which micrographs are complete or empty.

    Raises
    ------
    ValueError
        Where an empty micrograph has a labelled particle, no label lies inside any micrograph, or all are
        under masks, or a mask does not fit.
    """
    ticks = ticks or Ticks()
    images = tuple(_labelled(p, picks.get(p.name, Picks()), ticks) for p in prepared)
    given = sum(_particles(p, picks.get(p.name, Picks())) for p in prepared)
    images = tuple(i for i in images if len(i.positives) + len(i.negatives) or i.complete)
    if not any(len(i.positives) for i in images):
        if covered_labels(prepared, picks):
            raise ValueError(
                "All labels lie under masks or within the margin; label other particles, or hide less."
            )
        raise ValueError("No label lies inside any of the micrographs; label some particles first.")
    if label_radius is None:
        label_radius = default_label_radius(diameter)
    pixels = float(np.mean([i.pixels for i in images]))
    counted = [len(i.positives) for i in images if i.complete and len(i.positives)]
    assumed = expected is None and prior is None and not counted
    if expected is None and prior is None and counted:
        labelled = max((len(i.positives) for i in images if not i.complete), default=0)
        expected = max(float(np.mean(counted)), labelled)
    else:
        expected, _ = expected_and_prior(pixels, diameter, expected, prior, label_radius)
        if assumed:
            expected = max(expected, 1.25 * max(len(i.positives) for i in images))
    return TrainingSet(
        images=images,
        held_out=_choose_held_out(images, held_out, seed),
        particle_radius=diameter / 2,
        label_radius=label_radius,
        expected=float(expected),
        assumed=assumed,
        doubled=given - sum(len(i.positives) for i in images),
    )


def expected_and_prior(
    pixels: float,
    diameter: float,
    expected: float | None = None,
    prior: float | None = None,
    label_radius: float | None = None,
) -> tuple[float, float]:
    """Return the expected number of particles and π, each from the other; both assumed where both are None.

    Parameters
    ----------
    pixels : float
        Of a preprocessed micrograph.
    diameter : float
        Of the particle, in preprocessed pixels.
    expected, prior, label_radius : float, optional
        As in :func:`build_training_set`.
    """
    region = disc_pixels(default_label_radius(diameter) if label_radius is None else label_radius)
    if prior is not None:
        return prior * pixels / region, prior
    if expected is None:
        expected = ASSUMED_COVERAGE * pixels / (np.pi * (diameter / 2) ** 2)
    return float(expected), min(0.5, expected * region / pixels)


def default_label_radius(diameter: float) -> float:
    """Return how near a region must be to a particle to be positive; both in preprocessed pixels."""
    return min(3.0, max(1.5, diameter / 4))


def _labelled(prepared: Prepared, picks: Picks, ticks: Ticks) -> LabelledImage:
    small = picks[prepared.usable(picks)].rescaled(tuple(1 / s for s in prepared.step_yx))  # type: ignore[arg-type]
    negative = small.kinds == Kind.NOT_PARTICLE
    if prepared.name in ticks.empty and not negative.all():
        raise ValueError(
            f"{prepared.name} is said to be empty, but has labelled particles ({int((~negative).sum())}); "
            f"remove them, or take it for complete."
        )
    complete = prepared.name in ticks.known
    positives = _without_doubles(small.yx[~negative])
    return LabelledImage(prepared, positives, small.yx[negative], prepared.masked, complete)


def _without_doubles(yx: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop labels of a particle that has one already: it can be found but once."""
    keep = np.ones(len(yx), bool)
    pairs = cKDTree(yx).query_pairs(DOUBLE, output_type="ndarray") if len(yx) else np.zeros((0, 2), int)
    for first, second in pairs[np.lexsort(pairs.T[::-1])]:
        if keep[first]:
            keep[second] = False
    return yx[keep]


def _particles(prepared: Prepared, picks: Picks) -> int:
    """How many labelled particles are given for it, doubles too."""
    return int((picks.kinds[prepared.usable(picks)] != Kind.NOT_PARTICLE).sum())


def covered_labels(prepared: Iterable[Prepared], picks: Mapping[str, Picks]) -> dict[str, int]:
    """Return how many labels of each micrograph lie inside of it, but under its mask; only where some do."""
    found = {
        p.name: int((picks[p.name].inside(p.shape) & ~p.usable(picks[p.name])).sum())
        for p in prepared
        if p.name in picks
    }
    return {name: count for name, count in found.items() if count}


def _taken(image: LabelledImage, near: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which pixels are near a labelled particle or masked."""
    discs = disc_mask(image.prepared.image.shape, image.positives, near)
    return discs if image.masked is None else discs | image.masked


def _choose_held_out(images: Sequence[LabelledImage], fraction: float, seed: int) -> frozenset[str]:
    """Choose whole micrographs at random, with no more than a third of the labels on them.

    Nor, where that is more than one micrograph, with more than :data:`MOST_HELD_OUT` labels: they are scored
    in every epoch.
    """
    labels = {i.prepared.name: len(i.positives) for i in images if len(i.positives)}
    wanted = max(1, round(fraction * len(labels))) if fraction > 0 else 0
    third, names = sum(labels.values()) // 3, list(labels)
    chosen: list[str] = []
    held = 0
    for which in np.random.default_rng(seed).permutation(len(labels)):
        count = held + labels[names[which]]
        if len(chosen) < wanted and count <= (min(third, MOST_HELD_OUT) if chosen else third):
            chosen.append(names[which])
            held = count
    return frozenset(chosen)
