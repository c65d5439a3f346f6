"""Write the scores of micrographs as images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.events import Event, Job, Saved, StopToken
from napari_topaz.files import write_mrc
from napari_topaz.jobs.pick import on_device, score_one
from napari_topaz.jobs.preparing import Source
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PickSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


def heatmap(
    files: Sequence[Source],
    model: PickerModel,
    output: str | Path,
    settings: PickSettings | None = None,
    *,
    device: str = "auto",
    stop: StopToken | None = None,
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
        Whether to average over symmetries.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Where set, the files so far are returned.

    Yields
    ------
    Started, Saved, MicrographDone

    Returns
    -------
    list of Path
        Images of float32, on the model's own grid: its pixel (i, j) is centred on pixel
        (i · step_y, j · step_x) of the micrograph, the pixel size in the header is that grid's.
    """
    model = on_device(model, device)
    written: list[Path] = []

    def work(prepared: Prepared) -> tuple[np.ndarray, float | None]:
        scores = score_one(prepared, model, settings)
        size = prepared.pixel_size and prepared.pixel_size * float(np.mean(scores.step_yx))
        return scores.logits, size

    def keep(name: str, result: tuple[np.ndarray, float | None]) -> Iterable[Event]:
        written.append(Path(output) / f"{name}_heatmap.mrc")
        write_mrc(written[-1], *result)
        yield Saved(str(written[-1]))

    yield from over_micrographs("Scoring", files, model.card.preprocess, work, keep=keep, stop=stop)
    return written
