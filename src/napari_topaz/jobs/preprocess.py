"""Write micrographs as the network sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from napari_topaz.events import Event, Job, JobError, Saved, StopToken
from napari_topaz.files import write_mrc
from napari_topaz.jobs.preparing import Source
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.micrograph import MicrographFile
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings


def preprocess(
    files: Sequence[Source],
    settings: PreprocessSettings,
    output: str | Path,
    *,
    stop: StopToken | None = None,
) -> Job[list[Path]]:
    """Write ``output/NAME.mrc`` for each micrograph: clipped, downsampled, normalised.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        What to preprocess.
    settings : PreprocessSettings
        How.
    output : str or Path
        Folder, made where it is missing.
    stop : StopToken, optional
        Where set, the files so far are returned.

    Yields
    ------
    Started, Saved, MicrographDone

    Returns
    -------
    list of Path
        Images of float32 with their own pixel size in the header.

    Raises
    ------
    JobError
        Where a micrograph would be overwritten, or all fail.
    """
    targets = {f.name: Path(output) / f"{f.name}.mrc" for f in files}
    _refuse_overwriting(files, targets.values())
    written: list[Path] = []

    def keep(name: str, prepared: Prepared) -> Iterable[Event]:
        size = prepared.pixel_size and prepared.pixel_size * float(np.mean(prepared.step_yx))
        write_mrc(targets[name], prepared.image, size)
        written.append(targets[name])
        yield Saved(str(targets[name]))

    yield from over_micrographs("Preprocessing", files, settings, _itself, keep=keep, stop=stop)
    return written


def _itself(prepared: Prepared) -> Prepared:
    return prepared


def _refuse_overwriting(files: Sequence[Source], targets: Iterable[Path]) -> None:
    """Raise JobError where a target is one of the micrographs themselves."""
    inputs = {f.path.resolve() for f in files if isinstance(f, MicrographFile)}
    for target in targets:
        if target.resolve() in inputs:
            raise JobError(
                f"{target} is a micrograph and would be overwritten; give another --output folder."
            )
