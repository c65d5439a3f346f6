"""The command line with models of Topaz, and with models to start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.files import read_picks  # noqa: E402
from napari_topaz.model.picker import PickerModel  # noqa: E402
from worlds import World, make_world  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 2)


@pytest.fixture(scope="module")
def sav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A resnet8 of width 4 under Topaz's names, with weights that nobody trained."""
    rng = torch.Generator().manual_seed(0)
    shapes = {"0.conv": (4, 1, 7), "4.conv": (16, 8, 5), "2.proj": (8, 4, 1)}
    shapes |= {f"{i}.conv0": (w, w, 3) for i, w in ((1, 4), (2, 4), (3, 8))}
    shapes |= {f"{i}.conv1": (a, b, 3) for i, a, b in ((1, 4, 4), (2, 8, 4), (3, 8, 8))}
    state = {
        "classifier.weight": torch.randn((1, 16, 1, 1), generator=rng),
        "classifier.bias": torch.zeros(1),
    }
    for name, (after, before, k) in shapes.items():
        weight = torch.randn((after, before, k, k), generator=rng) / (k * before**0.5)
        state[f"features.features.{name}.weight"] = weight
        if name != "2.proj":
            state[f"features.features.{name}.bias"] = torch.zeros(after)
    path = tmp_path_factory.mktemp("models") / "theirs.sav"
    torch.save(state, path)
    return path


TRAIN = ("--particle-pixels", 16, "--epochs", 1, "--steps", 5, "--expected", 10, "--quiet", "--json")


def test_a_model_of_topaz_picks_once_the_diameter_is_known(
    call, world: World, sav: Path, tmp_path: Path
) -> None:
    words = ("pick", world.folder, "--model", sav, "--threshold", -100, "--quiet", "--output")
    code, _, err = call(*words, tmp_path / "a.star")
    assert code == 2
    assert "--diameter is missing" in err
    assert "theirs.sav" in err
    assert not (tmp_path / "a.star").exists()
    assert call(*words, tmp_path / "a.star", "--diameter", 64)[0] == 0
    assert call(*words, tmp_path / "b.star", "--diameter", 128)[0] == 0
    a, b = (read_picks(tmp_path / f"{name}.star") for name in "ab")
    assert set(a) == {f.name for f in world.files}
    assert len(a["mic_0"]) > len(b["mic_0"]) > 0
    # At twice the pixel size the same particle is half as wide.
    assert call(*words, tmp_path / "c.star", "--diameter", 128, "--pixel-size", 4)[0] == 0
    c = read_picks(tmp_path / "c.star")
    assert c["mic_0"].yx.tolist() == a["mic_0"].yx.tolist()


@pytest.mark.parametrize("option", ["--diameter", "--pixel-size", "--downsample"])
def test_lengths_must_be_positive(call, world: World, sav: Path, tmp_path: Path, option: str) -> None:
    code, _, err = call("pick", world.folder, "--model", sav, "--output", tmp_path / "a.star", option, 0)
    assert code == 2
    assert f"{option} must be positive" in err


def test_its_heat_maps(call, world: World, sav: Path, tmp_path: Path) -> None:
    words = ("heatmap", world.files[0].path, "--model", sav, "--output", tmp_path / "maps", "--quiet")
    assert call(*words)[0] == 2
    assert call(*words, "--diameter", 64, "--downsample", 2)[0] == 0
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == ["heatmap.json", "mic_0_heatmap.mrc"]


def test_info_says_what_is_known_and_no_more(call, sav: Path) -> None:
    code, out, _ = call("info", sav, "--json")
    found = json.loads(out)["files"][0]
    assert code == 0
    assert found["architecture"] == "resnet8"
    assert (found["channels"], found["batch_norm"], found["threshold"]) == (4, False, 0.0)
    assert found["pretrained"] == "theirs.sav"
    assert (found["diameter"], found["objective"]) == (None, None)


def test_info_refuses_what_would_run(call, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("was run",)

    torch.save({"a": Evil()}, tmp_path / "evil.sav")
    code, out, err = call("info", tmp_path / "evil.sav")
    assert code == 1
    assert "evil.sav asks for" in err
    assert "print" in err
    assert "was run" not in out + err


def test_training_goes_on_from_a_model_of_topaz_and_then_from_ours(
    call, world: World, sav: Path, tmp_path: Path
) -> None:
    ours, next_ = tmp_path / "ours.safetensors", tmp_path / "next.safetensors"
    words = ("train", world.folder, "--picks", world.labels, *TRAIN)
    code, _, err = call(*words, "--model", ours, "--pretrained", sav)
    assert code == 2
    assert "--diameter is missing" in err
    code, out, err = call(*words, "--model", ours, "--pretrained", sav, "--diameter", 64)
    assert code == 0, err
    assert json.loads(out)["pretrained"] == "theirs.sav"
    card = PickerModel.load(ours).card
    assert (card.network.architecture, card.network.width, card.network.batch_norm) == ("resnet8", 4, False)
    assert card.preprocess.particle_pixels == 16
    # Ours states its diameter.
    code, out, err = call(
        "train", world.folder, "--picks", world.labels, "--epochs", 1, "--steps", 2, "--expected", 10,
        "--quiet", "--model", next_, "--pretrained", ours,
    )  # fmt: skip
    assert code == 0, err
    again = PickerModel.load(next_).card
    assert (again.pretrained, again.preprocess) == ("ours.safetensors", card.preprocess)


def test_another_architecture_than_the_starts_is_refused(
    call, world: World, sav: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m.safetensors"
    code, _, err = call(
        "train", world.folder, "--picks", world.labels, "--model", model, *TRAIN,
        "--diameter", 64, "--pretrained", sav, "--architecture", "conv31",
    )  # fmt: skip
    assert code == 1
    assert "--architecture conv31 contradicts" in err
    assert "theirs.sav: resnet8" in err
    assert not model.exists()


def test_a_missing_start_is_named(call, world: World, tmp_path: Path) -> None:
    code, _, err = call(
        "train", world.folder, "--picks", world.labels, "--model", tmp_path / "m.safetensors",
        "--diameter", 64, "--pretrained", tmp_path / "none.sav",
    )  # fmt: skip
    assert code == 1
    assert "none.sav" in err
