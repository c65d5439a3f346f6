"""Convert picks between formats, and between coordinates of other programs and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_topaz.events import Job, JobError, Saved, Warned
from napari_topaz.files import (
    FileError,
    check_inside,
    format_of,
    holds_corners,
    match_names,
    pick_targets,
    read_header,
    read_picks,
    write_picks,
)
from napari_topaz.jobs.placement import Finding, look_at_picks
from napari_topaz.jobs.streaming import some_names
from napari_topaz.micrograph import MicrographFile, MicrographHeader
from napari_topaz.numerics.placement import Placement
from napari_topaz.picks import Picks


@dataclass(frozen=True)
class Conversion:
    """What happens to the picks on the way.

    Attributes
    ----------
    scale : float
        Coordinates are multiplied by it.
    flip_y : bool
        Then y is counted from the other edge.
    height : int or None
        Height of all micrographs in pixels, for `flip_y` without the micrographs themselves.
    pixel_size : float or None
        Å/px, for STAR files; the micrographs' headers say it where not given, and all say the same.
    box_size : int or None
        In pixels, for box files.
    threshold : float or None
        Picks below this score are left out.
    swap_xy : bool
        x and y are exchanged, before all else.
    shift_yx : tuple of float
        Is added last, in pixels.
    exposures : Path or None
        cryoSPARC's exposures that the picks are to belong to, for .cs files.
    """

    scale: float = 1.0
    flip_y: bool = False
    height: int | None = None
    pixel_size: float | None = None
    box_size: int | None = None
    threshold: float | None = None
    swap_xy: bool = False
    shift_yx: tuple[float, float] = (0.0, 0.0)
    exposures: Path | None = None

    def placement(self, boxes: bool) -> Placement:
        """What happens to the coordinates, which may be those of boxes."""
        return Placement(self.swap_xy, self.scale, self.flip_y, self.shift_yx, boxes)


def convert(
    source: str | Path,
    output: str | Path,
    conversion: Conversion | None = None,
    *,
    input_format: str | None = None,
    output_format: str | None = None,
    files: Mapping[str, MicrographFile] | None = None,
    check: bool = True,
    guard: Callable[[Sequence[Path]], None] = lambda targets: None,
) -> Job[dict[str, Picks]]:
    """Read picks, move them, write them.

    Parameters
    ----------
    source, output : str or Path
        File or folder of picks.
    conversion : Conversion, optional
        Scale and flip.
    input_format, output_format : str, optional
        Keys of :data:`napari_topaz.files.PICK_FORMATS`; by suffix where None.
    files : mapping of str to MicrographFile, optional
        The micrographs, by name: picks outside of them are refused, their heights serve to flip,
        their paths are written to STAR files. Picks of other micrographs are left out.
    check : bool
        Whether to look at a few of the `files` if picks lie on particles, and to warn where they would
        with another scale or flip.
    guard : callable
        Called with the files to be written, before; raises where one must not be replaced.

    Yields
    ------
    Warned, Saved

    Returns
    -------
    dict of str to Picks
        What was written.

    Raises
    ------
    FileError
        Where a file cannot be read or written, or picks lie outside of their micrograph.
    JobError
        Where a flip has no height to go by.
    """
    how = conversion or Conversion()
    picks = read_picks(source, input_format)
    headers: dict[str, MicrographHeader] = {}
    if files:
        matched = match_names(picks, list(files))
        if matched.missing:
            yield Warned(f"Picks of {some_names(matched.missing)} are left out: they have no micrograph.")
        picks = matched.picks
        headers = {name: read_header(files[name]) for name in picks}
    meant = format_of(output)
    boxes = holds_corners(source, input_format) or holds_corners(
        output, output_format or (meant.name if meant else "star")
    )
    moved = {name: _moved(one, how, headers.get(name), name, boxes) for name, one in picks.items()}
    if files:
        yield from _looked_at(files, picks, moved, how, headers, boxes, check=check)
    sizes = {header.pixel_size for header in headers.values()}
    size = how.pixel_size or (sizes.pop() if len(sizes) == 1 else None)
    guard(pick_targets(output, moved, output_format))
    for path in write_picks(
        output,
        moved,
        format=output_format,
        files=files,
        pixel_size=size,
        box_size=how.box_size,
        exposures=how.exposures,
    ):
        yield Saved(str(path))
    return moved


def _looked_at(
    files: Mapping[str, MicrographFile],
    picks: Mapping[str, Picks],
    moved: Mapping[str, Picks],
    how: Conversion,
    headers: Mapping[str, MicrographHeader],
    boxes: bool,
    *,
    check: bool,
) -> Job[None]:
    """Refuse picks outside, and warn of those in the wrong place: with the options that put them right."""
    found: Finding | None = None
    if check:
        present = how.placement(boxes)
        if how.flip_y and how.height and headers:  # another height flips round another line
            y, x = how.shift_yx
            off = how.height - next(iter(headers.values())).shape[0]
            present = replace(present, shift_yx=(y + off, x))
        found = yield from look_at_picks(list(files.values()), picks, present)
    for name, one in moved.items():
        try:
            check_inside(one, headers[name].shape, name)
        except FileError as error:
            if found is None:
                raise
            what = str(error).partition("; ")[0]
            raise FileError(
                f"{what}; they would lie on particles with {found.words}: {_remedy(found)}."
            ) from error
    if found is not None:
        yield Warned(found.sentence(_remedy(found)))


def _remedy(found: Finding) -> str:
    return f"give {found.options}" if found.options else "leave out scale, flip and shift"


def _moved(picks: Picks, how: Conversion, header: MicrographHeader | None, name: str, boxes: bool) -> Picks:
    if how.threshold is not None:
        picks = picks.above(how.threshold)
    height = how.height or (header.shape[0] if header else None)
    if how.flip_y and not height:
        raise JobError(f"Flipping y of {name!r} needs its height; give --micrographs or --height.")
    return replace(picks, yx=how.placement(boxes).moved(picks.yx, height or 0))
