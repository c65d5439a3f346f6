"""A score map: the logits of a model over one micrograph, on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_topaz.masks import Mask


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Logits of one micrograph.

    Attributes
    ----------
    name : str
        The micrograph.
    logits : ndarray of float32, shape (rows, columns)
        Score of the region centred on each grid point.
    step_yx : tuple of float
        Distance of grid points in pixels of the original micrograph, per axis (y, x). Grid point
        (i, j) lies at (i · step_y, j · step_x): the first one is the centre of pixel (0, 0).
    border : int
        Grid points this close to an edge saw reflected pixels beyond it.
    shape : tuple of int
        (height, width) of the original micrograph.
    deviations : ndarray of float32, shape (rows, columns), optional
        Standard deviation of the box round each grid point; None where the model has no range of them.
    mask : Mask, optional
        Places that no pick may come from; their logits are as the model gave them.
    image : ndarray of float32, shape (h, w), optional
        The preprocessed micrograph that was scored, to centre picks by; over the whole of `shape`.
    """

    name: str
    logits: NDArray[np.float32]
    step_yx: tuple[float, float]
    border: int
    shape: tuple[int, int]
    deviations: NDArray[np.float32] | None = None
    mask: Mask | None = None
    image: NDArray[np.float32] | None = None

    def without_image(self) -> ScoreMap:
        """Return the scores alone, to keep those of many micrographs."""
        return replace(self, image=None)
