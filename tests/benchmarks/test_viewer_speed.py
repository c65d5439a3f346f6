"""The benchmark of the window: what its table says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def speed(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("viewer_speed")


def test_medians_are_judged_and_of_pauses_the_longest(speed: ModuleType) -> None:
    row = speed.Row("show the next micrograph", 0.1, [0.05, 0.06, 2.0], [0.04, 0.04, 0.05])
    said = ["show the next micrograph", "100 ms", "60 ms", "2.0 s", "40 ms", "50 ms", "yes", ""]
    assert row.cells() == said
    assert speed.Row("threshold", 0.03, [0.05]).cells()[4:7] == ["–", "–", "**no**"]
    assert speed.Row("longest pause", 0.1, [0.01, 0.2]).verdict == "**no**"


def test_the_table_has_its_command_and_the_load(speed: ModuleType, tmp_path: Path) -> None:
    speed.write(tmp_path / "t.md", [speed.Row("heat map", 0.05, [0.04], [0.02], "a note")])
    text = (tmp_path / "t.md").read_text()
    assert text.startswith("# How quickly the window answers")
    assert "`python benchmarks/viewer_speed.py`" in text
    assert "load " in text
    assert "| heat map | 50 ms | 40 ms | 40 ms | 20 ms | 20 ms | yes | a note |" in text
