"""Learning while labels are made: a scripted mailbox in place of a window."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.events import JobError, Warned  # noqa: E402
from napari_topaz.jobs import live_run  # noqa: E402
from napari_topaz.jobs.live import Mailbox, Wish, live  # noqa: E402
from napari_topaz.jobs.live_run import RoundDone  # noqa: E402
from napari_topaz.jobs.priority import NICENESS  # noqa: E402
from napari_topaz.jobs.warm_start import WARM_LEARNING_RATE  # noqa: E402
from napari_topaz.micrograph import MicrographFile  # noqa: E402
from napari_topaz.model.general import general_model  # noqa: E402
from napari_topaz.model.learner import Learner  # noqa: E402
from napari_topaz.picks import Kind, Picks  # noqa: E402
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings  # noqa: E402
from worlds import DIAMETER, World, run  # noqa: E402

pytestmark = pytest.mark.slow
PREPROCESS = PreprocessSettings(diameter=DIAMETER, particle_pixels=16)
NETWORK = NetworkSettings(architecture="conv31", width=5)


class Script:
    """Gives one wish after another, each when the job rests, and then stops it."""

    def __init__(self, *wishes: Wish | Callable[[], Wish], in_a_hurry: bool = False) -> None:
        self.stop = threading.Event()
        self._wishes, self._in_a_hurry = list(wishes), in_a_hurry

    def take(self, seconds: float) -> Wish | None:
        if seconds == 0 and not self._in_a_hurry:
            return None
        if not self._wishes:
            if seconds:
                self.stop.set()
            return None
        wish = self._wishes.pop(0)
        return wish if isinstance(wish, Wish) else wish()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FIRST_STEPS", 10), ("STEPS", 6), ("SOON", 2), ("ROUND", 4), ("ROUND_SECONDS", 1e9)):
        monkeypatch.setattr(live_run, name, value)


def learn(world: World, script: Script, settings: dict | None = None, **options):
    job = live(
        options.pop("files", world.files),
        options.pop("preprocess", PREPROCESS),
        TrainSettings(expected=10, **(settings or {})),
        options.pop("network", NETWORK),
        script,
        stop=script.stop,
        **options,
    )
    events, model = run(job)
    return [e for e in events if isinstance(e, RoundDone)], events, model


def some(world: World, n: int, name: str = "mic_0") -> dict[str, Picks]:
    return {name: world.truth[name][:n]}


def test_rounds_go_on_from_one_another_until_all_is_learnt(world: World) -> None:
    script = Script(Wish(some(world, 5), "mic_1"))
    rounds, _, model = learn(world, script)
    assert [r.step for r in rounds] == [2, 6, 10]  # one soon, then longer ones, and then no more
    assert [r.resting for r in rounds] == [False, False, True]
    assert all(r.labels == 5 for r in rounds)
    assert {r.score_map.name for r in rounds} == {"mic_1"}
    assert all(len(r.picks) and r.judged is not None for r in rounds)
    assert model is rounds[-1].model
    assert (model.card.labels, model.card.best_epoch, model.card.expected) == (5, 1, 10)
    before, after = (r.model.network.state_dict() for r in rounds[:2])
    assert any(not torch.equal(before[k], after[k]) for k in before)  # snapshots share no memory


def test_a_label_joins_without_a_new_beginning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, drawn = [], []
    begin, learn_from = Learner.__init__, Learner.learn_from
    monkeypatch.setattr(Learner, "__init__", lambda self, *a: (made.append(self), begin(self, *a))[1])
    monkeypatch.setattr(
        Learner,
        "learn_from",
        lambda self, regions, prior: (drawn.append(len(regions.positives)), learn_from(self, regions, prior))[
            1
        ],
    )
    first = some(world, 5)
    more = {**first, "mic_2": world.truth["mic_2"][:2]}
    rounds, _, model = learn(world, Script(Wish(first, "mic_0"), Wish(more, "mic_2")))
    assert len(made) == 1
    assert drawn == [5, 7]
    assert [r.step for r in rounds] == [2, 6, 10, 12, 16]  # six steps more
    assert [e.step for e in model.card.history] == [10, 16]
    assert (model.card.labels, model.card.micrographs) == (7, 2)


def test_another_micrograph_is_scored_and_no_step_is_taken(world: World) -> None:
    labels = some(world, 5)
    rounds, _, _ = learn(world, Script(Wish(labels, "mic_0"), Wish(labels, "mic_3")))
    assert [r.step for r in rounds][-2:] == [10, 10]
    assert [r.score_map.name for r in rounds][-2:] == ["mic_0", "mic_3"]
    assert rounds[-1].model is rounds[-2].model
    assert rounds[-1].loss is None


def test_news_are_read_between_rounds(world: World) -> None:
    labels = some(world, 5), some(world, 6), some(world, 7)
    script = Script(*(Wish(found, "mic_0") for found in labels), in_a_hurry=True)
    rounds, _, _ = learn(world, script)
    assert [r.labels for r in rounds][:3] == [5, 6, 7]
    assert rounds[-1].resting
    assert [r.step for r in rounds][:3] == [2, 4, 6]  # each is seen soon


def test_the_learning_rate_is_small_after_the_first_learning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = Learner.step
    monkeypatch.setattr(Learner, "step", lambda self, rate: (rates.append(rate), step(self, rate))[1])
    labels = some(world, 5), some(world, 6)
    learn(world, Script(*(Wish(found, "mic_0") for found in labels)))
    assert rates[:5] == [pytest.approx(3e-3)] * 5  # constant, until the last six steps
    assert rates[9] < 3e-4
    assert rates[10] == pytest.approx(WARM_LEARNING_RATE)
    rates.clear()
    learn(world, Script(*(Wish(found, "mic_0") for found in labels)), {"learning_rate": 1e-3})
    assert (rates[0], rates[10]) == (pytest.approx(1e-3), pytest.approx(1e-3))  # hers


def test_it_goes_on_from_a_model(world: World) -> None:
    _, _, start = learn(world, Script(Wish(some(world, 5), "mic_0")))
    still = {"learning_rate": 1e-12}
    rounds, _, model = learn(world, Script(Wish(some(world, 5), "mic_0")), still, start=start, network=None)
    assert rounds[-1].step == 6
    assert model.card.pretrained
    mine, its = model.network.state_dict(), start.network.state_dict()
    weights = [k for k in its if "running" not in k and "batches" not in k]
    assert all(torch.allclose(mine[k], its[k], atol=1e-6) for k in weights)


def test_without_a_model_it_starts_from_the_general_one_where_that_fits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = Learner.step
    monkeypatch.setattr(Learner, "step", lambda self, rate: (rates.append(rate), step(self, rate))[1])
    labels = Wish(some(world, 5), "mic_0")
    rounds, _, model = learn(world, Script(labels), network=None)
    assert rounds[-1].step == 6  # not those of random weights
    assert rates[0] == pytest.approx(WARM_LEARNING_RATE)
    assert model.card.train.learning_rate == WARM_LEARNING_RATE
    assert model.card.pretrained == "the general model"
    assert all(r.model.card.threshold <= 0 for r in rounds[:-1])  # of labels that are learnt it would be high
    assert model.card.score_slope != 1  # as a training's result, scores are logits of probabilities
    before = general_model().network.state_dict()
    rates.clear()
    assert learn(world, Script(labels), {"learning_rate": 1e-4}, network=None)[2].card.labels == 5
    assert rates[0] == pytest.approx(1e-4)  # hers
    assert all(torch.equal(before[k], v) for k, v in general_model().network.state_dict().items())
    rounds, _, model = learn(world, Script(labels), {"start": "random"}, network=None)
    assert (rounds[-1].step, model.card.pretrained) == (10, "")


def test_too_few_labels_end_it(world: World) -> None:
    assert learn(world, Script(Wish(some(world, 4), "mic_0"))) == ([], [], None)
    negatives = Picks.labels(world.truth["mic_0"].yx[:6], Kind.NOT_PARTICLE)
    assert learn(world, Script(Wish({"mic_0": negatives}, "mic_0")))[2] is None
    rounds, _, model = learn(world, Script(Wish(some(world, 5), "mic_0"), Wish(some(world, 4), "mic_0")))
    assert model is rounds[-1].model


def test_stopped_in_the_middle_it_hands_over_a_model_that_picks(world: World) -> None:
    script = Script(Wish(some(world, 5), "mic_0"))
    job = live(world.files, PREPROCESS, TrainSettings(expected=10), NETWORK, script, stop=script.stop)
    try:
        while True:
            if isinstance(next(job), RoundDone):
                script.stop.set()
    except StopIteration as end:
        model = end.value
    assert [e.step for e in model.card.history] == [2]
    assert model.card.best_epoch == 1


def test_a_micrograph_that_vanished_is_named_once(world: World) -> None:
    files = (*world.files, gone := MicrographFile(world.folder / "gone.mrc"))
    labels = {**some(world, 5), gone.name: world.truth["mic_1"][:2]}
    wishes = [Wish({**labels, "mic_0": world.truth["mic_0"][:n]}, gone.name) for n in (5, 6)]
    rounds, events, _ = learn(world, Script(*wishes), files=files)
    warned = [e.message for e in events if isinstance(e, Warned)]
    assert len(warned) == len(set(warned)) == 2  # left out of learning, and not scored
    assert all("gone" in message for message in warned)
    assert rounds[-1].labels == 6
    assert rounds[-1].score_map is None


def test_what_cannot_be_learnt_is_one_sentence(world: World) -> None:
    outside = {"mic_0": Picks.labels(np.float32([[-50.0, -50.0]] * 5))}
    with pytest.raises(JobError, match="No label lies inside"):
        learn(world, Script(Wish(outside, "mic_0")))
    gone = (MicrographFile(world.folder / "mic_0.mrcs"),)
    with pytest.raises(JobError, match="None of the labelled micrographs"):
        learn(world, Script(Wish(some(world, 5), "mic_0")), files=gone)
    with pytest.raises(JobError, match="diameter"):
        learn(world, Script(), preprocess=PreprocessSettings())


def test_a_loss_that_is_no_number_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learner, "step", lambda self, rate: torch.tensor(float("nan")))
    with pytest.raises(JobError, match="diverged"):
        learn(world, Script(Wish(some(world, 5), "mic_0")))


def test_only_the_micrographs_that_changed_last_are_learnt_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "MOST_MICROGRAPHS", 2)
    labels = {name: world.truth[name][:3] for name in ("mic_0", "mic_1", "mic_2")}
    again = {**labels, "mic_0": world.truth["mic_0"][:4]}
    rounds, _, model = learn(world, Script(Wish(labels, "mic_0"), Wish(again, "mic_0")))
    assert model.card.micrographs == 2
    assert rounds[0].labels == 6
    assert rounds[-1].labels == 7  # mic_2 and mic_0


def test_the_number_of_threads_is_as_before(world: World) -> None:
    before = torch.get_num_threads()
    learn(world, Script(Wish(some(world, 5), "mic_0")), pick=PickSettings(symmetries="none"))
    assert torch.get_num_threads() == before


def test_a_mailbox_holds_the_newest_wish() -> None:
    mailbox = Mailbox()
    assert mailbox.take(0) is None
    old, new = Wish({}), Wish({}, "a")
    mailbox.put(old)
    mailbox.put(new)
    assert mailbox.take(0) is new
    assert mailbox.take(0.01) is None
    threading.Timer(0.05, mailbox.put, [replace(new)]).start()
    assert mailbox.take(10) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")
def test_it_gives_way_to_the_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nice, learn_from = set(), Learner.learn_from

    def look(self, regions, prior):
        nice.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return learn_from(self, regions, prior)

    monkeypatch.setattr(Learner, "learn_from", look)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    learn(world, Script(Wish(some(world, 5), "mic_1")))
    assert nice == {max(NICENESS, before)}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
