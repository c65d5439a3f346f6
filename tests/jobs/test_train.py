"""The training job: it learns, repeats itself, stops when told, and keeps the best epoch."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.choices import OBJECTIVES  # noqa: E402
from napari_topaz.events import EpochDone, JobError, Progress, Started, StepDone, Warned  # noqa: E402
from napari_topaz.extract import extract  # noqa: E402
from napari_topaz.jobs.preparing import PreparedCache, prepare_all  # noqa: E402
from napari_topaz.jobs.train import train_on_files  # noqa: E402
from napari_topaz.jobs.training_files import PartialModel  # noqa: E402
from napari_topaz.jobs.training_inputs import (  # noqa: E402
    average_of,
    deviation_range,
    ignore_radius,
    planned_epochs,
)
from napari_topaz.jobs.validation import estimate  # noqa: E402
from napari_topaz.micrograph import Micrograph, MicrographFile  # noqa: E402
from napari_topaz.model.picker import PickerModel  # noqa: E402
from napari_topaz.numerics.curves import precision_recall  # noqa: E402
from napari_topaz.numerics.deviations import box_deviations  # noqa: E402
from napari_topaz.numerics.matching import match  # noqa: E402
from napari_topaz.picks import Kind, Picks  # noqa: E402
from napari_topaz.preprocess import prepare  # noqa: E402
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings  # noqa: E402
from napari_topaz.settings.presets import with_preset  # noqa: E402
from napari_topaz.training_set import Ticks, build_training_set  # noqa: E402

pytestmark = pytest.mark.slow

#: Particles of 32 px at 2 Å/px; 16 px once downsampled twice.
PREPROCESS = PreprocessSettings(diameter=64, particle_pixels=16)
TINY = TrainSettings(epochs=2, steps=5, expected=12)
NARROW = NetworkSettings(width=3)


def drawn(seed: int, shape: tuple[int, int] = (300, 420), n: int = 12) -> tuple[Micrograph, Picks]:
    """Draw dark blobs in noise, and say where they are."""
    rng = np.random.default_rng(seed)
    grid = np.stack(
        np.meshgrid(np.arange(30, shape[0] - 20, 50), np.arange(30, shape[1] - 20, 50), indexing="ij")
    )
    yx = rng.permutation(grid.reshape(2, -1).T)[:n] + rng.uniform(-8, 8, (n, 2))
    y, x = np.ogrid[: shape[0], : shape[1]]
    pixels = rng.normal(0, 1, shape).astype(np.float32)
    for cy, cx in yx:
        pixels -= 1.5 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 7.0**2)).astype(np.float32)
    return Micrograph(f"m{seed}", pixels, 2.0), Picks.labels(yx)


@pytest.fixture(scope="module")
def micrographs() -> tuple[list[Micrograph], dict[str, Picks]]:
    made = [drawn(seed) for seed in range(4)]
    return [m for m, _ in made], {m.name: p for m, p in made}


def run_train(*args, **options):
    """Train a narrow network, which is quick."""
    return run(train_on_files(*args, **{"network": NARROW, **options}))


def run(job):
    """All events of a job, and its result."""
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as end:
            return events, end.value


def of_type(events, kind):
    return [e for e in events if isinstance(e, kind)]


def test_particles_that_were_drawn_are_found(micrographs) -> None:
    images, picks = micrographs
    few = {name: p[:6] for name, p in picks.items()}
    events, model = run_train(
        images,
        few,
        PREPROCESS,
        TrainSettings(epochs=3, steps=25, expected=12),
        network=NetworkSettings(width=9),
    )
    unseen, truth = drawn(99)
    score_map = model.score(prepare(unseen, model.card.preprocess))
    found = extract(score_map, model.radius(2.0), threshold=model.card.threshold)
    matches = match(truth.yx, found.yx, 16)
    assert (matches.target_of_pick >= 0).sum() >= 11
    assert len(found) <= 15
    # On the particle, not half a pixel of the coarse grid beside it.
    assert np.nanmedian(matches.distance) < 2.5
    done = of_type(events, EpochDone)
    assert [e.epoch for e in done] == [1, 2, 3]
    assert done[-1].held_out > 0.8
    assert model.card.best_epoch == max(e.epoch for e in done if e.kept)


def test_events_come_in_order_and_count_up(micrographs) -> None:
    images, picks = micrographs
    events, model = run_train(images, picks, PREPROCESS, TINY)
    assert [e.what for e in of_type(events, Started)] == ["Preparing micrographs", "Training"]
    assert [e.done for e in of_type(events, Progress)] == [1, 2, 3, 4]
    assert [e.step for e in of_type(events, StepDone)] == [5, 10]
    assert all(np.isfinite(e.loss) for e in of_type(events, StepDone))
    assert len(model.card.history) == 2
    assert not of_type(events, Warned)
    snapshot = of_type(events, EpochDone)[0].model
    assert snapshot.card.best_epoch == 0
    assert not any(
        a.data_ptr() == b.data_ptr()
        for a, b in zip(snapshot.network.parameters(), model.network.parameters(), strict=True)
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_lowers_its_loss(micrographs, objective: str) -> None:
    images, picks = micrographs
    settings = TINY.model_copy(update={"objective": objective, "epochs": 3, "learning_rate": 3e-3})
    events, _ = run_train(images, {k: p[:6] for k, p in picks.items()}, PREPROCESS, settings)
    losses = [e.loss for e in of_type(events, EpochDone)]
    assert losses[-1] < losses[0]


def test_the_same_seed_gives_the_same_model(micrographs) -> None:
    images, picks = micrographs
    state = [run_train(images, picks, PREPROCESS, TINY)[1].network.state_dict() for _ in range(2)]
    other = run_train(images, picks, PREPROCESS, TINY.model_copy(update={"seed": 1}))[1]
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in state), strict=True))
    assert not torch.equal(other.network.state_dict()["head.weight"], state[0]["head.weight"])


def test_a_stopped_training_keeps_its_model(micrographs) -> None:
    images, picks = micrographs
    stop = threading.Event()
    job = train_on_files(
        images, picks, PREPROCESS, TrainSettings(epochs=50, steps=50, expected=12), stop=stop
    )
    events = []
    while not of_type(events, StepDone):
        events.append(next(job))
    stop.set()
    rest, model = run(job)
    assert len(of_type(rest, EpochDone)) == 1
    assert model.card.best_epoch == 1
    assert model.card.history[0].step == 10


def test_stopping_before_the_first_step_says_so(micrographs) -> None:
    images, picks = micrographs
    stop = threading.Event()
    stop.set()
    with pytest.raises(JobError, match="stopped"):
        run_train(images, picks, PREPROCESS, TINY, stop=stop)


def test_a_time_limit_ends_the_training(micrographs) -> None:
    images, picks = micrographs
    settings = TrainSettings(epochs=1000, steps=1000, expected=12, time_limit=0.5)
    events, model = run_train(images, picks, PREPROCESS, settings)
    assert of_type(events, EpochDone)
    assert model.card.history[-1].step < 1_000_000


def test_a_time_that_is_over_at_once_still_learns_something(micrographs, tmp_path: Path) -> None:
    images, picks = micrographs
    settings = TINY.model_copy(update={"time_limit": 1e-6})
    partial = PartialModel(tmp_path / "m.safetensors")
    _, model = run_train(images, picks, PREPROCESS, settings, partial=partial)
    assert model.card.history[-1].step == 5


def test_the_best_epoch_is_kept(micrographs, monkeypatch: pytest.MonkeyPatch) -> None:
    images, picks = micrographs
    from napari_topaz.jobs import train as module
    from napari_topaz.jobs.validation import Validation

    values = iter([0.2, 0.9, 0.88, 0.4])
    monkeypatch.setattr(module, "validate", lambda *a, **k: Validation(next(values), 1.5, 50))
    settings = TINY.model_copy(update={"epochs": 4})
    events, model = run_train(images, picks, PREPROCESS, settings)
    assert [e.kept for e in of_type(events, EpochDone)] == [True, True, True, False]
    assert model.card.best_epoch == 3  # the latest within a standard error of the highest
    assert model.calibrated
    assert len(model.card.history) == 4
    third = of_type(events, EpochDone)[2].model.network.state_dict()
    assert all(torch.equal(v, third[k]) for k, v in model.network.state_dict().items())


@pytest.mark.parametrize("start", ["by itself", "restored", "her own"])
def test_the_general_model_is_no_rival_of_what_was_learnt(
    micrographs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: str
) -> None:
    from napari_topaz.jobs import train as module
    from napari_topaz.jobs.validation import Validation
    from napari_topaz.model.general import general_model

    path = tmp_path / "model_of_a_session.safetensors"
    saved = general_model().with_card(labels=9 if start == "her own" else 0).save(path)
    model = None if start == "by itself" else PickerModel.load(saved)
    # Were it judged, too, it would have the first value, and be kept.
    values = iter([0.9, 0.2] if start == "her own" else [0.2, 0.9])
    monkeypatch.setattr(module, "validate", lambda *a, **k: Validation(next(values), 1.5, 50))
    settings = TINY.model_copy(update={"epochs": 1, "steps": 1})
    _, model = run_train(*micrographs, PREPROCESS, settings, network=NetworkSettings(), start=model)
    assert model.card.pretrained == (path.name if start == "her own" else "the general model")
    assert model.card.best_epoch == (0 if start == "her own" else 1)
    assert model.card.history[0].held_out == 0.2


@pytest.mark.parametrize("labels", [1, 3])
def test_few_labels_on_one_micrograph_are_enough_to_start(micrographs, labels: int) -> None:
    images, picks = micrographs
    some = {"m0": picks["m0"][:labels]}
    events, model = run_train(images, some, PREPROCESS, TINY)
    assert any("three micrographs" in e.message for e in of_type(events, Warned))
    assert all(e.held_out is None for e in of_type(events, EpochDone))
    assert model.card.best_epoch == 2
    assert model.card.labels == labels
    # Only the labelled micrograph was read.
    assert of_type(events, Started)[0].total == 1


def test_rejected_picks_are_learnt_from(micrographs) -> None:
    images, picks = micrographs
    rejected = {k: p + Picks.labels([(5, 5), (290, 400)], Kind.NOT_PARTICLE) for k, p in picks.items()}
    plain = run_train(images, picks, PREPROCESS, TINY)[1]
    taught = run_train(images, rejected, PREPROCESS, TINY)[1]
    assert not torch.equal(
        plain.network.state_dict()["head.weight"], taught.network.state_dict()["head.weight"]
    )


@pytest.mark.parametrize(
    ("picks", "preprocess", "settings", "message"),
    [
        ({}, PREPROCESS, TINY, "None of the micrographs has a label"),
        ({"other": Picks.labels([(1, 1)])}, PREPROCESS, TINY, "None of the micrographs has a label"),
        ({"m0": Picks.labels([(9000, 1)])}, PREPROCESS, TINY, "No label lies inside"),
        ({"m0": Picks.labels([(50, 50)])}, PreprocessSettings(), TINY, "diameter"),
    ],
)
def test_what_cannot_be_trained_is_said(micrographs, picks, preprocess, settings, message) -> None:
    with pytest.raises(JobError, match=message):
        run_train(micrographs[0], picks, preprocess, settings)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_complete_and_empty_micrographs_are_learnt_from(micrographs, objective: str) -> None:
    images, picks = micrographs
    images = [
        *images,
        Micrograph("blank", np.random.default_rng(9).normal(size=(300, 420)).astype("f4"), 2.0),
    ]
    some = {"m0": picks["m0"], "m1": picks["m1"][:3], "m2": picks["m2"][:3]}
    ticks = Ticks(complete=frozenset({"m0"}), empty=frozenset({"blank"}))
    settings = TINY.model_copy(update={"objective": objective, "expected": None})
    events, model = run_train(images, some, PREPROCESS, settings, ticks=ticks)
    assert all(np.isfinite(e.loss) for e in of_type(events, EpochDone))
    assert (model.card.expected, model.card.micrographs, model.card.labels) == (12, 4, 18)
    assert not any("are assumed" in e.message for e in of_type(events, Warned))


def test_where_everything_is_complete_the_ge_objectives_say_so_and_others_learn(micrographs) -> None:
    images, picks = micrographs
    ticks = Ticks(complete=frozenset(picks))
    settings = TINY.model_copy(update={"objective": "ge-kl"})
    with pytest.raises(JobError, match="all said to be complete or empty"):
        run_train(images, picks, PREPROCESS, settings, ticks=ticks)
    for sampling in ("tiles", "patches", "boxes"):
        settings = TINY.model_copy(update={"sampling": sampling})
        assert run_train(images, picks, PREPROCESS, settings, ticks=ticks)[1].card.best_epoch


def test_a_complete_micrograph_without_label_is_said_to_be_empty(micrographs) -> None:
    images, picks = micrographs
    some = {"m0": picks["m0"]}
    events, model = run_train(images, some, PREPROCESS, TINY, ticks=Ticks(complete=frozenset({"m3"})))
    assert any("All particles of m3" in e.message for e in of_type(events, Warned))
    assert model.card.micrographs == 2
    with pytest.raises(JobError, match="m0 is said to be empty, but has labelled particles"):
        run_train(images, some, PREPROCESS, TINY, ticks=Ticks(empty=frozenset({"m0"})))
    with pytest.raises(JobError, match="None of the micrographs has a label"):
        run_train(images, {}, PREPROCESS, TINY, ticks=Ticks(empty=frozenset({"m0"})))


def test_ge_objectives_refuse_when_all_particles_are_labelled(micrographs) -> None:
    images, picks = micrographs
    settings = TINY.model_copy(update={"objective": "ge-kl"})
    with pytest.raises(JobError, match="--expected"):
        run_train(images, picks, PREPROCESS, settings)


def test_micrographs_that_cannot_be_read_are_left_out(micrographs, tmp_path: Path) -> None:
    images, picks = micrographs
    broken = tmp_path / "broken.mrc"
    broken.write_text("not a micrograph")
    labels = {**picks, "broken": Picks.labels([(10, 10)])}
    events, model = run_train([*images, MicrographFile(broken)], labels, PREPROCESS, TINY)
    assert any("broken" in e.message for e in of_type(events, Warned))
    assert model.card.micrographs == 4
    with pytest.raises(JobError, match="None of the labelled"):
        run_train([MicrographFile(broken)], labels, PREPROCESS, TINY)


@pytest.mark.parametrize(
    ("labels", "epochs", "warm"),
    [(1, 4, 3), (8, 4, 3), (20, 6, 5), (60, 10, 10), (80, 12, 12), (500, 12, 12)],
)
def test_few_labels_get_few_epochs(labels: int, epochs: int, warm: int) -> None:
    image = prepare(drawn(0)[0], PREPROCESS)
    yx = np.random.default_rng(0).uniform(0, 300, (labels, 2))
    made = build_training_set([image], {"m0": Picks.labels(yx)}, diameter=16)
    assert planned_epochs(made) == epochs
    assert planned_epochs(made, warm=True) == warm


def test_a_device_that_is_not_there_is_named(micrographs) -> None:
    images, picks = micrographs
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(JobError, match="cuda:3"):
        run_train(images, picks, PREPROCESS, TINY, device="cuda:3")


def test_the_cache_prepares_each_micrograph_once(micrographs) -> None:
    images, _ = micrographs
    cache = PreparedCache()
    _, first = run(prepare_all(images, PREPROCESS, cache=cache))
    _, third = run(prepare_all(images, PREPROCESS, cache=cache))
    assert all(a is b for a, b in zip(first, third, strict=True))
    small = PreparedCache(max_bytes=1)
    kept = small.prepare(images[0], PREPROCESS)
    assert small.prepare(images[0], PREPROCESS) is kept
    small.prepare(images[1], PREPROCESS)
    assert small.prepare(images[0], PREPROCESS) is not kept


def test_estimated_precision_is_right_when_labels_are_a_sample() -> None:
    rng = np.random.default_rng(0)
    true = np.arange(4000) % 2 == 0
    scores = (rng.normal(size=4000) + 1.5 * true).astype(np.float32)
    labelled = true & (rng.random(4000) < 0.3)
    order = np.argsort(-scores)
    hits = np.cumsum(true[order])
    expected = np.sum(hits / np.arange(1, 4001) * np.diff(hits / 2000, prepend=0))
    result = estimate(scores, labelled, int(labelled.sum()), 2000)
    assert result.average_precision == pytest.approx(expected, abs=0.02)
    picked = scores >= result.threshold
    f1 = 2 * (true & picked).sum() / (picked.sum() + 2000)
    best = max(2 * h / (k + 2000) for k, h in enumerate(hits, 1))
    assert f1 == pytest.approx(best, abs=0.02)


def test_an_estimate_from_nothing_is_defined() -> None:
    empty = estimate(np.empty(0, "f4"), np.empty(0, bool), 0, 10)
    assert (empty.average_precision, empty.threshold) == (0.0, 0.0)


def test_a_model_file_holds_everything(micrographs, tmp_path: Path) -> None:
    images, picks = micrographs
    _, model = run_train(
        images, picks, PREPROCESS, TINY, network=NetworkSettings(architecture="conv31", width=4)
    )
    path = model.save(tmp_path / "m.safetensors")
    again = PickerModel.load(path)
    assert again.card == model.card
    prepared = prepare(images[0], again.card.preprocess)
    np.testing.assert_array_equal(again.score(prepared).logits, model.score(prepared).logits)


def failing_after(steps: int, error: Exception):
    """Make training steps that work for a while."""
    from napari_topaz.model import training

    real = training.train_steps

    def train_steps(*args, **options):
        for n, loss in enumerate(real(*args, **options), 1):
            if n > steps:
                raise error
            yield loss

    return train_steps


FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


@pytest.mark.parametrize("error", [FULL, MemoryError(), RuntimeError("CUDA error: out of memory")])
def test_full_memory_keeps_what_was_learnt(micrographs, monkeypatch, error: Exception) -> None:
    monkeypatch.setattr("napari_topaz.model.training.train_steps", failing_after(8, error))
    events, model = run_train(*micrographs, PREPROCESS, TINY)
    assert model.card.best_epoch == 1
    (warning,) = of_type(events, Warned)
    assert "memory is full" in warning.message
    assert "is kept" in warning.message


def test_full_memory_before_the_first_epoch_is_one_sentence(micrographs, monkeypatch) -> None:
    monkeypatch.setattr("napari_topaz.model.training.train_steps", failing_after(3, FULL))
    with pytest.raises(JobError, match="memory is full; take device cpu"):
        run_train(*micrographs, PREPROCESS, TINY)


def test_full_memory_at_once_is_said_of_a_training_that_goes_on_too(micrographs, monkeypatch) -> None:
    _, start = run_train(*micrographs, PREPROCESS, TINY)
    monkeypatch.setattr("napari_topaz.model.training.train_steps", failing_after(0, FULL))
    with pytest.raises(JobError, match="memory is full"):
        run_train(*micrographs, PREPROCESS, TINY, network=None, start=start)


def test_full_memory_while_validating_keeps_what_was_learnt(micrographs, monkeypatch) -> None:
    real, calls = PickerModel.score, []

    def score(self, prepared, *, symmetries="auto"):
        calls.append(symmetries)
        if len(calls) > 1:
            raise MemoryError("The device's memory is too small")
        return real(self, prepared, symmetries=symmetries)

    monkeypatch.setattr(PickerModel, "score", score)
    events, model = run_train(*micrographs, PREPROCESS, TINY)
    assert len(calls) == 3, "two epochs, and the threshold at the end"
    assert model.card.best_epoch == 1
    assert "memory is full" in of_type(events, Warned)[0].message
    assert "no probabilities" in of_type(events, Warned)[-1].message


@pytest.mark.parametrize("how", ["eight", "four", "none"])
def test_the_threshold_is_of_scores_averaged_as_picking_does(micrographs, monkeypatch, how: str) -> None:
    real, calls = PickerModel.score, []

    def score(self, prepared, *, symmetries="auto"):
        calls.append(symmetries)
        return real(self, prepared, symmetries=symmetries)

    monkeypatch.setattr(PickerModel, "score", score)
    settings = TINY.model_copy(update={"symmetries": how, "epochs": 1})
    _, model = run_train(*micrographs, PREPROCESS, settings)
    assert calls == ["none"] + ["auto"] * len(micrographs[0]), "an epoch, quickly, and all at the end"
    assert model.card.train.symmetries == how


def test_flanks_of_labels_are_unlabelled_where_that_is_wanted(micrographs, monkeypatch) -> None:
    from napari_topaz.model.sampling import Regions

    radii, real = [], Regions.from_images.__func__

    def from_images(cls, images, label_radius, ignore_radius, device):
        radii.append((label_radius, ignore_radius))
        return real(cls, images, label_radius, ignore_radius, device)

    monkeypatch.setattr(Regions, "from_images", classmethod(from_images))
    for flanks in (True, False):
        run_train(*micrographs, PREPROCESS, TINY.model_copy(update={"ignore_flanks": flanks, "epochs": 1}))
    assert radii == [(3, pytest.approx(8, abs=0.1)), (3, 3)]


def test_other_errors_are_not_called_full_memory(micrographs, monkeypatch) -> None:
    monkeypatch.setattr("napari_topaz.model.training.train_steps", failing_after(8, RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        run_train(*micrographs, PREPROCESS, TINY)


def test_a_diverged_training_keeps_what_was_learnt(micrographs, monkeypatch, tmp_path) -> None:
    from napari_topaz.model import training

    real = training.train_steps

    def train_steps(*args, **options):
        for n, loss in enumerate(real(*args, **options), 1):
            yield loss * float("nan") if n > 5 else loss

    monkeypatch.setattr(training, "train_steps", train_steps)
    events, model = run_train(*micrographs, PREPROCESS, TINY)
    assert "diverged" in of_type(events, Warned)[0].message
    assert PickerModel.load(model.save(tmp_path / "m.safetensors")).card.best_epoch == 1


def test_the_weights_of_pn_do_not_vanish_where_all_particles_are_labelled(micrographs, monkeypatch) -> None:
    from napari_topaz.model import training

    real, priors = training.train_steps, []

    def train_steps(network, regions, settings, prior, progress):
        priors.append(prior)
        return real(network, regions, settings, prior, progress)

    monkeypatch.setattr(training, "train_steps", train_steps)
    _, model = run_train(*micrographs, PREPROCESS, TINY.model_copy(update={"objective": "pn-pi"}))
    assert priors == [model.card.prior]
    assert priors[0] > 0


def test_the_threshold_favours_recall_where_beta_does() -> None:
    scores = np.linspace(5, -5, 101).astype("f4")
    hits = np.zeros(101, bool)
    hits[[0, 3, 6, 9, 14, 20, 28, 40]] = True
    thresholds = [estimate(scores, hits, 10, 40, beta=beta).threshold for beta in (0.5, 1, 2)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > thresholds[2]
    assert estimate(scores, hits, 10, 40).threshold == thresholds[1]
    # Where all particles are labelled it is the F_β of the labels themselves.
    rng = np.random.default_rng(0)
    scores, hits = np.r_[rng.normal(2, 1, 400), rng.normal(0, 1, 600)], np.arange(1000) < 400
    for beta in (0.5, 1, 2, 4):
        _, supervised = precision_recall(scores, hits, 400).best_f(beta)
        assert estimate(scores, hits, 400, 400, beta=beta).threshold == pytest.approx(supervised, abs=0.3)


def test_the_preset_deepem_learns_from_boxes(micrographs, tmp_path: Path) -> None:
    images, picks = micrographs
    negatives = Picks.labels([(5, 5), (150, 210)], Kind.NOT_PARTICLE)
    labels = {name: p[:8] + negatives for name, p in picks.items()}
    preprocess = with_preset("deepem", PREPROCESS)
    settings = with_preset("deepem", TrainSettings(expected=12, epochs=3, steps=30))
    network = with_preset("deepem", NetworkSettings())
    _, model = run(train_on_files(images, labels, preprocess, settings, network, device="cpu"))
    card = PickerModel.load(model.save(tmp_path / "deepem.safetensors")).card
    # 1.5 particles of 16 px, with a middle pixel.
    assert card.network.box == model.network.field == card.deviation_box == 25
    assert (card.train.beta, card.train.symmetries, card.train.deviation_filter) == (2.0, "four", True)
    small = [prepare(m, PREPROCESS) for m in images]
    deviations = [
        box_deviations(p.image, 25)[tuple(np.rint(labels[p.name].yx[:8] / p.step_yx).astype(int).T)]
        for p in small
    ]
    low, high = np.min(deviations), np.max(deviations)
    widened = (high - low) / (32 - 1)  # by the mean gap of 32 labels
    np.testing.assert_allclose(card.deviation_range, [low - widened, high + widened], rtol=0.03)
    few = {name: one[:4] for name, one in labels.items()}
    assert deviation_range(build_training_set(small, few, diameter=16), 25) is None
    # The blobs' own average, dark in the middle; the reloaded card has it too.
    average = np.array(card.average)
    assert average.shape == (19, 19)
    assert card.average_radius == 8
    assert np.unravel_index(average.argmin(), average.shape) == (9, 9)
    assert average_of(build_training_set(small, few, diameter=16)) == ()
    assert average_of(build_training_set(small, labels, diameter=126)) == ()
    assert model.score(small[0]).image is small[0].image
    unseen, truth = drawn(9)
    prepared = prepare(unseen, PREPROCESS)
    found = extract(model.score(prepared), model.radius(2.0), threshold=model.card.threshold)
    hits = match(truth.yx, found.yx, 16).hits
    assert hits.sum() >= 0.8 * len(truth)
    assert hits.mean() >= 0.5


def test_what_does_not_fit_together_is_said_before_the_first_step(micrographs) -> None:
    images, picks = micrographs
    boxes, draws = (TINY.model_copy(update=u) for u in ({"sampling": "boxes"}, {"autoencoder": 10.0}))
    crowd = {images[0].name: Picks.labels(np.mgrid[0:300:25, 0:420:25].reshape(2, -1).T)}
    for settings, network, labels, message in (
        (boxes, NARROW, crowd, "no negatives to learn"),
        (TINY, NetworkSettings(box=31), picks, "small has no box"),
        (draws, NetworkSettings(architecture="deepem"), picks, "no features"),
    ):
        with pytest.raises(JobError, match=message):
            run(train_on_files(images, labels, PREPROCESS, settings, network, device="cpu"))


def test_negatives_of_boxes_lie_a_diameter_from_every_particle(micrographs) -> None:
    images, picks = micrographs
    training_set = build_training_set([prepare(images[0], PREPROCESS)], picks, diameter=16)
    assert ignore_radius(training_set, TrainSettings(sampling="boxes")) == 16
    assert ignore_radius(training_set, TrainSettings()) == 8
