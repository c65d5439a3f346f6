"""The autoencoder term of Bepler et al. 2018: features must suffice to draw the region again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Height and width of what is reconstructed: the middle of a region.
RECONSTRUCTED = 31
#: Regions of a minibatch of tiles that are reconstructed where no number is given; of patches, all are.
REGIONS = 64


def decoder(channels: int) -> nn.Sequential:
    """Build the papers' decoder: features (n, channels, 1, 1) → images (n, 1, 31, 31).

    Transposed convolutions 4×4 of 128, 4×4 /2 of 64, 4×4 /2 of 32 and 3×3 /2 of 1 channel, with batch norm
    and leaky ReLU between them: 4, 8, 16 and 31 pixels wide.
    """
    layers: list[nn.Module] = []
    before = channels
    for after, kernel, stride, padding in ((128, 4, 1, 0), (64, 4, 2, 1), (32, 4, 2, 1)):
        layers += [
            nn.ConvTranspose2d(before, after, kernel, stride=stride, padding=padding, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(),
        ]
        before = after
    return nn.Sequential(*layers, nn.ConvTranspose2d(before, 1, 3, stride=2, padding=1))


def reconstruction_loss(
    decode: nn.Module,
    features: Tensor,
    images: Tensor,
    stride: int,
    generator: torch.Generator,
    wanted: int | None = None,
) -> Tensor:
    """E‖x − d(f(x))‖²: summed over the pixels of a region, mean over regions.

    Parameters
    ----------
    decode : Module
        See :func:`decoder`.
    features : Tensor, shape (b, channels, m, m)
        Of the network, before its last layer.
    images : Tensor, shape (b, 1, size, size)
        What it saw; output (i, j) saw the region whose first pixel is (stride·i, stride·j).
    stride : int
        Of the network.
    generator : torch.Generator
        Chooses the regions.
    wanted : int, optional
        How many regions; :data:`REGIONS` of tiles and all patches where not given.
    """
    m = features.shape[-1]
    margin = (images.shape[-1] - stride * (m - 1) - RECONSTRUCTED) // 2
    regions = images[:, 0, margin:, margin:].unfold(1, RECONSTRUCTED, stride).unfold(2, RECONSTRUCTED, stride)
    total = features.shape[0] * m * m
    if wanted is None:
        wanted = total if m == 1 else REGIONS
    if wanted < total:
        chosen = torch.randint(total, (wanted,), generator=generator, device=features.device)
    else:
        chosen = torch.arange(total, device=features.device)
    b, i, j = chosen // (m * m), chosen // m % m, chosen % m
    drawn: Tensor = decode(features[b, :, i, j][:, :, None, None])[:, 0]
    return ((drawn - regions[b, i, j]) ** 2).sum((1, 2)).mean()
