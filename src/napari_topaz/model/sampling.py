"""Draw minibatches of regions on the device: no per-item Python, no host–device copies.

All training images lie one after the other in one flat tensor, so that images of different sizes
are drawn from by the same arithmetic. A *tile* of m × m outputs is an image cut of
stride·(m − 1) + field pixels; a *patch* is a tile of one output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_topaz.training_set import LabelledImage

#: Classes of regions, as the objectives take them, and one more for what they must not see. Negatives are
#: single places that somebody rejected; background is all of a micrograph whose particles are all labelled.
#: What is ignored lies in the flanks of labels, and belongs to a sample of all regions; what is masked, not.
POSITIVE, UNLABELLED, NEGATIVE, BACKGROUND, IGNORED, MASKED = 1, 0, -1, -2, 2, 3


def region_classes(image: LabelledImage, label_radius: float, ignore_radius: float) -> NDArray[np.int8]:
    """Class of the region centred on each pixel of a labelled image.

    Parameters
    ----------
    image : LabelledImage
        Labels in preprocessed pixels.
    label_radius : float
        Up to this distance from a particle (or a labelled negative) a region is positive (negative).
    ignore_radius : float
        Up to this distance from a particle a region is neither positive nor unlabelled.

    Returns
    -------
    ndarray of int8, shape (height, width)
        :data:`POSITIVE`, :data:`UNLABELLED`, :data:`NEGATIVE`, :data:`IGNORED` or :data:`MASKED`;
        :data:`BACKGROUND` in place of unlabelled where the labels are complete.
    """
    rest = BACKGROUND if image.complete else UNLABELLED
    classes = np.full(image.prepared.image.shape, rest, np.int8)
    painting = (
        (image.positives, ignore_radius, IGNORED),
        (image.negatives, label_radius, NEGATIVE),
        (image.positives, label_radius, POSITIVE),
    )
    for centres, radius, value in painting:
        for centre in centres:
            # However small the radius: the nearest region belongs to the label.
            nearest = np.clip(np.rint(centre).astype(int), 0, np.array(classes.shape) - 1)
            classes[tuple(nearest)] = value
            low = np.maximum(np.ceil(centre - radius), 0).astype(int)
            high = np.minimum(np.floor(centre + radius) + 1, classes.shape).astype(int)
            if (low >= high).any():
                continue
            y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
            near = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
            classes[low[0] : high[0], low[1] : high[1]][near] = value
    if image.masked is not None:
        classes[image.masked] = MASKED
    return classes


@cache  # copied to the device once: a copy would make every step wait for it
def eight_symmetries(device: torch.device) -> Tensor:
    """Return the rotations by 90° and their mirror images, shape (8, 2, 2)."""
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    turns = [torch.linalg.matrix_power(quarter, n) for n in range(4)]
    mirror = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    return torch.stack(turns + [t @ mirror for t in turns]).round().to(device)


def random_rotations(n: int, generator: torch.Generator, *, mirror: bool = True) -> Tensor:
    """Return random rotations, half of them mirrored where that is wanted, shape (n, 2, 2)."""
    angle = torch.rand(n, generator=generator, device=generator.device) * 2 * math.pi
    sign = 1 - 2 * torch.randint(2 if mirror else 1, (n,), generator=generator, device=generator.device)
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s * sign], -1), torch.stack([s, c * sign], -1)], -2)


@dataclass(frozen=True, eq=False)
class Regions:
    """Training images on the device, ready to be drawn from.

    Attributes
    ----------
    pixels : Tensor of float32, shape (total,)
        All images, row by row, one after the other.
    classes : Tensor of int8, shape (total,)
        Class of the region centred on each pixel.
    offsets, heights, widths : Tensor of int64, shape (images,)
        Where each image starts, and its size.
    positives, negatives : Tensor of float32, shape (n, 3)
        Labels as (image, y, x).
    positive_pixels : Tensor of int64, shape (n,)
        Flat indices of the centres of positive regions.
    """

    pixels: Tensor
    classes: Tensor
    offsets: Tensor
    heights: Tensor
    widths: Tensor
    positives: Tensor
    negatives: Tensor
    positive_pixels: Tensor

    @classmethod
    def from_images(
        cls,
        images: Sequence[LabelledImage],
        label_radius: float,
        ignore_radius: float,
        device: torch.device,
    ) -> Regions:
        """Put labelled images on the device (see :func:`region_classes` for the radii)."""
        arrays = [i.prepared.image for i in images]
        classes = [region_classes(i, label_radius, ignore_radius) for i in images]
        sizes = [a.size for a in arrays]

        def on_device(values: object) -> Tensor:
            return torch.as_tensor(values, device=device)

        def labels(which: str) -> Tensor:
            rows = [np.insert(getattr(i, which), 0, n, axis=1) for n, i in enumerate(images)]
            return on_device(np.concatenate(rows).astype(np.float32))

        all_classes = np.concatenate([c.ravel() for c in classes])
        return cls(
            pixels=on_device(np.concatenate([a.ravel() for a in arrays]).astype(np.float32)),
            classes=on_device(all_classes),
            offsets=on_device(np.cumsum([0, *sizes[:-1]])),
            heights=on_device([a.shape[0] for a in arrays]),
            widths=on_device([a.shape[1] for a in arrays]),
            positives=labels("positives"),
            negatives=labels("negatives"),
            positive_pixels=on_device(np.flatnonzero(all_classes == POSITIVE)),
        )

    @classmethod
    def joined(cls, parts: Sequence[Regions]) -> Regions:
        """Put the images of several, all on one device, one after the other."""
        pixels = np.cumsum([0, *[len(p.pixels) for p in parts]]).tolist()
        images = np.cumsum([0, *[len(p.offsets) for p in parts]]).tolist()

        def labels(which: str) -> Tensor:
            rows = [getattr(p, which) for p in parts]
            return torch.cat([r + r.new_tensor([n, 0, 0]) for r, n in zip(rows, images, strict=False)])

        def shifted(which: str) -> Tensor:
            return torch.cat([getattr(p, which) + n for p, n in zip(parts, pixels, strict=False)])

        def plain(which: str) -> Tensor:
            return torch.cat([getattr(p, which) for p in parts])

        return cls(
            pixels=plain("pixels"),
            classes=plain("classes"),
            offsets=shifted("offsets"),
            heights=plain("heights"),
            widths=plain("widths"),
            positives=labels("positives"),
            negatives=labels("negatives"),
            positive_pixels=shifted("positive_pixels"),
        )

    def random_labels(self, n: int, jitter: float, generator: torch.Generator, which: str) -> Tensor:
        """Draw n centres (image, y, x) within ± `jitter` pixels of a random label; shape (n, 3)."""
        labels: Tensor = getattr(self, which)
        device = labels.device
        rows = labels[torch.randint(len(labels), (n,), generator=generator, device=device)]
        shift = (torch.rand((n, 2), generator=generator, device=device) * 2 - 1) * jitter
        return torch.cat([rows[:, :1], (rows[:, 1:] + shift).round()], 1)

    def random_either(self, n: int, jitter: float, generator: torch.Generator, most: float) -> Tensor:
        """Draw n centres round labels, particles or not, each label alike; `most`: largest part of negatives.

        Each is drawn by itself, so that the numbers of either kind vary; shape (n, 3).
        """
        share = min(most, len(self.negatives) / (len(self.negatives) + len(self.positives)))
        chance = torch.rand((n, 1), generator=generator, device=self.pixels.device)
        positive = self.random_labels(n, jitter, generator, "positives")
        negative = self.random_labels(n, jitter, generator, "negatives")
        return torch.where(chance < share, negative, positive)

    def random_anywhere(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n centres (image, y, x), every pixel of every image alike; shape (n, 3)."""
        flat = torch.randint(len(self.pixels), (n,), generator=generator, device=self.pixels.device)
        return self._centres(flat)

    @cached_property  # of use to patches alone
    def unlabelled_pixels(self) -> Tensor:
        """Flat indices of the centres of unlabelled and background regions, shape (n,)."""
        found = torch.nonzero(_drawn_at_large(self.classes))[:, 0].to(index_type(len(self.classes)))
        if not len(found):
            raise ValueError("No region is unlabelled: the labels cover the micrographs; label fewer.")
        return found

    def random_unlabelled(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n centres (image, y, x) of unlabelled and background regions, every one alike; (n, 3)."""
        pixels = self.unlabelled_pixels
        drawn = torch.randint(len(pixels), (n,), generator=generator, device=pixels.device)
        return self._centres(pixels[drawn].long())

    @cached_property
    def negative_pixels(self) -> Tensor:
        """Flat indices of the centres of labelled negative regions, int64, shape (n,)."""
        return torch.nonzero(self.classes == NEGATIVE)[:, 0]

    @cached_property
    def has_unlabelled(self) -> bool:
        """Whether any region is unlabelled or background."""
        return bool(_drawn_at_large(self.classes).any())

    def random_negatives(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n centres (image, y, x) of labelled negative regions, every one alike; shape (n, 3)."""
        pixels = self.negative_pixels
        return self._centres(
            pixels[torch.randint(len(pixels), (n,), generator=generator, device=pixels.device)]
        )

    def random_positives(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n centres (image, y, x) of positive regions, every one alike; shape (n, 3)."""
        pixels = self.positive_pixels
        return self._centres(
            pixels[torch.randint(len(pixels), (n,), generator=generator, device=pixels.device)]
        )

    def _centres(self, flat: Tensor) -> Tensor:
        image = torch.searchsorted(self.offsets, flat, right=True) - 1
        within = flat - self.offsets[image]
        return torch.stack([image, within // self.widths[image], within % self.widths[image]], 1).float()

    def cut(
        self, centres: Tensor, turns: Tensor, outputs: int, stride: int, field: int, smooth: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Cut tiles round `centres`, turned by `turns`.

        Parameters
        ----------
        centres : Tensor, shape (b, 3)
            (image, y, x), whole pixels.
        turns : Tensor, shape (b, 2, 2)
            Rotation (and mirror image) of each tile.
        outputs, stride, field : int
            The tile gives outputs × outputs logits of a network of that stride and field.
        smooth : bool
            Interpolate bilinearly; needed where `turns` are not the eight symmetries.

        Returns
        -------
        tiles : Tensor of float32, shape (b, 1, size, size)
            size = stride·(outputs − 1) + field. Pixels beyond an edge are reflected.
        classes : Tensor of int8, shape (b, outputs, outputs)
            Class of the region of each output.
        """
        size = stride * (outputs - 1) + field
        if not smooth:
            tiles = self.pixels[self._straight(centres, turns, size, 1)]
            return tiles[:, None], self.classes[self._straight(centres, turns, outputs, stride)]
        image = centres[:, 0].long()
        tiles = self._bilinear(image, *self._turned(centres, turns, size, 1))
        y, x = self._turned(centres, turns, outputs, stride)
        return tiles[:, None], self.classes[self._index(image, y, x)]

    def _straight(self, centres: Tensor, turns: Tensor, n: int, step: int) -> Tensor:
        """Compute flat indices of an n × n grid round each centre in one of the eight symmetries, (b, n, n).

        Each coordinate then follows one axis of the grid, so that it is reflected along a line, not in the
        whole grid: drawing a minibatch takes a quarter of the time.
        """
        image = centres[:, 0].long()
        along = (torch.arange(n, device=centres.device) - (n - 1) / 2) * step
        sizes = torch.stack([self.heights[image], self.widths[image]], 1)[:, :, None, None]
        # Of every tile: y and x along the grid's first and second axis, shape (b, 2, 2, n).
        yx = _reflect((turns[..., None] * along + centres[:, 1:, None, None]).round().long(), sizes)
        strides = torch.stack([self.widths[image], torch.ones_like(image)], 1)[:, :, None, None]
        first, second = (yx * strides * (turns != 0)[..., None]).sum(1).unbind(1)
        return (self.offsets[image, None] + first)[:, :, None] + second[:, None, :]

    def _turned(self, centres: Tensor, turns: Tensor, n: int, step: int) -> tuple[Tensor, Tensor]:
        """Compute y and x of an n × n grid round each centre, turned; both of shape (b, n, n)."""
        along = (torch.arange(n, device=centres.device) - (n - 1) / 2) * step
        grid = torch.stack(torch.meshgrid(along, along, indexing="ij"))
        yx = torch.einsum("bij,jhw->bihw", turns, grid) + centres[:, 1:, None, None]
        return yx[:, 0], yx[:, 1]

    def _index(self, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Compute flat indices of pixels (b, n, n), reflecting beyond the edges."""
        height, width = self.heights[image, None, None], self.widths[image, None, None]
        row, column = _reflect(y.round().long(), height), _reflect(x.round().long(), width)
        return self.offsets[image, None, None] + row * width + column

    def _bilinear(self, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
        top, left = y.floor(), x.floor()
        down, right = y - top, x - left
        corners = [
            self.pixels[self._index(image, top + i, left + j)]
            * (down if i else 1 - down)
            * (right if j else 1 - right)
            for i in (0, 1)
            for j in (0, 1)
        ]
        return torch.stack(corners).sum(0)


def index_type(pixels: int) -> torch.dtype:
    """Return the smallest integer type that counts so many pixels."""
    return torch.int32 if pixels <= torch.iinfo(torch.int32).max else torch.int64


def _drawn_at_large(classes: Tensor) -> Tensor:
    """Mask of what is drawn in the proportions of the micrographs."""
    return (classes == UNLABELLED) | (classes == BACKGROUND)


def _reflect(index: Tensor, size: Tensor) -> Tensor:
    """Reflect about the first and the last pixel (which are not repeated), however far away."""
    period = (2 * (size - 1)).clamp(min=1)
    folded = index.remainder(period)
    return torch.minimum(folded, period - folded).clamp(max=size - 1)
