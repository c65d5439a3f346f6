"""The command label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    SHOWN,
    Overwrite,
    PickFile,
    PixelSize,
    Showing,
    pixels,
    positive,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen


def label(
    *,
    picks: PickFile,
    targets: Annotated[Path, Parameter(help="True particles, in any of these formats.")],
    radius: Annotated[str, Parameter(help="Largest distance of a hit: 27 or 27px in pixels, 90A in Å.")],
    output: Annotated[Path, Parameter(help="Labels of both kinds to write (.csv), for train --picks.")],
    add_to: Annotated[
        Path | None,
        Parameter(help="Labels so far; they are kept, and what they label is not labelled again."),
    ] = None,
    true_picks: Annotated[
        int | None, Parameter(help="At most so many new particles, the best-scoring picks; all if not given.")
    ] = None,
    false_picks: Annotated[
        int | None,
        Parameter(help="At most so many new places without a particle, the best-scoring; all if not given."),
    ] = None,
    pixel_size: PixelSize = None,
    overwrite: Overwrite = False,
    shown: Showing = SHOWN,
) -> int:
    """Turn picks into labels, particles and no particles, by comparing them with true particles.

    The step between two trainings of DeepEM: pick, label, train again with what was right and wrong.
    Only micrographs with true particles count.
    """
    from napari_topaz.files import read_picks
    from napari_topaz.jobs.label import label as judge
    from napari_topaz.jobs.streaming import some_names

    if output.suffix.lower() != ".csv":
        raise CallError(f"--output {output} must end in .csv: that table says what is no particle.")
    for name, count in (("--true-picks", true_picks), ("--false-picks", false_picks)):
        if count is not None and count < 0:
            raise CallError(f"{name} must not be negative, not {count}.")
    distance = pixels(radius, positive(pixel_size, "--pixel-size"), "--radius")
    refuse_existing([output], "--output", overwrite=overwrite)
    screen = Screen(shown)
    found = judge(
        read_picks(picks),
        read_picks(targets),
        distance,
        most_true=true_picks,
        most_false=false_picks,
        known=None if add_to is None else read_picks(add_to),
    )
    if found.ignored:
        screen.warn(f"Picks of {some_names(found.ignored)} are left out: they have no targets.")
    found.write(output)
    total = sum(len(one) for one in found.labels.values())
    values = {
        "output": output,
        "particles": found.particles,
        "not_particles": found.not_particles,
        "labels": total,
    }
    text = (
        f"Wrote {output}: {total} labels, of them {found.particles} new particles and "
        f"{found.not_particles} new places without one."
    )
    return screen.result(values, text)
