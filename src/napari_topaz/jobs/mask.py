"""Suggest masks: carbon, its edge, large contaminations and gold (:mod:`napari_topaz.numerics.junk`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.events import Event, Job, JobError, Saved, StopToken
from napari_topaz.files import mask_path, write_mask
from napari_topaz.jobs.preparing import PreparedCache, Source, not_normalised
from napari_topaz.jobs.resuming import kept_folder
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.jobs.training_inputs import small_diameter
from napari_topaz.masks import Mask
from napari_topaz.numerics.junk import suggest_junk
from napari_topaz.numerics.outlines import outlines
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings, ScaleSettings

#: In the folder of the masks: how they are made. JSON, by another suffix: a .json may be a mask.
RECIPE_FILE = "mask.recipe"


@dataclass(frozen=True)
class SuggestOne:
    """Suggest the mask of one preprocessed micrograph, as polygons, and the fraction it covers."""

    preprocess: PreprocessSettings

    def __call__(self, prepared: Prepared) -> tuple[Mask, float]:
        """Look at it."""
        junk = suggest_junk(prepared.image, small_diameter(prepared, self.preprocess))
        found = polygons_of(Mask(raster=junk), prepared.shape)
        # Preprocessed pixel k is centred at k steps, not at the middle of the k-th cell.
        back = (np.array(prepared.step_yx) - 1) / 2
        moved = tuple((p - back).astype(np.float32) for p in found.polygons)
        return replace(found, polygons=moved), float(junk.mean())


def polygons_of(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Return a mask whose raster became polygons; `shape` of the micrograph (height, width).

    Holes of the raster are filled.
    """
    if mask.raster is None:
        return mask
    # Outlines count from the corner of the first pixel.
    traced = [polygon * np.array(shape) - 0.5 for polygon in outlines(mask.raster)]
    return Mask((*mask.polygons, *(p.astype(np.float32) for p in traced)), None, mask.margin)


def suggest_masks(
    files: Sequence[Source],
    preprocess: PreprocessSettings,
    output: str | Path | None = None,
    *,
    stop: StopToken | None = None,
    skip: Collection[str] = frozenset(),
    cache: PreparedCache | None = None,
    scale: ScaleSettings | None = None,
) -> Job[dict[str, tuple[Mask, float]]]:
    """Suggest the masks of micrographs, one in memory at a time.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        What to look at.
    preprocess : PreprocessSettings
        With the particle's diameter; normalisation does not count.
    output : str or Path, optional
        Folder for ``NAME_mask.geojson``; nothing is written where not given.
    stop : StopToken, optional
        Where set, the masks so far are returned.
    skip : collection of str
        Names of micrographs that are done already.
    cache : PreparedCache, optional
        Of preprocessed micrographs.
    scale : ScaleSettings, optional
        Which processes do the work; this one where not given.

    Yields
    ------
    Started, Warned, Saved, MicrographDone

    Returns
    -------
    dict of str to tuple of Mask and float
        Polygons, and the fraction of the micrograph that they cover, by micrograph name.

    Raises
    ------
    JobError
        Where the diameter is missing, or all micrographs fail.
    """
    if preprocess.diameter is None:
        raise JobError("The diameter of the particle is missing: give it in Å.")
    done: dict[str, tuple[Mask, float]] = {}
    check = None if output is None else kept_folder(Path(output))

    def keep(name: str, found: tuple[Mask, float]) -> Iterable[Event]:
        done[name] = found
        if output is not None and check is not None:
            check()
            for path in write_mask(output, name, found[0]):
                yield Saved(str(path))

    how = not_normalised(preprocess)
    todo = [f for f in files if f.name not in skip]
    yield from over_micrographs(
        "Suggesting masks", todo, how, SuggestOne(how), keep=keep, stop=stop, cache=cache, scale=scale
    )
    return done


def mask_recipe(preprocess: PreprocessSettings) -> dict[str, Any]:
    """Return all that suggested masks depend on besides the micrographs, as plain values."""
    return not_normalised(preprocess).model_dump()


def mask_targets(files: Sequence[Source], output: str | Path) -> dict[str, Path]:
    """Return the files that :func:`suggest_masks` would write, by micrograph name."""
    return {f.name: mask_path(output, f.name) for f in files}
