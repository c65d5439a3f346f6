"""The boxes of one micrograph, read one by one while they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files import check_inside, locate_micrograph
from napari_topaz.files.stored import LocatedMicrograph
from napari_topaz.jobs.mapping import BROKEN
from napari_topaz.jobs.preparing import Source
from napari_topaz.numerics.boxes import background_mask, box_corners, boxes_fit, cut_box, normalise_background
from napari_topaz.numerics.rescale import fourier_crop
from napari_topaz.picks import Picks
from napari_topaz.settings import StackSettings

#: Up to this fraction of a micrograph's picks may lie outside of it; more is another binning or a flip.
FEW_OUTSIDE = 0.1


class UnreadableError(Exception):
    """A micrograph is broken; what cannot be written ends the job instead."""


@contextmanager
def readable() -> Iterator[None]:
    """Tell what is wrong with a micrograph from what is wrong with the output.

    Raises
    ------
    UnreadableError
        With one sentence.
    """
    try:
        yield
    except BROKEN as error:
        raise UnreadableError(str(error) or type(error).__name__) from error


@dataclass(frozen=True, eq=False)
class Cut:
    """What is cut from a micrograph.

    Attributes
    ----------
    micrograph : LocatedMicrograph
    picks : Picks
        Those whose boxes fit.
    corners : ndarray of int64, shape (n, 2)
        First pixels of their boxes.
    left_out : int
        Number of the other picks.
    pixel_size : float
        Å/px.
    """

    micrograph: LocatedMicrograph
    picks: Picks
    corners: NDArray[np.int64]
    left_out: int
    pixel_size: float


def find_boxes(source: Source, picks: Picks, settings: StackSettings, pixel_size: float | None) -> Cut:
    """Place the boxes of a micrograph.

    Raises
    ------
    ValueError
        Where it cannot be read, is smaller than a box, or has no pixel size; where the picks are of
        another one.
    """
    micrograph = locate_micrograph(source)
    name, shape, size = micrograph.name, micrograph.shape, settings.box_size or 0
    if size > min(shape):
        raise ValueError(
            f"A box of {size} px is larger than {name!r} of {shape[1]} × {shape[0]} px; "
            "give a smaller --box-size."
        )
    if (found := pixel_size or micrograph.pixel_size) is None:
        raise ValueError(f"The pixel size of {name!r} is not known, and RELION needs it; give --pixel-size.")
    inside = picks.inside(shape)
    if (~inside).sum() > FEW_OUTSIDE * len(picks):
        check_inside(picks, shape, name)
    corners = box_corners(picks.yx, size)
    fits = inside & boxes_fit(corners, size, shape) if settings.edge == "drop" else inside
    return Cut(micrograph, picks[fits], corners[fits], int((~fits).sum()), found)


def boxes_of(cut: Cut, settings: StackSettings) -> Iterator[NDArray[np.float32]]:
    """Read the boxes, (edge, edge), one at a time.

    Raises
    ------
    UnreadableError
        Where the micrograph cannot be read, or changes.
    """
    size = settings.box_size or 0
    with ExitStack() as open_files:
        with readable():
            # Windows are read with the rows they lie in: of many boxes that is more than the file has.
            many = len(cut.corners) * size > cut.micrograph.shape[0]
            image = cut.micrograph.read() if many else open_files.enter_context(cut.micrograph.opened())
        for corner in cut.corners:
            with readable():
                box = cut_box(image, corner, size, settings.edge)
            yield box


def particle(box: NDArray[np.float32], settings: StackSettings, size: int) -> NDArray[np.float32]:
    """Downsample a box, (edge, edge), to (size, size), invert it and normalise it, as the settings say."""
    small = fourier_crop(box, (size, size))
    if settings.invert:
        small = -small
    if settings.normalise:
        small = normalise_background(small, background_mask(size, settings.background * size))
    return small
