"""ablation.py: every element can be trained, and stands in the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from napari_topaz.settings import SimulateSettings

pytest.importorskip("torch")
TINY = SimulateSettings(micrographs=3, size=256, pixel_size=4.6, diameter=180.0, particles=10, carbon=0.0)


@pytest.fixture
def ablation(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("ablation")


@pytest.mark.slow
def test_every_element_trains_and_is_reported(
    ablation: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    tiny = ablation.MicrographSet("tiny", TINY)
    for name, element in list(ablation.ELEMENTS.items()):
        short = {**element.settings, "epochs": 1, "steps": 4, "held_out": 0.0, "symmetries": "none"}
        monkeypatch.setitem(ablation.ELEMENTS, name, replace(element, settings=short))
    found = {
        name: ablation.run_cell(ablation.Cell("tiny", name, 6, 0), tiny, tmp_path)["average_precision"]
        for name in ablation.ELEMENTS
    }
    assert all(0 <= value <= 1 for value in found.values())
    kept = ablation.Cell("tiny", "default", 6, 0)
    assert kept.file(tmp_path, tiny).exists()
    rows = [ablation.run_cell(ablation.Cell("tiny", name, 6, 0), tiny, tmp_path) for name in found]
    options = ablation.parse(["--labels", "6", "--draws", "1", "--work", str(tmp_path), "--sets", "globular"])
    options.sets = ["tiny"]
    text = ablation.report(rows, options)
    assert "Threshold and expected precision" in text
    assert all(element.says in text for element in ablation.ELEMENTS.values())


def test_other_weights_are_a_start_of_their_own(ablation: ModuleType, tmp_path: Path) -> None:
    """Another general model is loaded in place of the package's, and its result kept beside the other."""
    import torch

    other = tmp_path / "other.safetensors"
    model = ablation.general.general_model().snapshot()
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.zero_()
    model.save(other)
    tiny = ablation.MicrographSet("tiny", TINY)
    ours, others = (
        ablation.Cell("tiny", "default", 6, 0, w).file(tmp_path, tiny) for w in (ablation.WEIGHTS, other)
    )
    assert ours != others
    with ablation.general_model_of(other):
        now = ablation.general.general_model()
        assert not any(weights.any() for weights in now.network.parameters())
        assert now.is_general
    assert any(weights.any() for weights in ablation.general.general_model().network.parameters())
