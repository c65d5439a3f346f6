"""Gaussian band-pass filters, with limits stated as resolutions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft


def band_pass(
    image: NDArray[np.floating], pixel_size: float, low_pass: float = 0.0, high_pass: float = 0.0
) -> NDArray[np.float32]:
    """Keep what is coarser than `low_pass` and finer than `high_pass`.

    Both limits are Gaussians in frequency that are one half at the stated resolution d:
    exp(−ln 2 · (f d)²) for the low-pass, and one minus that for the high-pass. The image is continued by
    reflection (a cosine transform), so that its edges leave no cross.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        All pixels finite.
    pixel_size : float
        Length per pixel.
    low_pass, high_pass : float
        Resolutions in the unit of `pixel_size`; 0 for no such limit.

    Returns
    -------
    ndarray of float32, shape (height, width)
        With its mean as before where there is no high-pass, else with mean 0.

    Raises
    ------
    ValueError
        If the pixel size is not positive, or a limit is negative.
    """
    if not (pixel_size > 0 and low_pass >= 0 and high_pass >= 0):
        raise ValueError(
            f"A band-pass needs a positive pixel size and limits of at least 0, not {pixel_size}, "
            f"{low_pass} and {high_pass}."
        )
    if not low_pass and not high_pass:
        return np.array(image, np.float32)
    # Term k of a cosine transform of n pixels has k / 2n periods per pixel.
    y, x = ((np.arange(n, dtype=np.float32) / (2 * n * pixel_size)) ** 2 for n in image.shape)
    spectrum = fft.dctn(np.asarray(image, np.float32), type=2, overwrite_x=False)
    if low_pass:
        spectrum *= _fall(y, low_pass)[:, None]
        spectrum *= _fall(x, low_pass)
    if high_pass:
        spectrum -= spectrum * _fall(y, high_pass)[:, None] * _fall(x, high_pass)
    return np.asarray(fft.idctn(spectrum, type=2, overwrite_x=True), np.float32)


def _fall(squared: NDArray[np.float32], resolution: float) -> NDArray[np.float32]:
    """The Gaussian of squared frequencies that is one half at the frequency 1 / `resolution`."""
    return np.asarray(np.exp(-np.log(2) * resolution**2 * squared), np.float32)
