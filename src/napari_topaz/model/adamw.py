"""AdamW (Loshchilov & Hutter 2019), as ``torch.optim`` has it.

An optimiser of ``torch.optim`` imports torch's compiler when the first one is made, which takes longer
than a warm start's first epoch; nothing of it is used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

#: Decay of the moments, and what is added to the root of the second one.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class AdamW:
    """Adam with decoupled weight decay.

    Parameters
    ----------
    parameters : iterable of Parameter
        All have gradients whenever a step is taken.
    lr : float
        Learning rate, until ``param_groups[0]["lr"]`` is set.
    weight_decay : float

    Attributes
    ----------
    param_groups : list of dict
        One, with the parameters (``params``) and the learning rate (``lr``).
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 1e-2
    ) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self.param_groups: list[dict[str, Any]] = [{"params": self._parameters, "lr": lr}]
        self._decay = weight_decay
        self._taken = 0
        self._first: list[Tensor] = []
        self._second: list[Tensor] = []

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients."""
        if not self._taken:  # not before: their order in memory is that of the parameters
            self._first = [torch.zeros_like(p) for p in self._parameters]
            self._second = [torch.zeros_like(p) for p in self._parameters]
        self._taken += 1
        rate = self.param_groups[0]["lr"]
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self._parameters]
        torch._foreach_mul_(self._parameters, 1 - rate * self._decay)
        torch._foreach_lerp_(self._first, gradients, 1 - BETA1)
        torch._foreach_mul_(self._second, BETA2)
        torch._foreach_addcmul_(self._second, gradients, gradients, 1 - BETA2)
        deviations = torch._foreach_sqrt(self._second)
        torch._foreach_div_(deviations, (1 - BETA2**self._taken) ** 0.5)
        torch._foreach_add_(deviations, EPSILON)
        torch._foreach_addcdiv_(self._parameters, self._first, deviations, -rate / (1 - BETA1**self._taken))

    def state_dict(self) -> dict[str, dict[int, dict[str, Tensor]]]:
        """Return the moments of each parameter, by its number, named as those of torch's are."""
        state = {}
        for n, (first, second) in enumerate(zip(self._first, self._second, strict=True)):
            state[n] = {"step": torch.tensor(float(self._taken)), "exp_avg": first, "exp_avg_sq": second}
        return {"state": state}

    def load_state_dict(self, state: Mapping[str, Mapping[int, Mapping[str, Tensor]]]) -> None:
        """Take the moments of a :meth:`state_dict`, on any device.

        Raises
        ------
        KeyError, RuntimeError
            Where they are those of other parameters.
        """
        moments = state["state"]
        if not moments:
            self._taken, self._first, self._second = 0, [], []
            return
        ordered = [moments[n] for n in range(len(self._parameters))]
        shapes = [one[name].shape for one in ordered for name in ("exp_avg", "exp_avg_sq")]
        if len(moments) != len(ordered) or shapes != [p.shape for p in self._parameters for _ in range(2)]:
            raise RuntimeError("These are the moments of other parameters.")
        self._taken = int(ordered[0]["step"])
        self._first, self._second = (
            [
                one[name].to(p.device, p.dtype, copy=True)
                for one, p in zip(ordered, self._parameters, strict=True)
            ]
            for name in ("exp_avg", "exp_avg_sq")
        )
