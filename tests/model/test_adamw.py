"""AdamW against torch's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.model.adamw import AdamW  # noqa: E402


def two_of_a_kind() -> tuple[torch.nn.Module, torch.nn.Module]:
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        layers = [
            torch.nn.Conv2d(2, 5, 3),
            torch.nn.BatchNorm2d(5),
            torch.nn.PReLU(),
            torch.nn.Conv2d(5, 1, 3),
        ]
        made.append(torch.nn.Sequential(*layers).to(memory_format=torch.channels_last))
    return made[0], made[1]


def learn(network: torch.nn.Module, optimiser, steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.01 / (step + 1)
        optimiser.zero_grad()
        images = torch.randn(4, 2, 9, 9, generator=generator)
        (network(images) ** 2).mean().backward()
        optimiser.step()


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=1e-6, atol=1e-8) for a, b in pairs)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_are_those_of_torch(decay: float) -> None:
    ours, theirs = two_of_a_kind()
    learn(ours, AdamW(ours.parameters(), weight_decay=decay), 12)
    learn(theirs, torch.optim.AdamW(theirs.parameters(), weight_decay=decay), 12)
    assert same(ours, theirs)
    learn(theirs, torch.optim.AdamW(theirs.parameters(), weight_decay=decay), 1)
    assert not same(ours, theirs)


def test_moments_are_put_away_and_taken_up_as_those_of_torch() -> None:
    ours, theirs = two_of_a_kind()
    mine, other = AdamW(ours.parameters()), torch.optim.AdamW(theirs.parameters())
    learn(ours, mine, 3)
    learn(theirs, other, 3)
    anew = AdamW(ours.parameters())
    anew.load_state_dict(other.state_dict())
    learn(ours, anew, 4, seed=1)
    learn(theirs, other, 4, seed=1)
    assert same(ours, theirs)
    for found, expected in zip(
        anew.state_dict()["state"].values(), other.state_dict()["state"].values(), strict=True
    ):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value)
    anew.load_state_dict(AdamW(ours.parameters()).state_dict())
    assert anew.state_dict()["state"] == {}, "that of one that has taken no step"


def test_moments_of_other_parameters_are_refused() -> None:
    ours, _ = two_of_a_kind()
    mine = AdamW(ours.parameters())
    learn(ours, mine, 1)
    state = mine.state_dict()
    other = AdamW(torch.nn.Conv2d(1, 1, 3).parameters())
    with pytest.raises(RuntimeError, match="other parameters"):
        other.load_state_dict(state)
    fewer = {"state": {n: moments for n, moments in state["state"].items() if n}}
    with pytest.raises(KeyError):
        mine.load_state_dict(fewer)


def test_no_compiler_is_imported() -> None:
    """It takes longer than a warm start's first epoch."""
    code = """
import sys, torch
from napari_topaz.model.adamw import AdamW
layer = torch.nn.Conv2d(1, 1, 3)
optimiser = AdamW(layer.parameters())
layer(torch.zeros(1, 1, 5, 5)).sum().backward()
optimiser.step()
optimiser.zero_grad()
optimiser.load_state_dict(optimiser.state_dict())
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
