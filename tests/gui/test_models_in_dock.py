"""Models of Topaz in the dock, and training that goes on from the present model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

torch = pytest.importorskip("torch")

from napari_topaz.events import Started  # noqa: E402
from napari_topaz.gui import tasks  # noqa: E402
from napari_topaz.gui.actions import Actions  # noqa: E402
from napari_topaz.gui.display import DisplaySettings, picture_of  # noqa: E402
from napari_topaz.gui.guide import guide  # noqa: E402
from napari_topaz.gui.job_bar import JobBar  # noqa: E402
from napari_topaz.gui.learning import Learning  # noqa: E402
from napari_topaz.gui.session import session_of  # noqa: E402
from napari_topaz.gui.training_panel import TrainingPanel  # noqa: E402
from napari_topaz.gui.workspace import Options, Workspace  # noqa: E402
from napari_topaz.jobs.kept_scores import KeptScores  # noqa: E402
from napari_topaz.jobs.preparing import PreparedCache  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.picker import ModelCard, PickerModel  # noqa: E402
from napari_topaz.picks import Picks  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402

from .conftest import PIXEL_SIZE, micrograph  # noqa: E402

pytestmark = pytest.mark.slow

NETWORK = NetworkSettings(architecture="conv31", width=3, batch_norm=False)


def a_model(**preprocess: Any) -> PickerModel:
    """One of Topaz states no preprocessing."""
    card = ModelCard(network=NETWORK, preprocess=PreprocessSettings(**preprocess), train=TrainSettings())
    torch.manual_seed(1)
    return PickerModel(build(NETWORK).eval(), card, "theirs.sav")


def with_diameter(diameter: float | None, **more: Any) -> Options:
    return replace(Options(), preprocess=PreprocessSettings(diameter=diameter, **more))


def test_a_model_of_topaz_is_completed_by_the_options() -> None:
    options = with_diameter(64, clip=5)
    assert tasks.fitted(a_model(), options).card.preprocess == options.preprocess
    own = a_model(diameter=50, clip=3)
    assert tasks.fitted(own, options).card.preprocess == own.card.preprocess
    sized = tasks.fitted(own, with_diameter(64, pixel_size=3.0))
    assert sized.card.preprocess == PreprocessSettings(diameter=50, clip=3, pixel_size=3.0)


def test_the_heat_map_follows_the_diameter() -> None:
    cache, source = PreparedCache(), micrograph("a")
    for diameter, shape in ((76, (38, 51)), (152, (19, 26))):
        scores, _ = tasks.scoring(source, a_model(), with_diameter(diameter), PIXEL_SIZE, cache)
        assert scores.logits.shape == shape


def test_other_lengths_of_picks_need_no_new_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_topaz.jobs import pick

    scored, real = [], pick.score_one
    monkeypatch.setattr(pick, "score_one", lambda *a, **k: (scored.append(1), real(*a, **k))[1])
    cache, source, model, last = PreparedCache(), micrograph("a"), a_model(), KeptScores()

    def peaks(model: PickerModel, options: Options) -> int:
        return len(tasks.scoring(source, model, options, PIXEL_SIZE, cache, last)[1])

    options = with_diameter(76)
    many = peaks(model, options)
    wide = replace(options, pick=options.pick.model_copy(update={"suppression_radius": 150.0}))
    assert 0 < peaks(model, wide) < many
    framed = replace(options, pick=options.pick.model_copy(update={"margin": 100.0}))
    assert peaks(model, framed) < many
    assert scored == [1], "one map for all of them"
    peaks(model, with_diameter(152))
    peaks(a_model(), with_diameter(152))
    one = replace(options, pick=options.pick.model_copy(update={"symmetries": "none"}))
    peaks(model, one)
    assert len(scored) == 4
    peaks(model, one)
    assert len(scored) == 4


def test_saved_it_states_its_diameter(tmp_path: Path) -> None:
    job = tasks.saving_model(tmp_path / "m.safetensors", a_model(), with_diameter(64))
    assert isinstance(next(job), Started)
    with pytest.raises(StopIteration):
        next(job)
    assert PickerModel.load(tmp_path / "m.safetensors").card.preprocess.diameter == 64


def test_picks_of_a_model_of_topaz_are_forgotten_with_another_diameter(workspace: Workspace) -> None:
    for model, kept in ((a_model(diameter=50), True), (a_model(), False)):
        workspace.set_model(model)
        workspace.set_candidates("b", Picks([[5, 5]], [1]))
        diameter = workspace.options.preprocess.diameter
        workspace.change(preprocess=PreprocessSettings(diameter=diameter + 10))
        assert workspace.is_picked("b") is kept


def test_the_guide_asks_for_the_diameter_that_the_model_does_not_state() -> None:
    workspace = Workspace()
    workspace.add([micrograph("a")])
    assert guide(workspace, None).go_on == "Train a model first, or load one."
    workspace.set_model(a_model())
    assert guide(workspace, None).emphasis == "diameter"
    assert guide(workspace, None).pick == "Type the diameter of the particle (Å)."
    assert guide(workspace, None).go_on is None
    assert guide(workspace, "Picking").go_on is not None
    workspace.set_model(a_model(diameter=50))
    assert guide(workspace, None).pick is None


def test_the_tick_is_told_with_train(qtbot: QtBot, workspace: Workspace) -> None:
    panel = TrainingPanel()
    qtbot.addWidget(panel)
    told: list[bool] = []
    panel.train.connect(told.append)
    panel.enable(guide(workspace, None))
    assert not panel.go_on.isEnabled()
    panel.button.setEnabled(True)
    panel.button.click()
    workspace.set_model(a_model())
    panel.enable(guide(workspace, None))
    assert panel.go_on.isEnabled()
    panel.go_on.click()
    panel.button.setEnabled(True)
    panel.button.click()
    assert told == [False, True]


@pytest.mark.parametrize("go_on", [True, False])
def test_train_starts_from_the_present_model_where_that_is_wanted(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, go_on: bool
) -> None:
    viewer = ViewerModel()
    session = session_of(viewer)
    bar = JobBar()
    qtbot.addWidget(bar)
    actions, model, seen = Actions(session, bar, bar), a_model(), []

    def train(learning: Any, labels: Any, stop: Any, start: Any):
        yield Started("Training", 3)
        seen.append(start)
        return model

    monkeypatch.setattr(Learning, "training", train)
    session.workspace.set_model(model)
    actions.train(go_on=go_on)
    qtbot.waitUntil(lambda: bar.running is None)
    assert seen == [model if go_on else None]
    assert "the model that it started from is kept" in bar.message  # no epoch is


@pytest.mark.parametrize(
    ("start", "preprocess"),
    [
        (a_model(diameter=50, clip=3), PreprocessSettings(diameter=64, clip=3, particle_pixels=19)),
        (a_model(), PreprocessSettings(diameter=64, clip=5)),
    ],
)
def test_the_start_decides_network_and_preprocessing(
    start: PickerModel, preprocess: PreprocessSettings
) -> None:
    rng = np.random.default_rng(0)
    labels = {n: Picks.labels(rng.uniform(40, 260, (6, 2))) for n in "ab"}
    train = TrainSettings(epochs=1, steps=1, expected=10)
    options = replace(with_diameter(64, clip=5), train=train, network=NetworkSettings(architecture="resnet8"))
    learning = Learning([micrograph("a", 1), micrograph("b", 2)], options, PreparedCache())
    job = learning.training(labels, threading.Event(), start)
    model = None
    while model is None:
        try:
            next(job)
        except StopIteration as end:
            model = end.value
    assert model.card.network == NETWORK
    assert model.card.preprocess == preprocess
    assert model.card.pretrained == "theirs.sav"
    assert model.card.train.learning_rate < TrainSettings().learning_rate


def test_without_a_diameter_nothing_is_scored(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    session = session_of(viewer)
    bar = JobBar()
    qtbot.addWidget(bar)
    actions = Actions(session, bar, bar)
    session.workspace.add([micrograph("a")])
    session.layers.show(picture_of(session.workspace.source("a"), DisplaySettings(), PIXEL_SIZE))
    asked: list[int] = []
    monkeypatch.setattr(bar, "preview", SimpleNamespace(ask=lambda *a, **k: asked.append(1)))
    session.workspace.set_model(a_model())
    actions.score_shown()
    assert not asked
    session.workspace.change(preprocess=PreprocessSettings(diameter=64))
    actions.score_shown()
    assert asked == [1]
