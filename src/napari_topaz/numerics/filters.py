"""Filters that answer to particles without training: blobs of a size, and templates at any angle.

Blobs are bright here: whoever looks for dark particles turns the image's sign first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, gaussian_laplace

from napari_topaz.numerics.outliers import MAD_TO_STD, fill_missing
from napari_topaz.numerics.templates import disc_mask, rotate

#: Ratio of the two standard deviations of the difference of Gaussians: the wide one sees the surroundings.
DOG_RATIO = 1.6
#: Local standard deviations below this part of the whole image's count as none: nothing correlates there.
FLAT = 1e-4
#: Where the Laplacian of a Gaussian ends, in its standard deviations: farther than usual, or its weights
#: do not add up to zero.
TRUNCATE = 6.0
#: Bins of the histogram that is cut in two.
BINS = 256


def difference_of_gaussians(image: NDArray[np.number], diameter: float) -> NDArray[np.float32]:
    """Answer to bright discs: a narrow Gaussian less a wide one (Voss et al., J. Struct. Biol. 2009).

    The filter changes its sign at the rim of the disc, where the answer at its centre is strongest. A
    constant added to the image changes nothing.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Continued by reflection; pixels that are not finite count as the median.
    diameter : float
        Of the disc, in pixels.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In the units of the image.

    Raises
    ------
    ValueError
        If the diameter is not positive, or no pixel is finite.
    """
    radius, square = _radius(diameter), DOG_RATIO**2
    narrow = radius / math.sqrt(2 * math.log(square) * square / (square - 1))
    centred = _centred(image)
    return np.asarray(
        gaussian_filter(centred, narrow) - gaussian_filter(centred, DOG_RATIO * narrow), np.float32
    )


def laplacian_of_gaussian(image: NDArray[np.number], diameter: float) -> NDArray[np.float32]:
    """Answer to bright discs: minus the scale-normalised Laplacian of the image behind a Gaussian.

    Its standard deviation is radius / √2: the filter's sign changes at the rim of the disc, and of all
    discs this one gives the strongest answer (Lindeberg, Int. J. Comput. Vision 1998).

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Continued by reflection; pixels that are not finite count as the median.
    diameter : float
        Of the disc, in pixels.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In the units of the image.

    Raises
    ------
    ValueError
        If the diameter is not positive, or no pixel is finite.
    """
    sigma = _radius(diameter) / math.sqrt(2)
    return np.asarray(-(sigma**2) * gaussian_laplace(_centred(image), sigma, truncate=TRUNCATE), np.float32)


def local_spread(image: NDArray[np.number], sigma: float) -> NDArray[np.float32]:
    """Return the standard deviation of the image round every pixel, weighted by a Gaussian of `sigma` px.

    At least half of its median over the image: an empty corner is no reason to divide by nothing.
    All ones where the image is constant. Image and result have the shape (height, width), and one unit.
    """
    centred = _centred(image).astype(np.float64)
    variance = gaussian_filter(centred * centred, sigma) - gaussian_filter(centred, sigma) ** 2
    spread = np.sqrt(np.maximum(variance, 0))
    # Where more than half of the image is flat the median is 0 and the mean has to do.
    spread = np.maximum(spread, (np.median(spread) or spread.mean()) / 2)
    return np.asarray(np.where(spread > 0, spread, 1), np.float32)


def robust_z_scores(answer: NDArray[np.floating]) -> NDArray[np.float32]:
    """Count in robust standard deviations from the median, so that micrographs compare.

    Parameters
    ----------
    answer : ndarray of any shape
        Finite.

    Returns
    -------
    ndarray of float32, of the same shape
        (x − median) / (1.4826 · median absolute deviation), or over the standard deviation where more
        than half of the values are the same; zeros where all are.
    """
    away = answer - np.median(answer)
    # Rounding alone is no spread: a constant image has no blobs.
    least = 1e-6 * float(np.abs(answer).max(initial=0.0))
    spread = MAD_TO_STD * float(np.median(np.abs(away)))
    if spread <= least:  # more than half of the image is flat
        spread = float(away.std())
    return np.asarray(away / spread if spread > least else np.zeros_like(away), np.float32)


def between_two_classes(scores: NDArray[np.floating]) -> float:
    """Return the score that best parts the positive ones in two classes (Otsu, IEEE SMC 1979).

    The classes are as far apart as can be, relative to their spreads. 0 where no score is positive. Scores
    may have any shape.
    """
    positive = scores[np.isfinite(scores) & (scores > 0)].astype(np.float64)
    if not len(positive):
        return 0.0
    counts, edges = np.histogram(positive, BINS)
    middle = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middle)[:-1]
    above, total = len(positive) - below, float((counts * middle).sum())
    between = (total * below / len(positive) - sums) ** 2 / np.maximum(below * above, 1)
    return float(edges[1 + int(between.argmax())])


def template_scores(
    image: NDArray[np.number],
    templates: NDArray[np.floating],
    angles: ArrayLike = 0.0,
    *,
    radius: float | None = None,
) -> NDArray[np.float32]:
    """Correlate an image with templates at all angles, normalised in a disc round every pixel.

    The score at a pixel is Pearson's correlation coefficient of template and image over the pixels of
    the disc, computed by Fourier transforms (Roseman, Ultramicroscopy 2003), the largest over templates
    and angles.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Continued by reflection; pixels that are not finite count as the median.
    templates : ndarray of shape (n, size, size) or (size, size)
        Centred on pixel (size // 2, size // 2), in pixels of the image.
    angles : array_like of float
        Counter-clockwise rotations of the templates (y down), degrees.
    radius : float, optional
        Of the disc, in pixels; what fits into the template where not given.

    Returns
    -------
    ndarray of float32, shape (height, width)
        From −1 to 1; 0 where the image or the template is flat.

    Raises
    ------
    ValueError
        If the templates are not square or not finite, there are none, or no pixel of the image is finite.
    """
    stack = _checked(templates)
    half = stack.shape[1] // 2
    inside = disc_mask(stack.shape[1], radius)
    centred = _centred(image).astype(np.float64)
    padded = np.pad(centred, half, mode="symmetric")
    shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    spread = _local_norm(padded, inside, shape)
    spectrum = fft.rfft2(padded.astype(np.float32), shape)
    best = np.full(centred.shape, -np.inf, np.float32)
    for kernel in _kernels(stack, np.atleast_1d(np.asarray(angles, float)), inside):
        np.maximum(best, _correlate(spectrum, kernel, shape, centred.shape), out=best)
    flat = spread <= FLAT * math.sqrt(inside.sum()) * centred.std()
    return np.asarray(np.where(flat, 0, np.clip(best / np.where(flat, 1, spread), -1, 1)), np.float32)


def _radius(diameter: float) -> float:
    if not (math.isfinite(diameter) and diameter > 0):
        raise ValueError(f"The diameter must be positive, not {diameter} px.")
    return diameter / 2


def _centred(image: NDArray[np.number]) -> NDArray[np.float32]:
    """The image without gaps, its median at 0: small differences keep their digits."""
    filled = fill_missing(image)
    return np.asarray(filled - np.median(filled), np.float32)


def _checked(templates: NDArray[np.floating]) -> NDArray[np.float64]:
    stack = np.asarray(templates, np.float64)
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.ndim != 3 or not stack.size or stack.shape[1] != stack.shape[2]:
        raise ValueError(f"Templates must be square images, not {np.shape(templates)}.")
    if not np.isfinite(stack).all():
        raise ValueError("The templates have pixels that are not finite.")
    return stack


def _kernels(
    stack: NDArray[np.float64], angles: NDArray[np.float64], inside: NDArray[np.bool_]
) -> Sequence[NDArray[np.float32]]:
    """Templates at all angles: outside of the disc 0, inside of mean 0 and norm 1 (or all 0)."""
    kernels = []
    for template in stack:
        for angle in angles:
            turned = (rotate(template, angle) if angle % 360 else template).astype(np.float64)
            turned = np.where(inside, turned - turned[inside].mean(), 0)
            norm = float(np.linalg.norm(turned))
            flat = norm <= 1e-6 * float(np.abs(template).max()) * math.sqrt(inside.sum())
            kernels.append((turned * (0 if flat else 1 / norm)).astype(np.float32))
    return kernels


def _correlate(
    spectrum: NDArray[np.complexfloating],
    kernel: NDArray[np.floating],
    shape: tuple[int, ...],
    out: tuple[int, ...],
) -> NDArray[np.floating]:
    """Σ kernel(u) · image(x + u − half) for the pixels x of the image before it was padded."""
    product = fft.rfft2(kernel, shape)
    np.conj(product, out=product)
    product *= spectrum
    return np.asarray(fft.irfft2(product, shape, overwrite_x=True)[: out[0], : out[1]])


def _local_norm(
    padded: NDArray[np.float64], inside: NDArray[np.bool_], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """√ Σ (image − local mean)² over the disc round every pixel of the image before it was padded."""
    out = tuple(n - 2 * (len(inside) // 2) for n in padded.shape)
    disc = inside.astype(np.float64)
    first, second = (_correlate(fft.rfft2(x, shape), disc, shape, out) for x in (padded, padded * padded))
    return np.asarray(np.sqrt(np.maximum(second - first**2 / inside.sum(), 0)))
