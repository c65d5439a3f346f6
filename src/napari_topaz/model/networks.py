"""Classifiers: fully convolutional, without padding, one logit per region.

An input of exactly the receptive field gives one logit; a larger one gives the logits of all regions
whose centres lie `stride` pixels apart, which equal the one-by-one logits exactly. Sources: the
network of Bepler et al. 2018 (`conv31`), its deeper relatives and the residual networks of
Bepler et al. 2019; `deepem` of Zhu, Ouyang & Mao 2017; `small` is this package's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from napari_topaz.choices import ARCHITECTURES, BOXED
from napari_topaz.settings import NetworkSettings


class Classifier(nn.Module):
    """Layers without padding, then a convolution to a logit.

    Parameters
    ----------
    layers : list of Module
        What makes the features.
    channels : int
        Of the features.
    head : Conv2d, optional
        The last layer; 1 × 1 where not given.

    Attributes
    ----------
    field : int
        Receptive field (odd), pixels.
    stride : int
        Distance of neighbouring outputs, pixels.
    channels : int
        Of the features, before the last layer.
    averages_outputs : bool
        Whether scores of several images of a region are averaged as outputs (sigmoids), not as logits.
    keeps_features : bool
        Whether every region has features of its own, from which an autoencoder can draw it again.
    """

    averages_outputs, keeps_features = False, True

    def __init__(self, layers: list[nn.Module], channels: int, head: nn.Conv2d | None = None) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 1, 1) if head is None else head
        self.channels = channels
        self.field, self.stride = receptive_field(nn.Sequential(self.features, self.head))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (b, rows, columns) of images of shape (b, 1, height, width)."""
        return self.head(self.features(x))[:, 0]  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Residual block: two 3 × 3 convolutions plus the input, cropped to what they leave.

    Parameters
    ----------
    before, after : int
        Channels in and out; the hidden layer has `before`.
    stride, dilation : int
        Of the second convolution.
    """

    def __init__(
        self, before: int, after: int, stride: int = 1, dilation: int = 1, norm: bool = True
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, before, 3, bias=not norm)
        self.first_norm = nn.BatchNorm2d(before) if norm else nn.Identity()
        self.second = nn.Conv2d(before, after, 3, stride=stride, dilation=dilation, bias=not norm)
        self.second_norm = nn.BatchNorm2d(after) if norm else nn.Identity()
        self.project = nn.Conv2d(before, after, 1, stride=stride, bias=False) if before != after else None
        self.stride, self.crop = stride, 1 + dilation

    def forward(self, x: Tensor) -> Tensor:
        """(b, before, h, w) → (b, after, (h − 2·crop − 1)//stride + 1, …)."""
        hidden = torch.relu_(self.first_norm(self.first(x)))
        kept = x[:, :, self.crop : -self.crop, self.crop : -self.crop]
        # The slice is whole here, so that a strided convolution and plain subsampling agree.
        kept = self.project(kept) if self.project else kept[:, :, :: self.stride, :: self.stride]
        return torch.relu_(self.second_norm(self.second(hidden) + kept))


def receptive_field(layers: nn.Module) -> tuple[int, int]:
    """Receptive field and stride of a chain of convolutions and mean poolings without padding."""
    field, stride = 1, 1
    for module in layers.children():
        if isinstance(module, nn.AvgPool2d):
            kernel, step = int(str(module.kernel_size)), int(str(module.stride))  # torch: int or tuple
            field, stride = field + (kernel - 1) * stride, stride * step
        elif isinstance(module, nn.Conv2d):
            field += (module.kernel_size[0] - 1) * module.dilation[0] * stride
            stride *= module.stride[0]
        elif isinstance(module, Residual):
            for conv in (module.first, module.second):
                field += (conv.kernel_size[0] - 1) * conv.dilation[0] * stride
                stride *= conv.stride[0]
        elif isinstance(module, nn.Sequential):
            inner, step = receptive_field(module)
            field, stride = field + (inner - 1) * stride, stride * step
    return field, stride


#: In place: nothing else needs what it is applied to, and every map of a minibatch less is memory that the
#: system need not hand out anew at every step.
_relu = partial(nn.ReLU, inplace=True)


def _conv(
    before: int,
    after: int,
    kernel: int,
    stride: int = 1,
    *,
    norm: bool = True,
    act: Callable[[], nn.Module] = _relu,
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, bias=not norm),
        nn.BatchNorm2d(after) if norm else nn.Identity(),
        act(),
    )


