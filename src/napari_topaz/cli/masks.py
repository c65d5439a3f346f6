"""The command that suggests masks, and the option of the others that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    PREPROCESS,
    SCALE,
    SHOWN,
    Micrographs,
    OutputFolder,
    Overwrite,
    Preprocess,
    Resume,
    Scaling,
    Showing,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen

if TYPE_CHECKING:
    from napari_topaz.files import MaskFolder
    from napari_topaz.micrograph import MicrographFile

MaskOption = Annotated[
    Path | None,
    Parameter(
        name="--masks",
        help="Folder of masks, NAME_mask.geojson or NAME_mask.png (.tif, .mrc; what is not 0 hides): under "
        "them nothing is learnt or picked.",
    ),
]


def masks_of(folder: Path | None, files: Sequence[MicrographFile]) -> MaskFolder | None:
    """Find the masks of these micrographs; None where no folder is given."""
    from napari_topaz.files import find_masks

    return None if folder is None else find_masks(folder, [f.name for f in files])


def mask(
    micrographs: Micrographs,
    /,
    *,
    output: OutputFolder,
    resume: Resume = False,
    overwrite: Overwrite = False,
    preprocess: Preprocess = PREPROCESS,
    scale: Scaling = SCALE,
    shown: Showing = SHOWN,
) -> int:
    """Suggest masks of carbon, its edge, large contaminations and gold: NAME_mask.geojson.

    They are polygons, for --masks of train, pick, reference and heatmap, and for the viewer. Look
    at them before you use them: they are suggestions.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.mask import RECIPE_FILE, mask_recipe, mask_targets, suggest_masks
    from napari_topaz.jobs.resuming import ResultFolder

    if preprocess.diameter is None:
        raise CallError("--diameter is missing: the particle's diameter in Å.")
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    targets = mask_targets(files, output)
    refuse_existing(targets.values(), "--output", overwrite=overwrite or resume, resumes=True)
    results = ResultFolder(output / RECIPE_FILE, mask_recipe(preprocess), targets, resume=resume)
    if results.unverified:
        screen.warn(f"{output} does not say how the masks in it were made; they are kept as they are.")
    done = results.done
    found = screen.drive(suggest_masks(files, preprocess, output, stop=screen.stop, skip=done, scale=scale))
    if not screen.failed and not screen.stop.is_set():
        results.finish()
    covered = sum(fraction for _, fraction in found.values()) / max(len(found), 1)
    dirty = sum(bool(one.polygons) for one, _ in found.values())
    values = {
        "micrographs": len(found),
        "masked_micrographs": dirty,
        "masked_fraction": round(covered, 4),
        "seconds": screen.seconds,
        "skipped": len(done),
        "failed": list(screen.failed),
        "output": output,
    }
    before = f" ({len(done)} were done before)" if done else ""
    text = (
        f"Wrote {len(found)} masks to {output}{before}: {dirty} hide something, {covered:.1%} of the area in "
        f"all, {screen.seconds:.0f} s."
    )
    return screen.result(values, text)
