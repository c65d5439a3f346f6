"""What particles look like from several sides, and where a pick's is centred. Arrays in, arrays out.

A particle is seen from anywhere, and one average of all views is like none of them. A few class averages are
learnt from the labels, by expectation maximisation over classes, turns and mirror images (an image from the
opposite side is the mirror image). A pick is then centred where its surroundings are most probable under the
mixture of all classes and turns (Sigworth, *J. Struct. Biol.* 122, 328 (1998), with translations as what is
sought; Scheres et al., *J. Mol. Biol.* 348, 139 (2005)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

from napari_topaz.numerics.templates import disc_mask

#: Turns that are tried, of an image and of its mirror image.
ANGLES = 24
#: Particles that are learnt from at most, and how many of them make a class (of up to :data:`CLASSES`).
MOST, PER_CLASS, CLASSES = 200, 25, 4
#: Learnt from so many random starts, whose classes count together; rounds of each, and the power of the
#: likelihood that keeps few particles from choosing too soon.
RUNS, ROUNDS, SOFTNESS = 3, 8, 0.5
#: Principal components of the particles that are kept, and the least noise as part of their mean variance.
COMPONENTS, LEAST_NOISE = 25, 0.01
#: What is compared reaches so many radii, and is shifted by so many at most.
EXTENT, REACH = 1.25, 0.45
#: Log-likelihoods are divided by their range within reach and this; how much a score (logit) counts.
WIDTH, SCORE_WEIGHT = 0.065, 1.75
#: Variance of the turned classes that may be left out, as part of the whole.
LEFT_OUT = 0.002
#: Picks that are looked at together.
AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class ClassAverages:
    """A mixture of images of a particle.

    Attributes
    ----------
    images : ndarray of float32, shape (k, size, size)
        Centred on pixel (size // 2, size // 2); mean 0 within the disc that is compared, 0 beyond.
    shares : ndarray of float32, shape (k,)
        Fractions of the particles; they add up to 1.
    noise : float
        Variance of the noise of a pixel.
    radius : float
        Of the particle, in pixels.
    """

    images: NDArray[np.float32]
    shares: NDArray[np.float32]
    noise: float
    radius: float

    @cached_property
    def turned(self) -> _Turned:
        """All turns of all classes; found once."""
        return _Turned.of(self)


def turned_particles(
    image: NDArray[np.floating], places: NDArray[np.floating], radius: float
) -> NDArray[np.float32]:
    """Cut particles and their mirror images at all angles, each from the image by cubic splines.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Continued by reflection.
    places : ndarray of shape (n, 2)
        Their centres, pixels (y, x).
    radius : float
        Of the particle, in pixels.

    Returns
    -------
    ndarray of float32, shape (n, turns, pixels)
        The pixels of the disc that is compared, row by row.
    """
    coefficients = spline_filter(np.asarray(image, np.float32), 3, np.float32, mode="mirror")
    disc = _disc(radius)
    y, x = np.asarray(places, np.float64).reshape(-1, 2).T[:, :, None]
    found = np.empty((len(y), 2 * ANGLES, len(disc)), np.float32)
    for turn in range(2 * ANGLES):
        dy, dx = _turned_offsets(disc, turn)
        wanted = np.stack([y + dy, x + dx])
        found[:, turn] = map_coordinates(coefficients, wanted, order=3, mode="mirror", prefilter=False)
    return found


def _disc(radius: float) -> NDArray[np.int64]:
    """Offsets (pixels, 2) of the disc that is compared."""
    half = math.ceil(EXTENT * radius)
    return np.argwhere(disc_mask(2 * half + 1, EXTENT * radius)) - half


def _turned_offsets(disc: NDArray[np.int64], turn: int) -> NDArray[np.float64]:
    """Where the pixels of the turned disc come from, (2, pixels); mirror images after all angles."""
    angle, side = 2 * math.pi * turn / ANGLES, -1 if turn >= ANGLES else 1
    y, x = disc.T
    return np.stack(
        [
            math.cos(angle) * y + side * math.sin(angle) * x,
            side * math.cos(angle) * x - math.sin(angle) * y,
        ]
    )


def class_averages(turned: NDArray[np.floating], radius: float) -> ClassAverages | None:
    """Learn class averages from labelled particles.

    Parameters
    ----------
    turned : ndarray of shape (n, turns, pixels)
        Of :func:`turned_particles`, n ≥ 1.
    radius : float
        Of the particle, in pixels.

    Returns
    -------
    ClassAverages or None
        None where the particles are flat. The same ones give the same averages.
    """
    pixels = turned - turned.mean(axis=2, keepdims=True)
    mean = pixels.mean(axis=(0, 1))
    apart = (pixels - mean).reshape(-1, len(mean))
    variance, axes = np.linalg.eigh((apart.T @ apart / len(apart)).astype(np.float64))
    if not variance[-1] > 1e-12:
        return None
    noise = max(float(np.median(variance)), LEAST_NOISE * float(variance.mean()))
    signal = variance[-COMPONENTS:] - noise
    axes = axes[:, -COMPONENTS:][:, signal > 0]
    found = (apart @ axes).reshape(*pixels.shape[:2], -1)
    count = min(CLASSES, max(1, round(len(turned) / PER_CLASS)))
    runs = [_mixture(found, noise, signal[signal > 0], count, seed) for seed in range(RUNS)]
    size = 2 * math.ceil(EXTENT * radius) + 1
    images = np.zeros((RUNS * count, size, size), np.float32)
    images[:, disc_mask(size, EXTENT * radius)] = mean + np.concatenate([c for c, _ in runs]) @ axes.T
    shares = np.concatenate([share for _, share in runs]) / RUNS
    return ClassAverages(images, shares.astype(np.float32), noise, radius)


def _mixture(
    found: NDArray[np.float64], noise: float, signal: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expectation maximisation from random particles: centres (count, components), and shares.

    Parameters
    ----------
    found : ndarray of shape (n, turns, components)
        Coordinates of the turned particles along their principal components.
    signal : ndarray of shape (components,)
        Variances of the coordinates without noise: the centres' prior.
    """
    first = np.random.default_rng(seed).permutation(len(found))[:count]
    centres = found[first, 0] * signal / (signal + noise)
    shares = np.full(count, 1 / count)
    for _ in range(ROUNDS):
        fit = (found @ centres.T - (centres**2).sum(axis=1) / 2) / noise  # (n, turns, count)
        weight = SOFTNESS * fit + np.log(shares)
        weight = np.exp(weight - weight.max(axis=(1, 2), keepdims=True))
        weight /= weight.sum(axis=(1, 2), keepdims=True)
        total = weight.sum(axis=(0, 1))
        sums = np.einsum("ntk,ntc->kc", weight, found, optimize=True)
        centres = sums / (total[:, None] + noise / signal)
        shares = np.maximum(total / total.sum(), 1e-9)
    return centres, shares / shares.sum()


def centre_by_classes(
    image: NDArray[np.floating],
    classes: ClassAverages,
    places: NDArray[np.floating],
    scores: NDArray[np.floating],
    step: tuple[float, float],
) -> NDArray[np.float64]:
    """Move picks to where the particle's centre is expected.

    At each pixel r within :data:`REACH` of a pick, the logarithm of the mixture's likelihood, for classes k
    of shares π and turns (and mirror images) R, noise variance σ² and the surroundings x of r,

        L(r) = ln Σ π_k exp((x · R A_k − |R A_k|² / 2) / σ²)

    is divided by :data:`WIDTH` of its range within reach, as noise is neither white nor the same everywhere,
    and the score is added; the new place is the mean of the pixels, weighted by the exponential of that.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        As the classes' particles were cut from; continued by reflection.
    classes : ClassAverages
    places : ndarray of shape (n, 2)
        Pixels (y, x).
    scores : ndarray of shape (rows, columns)
        A map of scores; −∞ where there is none.
    step : tuple of float
        Pixels per step of that map.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Inside the image. Each depends on its own surroundings only; picks on a flat image stay.
    """
    places = np.asarray(places, np.float64).reshape(-1, 2)
    mixture = classes.turned
    reach = max(1.0, REACH * classes.radius)
    away = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    offsets = np.stack(np.meshgrid(away, away, indexing="ij"), axis=-1).reshape(-1, 2)
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= reach + math.sqrt(0.5)]  # places are rounded
    surface = np.asarray(scores, np.float32)
    moved = places.copy()
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        pixels = np.rint(some).astype(np.int64)[:, None] + offsets  # (n, k, 2)
        score = map_coordinates(
            surface, (pixels / np.asarray(step)).reshape(-1, 2).T, order=1, mode="nearest"
        ).reshape(pixels.shape[:2])
        near = (np.linalg.norm(pixels - some[:, None], axis=2) <= reach) & np.isfinite(score)
        moved[first : first + AT_ONCE] = _expected(
            some, pixels, near, mixture.likelihood(image, pixels), score
        )
    return np.clip(moved, 0, np.array(image.shape) - 1)


