"""Weights as Topaz stores them, named and shaped as its published files are, of any numbers."""

from __future__ import annotations

import numpy as np
import torch

#: Per residual block: stride and dilation; first convolution's stride; as the reference page states.
RESNET8 = (2, ((1, 2), (2, 2), (1, 2)))
RESNET16 = (1, ((2, 1), (1, 1), (1, 1), (1, 1), (2, 1), (1, 1), (1, 1)))


def fill(state: dict, name: str, shape: tuple[int, ...], rng: torch.Generator) -> None:
    scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
    state[name] = torch.randn(shape, generator=rng) * scale


def add_norm(state: dict, name: str, n: int, rng: torch.Generator) -> None:
    state[f"{name}.weight"] = torch.rand(n, generator=rng) + 0.5
    state[f"{name}.bias"] = torch.randn(n, generator=rng)
    state[f"{name}.running_mean"] = torch.randn(n, generator=rng)
    state[f"{name}.running_var"] = torch.rand(n, generator=rng) + 0.5
    state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def resnet_state(name: str, u: int = 6, *, norm: bool = False, bias: bool = True) -> dict:
    _, blocks = RESNET8 if name == "resnet8" else RESNET16
    doubling = 1 if name == "resnet8" else 4
    rng, state = torch.Generator().manual_seed(3), {}
    fill(state, "features.features.0.conv.weight", (u, 1, 7, 7), rng)
    if bias:
        fill(state, "features.features.0.conv.bias", (u,), rng)
    if norm:
        add_norm(state, "features.features.0.bn", u, rng)
    for i in range(len(blocks)):
        a, b = u * (1 + (i > doubling)), u * (1 + (i >= doubling))
        at = f"features.features.{i + 1}"
        if a != b:
            fill(state, f"{at}.proj.weight", (b, a, 1, 1), rng)
        for k, (before, after) in enumerate(((a, a), (a, b))):
            fill(state, f"{at}.conv{k}.weight", (after, before, 3, 3), rng)
            if bias:
                fill(state, f"{at}.conv{k}.bias", (after,), rng)
            if norm:
                add_norm(state, f"{at}.bn{k}", after, rng)
    last = f"features.features.{len(blocks) + 1}"
    fill(state, f"{last}.conv.weight", (4 * u, 2 * u, 5, 5), rng)
    if bias:
        fill(state, f"{last}.conv.bias", (4 * u,), rng)
    if norm:
        add_norm(state, f"{last}.bn", 4 * u, rng)
    fill(state, "classifier.weight", (1, 4 * u, 1, 1), rng)
    fill(state, "classifier.bias", (1,), rng)
    return state
