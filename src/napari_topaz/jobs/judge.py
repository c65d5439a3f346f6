"""Let a model pick and score the micrographs that have targets, to be compared with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_topaz.events import Event, Job, JobError, StopToken
from napari_topaz.files import Heatmap, find_heatmaps, match_names, read_heatmap
from napari_topaz.jobs.heatmap import heatmap_of
from napari_topaz.jobs.pick import on_device, picks_of
from napari_topaz.jobs.preparing import Source
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PickSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel

#: Picks are made down to this far below the model's threshold, so that the curve goes on where they end.
BELOW = 8.0


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model made of the micrographs with targets.

    Attributes
    ----------
    picks : dict of str to Picks
        By micrograph.
    heatmaps : list of Heatmap
    """

    picks: dict[str, Picks]
    heatmaps: list[Heatmap]


def score_targets(
    files: Sequence[Source],
    model: PickerModel,
    targets: Mapping[str, Picks],
    *,
    device: str = "auto",
    stop: StopToken | None = None,
) -> Job[Judged]:
    """Score and pick the micrographs that have targets.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        Those without targets are left out.
    model : PickerModel
        What picks, down to :data:`BELOW` under its threshold.
    targets : mapping of str to Picks
        By micrograph.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the result so far is returned.

    Yields
    ------
    Started, MicrographDone

    Raises
    ------
    JobError
        Where no micrograph has targets, all fail, or there is no such device.
    """
    model = on_device(model, device)
    names = set(match_names(targets, [f.name for f in files]).picks)
    judged = Judged({}, [])
    settings = PickSettings(threshold=model.card.threshold - BELOW)

    def work(prepared: Prepared) -> tuple[Heatmap, Picks]:
        found = heatmap_of(prepared, model, settings)
        return found, picks_of(found.score_map, model, settings, pixel_size=prepared.pixel_size)

    def keep(name: str, result: tuple[Heatmap, Picks]) -> Iterable[Event]:
        found = result[0]
        judged.heatmaps.append(replace(found, score_map=found.score_map.without_image()))
        judged.picks[name] = result[1]
        return ()

    wanted = [f for f in files if f.name in names]
    if not wanted:
        raise JobError("No micrograph has targets, so there is nothing to compare the model with.")
    yield from over_micrographs(
        "Scoring",
        wanted,
        model.card.preprocess,
        work,
        keep=keep,
        picks=lambda result: result[1],
        stop=stop,
    )
    return judged


def heatmaps_in(folder: Path, targets: Mapping[str, Picks]) -> Iterable[Heatmap]:
    """Read the score maps that the command heatmap wrote, of the micrographs that have targets.

    Raises
    ------
    FileError
        Where the folder has none, or none of a micrograph with targets.
    """
    paths = find_heatmaps(folder)
    names = match_names(targets, list(paths)).picks
    return (read_heatmap(paths[name]) for name in names)
