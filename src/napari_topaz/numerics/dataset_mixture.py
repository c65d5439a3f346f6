"""One mixture of two Gaussians for all micrographs of a dataset, with a scale for each (Bepler et al. 2018).

Pixels of micrograph k follow x ~ N(αₖ μ_z, (αₖ σ_z)²), z ~ Bernoulli(ρₖ): dose and ice make a micrograph
brighter as a whole, and its standard deviation with it. Carbon has no part in the mean and standard
deviation of the ice, and a micrograph with carbon gets no other scale for it. For that the weight ρₖ is
the micrograph's own, with a weak prior round the ρ of all; the paper has one ρ for all, which takes ice
for carbon where there is none (in a simulated set with overlapping components, by more than σ).
All is fitted to one histogram per micrograph: memory does not depend on the size of the micrographs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.numerics.histograms import (
    Histograms,
    histogram_of,
    is_centred,
    is_constant,
    means_of,
    pooled_std,
    quantiles,
    rms_of,
)
from napari_topaz.settings.fitted import DatasetMixture

#: Starting weights of the upper component; a single Gaussian is tried as well.
STARTS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
#: The start is chosen on so many micrographs at most, after so many rounds.
TRIED, TRIAL_ROUNDS = 32, 40
#: Rounds of expectation maximisation, and the movement (in σ) below which it ends earlier.
ROUNDS, STILL = 500, 1e-6
#: A micrograph's own weight is drawn to that of the dataset as by this many pixels, per pixel of its own.
STRENGTH = 0.01
#: Standard deviations of a component below this fraction of that of all pixels are no statistics of ice.
NARROWEST = 0.01
#: Percentiles of a micrograph that are tried as the dominant mean when its scale is looked for.
GUESSES = (5, 20, 35, 50, 65, 80, 95)
#: Micrographs whose histograms are weighed at once.
AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class DatasetFit:
    """A mixture with the scale of each micrograph.

    Attributes
    ----------
    mixture : DatasetMixture
    scales : ndarray of float64, shape (micrographs,)
        αₖ; their mean is 1. 1 for a constant micrograph.
    """

    mixture: DatasetMixture
    scales: NDArray[np.float64]


def best_scale(
    sums: NDArray[np.float64], means: NDArray[np.float64], stds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the scale α that maximises the expected log likelihood of a micrograph.

    α = 2A / (B + √(B² + 4AN)) with A = Σ r x²/σ² and B = Σ r x μ/σ²: the positive root of
    N α² + B α − A = 0, where the derivative of Σ r (−log α − (x/α − μ)² / 2σ²) vanishes.

    Parameters
    ----------
    sums : ndarray of shape (3, 2, …)
        Σr, Σr·x and Σr·x² over the pixels, for both components.
    means, stds : ndarray of shape (2,)
        Of the components.

    Returns
    -------
    ndarray of shape (…)
        0 where all pixels are 0.
    """
    precision = stds**-2.0
    count = sums[0].sum(axis=0)
    a = np.tensordot(precision, sums[2], 1)
    b = np.tensordot(means * precision, sums[1], 1)
    root = np.sqrt(b**2 + 4 * a * count)
    # The two ways to write the root; each is precise where the other one cancels.
    return np.asarray(np.where(b > 0, 2 * a / np.maximum(b + root, 1e-300), (root - b) / (2 * count)))


def fit_dataset(histograms: Sequence[NDArray[np.float64]]) -> DatasetFit:
    """Fit one mixture, and a scale for each micrograph, by expectation maximisation.

    Parameters
    ----------
    histograms : sequence of ndarray, shape (BINS + 2, 3)
        Of :func:`histogram_of`, one per micrograph; they need not be of equal size.

    Returns
    -------
    DatasetFit
        Where the micrographs are centred on zero, scales are the ratios of their root mean squares
        (``mixture.by_rms``), as the means say nothing about them then.

    Raises
    ------
    ValueError
        Where there is no micrograph.
    """
    if not len(histograms):
        raise ValueError("One mixture for all micrographs needs at least one of them.")
    scales = np.ones(len(histograms))
    useful = np.array([not is_constant(h) for h in histograms])
    if not useful.any():
        flat = DatasetMixture(means=(0.0, 0.0), stds=(1.0, 1.0), weight=1.0, rms=1.0, by_rms=True)
        return DatasetFit(flat, scales)
    kept = np.stack([h for h, use in zip(histograms, useful, strict=True) if use])
    state = _Fit.start(kept)
    state = state.improved(kept, ROUNDS)
    if not state.by_rms:
        state = _escaped(state, kept)
    scales[useful] = state.scales
    return DatasetFit(state.mixture(kept), scales)


