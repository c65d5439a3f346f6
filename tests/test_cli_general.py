"""The general model on the command line: picks without a model, and making another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from napari_topaz.cli import main
from napari_topaz.files import read_picks
from napari_topaz.jobs import pretrain
from napari_topaz.model.picker import PickerModel
from worlds import DIAMETER, make_world


@pytest.mark.slow
def test_without_a_model_it_guesses_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world(tmp_path / "world", 1)
    output = tmp_path / "picks.star"
    call = ["pick", str(world.files[0].path), "--output", str(output), "--diameter", str(DIAMETER)]
    assert main([*call, "--quiet"]) == 0
    assert "first guess" in capsys.readouterr().err
    assert len(read_picks(output)["mic_0"])


@pytest.mark.slow
def test_bright_particles_are_found_in_the_negative(tmp_path: Path) -> None:
    from napari_topaz.files import write_mrc
    from worlds import PIXEL_SIZE, drawn

    pixels, _ = drawn(0)
    write_mrc(tmp_path / "dark.mrc", pixels, PIXEL_SIZE)
    write_mrc(tmp_path / "bright.mrc", -pixels, PIXEL_SIZE)
    for name, more in (("dark", []), ("bright", ["--inverted"])):
        call = ["pick", str(tmp_path / f"{name}.mrc"), "--output", str(tmp_path / f"{name}.csv")]
        call += ["--diameter", str(DIAMETER), "--threshold", "-3", "--quiet", "--device", "cpu"]
        assert main([*call, *more]) == 0
    dark, bright = (read_picks(tmp_path / f"{n}.csv")[n] for n in ("dark", "bright"))
    assert len(dark) > 4
    assert len(dark) == pytest.approx(len(bright), abs=max(3, len(dark) // 4))


def test_without_a_model_the_diameter_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = make_world(tmp_path / "world", 1)
    assert main(["pick", str(world.files[0].path), "--output", str(tmp_path / "picks.star")]) == 2
    assert "--diameter" in capsys.readouterr().err


@pytest.mark.slow
def test_pretrain_writes_a_model_that_picks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "TESTED", 2)
    output = tmp_path / "general.safetensors"
    call = ["pretrain", str(output), "--steps", "2", "--worlds", "2", "--workers", "0", "--device", "cpu"]
    assert main([*call, "--quiet", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert said["steps"] == 2
    assert not PickerModel.load(output).knows_preprocessing
    assert main(call) == 2  # it exists
    assert main(["pretrain", str(tmp_path / "model.txt")]) == 2
