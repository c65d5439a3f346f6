"""Everything that the next training step depends on, as tensors by name: put away, and taken up again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from napari_topaz.model.adamw import AdamW


def state_of(
    modules: Mapping[str, nn.Module], optimiser: AdamW, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return weights, moments and random numbers, on the CPU.

    Parameters
    ----------
    modules : mapping of str to Module
        What is trained, by the name that its tensors get as a prefix.
    optimiser : AdamW
        Its moments; learning rates are set before every step.
    generator : Generator
        What draws the minibatches.
    """
    tensors = {f"{name}.{k}": v for name, one in modules.items() for k, v in one.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    tensors["generator"] = generator.get_state()
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}


def restore_state(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimiser: AdamW,
    generator: torch.Generator,
) -> None:
    """Go back to a state of :func:`state_of`, in place.

    Raises
    ------
    KeyError, RuntimeError, TypeError
        Where it is that of another network, or of a generator on another kind of device.
    """
    for name, one in modules.items():
        one.load_state_dict(_under(f"{name}.", tensors))
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser.", tensors).items():
        number, name = key.split(".")
        parameter = trained[int(number)]
        if value.shape == parameter.shape:  # in the same order in memory: sums are rounded alike
            value = torch.empty_like(parameter, device="cpu").copy_(value)
        moments.setdefault(int(number), {})[name] = value.clone()
    optimiser.load_state_dict({"state": moments})
    generator.set_state(tensors["generator"])


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
