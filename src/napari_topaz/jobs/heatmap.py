"""Write the scores of micrographs as images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.events import Event, Job, Saved, StopToken
from napari_topaz.files import Heatmap, heatmap_path, write_heatmap
from napari_topaz.jobs.masking import Masks
from napari_topaz.jobs.pick import OnDevice, score_one
from napari_topaz.jobs.preparing import Source
from napari_topaz.jobs.resuming import kept_folder
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, ScaleSettings
from napari_topaz.training_set import default_label_radius

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: In the folder of the results: how they are made.
RECIPE_FILE = "heatmap.json"


@dataclass(frozen=True, eq=False)
class ScoreOne:
    """Score one preprocessed micrograph; returns the heat map and the micrograph's pixel size."""

    picker: OnDevice
    settings: PickSettings | None
    masks: Masks | None = None

    def __call__(self, prepared: Prepared) -> tuple[Heatmap, float | None]:
        """Score it."""
        found = heatmap_of(prepared, self.picker.model, self.settings, self.masks)
        return replace(found, score_map=found.score_map.without_image()), prepared.pixel_size


def heatmap_targets(files: Sequence[Source], output: str | Path) -> dict[str, Path]:
    """Return the files that :func:`heatmap` would write, by name of their micrograph."""
    return {f.name: heatmap_path(Path(output), f.name) for f in files}


def heatmap(
    files: Sequence[Source],
    model: PickerModel,
    output: str | Path,
    settings: PickSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
    skip: Collection[str] = frozenset(),
    scale: ScaleSettings | None = None,
    masks: Masks | None = None,
) -> Job[list[Path]]:
    """Write ``output/NAME_heatmap.mrc`` for each micrograph: logits, as the threshold counts them.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        What to score.
    model : PickerModel
        What scores.
    output : str or Path
        Folder, made where it is missing.
    settings : PickSettings, optional
        What to average the scores over.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the files so far are returned.
    skip : collection of str
        Names of micrographs that are done already.
    scale : ScaleSettings, optional
        Which processes do the work; this one where not given.
    masks : mapping of str to Mask, optional
        By micrograph name: scores under them become the lowest one of the micrograph.

    Yields
    ------
    Started, Warned, Saved, MicrographDone

    Returns
    -------
    list of Path
        Images of float32, on the model's own grid: its pixel (i, j) is centred on pixel
        (i · step_y, j · step_x) of the micrograph, the pixel size in the header is
        that grid's, and a label of the header says exactly of what it is a score map.
    """
    written: list[Path] = []
    check = kept_folder(Path(output))
    work = ScoreOne(OnDevice(model, device), settings, masks)

    def keep(name: str, result: tuple[Heatmap, float | None]) -> Iterable[Event]:
        check()
        written.append(write_heatmap(Path(output), *result))
        yield Saved(str(written[-1]))

    how, todo = model.card.preprocess, [f for f in files if f.name not in skip]
    yield from over_micrographs("Scoring", todo, how, work, keep=keep, stop=stop, scale=scale, device=device)
    return written


def heatmap_of(
    prepared: Prepared, model: PickerModel, settings: PickSettings | None = None, masks: Masks | None = None
) -> Heatmap:
    """Score one preprocessed micrograph, and say how near to a particle a region is positive."""
    scores = score_one(prepared, model, settings, masks=masks)
    return Heatmap(_lowest_where_masked(scores), label_radius(prepared, model))


def _lowest_where_masked(scores: ScoreMap) -> ScoreMap:
    """Give what is masked the lowest score: a program that takes the peaks of the image finds none there."""
    if scores.mask is None:
        return scores
    grid = (scores.logits.shape[0], scores.logits.shape[1])
    hidden = scores.mask.on_grid(scores.shape, grid, scores.step_yx)
    return replace(scores, logits=np.where(hidden, scores.logits.min(), scores.logits))


def label_radius(prepared: Prepared, model: PickerModel) -> float:
    """Return the label radius that the model learnt with, in pixels of the original micrograph.

    0 where neither it nor the particle's diameter is known.
    """
    step = float(np.mean(prepared.step_yx))
    if (chosen := model.card.train.label_radius) is not None:
        return step * chosen
    diameter, size = model.card.preprocess.diameter, prepared.pixel_size or model.card.pixel_size
    if diameter is None or size is None:
        return 0.0
    return step * default_label_radius(diameter / size / step)
