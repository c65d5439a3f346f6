"""Picks: the coordinates of particles in one micrograph.

The one coordinate convention of this package: **(y, x), float32, 0-based, pixel centres at
integers, in pixels of the original micrograph, row 0 first as stored in the file.** Files convert
at their own border.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Kind(IntEnum):
    """What is known about a pick."""

    #: Proposed by a model or read from a file; nobody vouches for it.
    PICK = 0
    #: A label: the user vouches that a particle is here.
    PARTICLE = 1
    #: The user vouches that no particle is here (a labelled negative, or a rejected pick).
    NOT_PARTICLE = 2


@dataclass(frozen=True, eq=False)
class Picks:
    """Picks of one micrograph. All methods return new objects.

    Attributes
    ----------
    yx : ndarray of float32, shape (n, 2)
        Coordinates in the package's convention (see the module's docstring).
    scores : ndarray of float32, shape (n,)
        Logits of the model, or a figure of merit read from a file; NaN where there is none.
    kinds : ndarray of uint8, shape (n,)
        :class:`Kind` of each.
    """

    yx: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 2), np.float32))
    scores: NDArray[np.float32] = None  # type: ignore[assignment]
    kinds: NDArray[np.uint8] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        yx = np.ascontiguousarray(self.yx, np.float32).reshape(-1, 2)
        n = len(yx)
        scores = np.full(n, np.nan) if self.scores is None else np.asarray(self.scores)
        kinds = np.full(n, Kind.PICK) if self.kinds is None else np.asarray(self.kinds)
        if scores.shape != (n,) or kinds.shape != (n,):
            raise ValueError(f"{n} picks need {n} scores and kinds, not {scores.shape} and {kinds.shape}.")
        for name, value, dtype in (("yx", yx, "f4"), ("scores", scores, "f4"), ("kinds", kinds, "u1")):
            value = np.array(value, dtype)
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def labels(cls, yx: ArrayLike, kind: Kind = Kind.PARTICLE) -> Picks:
        """Picks that the user vouches for; `yx` of shape (n, 2)."""
        yx = np.asarray(yx, np.float32).reshape(-1, 2)
        return cls(yx, kinds=np.full(len(yx), kind, np.uint8))

    @classmethod
    def joined(cls, parts: Iterable[Picks]) -> Picks:
        """All picks of several objects, one after the other; adding them up would copy for every part."""
        parts = [cls(), *parts]
        return cls(
            np.concatenate([one.yx for one in parts]),
            np.concatenate([one.scores for one in parts]),
            np.concatenate([one.kinds for one in parts]),
        )

    def __len__(self) -> int:
        return len(self.yx)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Picks:
        """Select by mask, indices or slice."""
        return Picks(self.yx[which], self.scores[which], self.kinds[which])

    def __add__(self, other: Picks) -> Picks:
        return Picks.joined([self, other])

    def of_kind(self, kind: Kind) -> Picks:
        """Those of one kind."""
        return self[self.kinds == kind]

    def as_kind(self, kind: Kind) -> Picks:
        """The same coordinates and scores, all of one kind."""
        return replace(self, kinds=np.full(len(self), kind, np.uint8))

    def above(self, threshold: float) -> Picks:
        """Those whose score is at least `threshold`; picks without a score stay."""
        return self[~(self.scores < threshold)]

    def by_score(self) -> Picks:
        """Best score first (stable; picks without a score last)."""
        return self[np.argsort(-self.scores, kind="stable")]

    def rescaled(self, factor: float | tuple[float, float]) -> Picks:
        """Coordinates times `factor` (a number, or one per axis (y, x))."""
        return replace(self, yx=self.yx * np.asarray(factor, np.float32))

    def flipped(self, height: int) -> Picks:
        """Count y from the other edge of a micrograph of `height` pixels (height − 1 − y)."""
        return replace(self, yx=np.stack([height - 1 - self.yx[:, 0], self.yx[:, 1]], axis=1))

    def inside(self, shape: tuple[int, int], margin: float = 0.0) -> NDArray[np.bool_]:
        """Mask of the picks at least `margin` pixels inside an image of `shape` (height, width).

        A pixel covers ±½ around its centre, so −0.5 ≤ y < height − 0.5 is inside.
        """
        limit = np.asarray(shape, np.float32) - 0.5 - margin
        return np.asarray(((self.yx >= margin - 0.5) & (self.yx < limit)).all(axis=1))
