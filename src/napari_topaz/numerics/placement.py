"""Do coordinates lie on something? If not, would they after a scale, a flip, an exchange of axes or a shift?

Particles differ from their surroundings at their own size. Behind a band-pass filter, divided by the local
contrast, the mean over the picks is therefore far from that over the same pattern of points shifted
elsewhere (as on a torus): the difference, in standard deviations of the shifted patterns, says how well the
picks lie. Nothing is known of the particle: filters of several sizes are tried, and dark and bright
particles count alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_topaz.numerics.filters import difference_of_gaussians, local_spread

#: Longest side of the images that are looked at.
LONGEST_SIDE = 512
#: Diameters of the filters in their pixels, and how much smaller an image does for them.
DIAMETERS = {5: 1, 8: 1, 13: 2, 21: 2, 34: 4, 55: 4}
#: The images' sides are multiples of it.
COARSEST = max(DIAMETERS.values())
#: Factors between images of one micrograph, and between coordinates that were written for them.
SCALES = (1.0, *(f for n in (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0) for f in (n, 1 / n)))
#: Patterns of points elsewhere, and the most points of a micrograph that are looked at.
ELSEWHERE, MOST_PICKS = 200, 300
#: Answers of a filter are clipped here, in standard deviations: a bead of gold is no particle.
CLIP = 3.0
#: Picks that must be inside, for a placement to be possible; and the fewest that say anything.
INSIDE, FEWEST_PICKS = 0.9, 10
#: Part of height and of width that the picks of all micrographs must span. Whatever scale is too small
#: puts all of them into a corner, where a single defect of the detector is under many.
SPAN = 0.55
#: How many standard deviations, and how many times those of the picks as they are, speak clearly. The
#: best of 68 wrong placements of 300 picks reaches 3 to 4.
CLEAR, CLEARER = 6.0, 2.0
#: Picks that lie this well need no comparison.
BEYOND_DOUBT = 15.0
#: Farthest shift that is tried, in parts of the image, and what speaks clearly there: it is the best of
#: some hundred thousand.
FARTHEST, CLEAR_SHIFT = 0.15, 10.0


@dataclass(frozen=True)
class Placement:
    """How coordinates of a file become those of a micrograph, in this order.

    Attributes
    ----------
    swap_xy : bool
        x and y are exchanged.
    scale : float
        Coordinates are multiplied.
    flip_y : bool
        y is counted from the other edge.
    shift_yx : tuple of float
        Is added, in pixels of the micrograph.
    boxes : bool
        The coordinates are corner + size / 2 of boxes: a flip turns the box.

    Notes
    -----
    A flip turns the larger of the two images, with H rows: there y becomes H − 1 − y, and H − y for boxes, as
    the pixel at index size / 2 of a box is the one before it of the turned box. In pixels of the micrograph
    that is height − min(1, scale) − scale · y, and height − scale · y for boxes. The boxes published for
    EMPIAR-10017 (half the scale) then lie −0.07 ± 0.04 px beside the curated centres in y (crYOLO's); with
    height − 1 − scale · y they lay −0.97 px beside them.
    """

    swap_xy: bool = False
    scale: float = 1.0
    flip_y: bool = False
    shift_yx: tuple[float, float] = (0.0, 0.0)
    boxes: bool = False

    def moved(self, yx: NDArray[np.floating], height: int) -> NDArray[np.float32]:
        """Return coordinates (n, 2), (y, x), in a micrograph of `height` pixels."""
        moved = np.array(yx[:, ::-1] if self.swap_xy else yx, np.float32) * np.float32(self.scale)
        if self.flip_y:
            edge = 0.0 if self.boxes else min(1.0, self.scale)
            moved[:, 0] = height - edge - moved[:, 0]
        return np.asarray(moved + np.asarray(self.shift_yx, np.float32), np.float32)


@dataclass(frozen=True, eq=False)
class BlobMaps:
    """How much a micrograph looks like a blob, by place and size of the blob.

    Attributes
    ----------
    maps : ndarray of float32, shape (k, h, w)
        Answers of the filters, mean 0 and clipped at about :data:`CLIP` standard deviations.
    step : int
        Pixels of the micrograph per pixel of the maps.
    shape : tuple of int
        (height, width) of the micrograph.
    """

    maps: NDArray[np.float32]
    step: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class Verdict:
    """How well picks lie, as they are and as they would best.

    Attributes
    ----------
    placement : Placement
        The best one.
    as_is, best : float
        Standard deviations from the same pattern elsewhere.
    """

    placement: Placement
    as_is: float
    best: float


def blob_maps(pixels: NDArray[np.number]) -> BlobMaps:
    """Filter a micrograph of shape (height, width).

    Raises
    ------
    ValueError
        Where no pixel is finite.
    """
    step = max(1, math.ceil(max(pixels.shape) / LONGEST_SIDE))
    height, width = (n // (step * COARSEST) * COARSEST for n in pixels.shape)
    small = _binned(pixels[: height * step, : width * step], step)
    fitting = [diameter for diameter in DIAMETERS if 2 * diameter < min(height, width)]
    maps = np.zeros((len(fitting), height, width), np.float32)
    for k, diameter in enumerate(fitting):
        factor = DIAMETERS[diameter]
        coarse = _binned(small, factor)
        answer = difference_of_gaussians(coarse, diameter / factor)
        answer = _clipped(answer / local_spread(coarse, 2 * diameter / factor))
        maps[k] = answer.repeat(factor, axis=0).repeat(factor, axis=1)
    return BlobMaps(maps, step, (int(pixels.shape[0]), int(pixels.shape[1])))


def _binned(pixels: NDArray[np.number], step: int) -> NDArray[np.float32]:
    """Means of blocks of step × step pixels; the sides are multiples of `step`."""
    height, width = (n // step for n in pixels.shape)
    blocks = pixels.reshape(height, step, width, step)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _clipped(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    """In standard deviations from the mean, clipped; 0 where all are the same."""
    for _ in range(2):  # what was clipped must not widen the measure
        spread = answer.std()
        answer = np.clip((answer - answer.mean()) / (spread if spread > 0 else 1), -CLIP, CLIP)
    return np.asarray(answer - answer.mean(), np.float32)


def better_placement(
    maps: Sequence[BlobMaps], yx: Sequence[NDArray[np.floating]], present: Placement | None = None
) -> Verdict | None:
    """Find a placement by which picks lie on particles clearly better than by the present one.

    Parameters
    ----------
    maps : sequence of BlobMaps
        A few micrographs of one dataset.
    yx : sequence of ndarray of shape (n, 2)
        Their picks, best first, (y, x), in pixels of whatever the file counts.
    present : Placement, optional
        What is held to be right; as the file says where None.

    Returns
    -------
    Verdict or None
        None where the picks may well be right, or nothing fits, or there are too few.
    """
    present = present or Placement()
    every = [np.asarray(one, np.float32) for one in yx]
    yx = [one[:MOST_PICKS] for one in every]
    if sum(map(len, yx)) < FEWEST_PICKS:
        return None
    as_is = _fit(maps, yx, present, needed=INSIDE)
    if as_is >= BEYOND_DOUBT:
        return None
    as_is = as_is or _fit(maps, yx, present, needed=0.0)
    scales = dict.fromkeys([present.scale, *SCALES])
    tried = product((False, True), scales, (False, True))
    candidates = [Placement(*args, boxes=present.boxes) for args in tried]
    candidates = [one for one in candidates if _span(maps, every, one) >= SPAN] or [present]
    fits = [_fit(maps, yx, one, needed=INSIDE) for one in candidates]
    best = int(np.argmax(fits))
    if fits[best] >= CLEAR:
        verdict = Verdict(candidates[best], as_is, fits[best])
        return verdict if candidates[best] != present and fits[best] >= CLEARER * as_is else None
    if as_is >= CLEAR or len({one.step for one in maps}) > 1:
        return None
    straight = [_shifted(maps, yx, one, as_is) for one in candidates if not one.swap_xy]
    shifted = max(straight, key=lambda verdict: verdict.best, default=Verdict(present, as_is, 0.0))
    return shifted if shifted.best >= max(CLEAR_SHIFT, CLEARER * as_is) else None


def _fit(
    maps: Sequence[BlobMaps], yx: Sequence[NDArray[np.float32]], placement: Placement, needed: float
) -> float:
    """Standard deviations by which picks lie elsewhere than the same pattern at random; 0 where outside."""
    total = np.zeros(max((len(one.maps) for one in maps), default=0))
    count = 0
    for one, raw in zip(maps, yx, strict=True):
        cells, inside = _cells(one, raw, placement)
        if inside < needed:
            return 0.0
        if len(cells) and len(one.maps):
            total[: len(one.maps)] += _deviations(one.maps, cells)
            count += 1
    return float(np.abs(total).max(initial=0.0)) / math.sqrt(max(count, 1))


def _span(maps: Sequence[BlobMaps], yx: Sequence[NDArray[np.float32]], placement: Placement) -> float:
    """Part of the height or of the width, whichever is less, that the picks of all micrographs span."""
    moved = [placement.moved(raw, one.shape[0]) / one.shape for one, raw in zip(maps, yx, strict=True)]
    return float(np.ptp(np.concatenate(moved), axis=0).min())


def _cells(one: BlobMaps, raw: NDArray[np.float32], placement: Placement) -> tuple[NDArray[np.intp], float]:
    """Pixels of the maps under those picks that are inside, and which part of all they are."""
    moved = placement.moved(raw, one.shape[0])
    cells = np.rint((moved + 0.5) / one.step - 0.5)
    inside: NDArray[np.bool_] = np.all((cells >= 0) & (cells < one.maps.shape[1:]), axis=1)
    return cells[inside].astype(np.intp), float(inside.mean()) if len(inside) else 1.0


def _deviations(maps: NDArray[np.float32], cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of the mean over the cells, from the means over the same pattern shifted round the image, per map."""
    height, width = maps.shape[1:]
    random = np.random.default_rng(0)  # the same picks give the same answer
    shifts = np.stack([random.integers(0, n, ELSEWHERE) for n in (height, width)], axis=1)
    places = (np.concatenate([[(0, 0)], shifts])[:, None] + cells) % (height, width)
    means = maps.reshape(len(maps), -1)[:, places[..., 0] * width + places[..., 1]].mean(
        axis=2, dtype=np.float64
    )
    spread = means[:, 1:].std(axis=1)
    return np.asarray((means[:, 0] - means[:, 1:].mean(axis=1)) / np.where(spread > 0, spread, np.inf))


def _shifted(
    maps: Sequence[BlobMaps], yx: Sequence[NDArray[np.float32]], placement: Placement, as_is: float
) -> Verdict:
    """Find the shift by which the placement fits best; the same for all micrographs."""
    step = maps[0].step
    reach = math.ceil(FARTHEST * min(min(one.maps.shape[1:]) for one in maps))
    total = np.zeros(())
    for one, raw in zip(maps, yx, strict=True):
        cells, inside = _cells(one, raw, placement)
        if inside < INSIDE - FARTHEST or not len(cells):
            return Verdict(placement, as_is, 0.0)
        total = total + _correlation(one.maps, cells, reach)
    fit = np.abs(total) / math.sqrt(len(maps))
    _, y, x = np.unravel_index(int(fit.argmax()), fit.shape)
    shift = (float((y - reach) * step), float((x - reach) * step))
    return Verdict(replace(placement, shift_yx=shift), as_is, float(fit.max()))


def _correlation(maps: NDArray[np.float32], cells: NDArray[np.intp], reach: int) -> NDArray[np.float32]:
    """Deviations as of :func:`_deviations` for all shifts up to `reach`: shape (k, 2r + 1, 2r + 1)."""
    shape = maps.shape[1:]
    points = np.zeros(shape, np.float32)
    np.add.at(points, tuple(cells.T), 1)
    spectrum = np.conj(fft.rfft2(points))
    window = np.arange(-reach, reach + 1)
    found = np.zeros((len(maps), len(window), len(window)), np.float32)
    for k, one in enumerate(maps):
        sums = fft.irfft2(fft.rfft2(one) * spectrum, s=shape)
        spread = sums.std()
        if spread > 0:
            found[k] = (sums[np.ix_(window, window)] - sums.mean()) / spread
    return found