@dataclass(frozen=True, eq=False)
class _Turned:
    """All turns of all classes, as few images that mix to them.

    Attributes
    ----------
    offsets : ndarray of int64, shape (pixels, 2)
        Of the disc that is compared.
    parts : ndarray of float32, shape (pixels, parts)
    mixing : ndarray of float32, shape (parts, turned)
        To the turned classes over the noise's variance.
    constant : ndarray of float32, shape (turned,)
    """

    offsets: NDArray[np.int64]
    parts: NDArray[np.float32]
    mixing: NDArray[np.float32]
    constant: NDArray[np.float32]

    @classmethod
    def of(cls, classes: ClassAverages) -> _Turned:
        disc, middle = _disc(classes.radius), np.array([[classes.images.shape[1] // 2] * 2])
        turned = [turned_particles(image, middle, classes.radius)[0] for image in classes.images]
        bank = np.array(turned, np.float64)
        bank = (bank - bank.mean(axis=2, keepdims=True)).reshape(-1, bank.shape[2])
        left, strength, right = np.linalg.svd(bank, full_matrices=False)
        share = np.cumsum(strength**2)
        count = int(np.searchsorted(share, (1 - LEFT_OUT) * share[-1])) + 1
        constant = np.repeat(np.log(classes.shares), 2 * ANGLES) - (bank**2).sum(axis=1) / 2 / classes.noise
        return cls(
            disc,
            right[:count].T.astype(np.float32),
            ((left * strength)[:, :count].T / classes.noise).astype(np.float32),
            constant.astype(np.float32),
        )

    def likelihood(self, image: NDArray[np.floating], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logarithm of the mixture's at pixels (n, k, 2), but for a constant of each pick; shape (n, k)."""
        rim = int(np.abs(self.offsets).max()) + max(0, -int(pixels.min(initial=0)))
        over = (int(pixels[..., axis].max(initial=0)) - n + 1 for axis, n in enumerate(image.shape))
        rim = max(rim, int(np.abs(self.offsets).max()) + max(over))
        padded = np.pad(np.asarray(image, np.float32), rim, mode="symmetric")
        first = (pixels[..., 0] + rim) * padded.shape[1] + pixels[..., 1] + rim
        around = padded.ravel()[first[..., None] + self.offsets @ np.array([padded.shape[1], 1])]
        # A product for each pick, so that none depends on how many there are.
        fit = (around @ self.parts) @ self.mixing + self.constant
        highest = fit.max(axis=2, keepdims=True)
        return np.asarray(highest[..., 0] + np.log(np.exp(fit - highest).sum(axis=2)), np.float32)


def _expected(
    places: NDArray[np.float64],
    pixels: NDArray[np.int64],
    near: NDArray[np.bool_],
    likelihood: NDArray[np.float32],
    score: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Means of the pixels (n, k, 2) by their probability; places where nothing is told apart."""
    highest = np.where(near, likelihood, -np.inf).max(axis=1, keepdims=True)
    lowest = np.where(near, likelihood, np.inf).min(axis=1, keepdims=True)
    told = np.isfinite(highest) & (highest - lowest > 1e-5 * np.maximum(np.abs(highest), 1))
    spread = np.where(told, highest - lowest, 1)
    with np.errstate(invalid="ignore"):
        total = np.where(near, (likelihood - highest) / spread / WIDTH + SCORE_WEIGHT * score, -np.inf)
        weight = np.exp((total - total.max(axis=1, keepdims=True)).astype(np.float64))
    weight = np.where(told, weight, 0)
    sums = np.maximum(weight.sum(axis=1, keepdims=True), 1e-30)
    return np.where(told, (weight[..., None] * pixels).sum(axis=1) / sums, places)
