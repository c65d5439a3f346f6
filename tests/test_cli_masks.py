"""Masks on the command line: the command that suggests them, and --masks of the others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_topaz.cli.images import digest
from napari_topaz.files import find_masks, read_picks
from napari_topaz.masks import Mask
from worlds import DIAMETER, SHAPE, World, make_world

pytestmark = pytest.mark.slow

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), count=3)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """The left half of the first two micrographs, as another program wrote it."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("mic_0_mask.png", "mic_1.png"):
        Image.fromarray(np.array([[255, 0]], np.uint8).repeat(2, axis=0)).save(folder / name)
    return folder


def hidden(picks: Path) -> dict[str, int]:
    """How many picks lie in the left half of each micrograph."""
    left = Mask(raster=np.array([[True, False]]).repeat(2, axis=0))
    return {name: int(left.covers(p.yx, SHAPE).sum()) for name, p in read_picks(picks).items()}


def test_folders_of_masks_are_told_apart_by_names_too(masks) -> None:
    """Masks that change places hide other particles."""
    first, content = digest(masks), (masks / "mic_1.png").read_bytes()
    (masks / ".mic_1.png.part").write_bytes(b"hidden")
    assert digest(masks) == first
    (masks / "mic_1.png").rename(masks / "mic_2.png")
    assert digest(masks) != first
    (masks / "mic_2.png").rename(masks / "mic_1.png")
    assert digest(masks) == first
    (masks / "mic_0_mask.png").write_bytes(content[:-1])
    assert digest(masks) != first
    assert digest(masks / "mic_1.png") == hashlib.sha256(content).hexdigest()[:16]


def test_train_and_pick_under_masks(world, call, tmp_path, masks) -> None:
    model, labels = tmp_path / "m.safetensors", ["--picks", world.labels, "--diameter", DIAMETER]
    brief = ["--epochs", 1, "--steps", 3, "--expected", 10]
    code, out, err = call(
        "train", world.folder, "--model", model, *labels, *brief, "--masks", masks, "--json"
    )
    assert code == 0, err
    assert "labels lie under masks" in err
    total = sum(map(len, world.truth.values()))
    assert 0 < json.loads(out)["labels"] < total
    words = ["pick", world.folder, "--model", model, "--threshold", -1000, "--masks", masks]
    assert call(*words, "--output", tmp_path / "here")[0] == 0
    found = hidden(tmp_path / "here")
    assert (found["mic_0"], found["mic_1"]) == (0, 0)
    assert found["mic_2"] > 0
    # Other masks are another recipe.
    Image.fromarray(np.eye(2, dtype=np.uint8)).save(masks / "mic_2.png")
    code, _, err = call(*words, "--output", tmp_path / "here", "--resume")
    assert code == 1
    assert "made with another masks" in err
    code, _, err = call(
        "heatmap", world.folder, "--model", model, "--output", tmp_path / "h", "--masks", masks
    )
    assert code == 0, err


def test_reference_honours_masks(world, call, tmp_path, masks) -> None:
    words = ["--diameter", DIAMETER, "--threshold", -1000, "--masks", masks]
    assert call("reference", world.folder, *words, "--output", tmp_path / "r.csv")[0] == 0
    found = hidden(tmp_path / "r.csv")
    assert (found["mic_0"], found["mic_1"]) == (0, 0)
    assert found["mic_2"] > 0


def test_mask_writes_goes_on_and_refuses(world, call, tmp_path) -> None:
    out = tmp_path / "masks"
    words = ["mask", world.folder, "--diameter", DIAMETER, "--output", out]
    code, said, err = call(*words, "--json")
    assert code == 0, err
    assert json.loads(said)["micrographs"] == 3
    assert len(find_masks(out, [f.name for f in world.files])) == 3
    code, _, err = call(*words)
    assert code == 2
    assert "--resume to go on from it, or --overwrite" in err
    (out / "mic_1_mask.geojson").unlink()
    code, said, _ = call(*words, "--resume", "--json")
    assert (json.loads(said)["micrographs"], json.loads(said)["skipped"]) == (1, 2)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = ["mask", world.folder, "--diameter", 2 * DIAMETER, "--output", out]
    code, _, err = call(*other, "--resume")
    assert code == 1
    assert "mask.recipe says that the earlier results were made with another diameter" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    code, said, err = call(*words, "--resume", "--normalise", "affine", "--json")
    assert (code, json.loads(said)["skipped"]) == (0, 3), err  # which masks do not depend on
    (out / "mask.recipe").unlink()
    code, said, err = call(*words, "--resume", "--json")
    assert (code, json.loads(said)["skipped"]) == (0, 3)
    assert "masks does not say how the masks in it were made" in err
    assert json.loads(call(*words, "--overwrite", "--json")[1])["micrographs"] == 3
    assert call("mask", world.folder, "--output", out)[0] == 2


def test_an_interrupted_overwriting_of_masks_is_gone_on_from(world, call, tmp_path, monkeypatch) -> None:
    """Masks of the first diameter are not taken for those of the second."""
    from napari_topaz.jobs import mask

    out, real = tmp_path / "masks", mask.write_mask
    words = ["mask", world.folder, "--output", out, "--json"]
    assert call(*words, "--diameter", DIAMETER)[0] == 0

    def write_mask(folder, name, found):
        if name == "mic_1":
            raise KeyboardInterrupt
        return real(folder, name, found)

    with monkeypatch.context() as patch:
        patch.setattr(mask, "write_mask", write_mask)
        call(*words, "--diameter", 2 * DIAMETER, "--overwrite")
    code, said, err = call(*words, "--diameter", 2 * DIAMETER, "--resume")
    assert (code, json.loads(said)["skipped"]) == (0, 1), err
    assert call(*words, "--diameter", DIAMETER, "--resume")[0] == 1


def test_bad_masks_end_with_one_sentence(world, call, tmp_path) -> None:
    words = ["reference", world.folder, "--diameter", DIAMETER, "--output", tmp_path / "r.csv"]
    code, _, err = call(*words, "--masks", tmp_path / "none")
    assert code == 1
    assert err.count("\n") == 1
    assert "none does not exist" in err
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/mic_0.geojson").write_text("{}")
    code, _, err = call(*words, "--masks", tmp_path / "bad", "--json")
    assert code == 1
    assert "mic_0.geojson is no GeoJSON of polygons" in err
    assert len(read_picks(tmp_path / "r.csv")) == 2  # the others are picked
