"""The command line: evaluate with all it can compare, and stack."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.files import read_picks, write_picks
from napari_topaz.picks import Picks
from worlds import World, make_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 2)


@pytest.fixture
def picks(world, tmp_path) -> Path:
    """All particles, and one that is none."""
    rng = np.random.default_rng(0)
    found = {n: Picks(t.yx, rng.normal(2, 1, len(t))) for n, t in world.truth.items()}
    found["mic_0"] = found["mic_0"] + Picks([[5, 5]], [-3.0])
    write_picks(tmp_path / "picks.star", found)
    return tmp_path / "picks.star"


def test_evaluate_says_all_in_one_object(call, world, picks, tmp_path) -> None:
    words = ("--targets", world.labels, "--radius", 8, "--beta", 2, "--plot", tmp_path / "e.png", "--json")
    code, out, err = call("evaluate", "--picks", picks, *words)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["average_precision"] == 1
    assert (found["beta"], found["best_f"]) == (2, 1)
    assert found["median_distance"] < 0.01 > found["distance_90"]
    assert sum(row["count"] for row in found["calibration"]) == 21
    assert len(found["curve"]["recall"]) == 21
    assert Path(found["plot"]).read_bytes().startswith(b"\x89PNG")


def test_an_earlier_plot_is_replaced_on_demand_only(call, world, picks, tmp_path) -> None:
    plot = tmp_path / "e.png"
    plot.write_text("earlier")
    words = ("evaluate", "--picks", picks, "--targets", world.labels, "--radius", 8, "--plot", plot)
    code, _, err = call(*words)
    assert (code, plot.read_text()) == (2, "earlier")
    assert "exists already" in err
    assert call(*words, "--overwrite")[0] == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_evaluate_over_regions(call, world, picks, tmp_path, model_file) -> None:
    folder = world.folder
    assert call("heatmap", folder, "--model", model_file, "--output", tmp_path / "h", "--quiet")[0] == 0
    words = ("--targets", world.labels, "--radius", "8", "--json", "--quiet")
    of_files = json.loads(call("evaluate", "--picks", picks, "--heatmaps", tmp_path / "h", *words)[1])
    code, out, _ = call("evaluate", "--model", model_file, "--micrographs", folder / "mic_1.mrc", *words)
    of_model = json.loads(out)
    assert code == 0
    assert of_files["regions"]["micrographs"] == 2
    assert of_files["hits"] == 20
    assert of_model["regions"]["micrographs"] == of_model["micrographs"] == 1, "only those that were given"
    assert of_model["regions"]["label_radius"] == of_files["regions"]["label_radius"]
    text = call("evaluate", "--picks", picks, "--heatmaps", tmp_path / "h", *words[:-2])[1]
    assert "over regions" in text
    assert "calibration" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--picks is missing"),
        (("--picks", "P", "--heatmaps", "h", "--model", "m"), "do not go together"),
        (("--model", "m"), "--micrographs"),
        (("--picks", "P", "--micrographs", "m"), "m does not exist"),
        (("--picks", "P", "--plot", "a.pdf"), "PNG"),
        (("--picks", "P", "--beta", "0"), "--beta must be positive"),
        (("--picks", "P", "--heatmaps", "none"), "_heatmap.mrc"),
    ],
)
def test_evaluate_refuses_what_cannot_be(call, world, picks, words, message) -> None:
    words = tuple(picks if word == "P" else word for word in words)
    code, out, err = call("evaluate", "--targets", world.labels, "--radius", 8, *words)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("Error: ")
    assert message in err


def test_stack_writes_what_it_says(call, world, picks, tmp_path) -> None:
    words = ("--picks", picks, "--output", tmp_path / "out", "--box-size", 40, "--json", "--quiet")
    code, out, err = call("stack", world.folder, *words, "--invert", "--voltage", 200, "--limit", 12)
    found = json.loads(out)
    assert code == 0
    assert found["particles"] == 12 - found["left_out"]
    assert "assumed" in err
    assert "voltage" not in err
    written = read_picks(Path(found["star"]))
    kept = np.concatenate([one.scores for one in written.values()])
    assert len(kept) == found["particles"]
    assert kept.min() > 1, "the best ones"
    assert Path(found["montage"]).name == "montage.png"


@pytest.mark.parametrize("output", ["out", "out.mrcs"])
def test_stack_replaces_what_is_there_only_when_told(call, world, picks, tmp_path, output) -> None:
    words = (
        "stack",
        world.folder,
        "--picks",
        picks,
        "--output",
        tmp_path / output,
        "--box-size",
        40,
        "--quiet",
    )
    assert call(*words)[0] == 0
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "exists already" in err
    assert call(*words, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output", "out"), "--box-size is missing"),
        (("--output", "out.star", "--box-size", "40"), "must be a folder, or end in .mrcs"),
        (("--output", "out", "--box-size", "40", "--downsample-to", "80"), "cannot be downsampled to 80"),
        (("--output", "out", "--box-size", "400"), "400 px is larger than 'mic_0' of 320 × 240 px"),
        (("--output", "out", "--box-size", "40", "--edge", "cut"), "one of drop"),
        (("--output", "picks.star/out", "--box-size", "40"), "cannot be written"),
    ],
)
def test_stack_refuses_what_cannot_be(call, world, picks, tmp_path, monkeypatch, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("stack", world.folder, "--picks", picks, *words, "--quiet")
    assert code in (1, 2)
    assert out == ""
    assert message in err.splitlines()[-1]
    assert not Path("out").exists()


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch")
    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel
    from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

    torch.manual_seed(0)
    network = NetworkSettings(width=4)
    how = PreprocessSettings(diameter=64, particle_pixels=16)
    card = ModelCard(network=network, preprocess=how, train=TrainSettings(), pixel_size=2.0)
    return PickerModel(build(network).eval(), card).save(tmp_path_factory.mktemp("model") / "m.safetensors")
