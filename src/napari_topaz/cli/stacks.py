"""The command stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    SHOWN,
    STACK,
    Micrographs,
    Overwrite,
    PickFile,
    PixelSize,
    Showing,
    Stacking,
    positive,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen


def stack(
    micrographs: Micrographs,
    /,
    *,
    picks: PickFile,
    output: Annotated[
        Path,
        Parameter(help="A folder for a stack per micrograph, or one FILE.mrcs; paths in STAR are as given."),
    ],
    settings: Stacking = STACK,
    pixel_size: PixelSize = None,
    overwrite: Overwrite = False,
    shown: Showing = SHOWN,
) -> int:
    """Cut picked particles into stacks for RELION, with a STAR file and a picture (montage.png).

    Boxes are cut at the nearest pixel; coordinates are written as they are. Run it in RELION's
    project folder with a relative --output. A broken micrograph is reported and the rest goes on.
    """
    from napari_topaz.files import find_micrographs, read_picks
    from napari_topaz.jobs.stack import results_of
    from napari_topaz.jobs.stack import stack as job

    positive(pixel_size, "--pixel-size")
    if settings.box_size is None:
        raise CallError("--box-size is missing: the edge of the boxes, in pixels of the micrographs.")
    if output.suffix and output.suffix.lower() != ".mrcs" and not output.is_dir():
        raise CallError(f"--output {output} must be a folder, or end in .mrcs.")
    refuse_existing(results_of(output), "--output", overwrite=overwrite)
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    work = job(files, read_picks(picks), output, settings, pixel_size=pixel_size, stop=screen.stop)
    found = screen.drive(work)
    values = vars(found) | {"seconds": screen.seconds, "failed": list(screen.failed)}
    text = (
        f"Wrote {found.star}: {found.particles} particles of {found.micrographs} micrographs, "
        f"{screen.seconds:.0f} s. Look at {found.montage}."
    )
    return screen.result(values, text)
