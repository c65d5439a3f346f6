"""What training in the dock is made of: everything that she decided, for every job that learns."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from napari.components import ViewerModel

from napari_topaz.events import StepDone
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.options import Options
from napari_topaz.gui.session import session_of
from napari_topaz.jobs.glimpse import Glimpsed
from napari_topaz.jobs.live import Mailbox
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.masks import Mask
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings, RunSettings, TrainSettings
from napari_topaz.training_set import Ticks

from .conftest import micrograph

LABELS = {"a": Picks.labels([(50, 50)])}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, dict[str, Any]]]:
    """In place of the jobs: what each was given."""
    from napari_topaz.jobs import cross_validate, live, prior, train

    seen: dict[str, tuple[Any, dict[str, Any]]] = {}

    def pretend(name: str) -> Any:
        def job(*what: Any, **how: Any):
            seen[name] = (what, how)
            yield from ()
            return name

        return job

    for module, name in (
        (train, "train_on_files"),
        (live, "live"),
        (prior, "estimate_expected"),
        (cross_validate, "cross_validate"),
    ):
        monkeypatch.setattr(module, name, pretend(name))
    return seen


def test_all_jobs_get_what_she_decided(seen, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = replace(
        Options(PreprocessSettings(diameter=40), TrainSettings(expected=90)), run=RunSettings(device="cpu")
    )
    cache, stop, ticks = PreparedCache(), threading.Event(), Ticks(frozenset("a"), frozenset("b"))
    masks = {"a": Mask(margin=3.0)}
    learning = Learning([micrograph("a")], options, cache, ticks, masks)
    for job in (
        learning.training(LABELS, stop),
        learning.live(Mailbox(), stop),
        learning.estimating(LABELS, stop),
        learning.comparing(LABELS, tmp_path, stop),
    ):
        assert list(job) == []
    assert set(seen) == {"train_on_files", "live", "estimate_expected", "cross_validate"}
    shared = {"device": "cpu", "stop": stop, "cache": cache, "ticks": ticks, "masks": masks}
    for what, how in seen.values():
        assert what[0] is learning.sources
        assert {name: how[name] for name in shared} == shared


@pytest.mark.parametrize("start", [None, SimpleNamespace(knows_preprocessing=True)])
def test_a_new_training_is_looked_at_early(monkeypatch: pytest.MonkeyPatch, start: Any) -> None:
    from napari_topaz.jobs import train

    def job(*_: Any, **__: Any):
        for step in (10, 20, 30):
            yield StepDone(step, 60, 0.5, 1.0, lambda step=step: step)
        return "learnt"

    monkeypatch.setattr(train, "train_on_files", job)
    learning = Learning([micrograph("a")], Options(train=TrainSettings(steps=30)), PreparedCache())
    events = list(learning.training(LABELS, threading.Event(), start))
    assert [e.model for e in events if isinstance(e, Glimpsed)] == ([10] if start is None else [])


def test_it_is_a_copy_of_what_there_is() -> None:
    session = session_of(ViewerModel())
    workspace = session.workspace
    workspace.add([micrograph("a"), micrograph("b"), micrograph("c")])
    workspace.decisions.put(["b"], Mark.EXCLUDED, on=True)
    workspace.decisions.put(["c"], Mark.EMPTY, on=True)
    learning = Learning.of(session)
    assert [source.name for source in learning.sources] == ["a", "c"]
    assert learning.ticks == Ticks(empty=frozenset("c"))
    assert (learning.options, learning.cache) == (workspace.options, session.prepared)
    workspace.decisions.put(["b"], Mark.EXCLUDED, on=False)
    assert [source.name for source in learning.sources] == ["a", "c"]