def scale_of(histogram: NDArray[np.float64], mixture: DatasetMixture) -> float:
    """Return the scale α of one micrograph under a fixed mixture.

    Expectation maximisation from several guesses at once; the most likely one wins. Nothing but
    the micrograph and the mixture has a say in it.

    Parameters
    ----------
    histogram : ndarray, shape (BINS + 2, 3)
        Of :func:`histogram_of`.
    mixture : DatasetMixture
        Of :func:`fit_dataset`.
    """
    if mixture.by_rms:
        return float(rms_of(histogram[None])[0]) / mixture.rms or 1.0
    parts = _Parts(np.array(mixture.means), np.array(mixture.stds), mixture.weight)
    guesses = quantiles(histogram, GUESSES) / (mixture.dominant[0] or 1.0)
    guesses = np.append(guesses[guesses > 0], rms_of(histogram[None])[0] / mixture.rms)
    if guesses[-1] == 0:
        return 1.0  # all pixels are 0
    tried = np.repeat(histogram[None], len(guesses), axis=0)
    weights = np.full(len(guesses), mixture.weight)
    for _ in range(ROUNDS):
        before, sums = guesses, _sums(tried, parts, guesses, weights)
        guesses, weights = best_scale(sums, parts.means, parts.stds), _own_weights(sums, mixture.weight)
        if np.abs(guesses / before - 1).max() < STILL * parts.stds.min() / (np.abs(parts.means).max() + 1):
            break
    return float(guesses[_log_posteriors(tried, parts, guesses, weights).argmax()])


def dataset_moments(image: NDArray[np.float32], mixture: DatasetMixture | None) -> tuple[float, float]:
    """Return mean and standard deviation to normalise an image by.

    Parameters
    ----------
    image : ndarray of float32
        Finite pixels.
    mixture : DatasetMixture or None
        Of the dataset; where there is none, the image is the whole dataset.

    Returns
    -------
    tuple of float
        α·μ′ and α·σ′ of the dominant component. For a constant image, its value and 0.
    """
    histogram = histogram_of(image)
    if is_constant(histogram):
        return float(image.flat[0]), 0.0
    mixture = mixture or fit_dataset([histogram]).mixture
    scale, (mean, std) = scale_of(histogram, mixture), mixture.dominant
    return scale * mean, scale * std


