"""What a model knows of its particle's looks, as picking wants it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_topaz.extract import Shape
from napari_topaz.numerics.class_averages import ClassAverages
from napari_topaz.settings import PickSettings

if TYPE_CHECKING:
    from napari_topaz.model.picker import ModelCard

#: Where class averages are wanted.
NO_CLASSES = (
    "The model has no class averages to centre by (it takes 20 labels, and models of earlier versions have "
    "none); leave --centring out, or train it again."
)


def shape_of(card: ModelCard, settings: PickSettings) -> Shape | None:
    """Return what the particle looks like, to centre picks by; None where that is not known or not wanted.

    Raises
    ------
    ValueError
        Where class averages are wanted, or which way particles point, and the card does not know it.
    """
    oriented = settings.suppression == "ellipse"
    if oriented and (settings.centring == "scores" or not card.average):
        raise ValueError(
            "Which way a particle points is seen by the average of 20 labels or more: with --suppression "
            "ellipse leave --centring out, and take a model that was trained on as many."
        )
    if settings.centring == "classes" and not card.average:
        raise ValueError(NO_CLASSES)
    if settings.centring == "scores" or not card.average:
        return None
    classes = _classes_of(card) if settings.centring == "classes" else None
    return Shape(np.array(card.average, np.float32), card.average_radius, oriented, classes)


def _classes_of(card: ModelCard) -> ClassAverages:
    """Return its class averages; ValueError where it has none."""
    if not card.classes:
        raise ValueError(NO_CLASSES)
    return _class_averages(card.classes, card.class_shares, card.class_noise, card.average_radius)


@lru_cache(maxsize=4)
def _class_averages(
    images: tuple[tuple[tuple[float, ...], ...], ...],
    shares: tuple[float, ...],
    noise: float,
    radius: float,
) -> ClassAverages:
    """Kept, as they are turned once for all micrographs."""
    return ClassAverages(np.array(images, np.float32), np.array(shares, np.float32), noise, radius)
