"""A training that is broken off: the best epoch is a model, and going on gives the same one as no break."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.events import EpochDone, JobError, StepDone, Warned  # noqa: E402
from napari_topaz.files import FileError  # noqa: E402
from napari_topaz.jobs.train import train_on_files  # noqa: E402
from napari_topaz.jobs.training_files import PartialModel, partial_file, save_or_rescue  # noqa: E402
from napari_topaz.model.picker import PickerModel  # noqa: E402
from napari_topaz.picks import Picks  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from worlds import World, make_world, run  # noqa: E402

pytestmark = pytest.mark.slow

HOW = PreprocessSettings(diameter=64, particle_pixels=8)
SHORT = TrainSettings(epochs=3, steps=3, expected=12, start="random")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 3)


@pytest.fixture
def learn(world: World) -> Callable[..., Any]:
    def job(settings: TrainSettings = SHORT, labels: dict[str, Picks] | None = None, **more: Any) -> Any:
        labels = labels or world.truth
        return train_on_files(
            world.files, labels, HOW, settings, NetworkSettings(width=3), device="cpu", **more
        )

    return job


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return partial_file(tmp_path / "m.safetensors")


def whole(model: PickerModel) -> tuple[object, dict[str, bytes]]:
    """All of a model but how long it took."""
    history = tuple(record.model_copy(update={"seconds": 0.0}) for record in model.card.history)
    weights = {name: value.numpy().tobytes() for name, value in model.tensors().items()}
    return model.card.model_copy(update={"history": history}), weights


def break_off(job: Any, epochs: int) -> None:
    """End a job without a word once so many epochs are put away."""
    for event in job:
        if isinstance(event, StepDone) and event.step > epochs * SHORT.steps:
            job.close()
            return


@pytest.mark.parametrize(
    "settings",
    [
        SHORT,
        SHORT.model_copy(update={"objective": "ge-kl", "expectation_decay": 0.9, "autoencoder": 10.0}),
        SHORT.model_copy(update={"start": "pretrained", "sampling": "patches"}),
    ],
    ids=["plain", "with all that has a state", "patches"],
)
def test_a_break_changes_nothing(learn, path: Path, settings: TrainSettings) -> None:
    _, undisturbed = run(learn(settings))
    for epochs in (0, 1, 2) if settings is SHORT else (2,):
        break_off(learn(settings, partial=PartialModel(path)), epochs)
        assert path.exists() == bool(epochs)
        kept = PartialModel(path, resume=True)
        events, model = run(learn(settings, partial=kept))
        assert [e.epoch for e in events if isinstance(e, EpochDone)] == list(range(epochs + 1, 4))
        assert whole(model) == whole(undisturbed)
        assert model.name == ""
        assert kept.whole
        kept.remove()
        assert not path.exists()


def test_what_is_kept_is_a_model_like_any_other(learn, path: Path, world: World) -> None:
    break_off(learn(partial=PartialModel(path)), 2)
    model = PickerModel.load(path)
    assert [record.epoch for record in model.card.history] == [1, 2]
    assert model.card.best_epoch in (1, 2)
    assert PickerModel.load(model.save(path.with_name("copy.safetensors"))).card == model.card


def test_an_epoch_that_was_cut_short_is_done_again(learn, path: Path) -> None:
    stop, kept = threading.Event(), PartialModel(path)
    long = SHORT.model_copy(update={"steps": 12})
    for event in learn(long, partial=kept, stop=stop):
        if isinstance(event, StepDone) and event.step > 12:
            stop.set()
    assert not kept.whole
    assert len(PickerModel.load(path).card.history) == 1
    _, undisturbed = run(learn(long))
    assert whole(run(learn(long, partial=PartialModel(path, resume=True)))[1]) == whole(undisturbed)


def test_another_training_is_not_gone_on_from(learn, path: Path, world: World) -> None:
    break_off(learn(partial=PartialModel(path)), 1)
    before = path.read_bytes()
    fewer = {name: picks[:-1] for name, picks in world.truth.items()}
    for what, settings, labels in (
        ("train", SHORT.model_copy(update={"seed": 1}), None),
        ("labels or micrographs", SHORT, fewer),
    ):
        with pytest.raises(JobError, match=f"{what}.*--overwrite in place of --resume"):
            run(learn(settings, labels, partial=PartialModel(path, resume=True)))
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "of another program", "a folder"])
def test_what_is_damaged_is_one_sentence(learn, path: Path, damage: str) -> None:
    break_off(learn(partial=PartialModel(path)), 1)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        model = PickerModel.load(path)
        path.unlink()
        path.mkdir() if damage == "a folder" else model.save(path)
    with pytest.raises(JobError, match="cannot be gone on from"):
        run(learn(partial=PartialModel(path, resume=True)))


def test_where_it_cannot_be_kept_training_goes_on(learn, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = PartialModel(tmp_path / "file" / "m.partial.safetensors")
    events, model = run(learn(partial=kept))
    assert model.card.history[-1].epoch == 3
    (warning,) = [e for e in events if isinstance(e, Warned)]
    assert "Training goes on; a break would lose it." in warning.message


def test_a_model_that_cannot_be_written_is_kept_elsewhere(
    learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "file").touch()
    _, model = run(learn(SHORT.model_copy(update={"epochs": 1})))
    with pytest.raises(FileError, match="the model is kept as") as caught:
        save_or_rescue(model, tmp_path / "file" / "m.safetensors")
    (place,) = (tmp_path / "data" / "napari-topaz" / "rescued").iterdir()
    assert str(place) in str(caught.value)
    assert PickerModel.load(place).card == model.card
