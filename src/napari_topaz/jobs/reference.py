"""Pick particles without training (see :mod:`napari_topaz.jobs.reference_picker`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from napari_topaz.events import Event, Job, ScoresDone, StopToken
from napari_topaz.extract import extract
from napari_topaz.jobs.masking import Masks, masked
from napari_topaz.jobs.preparing import PreparedCache, Source
from napari_topaz.jobs.reference_picker import ReferencePicker, Templates, make_picker, no_pixel_size
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.numerics.filters import between_two_classes
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PreprocessSettings, ReferenceSettings


def reference_pick(
    files: Sequence[Source],
    preprocess: PreprocessSettings,
    settings: ReferenceSettings | None = None,
    *,
    labels: Mapping[str, Picks] | None = None,
    labelled: Sequence[Source] | None = None,
    templates: Templates | None = None,
    stop: StopToken | None = None,
    skip: Collection[str] = frozenset(),
    write: Callable[[str, Picks], Iterable[Event]] = lambda name, picks: (),
    cache: PreparedCache | None = None,
    masks: Masks | None = None,
) -> Job[dict[str, Picks]]:
    """Pick many micrographs without a model; returns picks by micrograph name.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        What to pick.
    preprocess : PreprocessSettings
        With the particle's diameter.
    settings : ReferenceSettings, optional
        The method, and how scores become picks.
    labels : mapping of str to Picks, optional
        Particles by micrograph name: they say whether particles are dark, and become the templates
        where none are given. Those of kind NOT_PARTICLE do not count.
    labelled : sequence of MicrographFile or Micrograph, optional
        Micrographs of the labels; `files` where not given.
    templates : Templates, optional
        In place of averages of the labels. Turned to the contrast of the particles.
    stop : StopToken, optional
        Where set, the picks so far are returned.
    skip : collection of str
        Names of micrographs that are done already.
    write : callable
        Called with name and picks of each micrograph as it comes; returns events to pass on.
    cache : PreparedCache, optional
        Of preprocessed micrographs.
    masks : mapping of str to Mask, optional
        By micrograph name: nothing under them is picked.

    Yields
    ------
    Started, Progress, Warned, ScoresDone, MicrographDone (with picks, or with an error)

    Raises
    ------
    JobError
        Where the diameter is missing, there is nothing to make templates of, or all micrographs fail.
    """
    settings, done = settings or ReferenceSettings(), dict[str, Picks]()
    picker = yield from make_picker(
        labelled if labelled is not None else files,
        preprocess,
        settings,
        labels=labels,
        templates=templates,
        stop=stop,
        cache=cache,
    )

    def work(prepared: Prepared) -> tuple[ScoreMap, Picks]:
        score_map = picker.score(masked(prepared, masks))
        return score_map, picks_of(score_map, picker, settings, prepared.pixel_size)

    def keep(name: str, found: tuple[ScoreMap, Picks]) -> Iterable[Event]:
        done[name] = found[1]
        yield ScoresDone(name, found[0])
        yield from write(name, found[1])

    todo = [f for f in files if f.name not in skip]
    yield from over_micrographs(
        "Picking", todo, preprocess, work, keep=keep, picks=lambda found: found[1], stop=stop, cache=cache
    )
    return done


def picks_of(
    score_map: ScoreMap, picker: ReferencePicker, settings: ReferenceSettings, pixel_size: float | None
) -> Picks:
    """Take the peaks of one micrograph; without a threshold in the settings, see :func:`own_threshold`."""
    if not pixel_size:
        raise ValueError(no_pixel_size(score_map.name))
    radius = settings.suppression_radius or picker.diameter / 2
    margin = settings.margin / pixel_size
    found = extract(score_map, radius / pixel_size, margin=margin, interpolated=False)
    return found.above(own_threshold(found) if settings.threshold is None else settings.threshold)


def own_threshold(peaks: Picks) -> float:
    """Return the score that parts the peaks of a micrograph into particles and the rest, as best it can."""
    return between_two_classes(peaks.scores)
