"""From a micrograph to the network's input: clip, downsample, normalise."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_topaz.masks import Mask
from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.normalise import normalise
from napari_topaz.numerics.outliers import MissingPixelsError, clip_outliers, clip_rows, outlier_limits
from napari_topaz.numerics.rescale import fourier_crop, small_shape
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings
from napari_topaz.settings.fitted import FittedPreprocess


@dataclass(frozen=True, eq=False)
class Prepared:
    """A micrograph, downsampled and normalised.

    Attributes
    ----------
    name : str
        The micrograph.
    image : ndarray of float32, shape (h, w)
        Pixel (i, j) lies at (i · step_y, j · step_x) of the original.
    shape : tuple of int
        (height, width) of the original.
    pixel_size : float or None
        Å per pixel of the original; None where it is not known.
    mask : Mask, optional
        What counts neither for training nor for picking.
    """

    name: str
    image: NDArray[np.float32]
    shape: tuple[int, int]
    pixel_size: float | None = None
    mask: Mask | None = None

    @property
    def step_yx(self) -> tuple[float, float]:
        """Pixels of the original per pixel of `image`, per axis (y, x)."""
        return (self.shape[0] / self.image.shape[0], self.shape[1] / self.image.shape[1])

    @property
    def masked(self) -> NDArray[np.bool_] | None:
        """Which pixels are masked, shape of `image`; None without a mask. ValueError: it does not fit."""
        if self.mask is None:
            return None
        return self.mask.on_grid(self.shape, (self.image.shape[0], self.image.shape[1]), self.step_yx)

    def usable(self, picks: Picks) -> NDArray[np.bool_]:
        """Which picks (pixels of the original) lie inside the micrograph, and under no mask."""
        inside = picks.inside(self.shape)
        return inside if self.mask is None else inside & ~self.mask.covers(picks.yx, self.shape)


def resolved_pixel_size(settings: PreprocessSettings, micrograph: Micrograph) -> float | None:
    """Return the pixel size in Å: the settings' where given, else the file's, else None."""
    return settings.pixel_size if settings.pixel_size is not None else micrograph.pixel_size


def downsampling(settings: PreprocessSettings, pixel_size: float | None) -> float:
    """Return the downsampling factor.

    Parameters
    ----------
    settings : PreprocessSettings
    pixel_size : float or None
        Å per pixel of the micrograph.

    Returns
    -------
    float
        ``settings.downsample`` where given, else the factor that makes the particle
        ``settings.particle_pixels`` wide; at least 1.

    Raises
    ------
    ValueError
        If the diameter or the pixel size is needed and missing.
    """
    if settings.downsample is not None:
        return settings.downsample
    if settings.diameter is None:
        raise ValueError("The diameter of the particle is missing: give it in Å, or a downsampling factor.")
    if pixel_size is None:
        raise ValueError(
            "The pixel size is missing: the file does not state it, so give it in Å per pixel, "
            "or a downsampling factor."
        )
    return max(1.0, settings.diameter / pixel_size / settings.particle_pixels)


def prepare(micrograph: Micrograph, settings: PreprocessSettings) -> Prepared:
    """Clip hot pixels, downsample and normalise one micrograph.

    Parameters
    ----------
    micrograph : Micrograph
        Its pixels are read once.
    settings : PreprocessSettings

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If the diameter or the pixel size is missing, or no pixel is finite.
    """
    pixel_size = resolved_pixel_size(settings, micrograph)
    try:
        factor = downsampling(settings, pixel_size)
        small = clipped_and_small(micrograph.pixels, settings.clip, small_shape(micrograph.shape, factor))
    except ValueError as error:
        raise ValueError(f"{micrograph.name}: {error}") from error
    return normalised(Prepared(micrograph.name, small, micrograph.shape, pixel_size), settings)


def clipped_and_small(pixels: NDArray[np.number], clip: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Clip hot pixels and downsample, in one pass over the rows where no pixel is missing.

    The result is ``fourier_crop(clip_outliers(pixels, clip), shape)``: clipped before, as afterwards a hot
    pixel is a ring that no clipping removes.

    Raises
    ------
    ValueError
        If no pixel is finite, `clip` is negative or `shape` is impossible.
    """
    limits = outlier_limits(pixels, clip)
    if limits is not None:
        with suppress(MissingPixelsError):
            return fourier_crop(pixels, shape, partial(clip_rows, limits=limits))
    return fourier_crop(clip_outliers(pixels, clip), shape)


def normalised(prepared: Prepared, settings: PreprocessSettings) -> Prepared:
    """Normalise a micrograph that is clipped and downsampled already.

    Parameters
    ----------
    prepared : Prepared
        With the pixels as they were downsampled.
    settings : PreprocessSettings
        For ``gmm-dataset`` with the mixture; without one the micrograph is a dataset of its own.
    """
    mixture = settings.mixture if isinstance(settings, FittedPreprocess) else None
    return replace(prepared, image=normalise(prepared.image, settings.normalise, mixture).image)
