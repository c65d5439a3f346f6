"""Move labels to the centres of their particles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Job, JobError, StopToken
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_all
from napari_topaz.numerics.boxes import box_corners, cut_box
from napari_topaz.numerics.centring import centre_shifts
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings

#: Labels are moved at most so far along each axis, in particle diameters.
REACH = 0.35
#: Particles without which an average says nothing.
FEWEST = 3
#: Particles from which more micrographs make the average no better.
MOST = 500


def centre_labels(
    sources: Sequence[Source],
    labels: Mapping[str, Picks],
    name: str,
    settings: PreprocessSettings,
    *,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[Picks]:
    """Move the labelled particles of one micrograph to their centres.

    These and, up to :data:`MOST` in all, those of the nearest micrographs make the average that they are
    compared with, see :func:`napari_topaz.numerics.centring.centre_shifts`; the images are those that
    training sees.

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
    labels : mapping of str to Picks
        By micrograph.
    name : str
        The micrograph whose labels are moved.
    settings : PreprocessSettings
        With the diameter.
    stop, cache
        See :func:`napari_topaz.jobs.preparing.prepare_all`.

    Yields
    ------
    Started, Progress, Warned

    Returns
    -------
    Picks
        Labels of that micrograph, in their order; those of other kinds, and those that would leave the
        micrograph, as they were.

    Raises
    ------
    JobError
        With fewer than 3 labelled particles, where lengths are not known, or where that micrograph
        cannot be read.
    """
    particles = {n: labels[n].yx[labels[n].kinds == Kind.PARTICLE] for n in labels}
    labelled = [source for source in sources if len(particles.get(source.name, ()))]
    if sum(len(particles[source.name]) for source in labelled) < FEWEST:
        raise JobError(f"Label at least {FEWEST} particles first: labels are compared with their average.")
    if settings.diameter is None:
        raise JobError("Type the diameter of the particle (Å) first.")
    prepared = yield from prepare_all(_near(labelled, particles, name), settings, stop=stop, cache=cache)
    own = labels.get(name, Picks())
    if name not in {each.name for each in prepared}:
        if len(particles.get(name, ())) and not (stop is not None and stop.is_set()):
            raise JobError(f"{name} could not be read, or its pixel size (Å/px) is not known; type it.")
        return own
    moved = _moved(prepared, particles, name, settings.diameter)
    yx = own.yx.copy()
    shape = next(each.shape for each in prepared if each.name == name)
    which = np.flatnonzero(own.kinds == Kind.PARTICLE)
    inside = Picks(moved).inside(shape)
    yx[which[inside]] = moved[inside]
    return Picks(yx, own.scores, own.kinds)


def _near(
    labelled: Sequence[Source], particles: Mapping[str, NDArray[np.float32]], name: str
) -> list[Source]:
    """A micrograph and its neighbours in the list, until they have particles enough."""
    own = next((k for k, source in enumerate(labelled) if source.name == name), 0)
    nearest = sorted(range(len(labelled)), key=lambda k: abs(k - own))
    counts = np.cumsum([len(particles[labelled[k].name]) for k in nearest])
    return [labelled[k] for k in nearest[: int(np.searchsorted(counts, MOST)) + 1]]


def _moved(
    prepared: Sequence[Prepared], particles: Mapping[str, NDArray[np.float32]], name: str, diameter: float
) -> NDArray[np.float32]:
    """The places (n, 2) of one micrograph's particles at their centres, pixels of the original."""
    scale = [diameter / _pixel_size(each) / float(np.mean(each.step_yx)) for each in prepared]
    width = float(np.median(scale))  # diameter in pixels of the small images
    size = 2 * math.ceil(width * (0.55 + REACH)) + 1
    own = next(each for each in prepared if each.name == name)
    if size > min(own.image.shape):
        raise JobError(f"{name} is smaller than a particle with its surroundings; check the diameter.")
    boxes: list[NDArray[np.float32]] = []
    for each in (own, *(other for other in prepared if other is not own)):
        if size > min(each.image.shape):
            continue
        places = (particles[each.name] / np.asarray(each.step_yx, np.float32)).astype(np.float32)
        corners = box_corners(places, size)
        boxes += [cut_box(each.image, corner, size, "mean") for corner in corners]
        if each is own:
            centres = corners + size // 2
    shifts = centre_shifts(np.array(boxes), width, REACH * width)[: len(centres)]
    return np.asarray((centres + shifts) * np.asarray(own.step_yx), np.float32)


def _pixel_size(prepared: Prepared) -> float:
    if prepared.pixel_size is None:
        raise JobError(f"Type the pixel size (Å/px): {prepared.name} does not state it.")
    return prepared.pixel_size
