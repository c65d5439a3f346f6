"""Files of kept models: of many trainings few are in memory, and none is lost."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from napari.components import ViewerModel

torch = pytest.importorskip("torch")

from napari_topaz.gui.models_files import MOST_IN_MEMORY  # noqa: E402
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel  # noqa: E402
from napari_topaz.gui.models_spill import Spill  # noqa: E402
from napari_topaz.gui.session import Session, session_of  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import EpochRecord, ModelCard, PickerModel  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402

SMALL = NetworkSettings(architecture="conv31", width=2, batch_norm=False)
EPOCHS = 2


def a_model(labels: int) -> PickerModel:
    """Other labels, other weights."""
    history = tuple(
        EpochRecord(epoch=n, step=10 * n, loss=1 / n, held_out=None, seconds=n) for n in range(1, EPOCHS + 1)
    )
    entries = {"network": SMALL, "preprocess": PreprocessSettings(diameter=50), "train": TrainSettings()}
    torch.manual_seed(labels)
    card = ModelCard(**entries, pixel_size=2.0, history=history, best_epoch=1, labels=labels)
    return PickerModel(build(SMALL).eval(), card)


def train(session: Session, labels: int) -> KeptModel:
    epochs = {n: KeptEpoch(n, 10 * n, 1 / n, None, a_model(100 * labels + n)) for n in range(1, EPOCHS + 1)}
    return session.shelf.put(a_model(labels), epochs=epochs)


def settle(session: Session) -> None:
    """Let what is to be written be written, and noted."""
    session.model_files.wait()
    session.model_files.catch_up()


def in_memory(session: Session) -> list[int]:
    """Models and epochs of each training that are in memory."""
    return [sum(one.model is not None for one in (kept, *kept.epochs)) for kept in session.shelf.models]


def assert_same(path: Path | None, labels: int) -> None:
    assert path is not None
    found, made = PickerModel.load(path), a_model(labels)
    assert found.card == made.card
    for name, weights in made.network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], weights, rtol=0, atol=0)


@pytest.fixture
def session() -> Session:
    return session_of(ViewerModel())


def test_of_many_trainings_the_newest_are_in_memory_and_all_can_be_had(session: Session) -> None:
    for labels in range(1, 8):
        train(session, labels)
        settle(session)
    older = 7 - MOST_IN_MEMORY
    assert in_memory(session) == [0] * older + [1 + EPOCHS] * MOST_IN_MEMORY
    for kept in session.shelf.models[:older]:
        assert_same(session.model_files.path(kept), kept.labels)
        for epoch in kept.epochs:
            assert epoch.is_there
            assert_same(session.model_files.path(epoch), 100 * kept.labels + epoch.epoch)


def test_the_model_in_use_stays_in_memory(session: Session) -> None:
    first = train(session, 1)
    used = first.model
    session.workspace.set_model(used)
    for labels in (2, 3, 4):
        train(session, labels)
        settle(session)
    assert first.model is used, "else it would not be marked in the list"
    session.workspace.set_model(session.shelf.models[-1].model)
    settle(session)
    settle(session)
    assert first.model is None
    assert_same(session.model_files.path(first), 1)
    first.model = loaded = PickerModel.load(session.model_files.path(first))  # she uses it again
    session.workspace.set_model(loaded)
    settle(session)
    assert first.model is loaded


def test_temporary_files_go_with_their_models_and_with_the_window() -> None:
    session = session_of(viewer := ViewerModel())
    for labels in range(1, 6):
        train(session, labels)
        settle(session)
    first, second = session.shelf.models[:2]
    path = session.model_files.path(first)
    session.shelf.remove(first)
    del first
    gc.collect()
    assert not path.exists()
    path = session.model_files.path(second)
    assert path.exists()
    folder = path.parent
    del session, second, viewer
    gc.collect()
    assert not folder.exists()


def test_what_cannot_be_spilled_stays_in_memory_and_is_tried_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    session.model_files.failed.connect(told.append)

    def refuse(self: Spill, model: Any) -> Any:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Spill, "put", refuse)
        for labels in (1, 2, 3):
            train(session, labels)
            settle(session)
        settle(session)
        assert in_memory(session) == [1 + EPOCHS] * 3
        assert told == [
            "Models of earlier trainings stay in memory: they could not be written to a temporary file: "
            "No space left on device."
        ]
    settle(session)
    settle(session)
    assert in_memory(session)[0] == 0
    assert_same(session.model_files.path(session.shelf.models[0]), 1)


def test_a_live_training_that_goes_on_replaces_what_is_spilled(session: Session) -> None:
    live = train(session, 1)
    for labels in (2, 3):
        train(session, labels)
    settle(session)
    settle(session)
    assert live.model is None
    rests = {epoch.epoch: epoch for epoch in live.epochs}
    session.shelf.renew(live, a_model(9), rests)
    assert all(epoch.is_there for epoch in live.epochs)
    settle(session)
    settle(session)
    assert_same(session.model_files.path(live), 9)
    assert_same(session.model_files.path(live.epochs[0]), 101)


@pytest.fixture
def folder_session(session: Session, files: list) -> Session:
    """With a folder to save to."""
    session.keeper.open(files)
    session.workspace.set_model(a_model(77))
    assert session.keeper.saver.finish()
    yield session
    session.model_files.wait()
    session.keeper.leave()


def files_of(session: Session) -> set[str]:
    return {path.name for path in (session.keeper.folder / "models").glob("kept_*")}


def test_epochs_that_are_the_last_ones_again_get_their_files_from_where_they_are(
    folder_session: Session,
) -> None:
    session = folder_session
    first = train(session, 1)
    for labels in (2, 3, 4):
        train(session, labels)
        settle(session)
    assert first.epochs[0].model is None
    assert files_of(session) == {
        *(kept.file for kept in session.shelf.models),
        *session.shelf.models[-1].epoch_files,
    }
    for kept in session.shelf.models[:0:-1]:
        session.shelf.remove(kept)
    settle(session)
    assert files_of(session) == {first.file, *first.epoch_files}
    assert len(first.epoch_files) == EPOCHS
    for epoch in first.epochs:
        assert_same(session.keeper.folder / "models" / epoch.file, 100 + epoch.epoch)


def test_a_model_that_cannot_be_written_is_tried_again(
    folder_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, told, save = folder_session, [], PickerModel.save
    session.model_files.failed.connect(told.append)

    def refuse(model: PickerModel, path: Path, **how: Any) -> Path:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PickerModel, "save", refuse)
        kept = train(session, 1)
        settle(session)
        assert len(told) == 1
        assert "could not be written: No space left on device." in told[0]
        settle(session)
        assert len(told) == 1, "it is said once"
    assert PickerModel.save is save
    settle(session)
    session.model_files.wait()
    assert files_of(session) == {kept.file, *kept.epoch_files}
    settle(session)
    assert len(told) == 1
