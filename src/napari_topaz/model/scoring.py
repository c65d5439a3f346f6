"""Score a whole image by strided passes of a network, within a bound of memory."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_topaz.events import remark
from napari_topaz.model.devices import is_out_of_memory
from napari_topaz.model.networks import Classifier, Residual

#: Input pixels of one pass; the activations take about 400 bytes a pixel.
PIXELS_AT_ONCE = 2**21
#: Images that scores are averaged over, for each of :data:`napari_topaz.choices.SYMMETRIES`: the first four
#: are rotations, the others their mirror images.
SYMMETRIES = {"none": 1, "four": 4, "eight": 8}
HALVED = "The device's memory is full, so that micrographs are scored in smaller pieces; that takes longer."
TOO_SMALL = "The device's memory is too small to score a micrograph; use --device cpu."


def score_image(
    network: Classifier,
    image: NDArray[np.float32],
    *,
    symmetries: str = "none",
    pixels_at_once: int = PIXELS_AT_ONCE,
) -> NDArray[np.float32]:
    """Logits of the regions centred on every stride-th pixel.

    Parameters
    ----------
    network : Classifier
        Scores on the device that it lies on, as it does when it is not being trained; it stays as it is.
    image : ndarray of float32, shape (height, width)
        Preprocessed. It is continued by reflection, so that every pixel can be a centre.
    symmetries : str
        What to average over, of :data:`SYMMETRIES`.
    pixels_at_once : int
        Bound of the input pixels of one pass; halved by itself where the device's memory is full, which is
        remarked (:func:`napari_topaz.events.remark`).

    Returns
    -------
    ndarray of float32, shape ((height − 1)//stride + 1, (width − 1)//stride + 1)
        Element (i, j) is the logit of the region centred on pixel (stride·i, stride·j).

    Raises
    ------
    MemoryError
        Where even a single row of regions does not fit into the device's memory.
    """
    try:
        return _scored(network, image, SYMMETRIES[symmetries], pixels_at_once)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(TOO_SMALL) from error


def _scored(
    network: Classifier, image: NDArray[np.float32], turns: int, pixels_at_once: int
) -> NDArray[np.float32]:
    device = next(network.parameters()).device
    rows, columns = ((n - 1) // network.stride + 1 for n in image.shape)
    padded = torch.from_numpy(_padded(image, network.field, network.stride)).to(device)
    with torch.no_grad():
        fast = for_scoring(network)
        parts = []
        for turn in range(turns):
            turned = torch.rot90(padded.flip(1) if turn >= 4 else padded, turn % 4)
            logits = torch.rot90(_strided(fast, turned.contiguous(), pixels_at_once), -(turn % 4))
            parts.append(logits.flip(1) if turn >= 4 else logits)
        mean = mean_output(parts) if network.averages_outputs else sum(parts[1:], parts[0]) / turns
    return mean[:rows, :columns].float().cpu().numpy()


def for_scoring(network: Classifier) -> Classifier:
    """Return a copy that scores the same, to rounding, in half the time; the network stays as it is.

    Batch norms are put into the convolutions before them, and on a CPU channels come last.
    """
    fast = deepcopy(network).eval()
    for module in list(fast.modules()):
        if isinstance(module, Residual):
            _fold(module, "first", "first_norm")
        elif isinstance(module, nn.Sequential):
            names = list(module._modules)
            for conv, norm in pairwise(names):
                _fold(module, conv, norm)
    if next(fast.parameters()).device.type == "cpu":
        fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fast


def _fold(module: nn.Module, first: str, second: str) -> None:
    """Put the batch norm of one name into the convolution of the other, if that is what they are."""
    conv, norm = module.get_submodule(first), module.get_submodule(second)
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        setattr(module, first, fuse_conv_bn_eval(conv, norm))
        setattr(module, second, nn.Identity())


def mean_output(logits: list[Tensor]) -> Tensor:
    """Return the logit of the mean of the outputs (sigmoids), not the mean of the logits.

    That of Zhu et al. 2017: a single confident image counts for no more than one.
    """
    if len(logits) == 1:
        return logits[0]
    every = torch.stack(logits)
    return torch.logsumexp(logsigmoid(every), 0) - torch.logsumexp(logsigmoid(-every), 0)


def _padded(image: NDArray[np.float32], field: int, stride: int) -> NDArray[np.float32]:
    """Reflect half a field beyond every edge, and up to a whole number of strides.

    With (size − 1) a multiple of the stride, the grid of outputs maps onto itself in a mirror.
    """
    half = field // 2
    extra = [(half, half + (-(n - 1)) % stride) for n in image.shape]
    return np.pad(np.asarray(image, np.float32), extra, mode="reflect")


def _strided(network: Classifier, padded: Tensor, pixels_at_once: int) -> Tensor:
    """Logits of a padded image in bands of rows; without padding inside, bands equal the whole."""
    stride, field = network.stride, network.field
    rows = (padded.shape[0] - field) // stride + 1
    while True:
        band = max(1, (pixels_at_once // padded.shape[1] - field) // stride + 1)
        try:
            parts = [
                network(padded[None, None, stride * i : stride * (min(i + band, rows) - 1) + field])[0]
                for i in range(0, rows, band)
            ]
            return torch.cat(parts)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if band == 1:
                raise MemoryError(TOO_SMALL) from error
            remark(HALVED)
            pixels_at_once = ((band // 2 - 1) * stride + field) * padded.shape[1]
