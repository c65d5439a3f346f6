"""Pictures of micrographs for the screen: binned, filtered, with sensible contrast.

A raw micrograph of 4096 × 5760 pixels is far larger than a screen and hides its particles in noise.
What is drawn is therefore a smaller picture: the mean of blocks of `bin` × `bin` pixels, then a
Gaussian band-pass. Coordinates stay honest, because the layer is placed by :attr:`Picture.scale` and
:attr:`Picture.translate`: the centre of the first block lies at ((bin − 1) / 2, (bin − 1) / 2) of
the original. At most bin − 1 rows and columns at the far edges are not drawn. Only the screen sees
this picture; training and picking read the file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files import read_micrograph
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.numerics.band_pass import band_pass
from napari_topaz.picks import Picks
from napari_topaz.settings import DisplaySettings

#: Pixels whose percentiles stand for the whole picture.
SUBSAMPLE = 200_000
#: Parts of the picture that are black and white before she says otherwise, in percent.
BLACK, WHITE = (DisplaySettings.model_fields[name].default for name in ("black", "white"))
#: Pictures kept in memory: the shown one, its neighbours, and a few she came from.
KEPT = 6


@dataclass(frozen=True, eq=False)
class Picture:
    """A micrograph as it is drawn.

    Attributes
    ----------
    name : str
        The micrograph.
    pixels : ndarray of float32, shape (h, w)
    bin : int
        Pixels of the original per pixel of the picture, along both axes.
    shape : tuple of int
        (height, width) of the original.
    limits : tuple of float
        Values drawn black and white, or the other way round where it is `inverted`.
    span : tuple of float
        Lowest and highest value.
    inverted : bool
        Whether high values are drawn dark.
    """

    name: str
    pixels: NDArray[np.float32]
    bin: int
    shape: tuple[int, int]
    limits: tuple[float, float]
    span: tuple[float, float]
    inverted: bool = False

    @property
    def scale(self) -> float:
        """Original pixels per pixel of the picture."""
        return float(self.bin)

    @property
    def translate(self) -> float:
        """Centre of the first pixel, in original pixels."""
        return (self.bin - 1) / 2

    def inside(self, yx: NDArray[np.float32]) -> NDArray[np.float32]:
        """The points (n, 2) that lie on the micrograph, in original pixels: beyond it is nothing to label."""
        return yx[Picks(yx).inside(self.shape)]


def picture_of(micrograph: Micrograph, settings: DisplaySettings, pixel_size: float | None) -> Picture:
    """Make the picture of a micrograph; its pixels are read once.

    Parameters
    ----------
    micrograph : Micrograph
    settings : DisplaySettings
    pixel_size : float or None
        Å/px; without it there is no band-pass.
    """
    factor = settings.binning or max(1, -(-max(micrograph.shape) // settings.longest_side))
    # A micrograph smaller than one block stays as it is.
    factor = min(factor, *micrograph.shape)
    pixels = binned(micrograph.pixels, factor)
    finite = np.isfinite(pixels)
    if not finite.all():
        pixels[~finite] = np.median(pixels[finite]) if finite.any() else 0
    if pixel_size:
        pixels = band_pass(pixels, pixel_size * factor, settings.low_pass, settings.high_pass)
    black, white = (settings.white, settings.black) if settings.invert else (settings.black, settings.white)
    return Picture(
        micrograph.name,
        pixels,
        factor,
        micrograph.shape,
        contrast(pixels, black, white),
        (float(pixels.min()), float(pixels.max())),
        settings.invert,
    )


def binned(pixels: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Mean of blocks of `factor` × `factor` pixels; incomplete blocks at the far edges are left out."""
    h, w = pixels.shape[0] // factor, pixels.shape[1] // factor
    rows = np.zeros((h, w * factor), np.float32)
    for i in range(factor):  # whole rows first, in the order of memory
        rows += pixels[i : h * factor : factor, : w * factor]
    total = rows[:, 0::factor].copy()
    for j in range(1, factor):
        total += rows[:, j::factor]
    total /= factor * factor
    return total


def contrast(pixels: NDArray[np.float32], low: float = BLACK, high: float = WHITE) -> tuple[float, float]:
    """Contrast limits that leave `low` % of a subsample below and `high` % above; never an empty range."""
    step = max(1, round(np.sqrt(pixels.size / SUBSAMPLE)))
    least, most = (float(v) for v in np.percentile(pixels[::step, ::step], [low, 100 - high]))
    return (least, most) if most > least else (least - 0.5, least + 0.5)


class Pictures:
    """Makes pictures in a thread, keeps the last few, and prefetches neighbours. No Qt."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        # With its source, which stays alive as long: else another one could get the same id.
        self._pictures: OrderedDict[tuple[Any, ...], tuple[Any, Future[Picture]]] = OrderedDict()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-pictures")

    def get(
        self, source: MicrographFile | Micrograph, settings: DisplaySettings, pixel_size: float | None
    ) -> Future[Picture]:
        """Return the picture of a micrograph, now or as soon as it is made."""
        key = (source if isinstance(source, MicrographFile) else id(source), settings, pixel_size)
        with self._lock:
            future = self._pictures.get(key, (source, None))[1]
            if future is None or (future.done() and future.exception() is not None):
                future = self._thread.submit(_make, source, settings, pixel_size)
                self._pictures[key] = (source, future)
            self._pictures.move_to_end(key)
            while len(self._pictures) > self._kept:
                # One that still waits was asked for long ago and is not wanted any more.
                self._pictures.popitem(last=False)[1][1].cancel()
        return future

    def prefetch(
        self,
        sources: Iterable[MicrographFile | Micrograph],
        settings: DisplaySettings,
        pixel_size: float | None,
    ) -> None:
        """Make pictures that will be wanted soon."""
        for source in sources:
            self.get(source, settings, pixel_size)

    def close(self) -> None:
        """Make no more pictures."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _make(
    source: MicrographFile | Micrograph, settings: DisplaySettings, pixel_size: float | None
) -> Picture:
    micrograph = read_micrograph(source) if isinstance(source, MicrographFile) else source
    return picture_of(micrograph, settings, pixel_size or micrograph.pixel_size)
