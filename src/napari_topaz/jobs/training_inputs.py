"""What follows for a training from its settings and its training set together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.choices import BOXED
from napari_topaz.events import JobError, Warned
from napari_topaz.numerics.deviations import box_deviations, deviations_at
from napari_topaz.numerics.refinement import average_edge, boxes_at, evenly, particle_average
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared, downsampling
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import ASSUMED_COVERAGE, Ticks, TrainingSet

if TYPE_CHECKING:
    from napari_topaz.model.networks import Classifier
    from napari_topaz.model.sampling import Regions

#: Edge of a box, in diameters of the particle; and its bounds in pixels.
BOX_DIAMETERS, SMALLEST, LARGEST = 1.5, 17, 511
#: Edge of the largest average of particles, pixels.
LARGEST_AVERAGE = 127
#: Labels from which their standard deviations say something about those of all particles.
FEWEST_LABELS = 20


def without_labels(
    prepared: Iterable[Prepared], picks: Mapping[str, Picks], ticks: Ticks
) -> Iterator[Warned]:
    """Say which complete micrographs have no label: they are taken to have no particle."""
    names = [p.name for p in prepared if p.name in ticks.complete and not _particles(picks.get(p.name))]
    if names:
        which = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        yield Warned(f"All particles of {which} are said to be labelled, but there is no label: no particle.")


def _particles(labels: Picks | None) -> int:
    return 0 if labels is None else int((labels.kinds != Kind.NOT_PARTICLE).sum())


def doubts(training_set: TrainingSet, settings: TrainSettings) -> Iterator[Warned]:
    """Say what had to be assumed, or left out; what matters most comes last, where it is read."""
    if not training_set.held_out and settings.held_out > 0:
        yield Warned(
            "No labels are held out to choose the best epoch, as that would take more than a third of "
            "them; label some particles on three micrographs or more."
        )
    if settings.deviation_filter and training_set.n_labels < FEWEST_LABELS:
        yield Warned(
            "Picks are not filtered by their standard deviation: its range is known from "
            f"{FEWEST_LABELS} labels on, and there are {training_set.n_labels}."
        )
    if training_set.assumed:
        yield Warned(
            f"The expected number of particles per micrograph is not given; "
            f"{training_set.expected:.0f} are assumed ({ASSUMED_COVERAGE:.0%} of the area). "
            "Give what you count on one."
        )
    if training_set.doubled:
        yield Warned(
            f"{training_set.doubled} labels lie on another one, and are left out; look for a file that was "
            "added twice."
        )
    yield from _impossible_numbers(training_set)


def _impossible_numbers(training_set: TrainingSet) -> Iterator[Warned]:
    """Say where the number of particles that was given cannot be true."""
    open_ = [i for i in training_set.images if not i.complete]
    labelled = sum(len(i.positives) for i in open_)
    if labelled > len(open_) * training_set.expected * (1 + 1e-6):
        yield Warned(
            f"{training_set.expected:.0f} particles per micrograph are expected, but "
            f"{labelled / len(open_):.0f} are labelled on average, so that all else is taken for background; "
            "give a number that counts those too that nobody labelled."
        )
    if training_set.coverage > 1:
        yield Warned(
            f"{training_set.expected:.0f} particles of this diameter do not fit on a micrograph, as "
            f"{training_set.expected / training_set.coverage:.0f} cover it; give how many there are on one, "
            "and check the diameter."
        )


def small_diameter(prepared: Prepared, preprocess: PreprocessSettings) -> float:
    """Diameter of the particle in preprocessed pixels."""
    if preprocess.diameter is None:
        raise ValueError("The particle's diameter in Å is not given.")
    if preprocess.downsample is None:
        return (
            preprocess.diameter / (prepared.pixel_size or 1.0) / downsampling(preprocess, prepared.pixel_size)
        )
    if not prepared.pixel_size:
        raise ValueError(f"The pixel size of {prepared.name} is not known; give --pixel-size.")
    return preprocess.diameter / prepared.pixel_size / prepared.step_yx[0]


#: Epochs where they are not given, and from how many labels on they are the most.
FEWEST_EPOCHS, MOST_EPOCHS, MANY_LABELS = 4, 12, 80
#: The same from weights that know particles; powers of the number of labels that they grow as.
FEWEST_WARM_EPOCHS, POWER, WARM_POWER = 3, 0.5, 0.6


def planned_epochs(training_set: TrainingSet, *, warm: bool = False) -> int:
    """Return how many epochs suit the number of labels to train on.

    A few labels are learnt by heart within a few hundred steps, and then unlabelled particles are taken
    for background; a hundred bear three times as many. A start from weights that know particles (`warm`)
    takes a little less.
    """
    labels = sum(len(i.positives) for i in training_set.training)
    fewest, power = (FEWEST_WARM_EPOCHS, WARM_POWER) if warm else (FEWEST_EPOCHS, POWER)
    return min(MOST_EPOCHS, max(fewest, round(MOST_EPOCHS * math.pow(labels / MANY_LABELS, power))))


def box_edge(training_set: TrainingSet) -> int:
    """Return the odd edge of the box round a particle, preprocessed pixels."""
    edge = 2 * (round(BOX_DIAMETERS * 2 * training_set.particle_radius) // 2) + 1
    return min(max(edge, SMALLEST), LARGEST)


def with_box(network: NetworkSettings, training_set: TrainingSet) -> NetworkSettings:
    """Return the network with the box that suits the particle, where it has one and none is given."""
    if network.box is not None and network.architecture not in BOXED:
        raise JobError(f"Network {network.architecture} has no box; leave --box out.")
    if network.architecture not in BOXED or network.box is not None:
        return network
    return network.model_copy(update={"box": box_edge(training_set)})


def ignore_radius(training_set: TrainingSet, settings: TrainSettings) -> float:
    """Return up to where regions round a labelled particle are not unlabelled, preprocessed pixels.

    Boxes that are drawn as negatives lie a whole diameter away: nearer ones show part of the particle.
    """
    if settings.sampling == "boxes":
        return 2 * training_set.particle_radius
    return training_set.ignore_radius(settings.ignore_flanks)


def prior_of(training_set: TrainingSet, settings: TrainSettings) -> float:
    """Return π of the unlabelled regions, as the objective means it.

    Raises
    ------
    JobError
        Where the objective needs unlabelled particles, and all are labelled.
    """
    from napari_topaz.model.objectives import ALL_REGIONS, WHOLE_SAMPLE, WITH_SLACK

    if settings.objective in WHOLE_SAMPLE and settings.sampling == "boxes":
        raise JobError(
            f"Objective {settings.objective} needs a sample of all regions, which boxes are not; take "
            "sampling patches or tiles."
        )
    if settings.objective in WHOLE_SAMPLE | ALL_REGIONS:
        return training_set.prior
    prior = training_set.unlabelled_prior(ignore_radius(training_set, settings))
    if prior <= 0 and settings.objective in WITH_SLACK:
        if all(i.complete for i in training_set.training):
            raise JobError(
                f"Objective {settings.objective} needs unlabelled particles, but the micrographs to train on "
                "are all said to be complete or empty; take another objective, cvir or pn."
            )
        raise JobError(
            f"Objective {settings.objective} needs unlabelled particles, but with "
            f"{training_set.n_labels} labels all of the {training_set.expected:.0f} expected per "
            f"micrograph are labelled; raise --expected or take objective pn."
        )
    return max(prior, 0.0)


def deviation_range(training_set: TrainingSet, box: int) -> tuple[float, float] | None:
    """Return the range of the standard deviations of the boxes round the labelled particles.

    From the lowest to the highest, and at either end a mean gap more: the extremes of a few labels are
    inside of those of all particles (by that much, were all values in the range as likely). None for
    fewer than :data:`FEWEST_LABELS`, whose range would drop most particles.
    """
    if training_set.n_labels < FEWEST_LABELS:
        return None
    every = np.concatenate(
        [deviations_at(box_deviations(i.prepared.image, box), i.positives) for i in training_set.images]
    )
    low, high = float(every.min()), float(every.max())
    gap = (high - low) / (len(every) - 1)
    return low - gap, high + gap


def average_of(training_set: TrainingSet) -> tuple[tuple[float, ...], ...]:
    """Return the average of the labelled particles, as the model's card keeps it.

    Empty for few labels, and for particles that fill a box of more than :data:`LARGEST_AVERAGE` pixels: its
    rotations would fill the memory, and scores as fine as that need no centring.
    """
    radius, images = training_set.particle_radius, training_set.images
    edge = average_edge(radius)
    if training_set.n_labels < FEWEST_LABELS or edge > LARGEST_AVERAGE:
        return ()
    owner = np.repeat(np.arange(len(images)), [len(i.positives) for i in images])
    some, which = np.concatenate([i.positives for i in images]), evenly(len(owner))
    boxes = np.concatenate(
        [boxes_at(i.prepared.image, some[which[owner[which] == k]], edge) for k, i in enumerate(images)]
    )
    average = particle_average(boxes, radius)
    return tuple(tuple(round(float(v), 5) for v in row) for row in average) if average.any() else ()


def refuse_impossible(classifier: Classifier, regions: Regions, settings: TrainSettings) -> None:
    """Say in one sentence what does not fit together, before the first step.

    Raises
    ------
    JobError
        Where the network keeps nothing to draw regions from, or there are no negatives to draw.
    """
    if settings.autoencoder and not classifier.keeps_features:
        raise JobError("This network has no features to draw a region from; leave --autoencoder out (or 0).")
    if settings.sampling == "boxes" and not len(regions.negative_pixels) and not regions.has_unlabelled:
        raise JobError(
            "No region is a particle's diameter away from every label, so there are no negatives to learn "
            "from; label some places without a particle, or fewer particles."
        )
    from napari_topaz.model.objectives import WHOLE_SAMPLE

    if (
        settings.sampling == "patches"
        and settings.objective not in WHOLE_SAMPLE
        and not regions.has_unlabelled
    ):
        raise JobError("No region is unlabelled: the labels cover the micrographs; label fewer.")
