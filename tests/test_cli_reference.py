"""The command `reference`: what a shell sees."""

from __future__ import annotations

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_topaz.files import read_picks, write_picks
from napari_topaz.jobs.evaluate import evaluate
from worlds import DIAMETER, World, make_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), count=3)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    y, x = np.mgrid[:24, :24] - 12
    with mrcfile.new(tmp_path / "classes.mrcs") as mrc:
        mrc.set_data(np.exp(-(y**2 + x**2) / 25)[None].astype(np.float32))
        mrc.set_image_stack()
        mrc.voxel_size = 4.0
    return tmp_path / "classes.mrcs"


def quality(path: Path, world: World) -> float:
    return evaluate(read_picks(path), world.truth, 8).best_f1


@pytest.mark.parametrize("method", ["log", "dog", "template"])
def test_each_method_finds_the_particles(world, call, tmp_path, method: str) -> None:
    output = tmp_path / "picks.star"
    words = ["--method", method, "--diameter", DIAMETER, "--picks", world.labels, "--output", output]
    code, out, err = call("reference", world.folder, *words, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["micrographs"] == 3
    assert said["picks"] == sum(map(len, read_picks(output).values()))
    assert quality(output, world) > 0.85


def test_given_templates_find_them_too(world, call, tmp_path, stack) -> None:
    words = ["--method", "template", "--diameter", DIAMETER, "--templates", stack]
    code, _, err = call("reference", world.folder, *words, "--output", tmp_path / "picks.csv")
    assert code == 0, err
    assert quality(tmp_path / "picks.csv", world) > 0.85


def test_boxes_are_as_large_as_one_and_a_half_particles(world, call, tmp_path) -> None:
    words = ["--diameter", DIAMETER, "--output", tmp_path / "boxes", "--format", "box"]
    assert call("reference", world.folder, *words)[0] == 0
    first = (tmp_path / "boxes/mic_0.box").read_text().split()
    assert first[2:4] == ["48", "48"]  # 96 Å at 2 Å/px


def test_resume_goes_on_and_refuses_other_settings(world, call, tmp_path) -> None:
    output = tmp_path / "picks"
    words = ["reference", world.folder, "--diameter", DIAMETER, "--output", output]
    assert call(*words)[0] == 0
    (output / "mic_1_autopick.star").unlink()
    code, out, _ = call(*words, "--resume", "--json")
    assert (code, json.loads(out)["skipped"]) == (0, 2)
    code, _, err = call(*words, "--resume", "--method", "dog")
    assert code == 1
    assert "another method" in err
    fewer = tmp_path / "fewer.star"
    write_picks(fewer, {"mic_0": world.truth["mic_0"][:5]})
    code, _, err = call(*words, "--resume", "--picks", fewer)
    assert code == 1
    assert "another picks" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "--diameter is missing"),
        (["--diameter", 64, "--method", "template"], 2, "needs --picks"),
        (["--diameter", 64, "--method", "template", "--picks", "L", "--templates", "T"], 2, "one of them"),
        (["--diameter", 64, "--templates", "T"], 2, "--method template"),
        (["--diameter", 64, "--method", "best"], 2, "log, dog, template"),
        (["--diameter", 64, "--contrast", "red"], 2, "dark"),
        (["--diameter", 64, "--angle-step", 0], 2, "--angle-step"),
        (["--diameter", 64, "--method", "template", "--templates", "absent.mrcs"], 1, "absent.mrcs"),
        (["--diameter", 64, "--method", "template", "--picks", "absent.star"], 1, "absent.star"),
    ],
)
def test_what_cannot_work_is_one_sentence(world, call, tmp_path, words, code: int, message: str) -> None:
    said, out, err = call("reference", world.folder, "--output", tmp_path / "p.star", *words)
    assert (said, out) == (code, "")
    assert err.splitlines()[-1].startswith("Error: ")
    assert message in err.splitlines()[-1]
    assert not (tmp_path / "p.star").exists()


def test_what_exists_is_replaced_only_when_asked_to(world, call, tmp_path) -> None:
    words = ["reference", world.folder, "--diameter", DIAMETER, "--output", tmp_path / "picks.star"]
    assert call(*words)[0] == 0
    code, _, err = call(*words, "--method", "dog")
    assert code == 2
    assert "--overwrite" in err
    assert call(*words, "--method", "dog", "--overwrite")[0] == 0


def test_two_labels_are_too_few(world, call, tmp_path) -> None:
    write_picks(tmp_path / "two.star", {"mic_0": world.truth["mic_0"][:2]})
    words = ["--method", "template", "--diameter", DIAMETER, "--picks", tmp_path / "two.star"]
    code, _, err = call("reference", world.folder, *words, "--output", tmp_path / "p.star")
    assert code == 1
    assert "only 2" in err
