"""What follows for a training from the model that it starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import JobError
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel
    from napari_topaz.training_set import TrainingSet

#: Peak learning rate of a warm start, where none is given: weights that are good already are tuned.
WARM_LEARNING_RATE = 5e-4
#: Labels from which it is taken whole. Ten labels of a noisy simulated set led a good start astray at it
#: (average precision .44 to .34), and less so at 2e-4 (.40); on other sets both were alike.
WARM_LABELS = 60
#: Labels from which the rate grows again for the general model: with a thousand its weights are less worth
#: keeping (at 5e-4 random ones did better on two sets of four, at 1.6e-3 on none; docs/architecture.md).
MANY_LABELS = 100
#: Share of the area that particles cover from which the general model takes the whole rate for few labels:
#: in a crowd the unlabelled ones teach it, too (ten labels, four crowds for development: average precision
#: +.010, none worse), while in strong noise or dirt it is led astray (docs/architecture.md).
CROWD = 0.5


#: Standard errors by which labelled particles must be brighter than the rest to count as bright.
CLEARLY = 4.0
#: Micrographs that are looked at for the brightness of any place at all.
LOOKED_AT = 8


def general_start(
    training_set: TrainingSet, settings: TrainSettings, network: NetworkSettings | None
) -> PickerModel | None:
    """Return the package's own weights where they are wanted and fit, for particles of the labels' contrast.

    None where training starts from random weights: they are asked for, or network or the particle's
    diameter in pixels are not those of the general model.
    """
    from napari_topaz.model.general import for_inverted, general_model, suits

    diameter = 2 * training_set.particle_radius
    if settings.start != "pretrained" or not suits(network or NetworkSettings(), diameter):
        return None
    model = general_model()
    return for_inverted(model) if is_bright(training_set) else model


def is_bright(training_set: TrainingSet) -> bool:
    """Whether labelled particles are clearly brighter than what surrounds them.

    The mean within half a radius of every label is compared with that between one and two radii. What chance
    makes of that is seen at places on a grid: the spread of two or three labels says nothing.
    """
    radius = training_set.particle_radius
    labelled = [image for image in training_set.images if len(image.positives)]
    found = _differences([(i.prepared.image, i.positives) for i in labelled], radius)
    anywhere = _differences(
        [(i.prepared.image, _grid(i.prepared.image, radius)) for i in labelled[:LOOKED_AT]], radius
    )
    if len(found) < 2 or not len(anywhere):
        return False
    spread = np.median(np.abs(anywhere - np.median(anywhere))) / 0.6745  # of a normal distribution
    return bool(found.mean() > CLEARLY * spread / np.sqrt(len(found)))


def _grid(image: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Places (n, 2) two radii apart, whose surroundings are inside; at most about a hundred."""
    step = max(2 * radius, math.sqrt(image.size / 100))
    axes = [np.arange(2 * radius, n - 2 * radius, step) for n in image.shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def _differences(
    places: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]], radius: float
) -> NDArray[np.float64]:
    """Brightness at all places (n, 2) of some images that have surroundings, shape (n,)."""
    found = [_brightness(image, centre, radius) for image, centres in places for centre in centres]
    return np.array([d for d in found if np.isfinite(d)])


def _brightness(image: NDArray[np.float32], centre: NDArray[np.float32], radius: float) -> float:
    """Mean of the middle of a particle less that of its surroundings; NaN where it lies at a corner."""
    low = np.maximum(np.ceil(centre - 2 * radius), 0).astype(int)
    high = np.minimum(np.floor(centre + 2 * radius) + 1, image.shape).astype(int)
    box = image[low[0] : high[0], low[1] : high[1]]
    y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
    distance = np.hypot(y - centre[0], x - centre[1])
    inside, outside = distance <= radius / 2, (distance > radius) & (distance <= 2 * radius)
    if not inside.any() or not outside.any():
        return float("nan")
    return float(box[inside].mean() - box[outside].mean())


def origin_of(start: PickerModel | None) -> str:
    """Return where the first weights come from, for the card; empty without a start."""
    if start is None:
        return ""
    if start.is_general:
        return start.card.pretrained
    return start.name or start.card.pretrained or "a model that was not saved"


def network_of(start: PickerModel | None, network: NetworkSettings | None) -> NetworkSettings:
    """Return the start's network, else the given one, else the default.

    Raises
    ------
    JobError
        Where what is set in `network` contradicts the start.
    """
    if start is None:
        return network or NetworkSettings()
    own = start.card.network
    for name in sorted(network.model_fields_set) if network else ():
        if getattr(network, name) != getattr(own, name):
            option = "--" + name.replace("_", "-")
            raise JobError(
                f"{option} {getattr(network, name)} contradicts the model to start from "
                f"({origin_of(start)}: {own.architecture}); leave it out, or start from nothing."
            )
    return own


def preprocess_of(start: PickerModel, preprocess: PreprocessSettings) -> PreprocessSettings:
    """Return what is set in `preprocess`, completed by the start's.

    The pixel size is not the start's but that of the micrographs to come, and so is the mixture of
    ``gmm-dataset``.
    """
    given = {name: getattr(preprocess, name) for name in preprocess.model_fields_set}
    own = start.card.preprocess.model_dump(include=set(PreprocessSettings.model_fields))
    return PreprocessSettings.model_validate(own | {"pixel_size": None} | given)


def settings_of(
    start: PickerModel | None,
    settings: TrainSettings | None,
    labels: int | None = None,
    coverage: float = 0.0,
) -> TrainSettings:
    """Return the settings; with a start and no learning rate set, that of a warm start.

    Parameters
    ----------
    start : PickerModel or None
    settings : TrainSettings or None
    labels : int, optional
        Labelled particles: the rate grows as their square root up to :data:`WARM_LABELS`, and from the
        general model again beyond :data:`MANY_LABELS`, to at most that of a cold start.
    coverage : float
        Fraction of the area that particles cover; from :data:`CROWD` on few labels do not lower the rate
        from the general model.
    """
    settings = settings or TrainSettings()
    if start is None or "learning_rate" in settings.model_fields_set:
        return settings
    part = 1.0 if labels is None else min(1.0, math.sqrt(labels / WARM_LABELS))
    if labels is not None and start.is_general:
        part = 1.0 if coverage >= CROWD else part
        part *= max(1.0, math.sqrt(labels / MANY_LABELS))
    rate = min(WARM_LEARNING_RATE * part, settings.learning_rate)
    return settings.model_copy(update={"learning_rate": rate})
