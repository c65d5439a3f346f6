"""What the dock runs in threads: the package's jobs on copies of the workspace. No Qt.

Every function here is called in a thread; torch is imported there, at the first job.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.events import Job, Progress, Started, StopToken, Warned
from napari_topaz.files import (
    check_inside,
    holds_corners,
    match_names,
    read_header,
    read_picks,
    write_picks,
)
from napari_topaz.gui.micrograph_list import Source
from napari_topaz.gui.options import Options
from napari_topaz.gui.save_where import meant, where_to
from napari_topaz.jobs.kept_scores import KeptScores, MadeBy
from napari_topaz.jobs.labelled import ALL_SCORES
from napari_topaz.jobs.placement import Misplaced, look_at_picks
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.jobs.reference import own_threshold
from napari_topaz.jobs.reference import picks_of as reference_picks_of
from napari_topaz.jobs.reference_picker import make_picker, read_templates
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.placement import Placement
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import SavingSettings, StackSettings

if TYPE_CHECKING:
    from napari_topaz.jobs.stack import StackResult
    from napari_topaz.model.picker import PickerModel

#: Edge of a box, in particle diameters, for formats that have boxes.
BOX_PER_DIAMETER = 1.5
#: Of models that are written.
MODEL_SUFFIX = ".safetensors"


def fitted(model: PickerModel, options: Options) -> PickerModel:
    """Return the model for these micrographs; the options complete a model of Topaz."""
    from napari_topaz.jobs.pick import with_pixel_size

    if not model.knows_preprocessing:
        return model.with_card(preprocess=options.preprocess)
    return with_pixel_size(model, options.preprocess.pixel_size)


def scores_of(model: PickerModel, options: Options) -> MadeBy:
    """What the scores of a model are made by."""
    return MadeBy(model, fitted(model, options).card.preprocess, options.pick.symmetries)


def taking_peaks(
    names: Sequence[str], model: PickerModel, options: Options, kept: KeptScores, seconds: float
) -> dict[str, Picks]:
    """Take all peaks of micrographs whose scores are kept: of as many as `seconds` allow, at least one."""
    from napari_topaz.jobs.pick import picks_of

    fit, made_by, end = fitted(model, options), scores_of(model, options), time.monotonic() + seconds
    settings = options.pick.model_copy(update={"threshold": ALL_SCORES})
    found: dict[str, Picks] = {}
    for name in names:
        if (scores := kept.get(made_by, name)) is not None:
            found[name] = picks_of(scores[0], fit, settings, pixel_size=scores[1])
        if time.monotonic() > end:
            break
    return found


def scoring(
    source: Source,
    model: PickerModel,
    options: Options,
    pixel_size: float | None,
    cache: PreparedCache,
    kept: KeptScores | None = None,
) -> tuple[ScoreMap, Picks]:
    """Score one micrograph, if its scores are not kept, and take all its peaks."""
    from napari_topaz.jobs.pick import picks_of, score_one

    fit = fitted(model, options)
    settings = options.pick.model_copy(update={"threshold": ALL_SCORES})
    prepared = cache.prepare(source, fit.card.preprocess)
    made_by = scores_of(model, options)
    score_map = (kept or KeptScores()).of(made_by, prepared, lambda: score_one(prepared, fit, settings))
    return score_map, picks_of(score_map, fit, settings, pixel_size=pixel_size)


def suggesting(
    name: str,
    sources: Sequence[Source],
    labels: Mapping[str, Picks],
    options: Options,
    templates: Path | None,
    stop: StopToken,
    cache: PreparedCache,
) -> Job[tuple[ScoreMap, Picks, float]]:
    """Score one micrograph without a model; returns scores, all their peaks, and a threshold for them."""
    yield Started("Suggesting picks")
    lengths = options.pick.model_dump(include={"suppression_radius", "margin"})
    settings = options.reference.model_copy(update={**lengths, "threshold": ALL_SCORES})
    given = None if templates is None else read_templates(templates)
    picker = yield from make_picker(
        sources, options.preprocess, settings, labels=labels, templates=given, stop=stop, cache=cache
    )
    source = next(s for s in sources if s.name == name)
    prepared = cache.prepare(source, options.preprocess)
    score_map = picker.score(prepared)
    found = reference_picks_of(score_map, picker, settings, prepared.pixel_size)
    return score_map, found, own_threshold(found)


def picking(
    sources: Sequence[Source],
    model: PickerModel,
    options: Options,
    skip: Collection[str],
    stop: StopToken,
    kept: KeptScores,
) -> Job[dict[str, Picks]]:
    """Take all peaks of all micrographs, and keep the scores as long as there is room."""
    from napari_topaz.jobs.pick import pick

    scored = partial(kept.put, scores_of(model, options))
    model = fitted(model, options)
    settings = options.pick.model_copy(update={"threshold": ALL_SCORES})
    device = options.run.device
    return (yield from pick(sources, model, settings, device=device, stop=stop, skip=skip, scored=scored))


def saving(
    path: Path,
    picks: Mapping[str, Picks],
    sources: Sequence[Source],
    pixel_size: float | None,
    diameter: float | None,
    settings: SavingSettings | None = None,
) -> Job[list[Path]]:
    """Write picks as the settings say; without any the format follows the suffix.

    Where a file holds one micrograph, a folder is made.
    """
    yield Started("Saving")
    settings = settings or SavingSettings(format=meant(path, "star"))
    where = where_to(path, settings, len(picks))
    files = {s.name: s for s in sources if isinstance(s, MicrographFile)}
    if where.folder:
        where.path.mkdir(parents=True, exist_ok=True)
    return write_picks(
        where.path,
        picks,
        format=where.format.name,
        files=files,
        pixel_size=pixel_size,
        box_size=settings.box_size or box_size(diameter),
        shapes={s.name: s.shape for s in sources if not isinstance(s, MicrographFile)},
        exposures=Path(settings.exposures) if settings.exposures and settings.format == "cs" else None,
    )


def box_size(diameter: float | None) -> int | None:
    """Return the even edge of a particle's box; both in pixels."""
    return None if diameter is None else int(np.ceil(diameter * BOX_PER_DIAMETER / 2) * 2)


