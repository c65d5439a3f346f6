"""Pick particles: score micrographs with a model and keep the peaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.events import Event, Job, JobError, StopToken
from napari_topaz.extract import SPACING, Shape, extract
from napari_topaz.jobs.labelled import ALL_SCORES, with_labels
from napari_topaz.jobs.masking import Masks, masked
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_source
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, ScaleSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


def load_model(
    path: str | Path | None,
    *,
    device: str = "auto",
    pixel_size: float | None = None,
    diameter: float | None = None,
    downsample: float | None = None,
    inverted: bool = False,
) -> PickerModel:
    """Read a model file and put the model on a device.

    Parameters
    ----------
    path : str, Path or None
        A model file; of Topaz where its name ends in ``.sav``. None: the general model of the package.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    pixel_size : float, optional
        Å/px of the micrographs to come, in place of their headers'.
    diameter : float, optional
        Diameter of the particle in Å, in place of the model's. Models of Topaz have none.
    downsample : float, optional
        Downsampling factor, in place of the model's or of what follows from the diameter.
    inverted : bool
        Particles are bright where those that the model learnt from were dark, or the other way round.

    Raises
    ------
    ModelFileError
        Where the file is not a model that can be used.
    JobError
        Where this machine has no such device.
    """
    from napari_topaz.model.general import for_inverted, general_model

    model = general_model() if path is None else _read(Path(path))
    if inverted:
        model = for_inverted(model)
    lengths = {"pixel_size": pixel_size, "diameter": diameter, "downsample": downsample}
    return _with(on_device(model, device), **lengths)


def _read(path: Path) -> PickerModel:
    from napari_topaz.model.picker import PickerModel
    from napari_topaz.model.topaz_models import SUFFIX, read_topaz_model

    return read_topaz_model(path) if path.suffix.lower() == SUFFIX else PickerModel.load(path)


def on_device(model: PickerModel, device: str) -> PickerModel:
    """Return the model on the device of that name; JobError where there is none."""
    from napari_topaz.model.devices import choose_device, is_out_of_memory

    try:
        return model.to(choose_device(device))
    except ValueError as error:
        raise JobError(str(error)) from error
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise JobError(f"The memory of device {device} is full; use --device cpu.") from error


def with_pixel_size(model: PickerModel, pixel_size: float | None) -> PickerModel:
    """Return the model for micrographs of `pixel_size` Å/px, whatever their headers say."""
    return _with(model, pixel_size=pixel_size)


def _with(model: PickerModel, **lengths: float | None) -> PickerModel:
    """Return the model with these preprocessing options, where they are given."""
    given = {name: length for name, length in lengths.items() if length is not None}
    return model.with_card(preprocess=model.card.preprocess.model_copy(update=given)) if given else model


def score_one(
    source: Source | Prepared,
    model: PickerModel,
    settings: PickSettings | None = None,
    *,
    cache: PreparedCache | None = None,
    masks: Masks | None = None,
) -> ScoreMap:
    """Score one micrograph.

    Parameters
    ----------
    source : MicrographFile, Micrograph or Prepared
        Read and preprocessed as far as it is not yet.
    model : PickerModel
        On the device where it is to score.
    settings : PickSettings, optional
        What to average the scores over.
    cache : PreparedCache, optional
        Of preprocessed micrographs.
    masks : mapping of str to Mask, optional
        By micrograph name; the score map has its own, and :func:`picks_of` takes nothing under it.
    """
    if not isinstance(source, Prepared):
        how = model.card.preprocess
        source = cache.prepare(source, how) if cache else prepare_source(source, how)
    return model.score(masked(source, masks), symmetries=(settings or PickSettings()).symmetries)


def picks_of(
    score_map: ScoreMap,
    model: PickerModel,
    settings: PickSettings | None = None,
    *,
    pixel_size: float | None = None,
) -> Picks:
    """Take the peaks of one micrograph's scores.

    Parameters
    ----------
    score_map : ScoreMap
        Of :func:`score_one`.
    model : PickerModel
        Gives radius and threshold where `settings` leave them open.
    settings : PickSettings, optional
        Threshold (logit), suppression radius and margin (Å), filter of standard deviations, centring.
    pixel_size : float, optional
        Å/px of this micrograph; the training's where not given.

    Returns
    -------
    Picks
        Pixels of the original micrograph, best first.

    Raises
    ------
    ValueError
        Where a length in Å is given and no pixel size is known, or something is wanted that the model
        does not know: the range of standard deviations, or which way particles point.
    """
    settings = settings or PickSettings()
    card = model.card
    size = card.preprocess.pixel_size or pixel_size or card.pixel_size
    threshold = card.threshold if settings.threshold is None else settings.threshold
    if settings.suppression_radius is None:
        radius = SPACING * model.radius(pixel_size)
    else:
        radius = _pixels(settings.suppression_radius, size, score_map.name)
    margin = _pixels(settings.margin, size, score_map.name) if settings.margin else 0.0
    deviations = _deviations_of(model, settings.deviation_filter)
    shape = _shape_of(model, settings)
    return extract(score_map, radius, margin=margin, threshold=threshold, deviations=deviations, shape=shape)


def _shape_of(model: PickerModel, settings: PickSettings) -> Shape | None:
    """Return what the particle looks like; None where that is not known or not wanted."""
    card, oriented = model.card, settings.suppression == "ellipse"
    if oriented and (settings.centring == "scores" or not card.average):
        raise ValueError(
            "Which way a particle points is seen by the average of 20 labels or more: with --suppression "
            "ellipse leave --centring out, and take a model that was trained on as many."
        )
    if settings.centring == "scores" or not card.average:
        return None
    return Shape(np.array(card.average, np.float32), card.average_radius, oriented)


def _deviations_of(model: PickerModel, wanted: str) -> tuple[float, float] | None:
    """Return the range of standard deviations that picks must have; None where any will do."""
    card = model.card
    if wanted == "off" or (wanted == "auto" and not card.train.deviation_filter):
        return None
    if card.deviation_range is None and wanted == "on":
        raise ValueError(
            "The model does not know the range of its particles' standard deviations (it takes 20 labels); "
            "leave --deviation-filter out, or train it again."
        )
    return card.deviation_range


def _pixels(length: float, pixel_size: float | None, name: str) -> float:
    if not pixel_size:
        raise ValueError(
            f"The pixel size of {name!r} is not known, so Å cannot become pixels; give --pixel-size."
        )
    return length / pixel_size


@dataclass(frozen=True, eq=False)
class OnDevice:
    """A model that is moved to its device where it is used first: in this process or in another.

    Attributes
    ----------
    stored : PickerModel
        On any device.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    """

    stored: PickerModel
    device: str

    @cached_property
    def model(self) -> PickerModel:
        """The model on the device; JobError where there is none."""
        return on_device(self.stored, self.device)


@dataclass(frozen=True, eq=False)
class PickOne:
    """Pick one preprocessed micrograph."""

    picker: OnDevice
    settings: PickSettings | None
    masks: Masks | None = None
    scored: Callable[[ScoreMap, float | None], None] | None = None
    labels: Mapping[str, Picks] | None = None

    def __call__(self, prepared: Prepared) -> Picks:
        """Score it, and take the peaks."""
        model = self.picker.model
        score_map = score_one(prepared, model, self.settings, masks=self.masks)
        if self.scored is not None:
            self.scored(score_map, prepared.pixel_size)
        labels, settings = (self.labels or {}).get(prepared.name), self.settings or PickSettings()
        if not labels:
            return picks_of(score_map, model, settings, pixel_size=prepared.pixel_size)
        threshold = model.card.threshold if settings.threshold is None else settings.threshold
        every = settings.model_copy(update={"threshold": ALL_SCORES})
        peaks = picks_of(score_map, model, every, pixel_size=prepared.pixel_size)
        return with_labels(peaks, labels, model.radius(prepared.pixel_size), threshold)


def pick(
    files: Sequence[Source],
    model: PickerModel,
    settings: PickSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    skip: Collection[str] = frozenset(),
    write: Callable[[str, Picks], Iterable[Event]] = lambda name, picks: (),
    cache: PreparedCache | None = None,
    scale: ScaleSettings | None = None,
    masks: Masks | None = None,
    scored: Callable[[ScoreMap, float | None], None] | None = None,
    labels: Mapping[str, Picks] | None = None,
) -> Job[dict[str, Picks]]:
    """Pick many micrographs, one in memory at a time; returns picks by micrograph name.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        What to pick.
    model : PickerModel
        What picks.
    settings : PickSettings, optional
        How scores become picks.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the picks so far are returned.
    skip : collection of str
        Names of micrographs that are done already.
    write : callable
        Called with name and picks of each micrograph as it comes; returns events to pass on.
    cache : PreparedCache, optional
        Of preprocessed micrographs; used in this process only.
    scale : ScaleSettings, optional
        Which processes do the work; this one where not given.
    masks : mapping of str to Mask, optional
        By micrograph name: nothing under them is picked.
    scored : callable, optional
        Called with the scores of each micrograph and its Å/px, in the process that does the work.
    labels : mapping of str to Picks, optional
        By micrograph name: see :func:`.jobs.labelled.with_labels`.

    Yields
    ------
    Started, Warned, MicrographDone (with picks, or with an error where that micrograph is broken)

    Raises
    ------
    JobError
        Where all micrographs fail, there is no such device, or the other processes cannot be reached.
    """
    done: dict[str, Picks] = {}
    work = PickOne(OnDevice(model, device), settings, masks, scored, labels)

    def keep(name: str, found: Picks) -> Iterable[Event]:
        done[name] = found
        return write(name, found)

    yield from over_micrographs(
        "Picking",
        [f for f in files if f.name not in skip],
        model.card.preprocess,
        work,
        keep=keep,
        picks=lambda found: found,
        stop=stop,
        cache=cache,
        scale=scale,
        device=device,
    )
    return done
