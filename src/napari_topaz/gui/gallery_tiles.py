"""Cuts tiles round particles in a thread, those that are in view first, and keeps many."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from napari_topaz.files import locate_micrograph
from napari_topaz.gui.job_bar import explain
from napari_topaz.gui.looks import UNKNOWN_DIAMETER
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.numerics.boxes import Image, box_corners, cut_box, thumbnail

log = logging.getLogger("napari_topaz")

#: Edge of a tile in memory, px; larger boxes are downsampled.
EDGE = 96
#: Edge of the box, in particle diameters.
BOX_PER_DIAMETER = 1.6
#: Tiles that are kept (9 kB each).
KEPT = 6000
#: Grey levels reach this many standard deviations, like those of the montage.
CONTRAST = 3.0
#: Hot pixels: farther than this many robust standard deviations from the median.
HOT = 8.0

Tile = NDArray[np.uint8]


@dataclass(frozen=True)
class TileKey:
    """Which tile.

    Attributes
    ----------
    source : MicrographFile or Micrograph
        The micrograph; pixels in memory are known by being the same object.
    y, x : float
        Centre, pixels of the micrograph.
    diameter : float or None
        Of the particle, in the same pixels.
    """

    source: MicrographFile | Micrograph
    y: float
    x: float
    diameter: float | None


class TileCutter:
    """Makes the tiles that are wished for in a thread of its own.

    Parameters
    ----------
    kept : int
        Tiles in memory; the least recently used are forgotten first.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._tiles: OrderedDict[TileKey, Tile] = OrderedDict()
        self._wishes: list[TileKey] = []
        self._failed: dict[MicrographFile | Micrograph, str] = {}
        self._turn = 0  # counts wishes: what was wished for before does not count any more
        self._busy = self._closed = False
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-tiles")
        #: Counts tiles that were made, and failures.
        self.made = 0

    def get(self, key: TileKey) -> Tile | None:
        """Return a tile, uint8 (n, n) with n at most :data:`EDGE`; None where it is not made (yet)."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
            return tile

    def why_not(self, key: TileKey) -> str | None:
        """Say in one sentence why there will be no tile; None where nothing is known against it."""
        return self._failed.get(key.source)

    def wish(self, keys: Sequence[TileKey]) -> None:
        """Make these tiles next, in their order, and none that were wished for before."""
        with self._lock:
            wanted = [k for k in keys[: self._kept] if k not in self._tiles and k.source not in self._failed]
            self._wishes, self._turn = wanted, self._turn + 1
            if wanted and not self._busy and not self._closed:
                self._busy = True
                self._thread.submit(self._work)

    @property
    def busy(self) -> bool:
        """Whether there are tiles to be made."""
        return self._busy

    def try_again(self) -> None:
        """Forget which micrographs could not be read."""
        with self._lock:
            self._failed.clear()

    def close(self) -> None:
        """Make no more tiles."""
        with self._lock:
            self._closed, self._wishes, self._turn = True, [], self._turn + 1
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(self) -> None:
        """Serve wishes, one micrograph after the other: each file is opened once a turn."""
        while (group := self._next_group()) is not None:
            keys, turn = group
            source = keys[0].source
            try:
                with locate_micrograph(source).opened() as image:
                    for key in keys:
                        if turn != self._turn:
                            break
                        self._keep(key, cut_tile(image, key))
            except Exception as error:  # a thread has nobody to raise to: it is told in the gallery
                log.warning("Tiles of %s cannot be cut.", source.name, exc_info=True)
                with self._lock:
                    self._failed[source] = explain(error)
                    self.made += 1

    def _next_group(self) -> tuple[list[TileKey], int] | None:
        """Take the wishes that are of the same micrograph as the first one."""
        with self._lock:
            self._wishes = [k for k in self._wishes if k not in self._tiles and k.source not in self._failed]
            self._busy = bool(self._wishes)
            if not self._wishes:
                return None
            first = self._wishes[0].source
            group = [k for k in self._wishes if k.source == first]
            self._wishes = [k for k in self._wishes if k.source != first]
            return group, self._turn

    def _keep(self, key: TileKey, tile: Tile) -> None:
        with self._lock:
            self._tiles[key] = tile
            self.made += 1
            while len(self._tiles) > self._kept:
                self._tiles.popitem(last=False)


def cut_tile(image: Image, key: TileKey) -> Tile:
    """Cut one tile of a micrograph (height, width); only its box is asked for.

    Beyond the edges of the micrograph it continues with the mean. Grey levels are those of the box alone:
    mean ± :data:`CONTRAST` standard deviations.
    """
    diameter = key.diameter or max(image.shape) * UNKNOWN_DIAMETER
    size = max(8, round(diameter * BOX_PER_DIAMETER))
    corner = box_corners(np.array([[key.y, key.x]]), size)[0]
    box = _without_hot_pixels(cut_box(image, corner, size, "mean"))
    levels = 127.5 + thumbnail(box, EDGE) * (127.5 / CONTRAST)
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _without_hot_pixels(box: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = np.median(box)
    width = HOT * 1.4826 * np.median(np.abs(box - middle))
    return np.clip(box, middle - width, middle + width) if width > 0 else box
