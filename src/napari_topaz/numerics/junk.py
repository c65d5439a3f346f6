"""Suggest which part of a micrograph is no ice: carbon film and its edge, large contaminations, gold.

Three pictures of local statistics, each compared with what is usual *in this micrograph* (median and
median absolute deviation), as local average and local standard deviation are in Gautomatch (K. Zhang,
2016, unpublished) and the gradient of a blurred image in the detectors of carbon edges:

* *darkness*: mean over a particle's width less that over its surroundings; contaminations and gold,
* *roughness*: logarithm of the local standard deviation of what is smaller than a particle,
* *slope*: gradient of the mean over a particle's width, from which its own mean over the surroundings is
  taken; edges of the carbon film. Uneven ice has a small one everywhere.

What exceeds a high limit is taken, with all connected to it that exceeds a low one (hysteresis, Canny
1986). A part of the micrograph that is cut off by it and much smaller than the rest is taken too: so the
film behind its edge, which may look like ice. All limits lie above what particles on clean ice reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_topaz.numerics.outliers import MAD_TO_STD, fill_missing

#: Low and high limits, in robust standard deviations. On clean ice, simulated with 150 particles and steep
#: ice and on two real micrographs, darkness stays below 6.3, roughness below 3.8 and slope below 7.
DARKNESS, ROUGHNESS, SLOPE = (3.5, 6.5), (2.5, 4.0), (6.0, 10.0)
#: σ of the mean over a particle's width and over its surroundings, in diameters.
PARTICLE, SURROUNDINGS = 0.5, 2.0
#: Grid of the result: points per diameter.
FINENESS = 6
#: Blocks along the shorter side whose means the trend is fitted to, and rounds of the fit.
TREND_BLOCKS, TREND_ROUNDS = 24, 10
#: How often the limits are applied.
ROUNDS = 2
#: A part that is cut off is taken where it is smaller than this part of the largest one.
CUT_OFF = 0.5
#: Spots smaller than this (in discs of the particle's diameter) are left to the picker.
SMALLEST = 0.5


def suggest_junk(image: NDArray[np.number], diameter: float) -> NDArray[np.bool_]:
    """Return where a micrograph is no ice.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Downsampled so that a particle has about 10 to 30 pixels; dark or bright particles.
    diameter : float
        Of the particle, pixels; 4 or more.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        A picture of the whole micrograph, with about :data:`FINENESS` pixels per diameter.

    Raises
    ------
    ValueError
        Where the image has no finite pixel, or the diameter is too small.
    """
    if not diameter >= 4:
        raise ValueError(f"A particle of {diameter:g} px is too small to tell junk from; 4 px are needed.")
    pixels = fill_missing(image)
    pixels -= _trend(pixels)
    step = max(1, min(int(diameter // FINENESS), *pixels.shape))
    mean, wide = (
        ndimage.gaussian_filter(pixels, factor * diameter, mode="reflect", truncate=3)
        for factor in (PARTICLE, SURROUNDINGS)
    )
    local = mean - wide
    fine = ndimage.gaussian_filter(pixels, diameter / 16, mode="reflect") - mean
    power = ndimage.gaussian_filter(fine**2, PARTICLE * diameter, mode="reflect", truncate=3)
    spread = float(power.mean())
    slopes = np.hypot(*np.gradient(local)) if min(pixels.shape) > 1 else np.zeros_like(local)
    rough = np.log(_sampled(power, step) + max(1e-6 * spread, 1e-30)) / 2
    ice = np.ones(rough.shape, bool)
    found = _hysteresis(_deviation(_sampled(slopes, step), ice), *SLOPE)
    for _ in range(ROUNDS):  # what is usual is usual on the ice: without what is known to be none
        dark = _darkness(_sampled(local, step), ice)
        found = found | _hysteresis(dark, *DARKNESS) | _hysteresis(_deviation(rough, ice), *ROUGHNESS)
        ice = ~_tidied(found, diameter / step)
        if not ice.any():
            break
    return ~ice


def _tidied(taken: NDArray[np.bool_], points: float) -> NDArray[np.bool_]:
    """Close gaps, drop spots, and add what is cut off; `points` per diameter."""
    closed = ndimage.binary_closing(np.pad(taken, 4, mode="edge"), iterations=2)[4:-4, 4:-4] | taken
    return _with_parts_cut_off(_without_spots(closed, SMALLEST * np.pi * (points / 2) ** 2))


def _trend(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit a paraboloid to uneven ice, so that nothing is darker for lying at an edge.

    Absolute deviations are minimised (iteratively reweighted least squares): carbon on less than half of the
    micrograph bends it little.
    """
    block = max(1, min(pixels.shape) // TREND_BLOCKS)
    h, w = (n // block for n in pixels.shape)
    means = pixels[: h * block, : w * block].reshape(h, block, w, block).mean(axis=(1, 3), dtype=np.float64)
    y, x = (((np.arange(n) + 0.5) * block - 0.5) / m for n, m in zip((h, w), pixels.shape, strict=True))
    terms, found = _terms(y, x).reshape(-1, 6), means.ravel()
    weights = np.ones(len(found))
    for _ in range(TREND_ROUNDS):
        parameters = np.linalg.lstsq(terms * weights[:, None], found * weights, rcond=None)[0]
        away = np.abs(found - terms @ parameters)
        weights = 1 / np.sqrt(np.maximum(away, 0.1 * np.median(away) + 1e-12))
    rows, columns = (np.arange(n) / n for n in pixels.shape)
    return np.asarray(_terms(rows, columns) @ parameters, np.float32)


def _terms(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six terms of a paraboloid at places along both axes, shape (rows, columns, 6)."""
    down, across = (a - 0.5 for a in np.meshgrid(y, x, indexing="ij"))
    return np.stack([np.ones_like(down), down, across, down**2, down * across, across**2], axis=-1)


def _sampled(picture: NDArray[np.floating], step: int) -> NDArray[np.floating]:
    """Every so many pixels, from the middle of the first block."""
    return picture[step // 2 :: step, step // 2 :: step]


def _deviation(feature: NDArray[np.floating], ice: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return robust standard deviations from the median of the ice; 0 where there is no spread."""
    middle = np.median(feature[ice])
    spread = MAD_TO_STD * float(np.median(np.abs(feature[ice] - middle)))
    return np.asarray((feature - middle) / spread if spread > 0 else np.zeros(feature.shape), np.float64)


def _darkness(feature: NDArray[np.floating], ice: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Turn the sign so that the longer tail, that of junk, is the positive one."""
    deviation = _deviation(feature, ice)
    low, high = np.percentile(deviation, [0.5, 99.5])
    return deviation if high > -low else -deviation


def _hysteresis(feature: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    labels, count = ndimage.label(feature > low)
    strong = np.zeros(count + 1, bool)
    strong[np.unique(labels[feature > high])] = True
    strong[0] = False
    return np.asarray(strong[labels])


def _without_spots(taken: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(taken)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    return np.asarray(large[labels])


def _with_parts_cut_off(taken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the free parts that are much smaller than the largest one."""
    labels, count = ndimage.label(~taken)
    if not count:
        return taken
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    small = sizes < CUT_OFF * sizes.max()
    small[0] = True
    return np.asarray(small[labels])