@dataclass(frozen=True, eq=False)
class _Parts:
    """The two components: means and standard deviations, shape (2,), and the second one's weight ρ."""

    means: NDArray[np.float64]
    stds: NDArray[np.float64]
    weight: float

    def log_densities(
        self, histograms: Histograms, scales: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Mean log of weight × density of the pixels of each bin, shape (2, micrographs, bins)."""
        x, variance = histograms[..., 1], histograms[..., 2]
        y, spread = x / scales[:, None], variance / scales[:, None] ** 2
        with np.errstate(divide="ignore"):
            logs = np.log([1 - weights, weights]) - np.log(self.stds)[:, None]
        exponents = (y - self.means[:, None, None]) ** 2 + spread
        return np.asarray(logs[:, :, None] - exponents / (2 * self.stds[:, None, None] ** 2))


@dataclass(frozen=True, eq=False)
class _Fit:
    """Where the fit of a dataset stands."""

    parts: _Parts
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    by_rms: bool

    @classmethod
    def start(cls, histograms: Histograms) -> _Fit:
        """Return the best of several starts."""
        by_rms = is_centred(histograms)
        sizes = rms_of(histograms) if by_rms else np.array([quantiles(h, (50,))[0] for h in histograms])
        if not by_rms:
            sizes = np.where(
                np.sign(sizes) == np.sign(means_of(histograms)), np.abs(sizes), rms_of(histograms)
            )
        scales = sizes / sizes.mean()
        some = np.unique(np.linspace(0, len(histograms) - 1, TRIED).round().astype(int))
        tried = []
        for weight in STARTS:
            parts = _split(histograms[some], scales[some], weight)
            fit = cls(parts, scales[some], np.full(len(some), weight), by_rms)
            tried.append(fit.improved(histograms[some], TRIAL_ROUNDS))
        best = max(tried, key=lambda fit: fit.score(histograms[some]))
        # Scales of the few were brought to a mean of 1 among themselves.
        shared = best.scales.mean() / scales[some].mean()
        parts = _Parts(best.parts.means * shared, best.parts.stds * shared, best.parts.weight)
        return cls(parts, scales, np.full(len(scales), parts.weight), by_rms)

    def improved(self, histograms: Histograms, rounds: int) -> _Fit:
        """Go so many rounds of expectation maximisation, or until nothing moves."""
        fit = self
        narrowest = NARROWEST * pooled_std(histograms, self.scales)
        for _ in range(rounds):
            before = fit
            fit = before.round(histograms, narrowest)
            spread = fit.parts.stds.min()
            moved = max(
                np.abs(fit.parts.means - before.parts.means).max() / spread,
                np.abs(fit.parts.stds - before.parts.stds).max() / spread,
                np.abs(fit.weights - before.weights).max(),
                np.abs(fit.scales / before.scales - 1).max() * np.abs(fit.parts.means).max() / spread,
            )
            if moved < STILL:
                break
        return fit

    def round(self, histograms: Histograms, narrowest: float) -> _Fit:
        """Expect and maximise once: the scales, then the components."""
        parts, scales = self.parts, self.scales
        sums = _sums(histograms, parts, scales, self.weights)
        if not self.by_rms:
            scales = best_scale(sums, parts.means, parts.stds)
            scales = scales / scales.mean()
        count = sums[0].sum(axis=1)
        # A component that lost all its pixels stays where it is.
        filled = np.maximum(count, 1e-9)
        means = np.where(count > 1e-9, (sums[1] / scales).sum(axis=1) / filled, parts.means)
        squares = (sums[2] / scales**2 - 2 * means[:, None] * sums[1] / scales).sum(axis=1)
        variances = squares / filled + means**2
        stds = np.where(count > 1e-9, np.sqrt(np.maximum(variances, narrowest**2)), parts.stds)
        weight = float(count[1] / count.sum())
        return _Fit(_Parts(means, stds, weight), scales, _own_weights(sums, weight), self.by_rms)

    def score(self, histograms: Histograms) -> float:
        """Log posterior, less Schwarz's penalty for the three parameters of a second component."""
        posterior = float(_log_posteriors(histograms, self.parts, self.scales, self.weights).sum())
        two = 0 < self.parts.weight < 1
        return posterior - (1.5 * math.log(histograms[..., 0].sum()) if two else 0.0)

    def mixture(self, histograms: Histograms) -> DatasetMixture:
        """Return the mixture, its upper component last."""
        parts = self.parts
        order = np.argsort(parts.means, kind="stable")
        weight = parts.weight if order[1] == 1 else 1 - parts.weight
        (low, high), (low_std, high_std) = parts.means[order].tolist(), parts.stds[order].tolist()
        return DatasetMixture(
            means=(low, high),
            stds=(low_std, high_std),
            weight=min(max(weight, 0.0), 1.0),
            rms=float(np.mean(rms_of(histograms) / self.scales)),
            by_rms=self.by_rms,
            micrographs=len(histograms),
        )


def _escaped(fit: _Fit, histograms: Histograms) -> _Fit:
    """Look for each scale afresh, as a median may have lain on the carbon; then go on from there."""
    mixture = fit.mixture(histograms)
    scales = np.array([scale_of(h, mixture) for h in histograms])
    if np.allclose(scales / fit.scales, 1, atol=1e-3):
        return fit
    weights = np.full(len(scales), fit.parts.weight)
    return _Fit(fit.parts, scales / scales.mean(), weights, fit.by_rms).improved(histograms, ROUNDS)


def _own_weights(sums: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Weights ρₖ of the micrographs, drawn a little towards that of the dataset."""
    count = sums[0].sum(axis=0)
    return np.asarray((sums[0, 1] / count + STRENGTH * weight) / (1 + STRENGTH))


def _sums(
    histograms: Histograms, parts: _Parts, scales: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σr, Σr·x and Σr·x² of each component and micrograph, shape (3, 2, micrographs)."""
    from scipy.special import expit  # slow to import, and not needed for other normalisations

    found = []
    for first in range(0, len(histograms), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        some = histograms[part]
        logs = parts.log_densities(some, scales[part], weights[part])
        upper = expit(logs[1] - logs[0])
        count, x, variance = np.moveaxis(some, -1, 0)
        moments = np.stack([count, count * x, count * (x**2 + variance)])
        both = [np.einsum("kb,mkb->mk", r, moments) for r in (1 - upper, upper)]
        found.append(np.stack(both, axis=1))
    return np.concatenate(found, axis=2)


def _log_posteriors(
    histograms: Histograms, parts: _Parts, scales: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log posterior of each micrograph up to a constant, shape (micrographs,)."""
    from scipy.special import xlog1py, xlogy

    logs = np.logaddexp(*parts.log_densities(histograms, scales, weights))
    count = histograms[..., 0]
    prior = xlogy(parts.weight, weights) + xlog1py(1 - parts.weight, -weights)
    likelihood = (count * logs).sum(axis=1) - count.sum(axis=1) * np.log(scales)
    return np.asarray(likelihood + STRENGTH * count.sum(axis=1) * prior)


def _split(histograms: Histograms, scales: NDArray[np.float64], weight: float) -> _Parts:
    """Cut all pixels in two at a quantile: the components of a start."""
    count, x, variance = (column.ravel() for column in np.moveaxis(histograms, -1, 0))
    x = (x.reshape(len(scales), -1) / scales[:, None]).ravel()
    variance = (variance.reshape(len(scales), -1) / scales[:, None] ** 2).ravel()
    order = np.argsort(x, kind="stable")
    below = np.empty(len(x), bool)
    below[order] = np.cumsum(count[order]) <= (1 - weight) * count.sum()
    means, stds = np.zeros(2), np.ones(2)
    for i, part in enumerate((below & (weight < 1), ~below | (weight == 1))):
        inside = count * part if (count * part).any() else count
        means[i] = inside @ x / inside.sum()
        stds[i] = math.sqrt(inside @ ((x - means[i]) ** 2 + variance) / inside.sum())
    return _Parts(means, np.maximum(stds, NARROWEST * pooled_std(histograms, scales)), weight)
