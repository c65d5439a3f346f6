"""``gmm-dataset`` from training to picking: the model remembers the mixture, and each needs no other one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.cli import main  # noqa: E402
from napari_topaz.files import read_micrograph, write_mrc  # noqa: E402
from napari_topaz.jobs.pick import load_model, pick, score_one  # noqa: E402
from napari_topaz.jobs.preparing import prepare_dataset, prepare_source  # noqa: E402
from napari_topaz.jobs.train import train_on_files  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from napari_topaz.settings.fitted import FittedPreprocess  # noqa: E402
from worlds import DIAMETER, PIXEL_SIZE, World, make_world, run  # noqa: E402

pytestmark = pytest.mark.slow

HOW = PreprocessSettings(diameter=DIAMETER, particle_pixels=16, normalise="gmm-dataset")
TINY = TrainSettings(epochs=1, steps=4, expected=12)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The usual world, as counts: brighter from micrograph to micrograph."""
    world = make_world(tmp_path_factory.mktemp("counts"))
    for k, file in enumerate(world.files):
        pixels = read_micrograph(file).pixels
        write_mrc(file.path, ((0.7 + 0.2 * k) * (20 + pixels)).astype(np.float32), PIXEL_SIZE)
    return world


@pytest.fixture(scope="module")
def model(world: World):
    labels = {name: world.truth[name] for name in ("mic_0", "mic_1", "mic_2")}
    _, model = run(train_on_files(world.files, labels, HOW, TINY, NetworkSettings(width=3)))
    return model


def test_the_model_remembers_the_mixture(world: World, model, tmp_path: Path) -> None:
    again = load_model(model.save(tmp_path / "m.safetensors"), device="cpu")
    assert isinstance(again.card.preprocess, FittedPreprocess)
    assert again.card.preprocess == model.card.preprocess
    assert again.card.preprocess.mixture.micrographs == 3
    longer = load_model(tmp_path / "m.safetensors", device="cpu", pixel_size=2.5)
    assert longer.card.preprocess.mixture == again.card.preprocess.mixture


def test_picking_normalises_as_training_did(world: World, model) -> None:
    _, (prepared, _) = run(prepare_dataset(world.files[:3], HOW))
    for file, one in zip(world.files, prepared, strict=False):
        np.testing.assert_allclose(prepare_source(file, model.card.preprocess).image, one.image, atol=1e-3)
    unseen = prepare_source(world.files[3], model.card.preprocess).image
    assert np.median(unseen) == pytest.approx(float(np.median(prepared[0].image)), abs=0.15)


def test_picks_do_not_depend_on_what_else_is_picked(world: World, model) -> None:
    _, together = run(pick(world.files, model, device="cpu"))
    _, alone = run(pick(world.files[3:], model, device="cpu"))
    np.testing.assert_array_equal(together["mic_3"].yx, alone["mic_3"].yx)
    np.testing.assert_array_equal(together["mic_3"].scores, alone["mic_3"].scores)
    np.testing.assert_array_equal(
        score_one(world.files[3], model).logits, score_one(world.files[3], model.to("cpu")).logits
    )


def test_going_on_fits_the_mixture_of_the_new_micrographs(world: World, model) -> None:
    labels = {"mic_3": world.truth["mic_3"]}
    _, on = run(train_on_files(world.files, labels, PreprocessSettings(), TINY, device="cpu", start=model))
    assert isinstance(on.card.preprocess, FittedPreprocess)
    assert on.card.preprocess.diameter == DIAMETER
    assert on.card.preprocess.mixture.micrographs == 1
    other = PreprocessSettings(normalise="affine")
    _, plain = run(train_on_files(world.files, labels, other, TINY, device="cpu", start=model))
    assert type(plain.card.preprocess) is PreprocessSettings


def test_the_command_line_trains_picks_and_resumes(world: World, tmp_path: Path, capfd) -> None:
    file, out = tmp_path / "m.safetensors", tmp_path / "picks"
    words: list[object] = ["train", world.folder, "--picks", world.labels, "--model", file, "--diameter", 64]
    words += ["--normalise", "gmm-dataset", "--epochs", 1, "--steps", 3, "--width", 3, "--expected", 12]
    assert main([str(w) for w in words]) == 0
    picking = [str(w) for w in ("pick", world.folder, "--model", file, "--output", out, "--threshold", -100)]
    assert main(picking) == 0
    before = {p.name: p.read_bytes() for p in out.glob("mic_*")}
    next(out.glob("mic_2*")).unlink()
    assert main([*picking, "--resume"]) == 0
    assert {p.name: p.read_bytes() for p in out.glob("mic_*")} == before
    assert main([str(w) for w in ("heatmap", world.folder, "--model", file, "--output", tmp_path / "h")]) == 0
    assert main([str(w) for w in ("info", file)]) == 0
    assert "Traceback" not in capfd.readouterr().err
