"""Models that are kept by name: names, epochs, and what a session has of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from napari_topaz.gui.models_shelf import MOST_EPOCHS, MOST_FILES, KeptEpoch, Shelf  # noqa: E402
from napari_topaz.jobs.preparing import PreparedCache  # noqa: E402
from napari_topaz.jobs.snapshots import settle  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import EpochRecord, ModelCard, PickerModel  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from worlds import DIAMETER, make_world, run  # noqa: E402

SMALL = NetworkSettings(architecture="conv31", width=3, batch_norm=False)


def a_model(epochs: int = 3, best: int = 2) -> PickerModel:
    history = tuple(
        EpochRecord(epoch=n, step=10 * n, loss=1 / n, held_out=0.1 * n, seconds=n)
        for n in range(1, epochs + 1)
    )
    entries = {
        "network": SMALL,
        "preprocess": PreprocessSettings(diameter=DIAMETER),
        "train": TrainSettings(),
    }
    torch.manual_seed(1)
    return PickerModel(
        build(SMALL).eval(), ModelCard(**entries, pixel_size=2.0, history=history, best_epoch=best, labels=12)
    )


def test_each_has_a_name_of_its_own_and_its_figures() -> None:
    shelf = Shelf()
    first, second, live = shelf.put(a_model()), shelf.put(a_model()), shelf.put(a_model(), "Live")
    assert [kept.name for kept in shelf.models] == ["Model 1", "Model 2", "Live 1"]
    assert (first.labels, first.epoch, first.held_out) == (12, 2, pytest.approx(0.2))
    shelf.remove(first)
    assert shelf.put(a_model()).name == "Model 1"
    assert shelf.unwanted == [first.file]
    assert len({kept.file for kept in (first, second, live)}) == 3


def test_a_name_that_is_taken_or_empty_is_refused() -> None:
    shelf = Shelf()
    first, second = shelf.put(a_model()), shelf.put(a_model())
    told: list[str] = []
    shelf.changed.connect(lambda: told.append(second.name))
    assert not shelf.rename(second, "Model 1")
    assert not shelf.rename(second, "  ")
    assert told == []
    assert shelf.rename(second, "  with   carbon ")
    assert (first.name, second.name, told) == ("Model 1", "with carbon", ["with carbon"])


def test_a_long_training_keeps_its_last_epoch_and_not_more_than_it_may() -> None:
    kept = Shelf().put(a_model(epochs=61))
    assert len(kept.epochs) <= MOST_EPOCHS
    assert kept.epochs[-1].epoch == 61


def test_snapshots_belong_to_their_epochs() -> None:
    snapshot = a_model()
    kept = Shelf().put(a_model(), epochs={2: KeptEpoch(2, 20, 0.5, 0.2, snapshot)})
    assert [epoch.model for epoch in kept.epochs] == [None, snapshot, None]


def snapshots(n: int) -> dict[int, KeptEpoch]:
    return {e: KeptEpoch(e, 10 * e, 0.5, 0.2, a_model()) for e in range(1, n + 1)}


def test_the_epochs_of_the_last_training_have_files_and_no_others() -> None:
    shelf = Shelf()
    first = shelf.put(a_model(), epochs=snapshots(2))
    assert [e.file for e in first.epochs] == [
        first.file.replace(".safetensors", f"_epoch_{n:02d}.safetensors") for n in (1, 2)
    ] + [None]  # of the third there are figures alone
    assert shelf.unwanted == []
    files = first.epoch_files
    second = shelf.put(a_model(20), epochs=snapshots(20))
    assert (first.epoch_files, shelf.unwanted) == ([], files)
    assert all(e.is_there for e in first.epochs[:2])  # as long as the window is open
    assert len(second.epoch_files) <= MOST_FILES
    assert second.epochs[-1].file is not None
    shelf.remove(second)
    assert set(shelf.unwanted) == {*files, second.file, *second.epoch_files}
    assert first.epoch_files == files  # it is the last one again


def test_a_renewed_model_keeps_the_epochs_that_it_had() -> None:
    shelf, made = Shelf(), snapshots(3)
    kept = shelf.put(a_model(2), "Live", {n: made[n] for n in (1, 2)})
    before, file = kept.epoch_files, kept.file
    shelf.renew(kept, a_model(3), {e.epoch: e for e in kept.epochs} | {3: made[3]})
    assert kept.epoch_files[:2] == before
    assert len(kept.epoch_files) == 3
    assert shelf.unwanted == [file]


def test_a_renewed_model_has_another_file() -> None:
    shelf = Shelf()
    kept = shelf.put(a_model())
    old, newer = kept.file, a_model(epochs=5, best=5)
    shelf.renew(kept, newer)
    assert shelf.models == [kept]
    assert (kept.name, kept.model, kept.epoch, len(kept.epochs)) == ("Model 1", newer, 5, 5)
    assert shelf.unwanted == [old]
    assert kept.file != old


def test_a_session_brings_names_and_figures_back() -> None:
    shelf, again = Shelf(), Shelf()
    kept = shelf.put(a_model())
    shelf.rename(kept, "good")
    again.restore(shelf.plain())
    (found,) = again.models
    assert (found.name, found.labels, found.epoch, found.held_out) == ("good", 12, 2, pytest.approx(0.2))
    assert (found.file, found.model) == (kept.file, None)
    assert [(e.epoch, e.step, e.loss, e.held_out) for e in found.epochs] == [
        (e.epoch, e.step, e.loss, e.held_out) for e in kept.epochs
    ]
    assert not any(e.is_there for e in found.epochs)
    again.restore({})
    assert again.models == []


def test_a_session_brings_the_epochs_of_the_last_training_back() -> None:
    shelf, again = Shelf(), Shelf()
    shelf.put(a_model(), epochs=snapshots(3))
    settled = KeptEpoch(2, 20, 0.5, 0.2, a_model(), settled=True)
    kept = shelf.put(a_model(), epochs={2: settled})
    again.restore(json.loads(json.dumps(shelf.plain())))
    assert [[e.is_there for e in one.epochs] for one in again.models] == [[False] * 3, [False, True, False]]
    epoch = again.models[1].epochs[1]
    assert (epoch.file, epoch.settled, epoch.model) == (kept.epochs[1].file, True, None)
    plain = shelf.plain()
    plain["models"][1]["snapshots"]["2"][0] = "../../theirs.safetensors"
    with pytest.raises(ValueError, match="no name of a kept model"):
        again.restore(plain)
    for one in plain["models"]:
        del one["snapshots"]  # as earlier versions wrote it
    again.restore(plain)
    assert not any(e.is_there for e in again.models[1].epochs)


@pytest.mark.parametrize("file", ["../kept_00000000.safetensors", "model_0001.safetensors", "/etc/passwd"])
def test_a_file_that_leads_elsewhere_is_refused(file: str) -> None:
    shelf = Shelf()
    kept = shelf.put(a_model())
    plain = shelf.plain()
    plain["models"][0]["file"] = file
    with pytest.raises(ValueError, match="no name of a kept model"):
        shelf.restore(plain)
    assert shelf.models == [kept]


@pytest.mark.slow
def test_a_snapshot_leaves_as_many_picks_with_averaged_scores(tmp_path: Path) -> None:
    source = make_world(tmp_path, 1).files[0]
    from napari_topaz.jobs.pick import picks_of, score_one
    from napari_topaz.settings import PickSettings

    snapshot = a_model()
    single = PickSettings(symmetries="none", threshold=-1000.0)
    scores = picks_of(score_one(source, snapshot, single), snapshot, single).scores
    snapshot = snapshot.with_card(threshold=float(scores[6]))
    _, settled = run(settle(snapshot, 2, source, PreparedCache()))
    averaged = picks_of(score_one(source, settled), settled)
    assert len(averaged) == 7
    assert settled.card.best_epoch == 2
    assert settled.card.threshold != snapshot.card.threshold
    _, same = run(settle(snapshot, 3, None))
    assert same.card.threshold == snapshot.card.threshold