def loading_labels(
    path: Path, sources: Sequence[Source], placement: Placement | None = None, *, look: bool = True
) -> Job[dict[str, Picks]]:
    """Read picks of these micrographs as labels.

    Parameters
    ----------
    path : Path
        A file of picks, or a folder of files.
    sources : sequence of MicrographFile or Micrograph
        Their micrographs.
    placement : Placement, optional
        What the user wants to be done to the coordinates.
    look : bool
        Whether to look if they lie on particles.

    Yields
    ------
    Started, Progress, Warned, Misplaced

    Returns
    -------
    dict of str to Picks
        Empty where labels lie outside, and the event says what would put them inside.
    """
    yield Started("Reading labels")
    matched = match_names(read_picks(path), [s.name for s in sources])
    placement = placement or Placement(boxes=holds_corners(path))
    finding = (yield from look_at_picks(sources, matched.picks, placement)) if look else None
    labels, outside = {}, 0
    for n, source in enumerate(sources, 1):
        if source.name in matched.picks:
            shape = (read_header(source) if isinstance(source, MicrographFile) else source).shape
            picks = matched.picks[source.name]
            picks = replace(picks, yx=placement.moved(picks.yx, shape[0]))
            outside += int((~picks.inside(shape)).sum())
            if finding is None:
                check_inside(picks, shape, source.name)
            kinds = np.where(picks.kinds == Kind.NOT_PARTICLE, Kind.NOT_PARTICLE, Kind.PARTICLE)
            labels[source.name] = Picks(picks.yx, kinds=kinds.astype(np.uint8))
        yield Progress(n, len(sources), "Reading labels")
    if matched.missing:
        yield Warned(
            f"{path.name} has picks of {len(matched.missing)} other micrographs too; they were left out."
        )
    if finding is not None:
        yield Misplaced(finding.sentence("nothing was moved yet"), finding, outside)
    return {} if outside else labels


def exporting(
    path: Path,
    picks: Mapping[str, Picks],
    sources: Sequence[Source],
    settings: StackSettings,
    pixel_size: float | None,
    stop: StopToken,
) -> Job[StackResult]:
    """Cut the particles into stacks."""
    from napari_topaz.jobs.stack import stack

    return (yield from stack(sources, picks, path, settings, pixel_size=pixel_size, stop=stop))


def going_back(
    snapshot: PickerModel, epoch: int, source: Source | None, cache: PreparedCache
) -> Job[PickerModel]:
    """Make the snapshot of an epoch a model that picks, see :func:`.jobs.snapshots.settle`."""
    from napari_topaz.jobs.snapshots import settle

    return (yield from settle(snapshot, epoch, source, cache))


def loading_model(path: Path) -> Job[PickerModel]:
    """Read a model file."""
    yield Started("Loading the model")
    from napari_topaz.jobs.pick import load_model

    return load_model(str(path), device="cpu")


def saving_model(path: Path, model: PickerModel, options: Options) -> Job[Path]:
    """Write a model file; a model of Topaz with the preprocessing of the options."""
    yield Started("Saving the model")
    model = model if model.knows_preprocessing else fitted(model, options)
    return model.save(with_model_suffix(path))


def with_model_suffix(path: Path) -> Path:
    """Return the name with the suffix of models, by which they are found again."""
    return path if path.suffix.lower() == MODEL_SUFFIX else path.with_name(path.name + MODEL_SUFFIX)
