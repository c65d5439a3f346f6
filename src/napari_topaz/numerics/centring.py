"""How far boxes are off the centres of their particles. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_topaz.numerics.templates import disc_mask, rotational_average

#: Rounds of averaging and shifting, and below which change (in pixels) they end.
ROUNDS, SETTLED = 10, 0.05
#: Part of the rotational average in the reference: it keeps the reference centred.
SYMMETRIC = 0.9


def centre_shifts(boxes: NDArray[np.floating], diameter: float, reach: float) -> NDArray[np.float32]:
    """Find the shifts that lay particles on their common centre.

    Each box is cross-correlated with the average of all boxes at their present shifts, mixed with the
    average's rotational average about the centre of the box; the highest peak within `reach`, refined by
    a parabola per axis, is its next shift. So on, until nothing moves.

    Parameters
    ----------
    boxes : ndarray of shape (n, size, size)
        Round the places to be corrected: pixel (size // 2, size // 2). At least
        ``diameter + 2 · reach`` wide, or particles are cut off.
    diameter : float
        Of the particle, in pixels.
    reach : float
        Largest shift along each axis, in pixels.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        What to add to the places (y, x). Zeros for boxes that are flat.

    Raises
    ------
    ValueError
        If the boxes are not square or not finite, or diameter or reach is not positive.
    """
    stack = np.asarray(boxes, np.float64)
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or not np.isfinite(stack).all():
        raise ValueError(f"Boxes must be finite and square, of shape (n, size, size), not {stack.shape}.")
    if not (diameter > 0 and reach > 0):
        raise ValueError(f"Diameter and reach must be positive, not {diameter} and {reach} px.")
    shifts = np.zeros((len(stack), 2))
    if not len(stack):
        return shifts.astype(np.float32)
    stack = stack - stack.mean(axis=(1, 2), keepdims=True)
    norm = np.linalg.norm(stack, axis=(1, 2), keepdims=True)
    spectra = fft.fft2(stack / np.where(norm > 0, norm, 1))
    inside = _soft_disc(stack.shape[1], diameter / 2)
    for _ in range(ROUNDS):
        before = shifts
        shifts = _peaks(spectra, _reference(spectra, shifts, inside), reach)
        shifts[norm[:, 0, 0] == 0] = 0
        if np.abs(shifts - before).max() < SETTLED:
            break
    return shifts.astype(np.float32)


def _reference(
    spectra: NDArray[np.complexfloating], shifts: NDArray[np.float64], inside: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The average of the boxes moved back by their shifts, partly made round, within the particle."""
    frequencies = fft.fftfreq(spectra.shape[1])
    y, x = (np.exp(2j * np.pi * shifts[:, k, None] * frequencies) for k in (0, 1))
    average = fft.ifft2((spectra * y[:, :, None] * x[:, None, :]).mean(axis=0)).real
    mixed = (1 - SYMMETRIC) * average + SYMMETRIC * rotational_average(average)
    mixed = (mixed - mixed[inside < 0.5].mean() if (inside < 0.5).any() else mixed) * inside
    return np.asarray(mixed - mixed.mean())


def _peaks(
    spectra: NDArray[np.complexfloating], reference: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """Where each box correlates best with the reference, relative to no shift at all, shape (n, 2)."""
    size = len(reference)
    correlation = fft.fftshift(fft.ifft2(spectra * fft.fft2(reference).conj()).real, axes=(1, 2))
    r = min(int(np.ceil(reach)), (size - 1) // 2 - 1)
    if r < 1:
        return np.zeros((len(spectra), 2))
    near = correlation[:, size // 2 - r : size // 2 + r + 1, size // 2 - r : size // 2 + r + 1]
    rows, columns = np.unravel_index(near.reshape(len(near), -1).argmax(axis=1), near.shape[1:])
    which, peaks = np.arange(len(near)), np.stack([rows, columns], axis=1) - r
    fine = [
        _vertex(*(correlation[which, size // 2 + peaks[:, 0] + dy * k, size // 2 + peaks[:, 1] + dx * k]
                  for k in (-1, 0, 1)))
        for dy, dx in ((1, 0), (0, 1))
    ]  # fmt: skip
    return np.asarray(np.clip(peaks + np.stack(fine, axis=1), -reach, reach))


def _vertex(
    before: NDArray[np.float64], at: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where the parabola through three values at −1, 0 and 1 is highest; 0 where it is not within ±½."""
    bend = before - 2 * at + after
    place = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)
    return np.asarray(np.where(np.abs(place) <= 0.5, place, 0))


def _soft_disc(size: int, radius: float) -> NDArray[np.float64]:
    """1 within `radius` of pixel (size // 2, size // 2), falling to 0 over a tenth of it."""
    away = np.arange(size) - size // 2
    distance = np.hypot(away[:, None], away)
    edge = max(0.1 * radius, 1.0)
    soft = np.clip((radius + edge - distance) / edge, 0, 1)
    return np.asarray(soft if disc_mask(size, radius).any() else np.ones((size, size)))