def small(width: int = 24, *, norm: bool = True) -> Classifier:
    """84 000 weights, field 37, stride 4: two CPU cores train it in seconds."""
    u = width
    layers = [
        _conv(1, u, 5, 2, norm=norm),
        _conv(u, 4 * u // 3, 3, norm=norm),
        _conv(4 * u // 3, 2 * u, 3, 2, norm=norm),
        _conv(2 * u, 2 * u, 3, norm=norm),
        Residual(2 * u, 2 * u, norm=norm),
    ]
    return Classifier(layers, 2 * u)


def _plain(width: int, kernels: tuple[int, ...], norm: bool) -> Classifier:
    """Build convolutions of stride 2 but the last, widths doubling, batch norm and PReLU."""
    widths = [1] + [width * 2**i for i in range(len(kernels))]
    strides = [2] * (len(kernels) - 1) + [1]
    layers = [
        _conv(a, b, k, s, norm=norm, act=nn.PReLU)
        for a, b, k, s in zip(widths, widths[1:], kernels, strides, strict=False)
    ]
    return Classifier(layers, widths[-1])


def conv31(width: int = 32, *, norm: bool = True) -> Classifier:
    """Build the network of Bepler et al. 2018: 7×7 /2, 5×5 /2, 5×5."""
    return _plain(width, (7, 5, 5), norm)


def conv63(width: int = 32, *, norm: bool = True) -> Classifier:
    """Four convolutions: 7×7, 5×5, 5×5, all /2, then 5×5."""
    return _plain(width, (7, 5, 5, 5), norm)


def conv127(width: int = 32, *, norm: bool = True) -> Classifier:
    """Five convolutions: 7×7, 5×5, 5×5, 5×5, all /2, then 5×5."""
    return _plain(width, (7, 5, 5, 5, 5), norm)


def resnet8(width: int = 32, *, norm: bool = True) -> Classifier:
    """Residual network of Bepler et al. 2019 with dilated blocks, field 71, stride 4."""
    u = width
    layers = [
        _conv(1, u, 7, 2, norm=norm),
        Residual(u, u, dilation=2, norm=norm),
        Residual(u, 2 * u, stride=2, dilation=2, norm=norm),
        Residual(2 * u, 2 * u, dilation=2, norm=norm),
        _conv(2 * u, 4 * u, 5, norm=norm),
    ]
    return Classifier(layers, 4 * u)


def resnet16(width: int = 32, *, norm: bool = True) -> Classifier:
    """Residual network of Bepler et al. 2019, field 91, stride 4."""
    u = width
    layers: list[nn.Module] = [_conv(1, u, 7, norm=norm), Residual(u, u, stride=2, norm=norm)]
    layers += [Residual(u, u, norm=norm) for _ in range(3)]
    layers += [Residual(u, 2 * u, stride=2, norm=norm)]
    layers += [Residual(2 * u, 2 * u, norm=norm) for _ in range(2)]
    return Classifier([*layers, _conv(2 * u, 4 * u, 5, norm=norm)], 4 * u)


#: Of `deepem`: edge of its box where none is given, 1.5 particles of 19 px; and the part of a map's edge
#: that a convolution leaves, 222 of 272 px in the first layer of Zhu et al. 2017, 70 to 90 % everywhere.
DEEPEM_BOX, CONVOLVED = 29, 222 / 272


def odd_box(box: float) -> int:
    """Return the nearest odd edge that is no smaller than `box` whole pixels: a box has a middle pixel."""
    return 2 * (round(box) // 2) + 1


def deepem_kernels(box: int) -> tuple[int, int, int, int]:
    """Kernels of the three convolutions and of the full layer, for boxes of `box` pixels (odd).

    A convolution leaves about 82 % of its input's edge, and an even number of pixels, so that the
    pooling behind it divides evenly. Box 273: kernel 52, maps of 222.
    """
    kernels, edge = [], box
    for _ in range(3):
        left = max(2, 2 * min(round(CONVOLVED * edge / 2), (edge - 1) // 2))
        kernels.append(edge - left + 1)
        edge = left // 2
    return kernels[0], kernels[1], kernels[2], edge


def deepem(width: int = 6, *, norm: bool = True, box: int = DEEPEM_BOX) -> Classifier:
    """Network of Zhu, Ouyang & Mao 2017: three times convolution and mean pooling, then a full layer.

    The convolutions have `width` and twice 2·`width` maps and sigmoids; the field is the box (an even
    one gets one more pixel). The last pooling takes every position and the full layer every second one
    of what it sees (à trous): the outputs are those of the paper's network, moved over the image by 4
    pixels in place of the 8 that three poolings would make. Batch normalisation is not in the paper.
    """
    maps = (1, width, 2 * width, 2 * width)
    *kernels, full = deepem_kernels(odd_box(box))
    layers: list[nn.Module] = []
    for before, after, kernel, step in zip(maps, maps[1:], kernels, (2, 2, 1), strict=False):
        layers += [_conv(before, after, kernel, norm=norm, act=nn.Sigmoid), nn.AvgPool2d(2, step)]
    network = Classifier(layers, maps[-1], nn.Conv2d(maps[-1], 1, full, dilation=2))
    network.averages_outputs, network.keeps_features = True, False
    return network


def build(settings: NetworkSettings) -> Classifier:
    """Make the network that the settings name, with fresh weights of torch's generator."""
    if settings.architecture not in ARCHITECTURES:
        raise ValueError(f"No network is called {settings.architecture!r}.")
    make = globals()[settings.architecture]
    given = {} if settings.width is None else {"width": settings.width}
    if settings.box is not None:
        if settings.architecture not in BOXED:
            raise ValueError(f"Network {settings.architecture} has no box; leave --box out.")
        given["box"] = settings.box
    network: Classifier = make(norm=settings.batch_norm, **given)
    return network
