"""Write micrographs as the network sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Event, Job, JobError, MicrographDone, Progress, Saved, StopToken
from napari_topaz.files import write_mrc
from napari_topaz.jobs.preparing import ONE_MIXTURE, Source, not_normalised, with_mixture
from napari_topaz.jobs.resuming import ResultFolder, kept_folder
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.histograms import histogram_of
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings, ScaleSettings
from napari_topaz.settings.fitted import FittedPreprocess

#: In the folder of the results: how they are made; in it, the mixture of a dataset.
RECIPE_FILE, MIXTURE = "preprocess.json", "mixture"


def preprocess(
    files: Sequence[Source],
    settings: PreprocessSettings,
    output: str | Path,
    *,
    stop: StopToken | None = None,
    skip: Collection[str] = frozenset(),
    scale: ScaleSettings | None = None,
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
    skip : collection of str
        Names of micrographs that are done already; a mixture of the dataset is of all.
    scale : ScaleSettings, optional
        Which processes do the work; this one where not given.

    Yields
    ------
    Started, Warned, Saved, MicrographDone

    Returns
    -------
    list of Path
        Images of float32 with their own pixel size in the header.

    Raises
    ------
    JobError
        Where a micrograph would be overwritten, or all fail.
    """
    targets, check = preprocess_targets(files, output), kept_folder(Path(output))
    written: list[Path] = []

    def keep(name: str, prepared: Prepared) -> Iterable[Event]:
        size = prepared.pixel_size and prepared.pixel_size * float(np.mean(prepared.step_yx))
        check()
        write_mrc(targets[name], prepared.image, size)
        written.append(targets[name])
        yield Saved(str(targets[name]))

    settings = yield from fitted(files, settings, stop=stop, scale=scale)
    todo = [f for f in files if f.name not in skip]
    yield from over_micrographs(
        "Preprocessing", todo, settings, _itself, keep=keep, stop=stop, scale=scale, light=True
    )
    return written


def preprocess_targets(files: Sequence[Source], output: str | Path) -> dict[str, Path]:
    """Return the files that :func:`preprocess` would write, by name of their micrograph.

    Raises
    ------
    JobError
        Where one of them is a micrograph itself.
    """
    targets = {f.name: Path(output) / f"{f.name}.mrc" for f in files}
    _refuse_overwriting(files, targets.values())
    return targets


def fitted(
    files: Sequence[Source],
    settings: PreprocessSettings,
    *,
    stop: StopToken | None = None,
    scale: ScaleSettings | None = None,
) -> Job[PreprocessSettings]:
    """Go over the dataset once for ``gmm-dataset``, with one micrograph and all histograms in memory.

    Returns
    -------
    PreprocessSettings
        With the mixture; as they came for the other normalisations.
    """
    if settings.normalise != ONE_MIXTURE or isinstance(settings, FittedPreprocess):
        return settings
    histograms: list[NDArray[np.float64]] = []

    def keep(name: str, histogram: NDArray[np.float64]) -> Iterable[Event]:
        histograms.append(histogram)
        return ()

    plain = not_normalised(settings)
    first = over_micrographs(
        "Fitting", files, plain, _histogram, keep=keep, stop=stop, scale=scale, light=True
    )
    yield from _as_progress(first, len(files))
    return (yield from with_mixture(settings, histograms)) if histograms else settings


def fitted_once(
    files: Sequence[Source],
    settings: PreprocessSettings,
    results: ResultFolder,
    *,
    stop: StopToken | None = None,
    scale: ScaleSettings | None = None,
) -> Job[PreprocessSettings]:
    """Do what :func:`fitted` does, unless an earlier run into this folder has done it.

    Raises
    ------
    JobError
        Where what that run has kept is damaged.
    """
    if settings.normalise == ONE_MIXTURE and (kept := results.found.get(MIXTURE)) is not None:
        try:
            return FittedPreprocess(**settings.model_dump(), mixture=kept)
        except ValueError as error:
            raise JobError(
                f"{results.file} is damaged; give --overwrite in place of --resume to begin again."
            ) from error
    found = yield from fitted(files, settings, stop=stop, scale=scale)
    if isinstance(found, FittedPreprocess) and not (stop is not None and stop.is_set()):
        results.remember(**{MIXTURE: found.mixture.model_dump()})
    return found


def _as_progress(job: Job[Any], total: int) -> Job[None]:
    """Pass a job on without its results: what is broken is told when its turn comes again."""
    done = 0
    for event in job:
        if isinstance(event, MicrographDone):
            done += 1
            yield Progress(done, total, event.name)
        else:
            yield event


def _histogram(prepared: Prepared) -> NDArray[np.float64]:
    return histogram_of(prepared.image)


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
