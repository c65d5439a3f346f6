"""What is printed of picks that were made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.cli import main
from napari_topaz.cli.options import Shown
from napari_topaz.cli.picked import MOST_NAMES, pick_result
from napari_topaz.cli.screen import Screen
from napari_topaz.picks import Picks


def found(counts: list[int]) -> dict[str, Picks]:
    return {f"m_{k}": Picks(np.zeros((n, 2)), np.zeros(n)) for k, n in enumerate(counts)}


def test_micrographs_that_stand_out_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    counts = [50, 52, 48, 0, 51, 300]
    assert pick_result(Screen(Shown()), found(counts), Path("x.star"), 0) == 0
    text = capsys.readouterr().out
    assert "(median 50.5): m_5 (300), m_3 (0)." in text
    pick_result(Screen(Shown(json=True)), found(counts), Path("x.star"), 0)
    values = json.loads(capsys.readouterr().out)
    assert values["outliers"] == {"m_5": 300, "m_3": 0}
    assert (values["median"], values["without"], values["picks"]) == (50.5, 1, 501)


def test_of_many_some_are_named_and_of_none_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    pick_result(Screen(Shown()), found([50] * 60 + [900] * 14), Path("x.star"), 0)
    text = capsys.readouterr().out
    assert text.count("(900)") == MOST_NAMES
    assert "and 4 more." in text
    pick_result(Screen(Shown()), found([50, 55]), Path("x.star"), 0)
    assert "stand out" not in capsys.readouterr().out


def test_exposures_that_cannot_be_used_are_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone.cs")
    for output, reason in (("p.star", "not for --format star"), ("p.cs", "is no file")):
        words = ["pick", str(tmp_path), "--output", str(tmp_path / output), "--exposures", gone]
        assert main(words) == 2
        assert reason in capsys.readouterr().err
