"""Micrographs named on the command line: complete, empty, excluded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_topaz.cli import main
from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.whole_micrographs import Excluded, Ticked, ticks_of, without
from napari_topaz.files import read_picks, write_picks
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.training_set import Ticks

FILES = [MicrographFile(Path(f"mics/{name}.mrc")) for name in ("a", "b.1", "c")]


def test_names_may_be_paths_or_stand_in_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# carbon\nelsewhere/c.mrc\n\n")
    ticked = Ticked(complete=["mics/a.mrc", "b.1"], empty=[f"@{tmp_path / 'list.txt'}"])
    assert ticks_of(FILES, ticked) == Ticks(frozenset({"a", "b.1"}), frozenset({"c"}))
    assert [f.name for f in without(FILES, Excluded(exclude=["b.1"]))] == ["a", "c"]
    assert ticks_of(FILES, Ticked()) == Ticks()


@pytest.mark.parametrize(
    ("ticked", "message"),
    [
        (Ticked(complete=["d"]), "--complete names 'd', which is none"),
        (Ticked(complete=["a"], empty=["a"]), "a is said to be --complete and --empty"),
        (Ticked(exclude=["a"], empty=["a"]), "--empty names 'a', which is none"),
        (Ticked(exclude=["a", "b.1", "c"]), "leaves no micrograph"),
        (Ticked(empty=["@nowhere.txt"]), "nowhere.txt cannot be read"),
    ],
)
def test_what_makes_no_sense_is_said(ticked: Ticked, message: str) -> None:
    with pytest.raises(CallError, match=message):
        ticks_of(FILES, ticked)


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    folder = tmp_path / "mics"
    options = ["--micrographs", "3", "--size", "160", "--particles", "6", "--quiet"]
    assert main(["simulate", str(folder), *options]) == 0
    return folder


@pytest.mark.slow
def test_train_and_pick_leave_out_what_is_excluded(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = next(simulated.glob("*.star"))
    a, b, c = sorted(read_picks(truth))
    labels, model = tmp_path / "labels.star", tmp_path / "m.safetensors"
    write_picks(labels, {a: read_picks(truth)[a], c: Picks.labels([[30, 30]])})
    how = ["--diameter", "100", "--epochs", "1", "--steps", "2", "--quiet", "--json", "--device", "cpu"]
    call = ["train", str(simulated), "--picks", str(labels), "--model", str(model), *how]
    assert main([*call, "--complete", a, "--empty", f"{b}.mrc", "--exclude", c]) == 0
    about = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert about["labels"] == len(read_picks(truth)[a])
    assert about["expected"] == about["labels"], "the number on the complete micrograph"
    assert main([*call, "--overwrite", "--empty", a]) == 1
    assert f"{a} is said to be empty, but has labelled particles" in capsys.readouterr().err
    assert main([*call, "--overwrite", "--complete", "ghost"]) == 2
    assert "ghost" in capsys.readouterr().err
    out = tmp_path / "picks"
    args = ["pick", str(simulated), "--model", str(model), "--output", str(out), "--threshold", "-1000"]
    assert main([*args, "--exclude", a, b, "--quiet", "--device", "cpu"]) == 0
    assert set(read_picks(out)) == {c}
