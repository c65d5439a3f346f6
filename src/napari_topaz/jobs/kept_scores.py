"""Score maps of the micrographs that one model has scored: other distances of picks need no new scores."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PreprocessSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


@dataclass(frozen=True, eq=False)
class MadeBy:
    """What scores are made by.

    Attributes
    ----------
    model : PickerModel
        The same object, not another one like it.
    preprocess : PreprocessSettings
        How micrographs were preprocessed.
    symmetries : str
        What was averaged over.
    """

    model: PickerModel
    preprocess: PreprocessSettings
    symmetries: str

    def is_same(self, other: MadeBy | None) -> bool:
        """Whether the same scores come out."""
        return (
            other is not None
            and self.model is other.model
            and (self.preprocess, self.symmetries) == (other.preprocess, other.symmetries)
        )


@dataclass(frozen=True, eq=False)
class _Kept:
    """A score map; its image in half precision, which is enough of deviations from the mean."""

    score_map: ScoreMap
    pixel_size: float | None
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, score_map: ScoreMap, pixel_size: float | None) -> _Kept:
        if (image := score_map.image) is None:
            return cls(score_map, pixel_size)
        mean, scale = float(image.mean()), float(image.std()) or 1.0
        half = ((image - np.float32(mean)) / np.float32(scale)).astype(np.float16)
        return cls(replace(score_map, image=half), pixel_size, mean, scale)  # type: ignore[arg-type]

    def restored(self) -> ScoreMap:
        if (half := self.score_map.image) is None:
            return self.score_map
        image = half.astype(np.float32) * np.float32(self.scale) + np.float32(self.mean)
        return replace(self.score_map, image=image)

    @property
    def bytes(self) -> int:
        arrays = (self.score_map.logits, self.score_map.deviations, self.score_map.image)
        return sum(array.nbytes for array in arrays if array is not None)


class KeptScores:
    """Score maps with their images, the least recently used forgotten first; those of one :class:`MadeBy`.

    Images are kept in half precision: they centre picks, and are far larger than the scores. Safe to use
    from several threads.

    Parameters
    ----------
    max_bytes : int
        Bound of what is kept.
    """

    def __init__(self, max_bytes: int = 2**29) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._made_by: MadeBy | None = None
        self._bytes = 0
        self._lock = Lock()

    def of(self, made_by: MadeBy, prepared: Prepared, make: Callable[[], ScoreMap]) -> ScoreMap:
        """Return the scores of a preprocessed micrograph: what is kept, or what `make` makes."""
        with self._lock:
            found = self._found(made_by, prepared.name)
        if found is not None and found.score_map.shape == prepared.shape:
            has_image = found.score_map.image is not None
            return replace(found.score_map, image=prepared.image if has_image else None)
        score_map = make()
        self.put(made_by, score_map, prepared.pixel_size)
        return score_map

    def put(self, made_by: MadeBy, score_map: ScoreMap, pixel_size: float | None) -> None:
        """Keep the scores of a micrograph, and its Å/px; those that another model made are forgotten."""
        entry = _Kept.of(score_map, pixel_size)
        with self._lock:
            if not made_by.is_same(self._made_by):
                self._forget_all()
                self._made_by = made_by
            self._forget(score_map.name)
            self._kept[score_map.name] = entry
            self._bytes += entry.bytes
            while self._bytes > self._max_bytes:
                self._forget(next(iter(self._kept)))

    def get(self, made_by: MadeBy, name: str) -> tuple[ScoreMap, float | None] | None:
        """Return the scores of a micrograph, and its Å/px; None where they are not kept."""
        with self._lock:
            found = self._found(made_by, name)
        return None if found is None else (found.restored(), found.pixel_size)

    def names(self, made_by: MadeBy) -> frozenset[str]:
        """Micrographs whose scores are kept."""
        with self._lock:
            return frozenset(self._kept) if made_by.is_same(self._made_by) else frozenset()

    def clear(self) -> None:
        """Forget everything: these are other micrographs."""
        with self._lock:
            self._forget_all()

    def _found(self, made_by: MadeBy, name: str) -> _Kept | None:
        if name not in self._kept or not made_by.is_same(self._made_by):
            return None
        self._kept.move_to_end(name)
        return self._kept[name]

    def _forget_all(self) -> None:
        self._kept.clear()
        self._made_by, self._bytes = None, 0

    def _forget(self, name: str) -> None:
        if name in self._kept:
            self._bytes -= self._kept.pop(name).bytes
