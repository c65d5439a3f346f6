"""Picking: one micrograph at a time, broken ones reported, lengths in Å, stop and skip."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_topaz.events import JobError, MicrographDone, Started, Warned
from napari_topaz.files import read_micrograph
from napari_topaz.jobs.pick import pick, picks_of, score_one, with_pixel_size
from napari_topaz.jobs.preparing import PreparedCache, prepare_source
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.deviations import box_deviations, deviations_at
from napari_topaz.preprocess import prepare
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, TrainSettings
from worlds import run

FAST = PickSettings(symmetries="none")


def spikes(*points: tuple[int, int, float], shape=(40, 60), step=4.0) -> ScoreMap:
    logits = np.full(shape, -10, np.float32)
    for row, column, value in points:
        logits[row, column] = value
    return ScoreMap("m", logits, (step, step), 0, (int(shape[0] * step), int(shape[1] * step)))


def test_all_micrographs_are_picked_in_order(world, model) -> None:
    events, picks = run(pick(world.files, model, FAST, device="cpu"))
    assert events[0] == Started("Picking", 4)
    done = [e for e in events if isinstance(e, MicrographDone)]
    assert [e.name for e in done] == list(picks) == [f.name for f in world.files]
    assert all(e.picks is picks[e.name] and len(e.picks) for e in done)


def test_a_micrograph_in_memory_is_picked_as_from_disk(world, model) -> None:
    _, picks = run(pick(world.files[:1], model, FAST, device="cpu"))
    _, again = run(pick([read_micrograph(world.files[0])], model, FAST, device="cpu", cache=PreparedCache()))
    np.testing.assert_array_equal(picks["mic_0"].yx, again["mic_0"].yx)


def test_what_is_done_is_skipped(world, model) -> None:
    _, picks = run(pick(world.files, model, FAST, device="cpu", skip={"mic_0", "mic_2"}))
    assert list(picks) == ["mic_1", "mic_3"]


def test_a_broken_micrograph_does_not_stop_the_others(world, model, tmp_path) -> None:
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"not a micrograph")
    files = [world.files[0], MicrographFile(broken), world.files[1]]
    events, picks = run(pick(files, model, FAST, device="cpu"))
    assert list(picks) == ["mic_0", "mic_1"]
    (failed,) = [e for e in events if isinstance(e, MicrographDone) and e.error]
    assert failed.name == "broken"
    assert "broken.mrc" in failed.error


def test_if_all_fail_so_does_the_job(model, tmp_path) -> None:
    with pytest.raises(JobError, match=r"None of the 2 micrographs could be used; a: .*a.mrc"):
        run(pick([MicrographFile(tmp_path / "a.mrc"), MicrographFile(tmp_path / "b.mrc")], model))


def test_a_full_disk_ends_the_job(world, model) -> None:
    def write(name, picks):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(pick(world.files, model, FAST, device="cpu", write=write))


def test_stop_keeps_what_is_done(world, model) -> None:
    stop = threading.Event()

    def write(name, picks):
        stop.set()
        return ()

    _, picks = run(pick(world.files, model, FAST, device="cpu", stop=stop, write=write))
    assert list(picks) == ["mic_0"]


def test_settings_override_the_models_threshold(model) -> None:
    scores = spikes((10, 10, 3.0), (30, 50, 1.0))
    strict = model.with_card(threshold=2.0)
    np.testing.assert_allclose(picks_of(scores, strict).yx, [[40, 40]])
    assert len(picks_of(scores, strict, PickSettings(threshold=0.0))) == 2


@pytest.mark.parametrize(
    ("pixel_size", "radius", "kept"),
    # The spikes are 24 px apart: 48 Å at 2 Å/px, 24 Å at 1 Å/px.
    [(2.0, 46.0, 2), (2.0, 50.0, 1), (1.0, 22.0, 2), (1.0, 26.0, 1)],
)
def test_suppression_radius_is_in_angstrom(model, pixel_size, radius, kept) -> None:
    scores = spikes((10, 10, 3.0), (10, 16, 1.0))
    how = PickSettings(threshold=0.0, suppression_radius=radius)
    assert len(picks_of(scores, model, how, pixel_size=pixel_size)) == kept


def test_margin_is_in_angstrom(model) -> None:
    scores = spikes((2, 30, 3.0), (20, 30, 1.0))  # 8 px and 80 px from the edge
    found = picks_of(scores, model, PickSettings(threshold=0.0, margin=20.0), pixel_size=2.0)
    np.testing.assert_allclose(found.yx, [[80, 120]])


def test_a_length_without_a_pixel_size_is_refused(model) -> None:
    nobody_knows = model.with_card(pixel_size=None)
    with pytest.raises(ValueError, match=r"pixel size of 'm'.*--pixel-size"):
        picks_of(spikes((1, 1, 1.0)), nobody_knows, PickSettings(suppression_radius=10.0))


def test_pixel_size_overrides_the_header(world, model) -> None:
    """Twice the pixel size: half the pixels per particle, so half the downsampling."""
    micrograph = read_micrograph(world.files[0])
    coarse = with_pixel_size(model, 4.0)
    assert prepare(micrograph, model.card.preprocess).step_yx == (2.0, 2.0)
    assert prepare(micrograph, coarse.card.preprocess).step_yx == (1.0, 1.0)
    assert coarse.radius(2.0) == 8.0
    assert with_pixel_size(model, None) is model


def test_score_one_takes_files_micrographs_and_prepared(world, model) -> None:
    micrograph = read_micrograph(world.files[0])
    maps = [
        score_one(source, model, FAST).logits
        for source in (world.files[0], micrograph, prepare(micrograph, model.card.preprocess))
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_an_absent_device_is_refused(world, model) -> None:
    with pytest.raises(JobError, match="cuda:63"):
        run(pick(world.files, model, device="cuda:63"))


def test_a_full_device_is_said_in_one_sentence(world, model, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, device: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(type(model), "to", full)
    with pytest.raises(JobError, match="memory of device cpu is full"):
        run(pick(world.files, model, FAST, device="cpu"))


def test_the_filter_of_deviations_is_the_models_or_the_callers(world, model) -> None:
    everything = PickSettings(threshold=-100.0)
    [every] = run(pick(world.files[:1], model, everything, device="cpu"))[1].values()
    source = prepare_source(world.files[0], model.card.preprocess)
    places = every.yx / np.array(source.step_yx)
    found = deviations_at(box_deviations(source.image, 23), places)
    low, high = np.quantile(found, (0.3, 0.8))
    knowing = model.with_card(deviation_range=(float(low), float(high)), deviation_box=23)

    def kept(one, how: str) -> int:
        settings = everything.model_copy(update={"deviation_filter": how})
        return len(run(pick(world.files[:1], one, settings, device="cpu"))[1][world.files[0].name])

    assert kept(knowing, "auto") == kept(knowing, "off") == len(every)
    assert kept(knowing, "on") == pytest.approx(0.5 * len(every), abs=0.1 * len(every))
    wanting = knowing.with_card(train=TrainSettings(deviation_filter=True))
    assert kept(wanting, "auto") == kept(knowing, "on")
    assert kept(wanting, "off") == len(every)
    with pytest.raises(JobError, match="--deviation-filter"):
        kept(model, "on")
    # A model that learnt from a few labels has no range, and picks all the same.
    assert kept(wanting.with_card(deviation_range=None), "auto") == len(every)


def test_picks_keep_nine_tenths_of_the_radius_by_default(model) -> None:
    """Of a particle of 64 Å at 2 Å/px: 14.4 px."""
    near, far = (spikes((10, 10, 5.0), (10, column, 4.0), step=3.0) for column in (14, 15))
    plain = PickSettings(threshold=0.0, centring="scores")
    assert len(picks_of(near, model, plain, pixel_size=2.0)) == 1
    assert len(picks_of(far, model, plain, pixel_size=2.0)) == 2


def test_picks_are_centred_where_the_model_has_an_average(world, model) -> None:
    prepared = prepare(read_micrograph(world.files[0]), model.card.preprocess)
    y, x = np.indices((19, 19)) - 9
    blob = -np.exp(-(y**2 + x**2) / (2 * 3.5**2))  # those of the world, 16 px wide
    known = model.with_card(average=tuple(map(tuple, blob.tolist())), average_radius=8.0)
    scores = score_one(prepared, known, FAST)
    assert scores.image is prepared.image
    assert score_one(prepared, model, FAST).image is None
    truth = world.truth["mic_0"].yx
    # Scores that peak 4 px beside the particles, less than the reach.
    i, j = (np.arange(n) * s for n, s in zip(scores.logits.shape, scores.step_yx, strict=True))
    wrong = sum(np.exp(-((i[:, None] - y - 3) ** 2 + (j - x - 2.6) ** 2) / 150) for y, x in truth)
    scores = replace(scores, logits=wrong.astype(np.float32))
    off = {}
    for centring in ("auto", "scores"):
        found = picks_of(scores, known, PickSettings(threshold=0.5, centring=centring))
        assert len(found) == len(truth)
        off[centring] = np.linalg.norm(truth[:, None] - found.yx, axis=2).min(axis=1)
    assert np.median(off["scores"]) > 3
    assert np.median(off["auto"]) < 1.6  # a tenth of the radius


def test_ellipses_take_a_model_that_knows_its_particle(model) -> None:
    how = PickSettings(threshold=0.0, suppression="ellipse")
    with pytest.raises(ValueError, match="20 labels"):
        picks_of(spikes((1, 1, 1.0)), model.with_card(average=()), how)
    with pytest.raises(ValueError, match="--centring"):
        picks_of(spikes((1, 1, 1.0)), model, how.model_copy(update={"centring": "scores"}))


def test_a_full_device_is_told_once_and_the_picks_are_the_same(world, model, monkeypatch) -> None:
    import torch

    from napari_topaz.model.scoring import HALVED

    _, expected = run(pick(world.files, model, FAST, device="cpu"))
    real = torch.nn.Conv2d.forward

    def limited(self, x):
        if x.shape[-2] > 60:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return real(self, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", limited)
    events, found = run(pick(world.files, model, FAST, device="cpu"))
    assert [e.message for e in events if isinstance(e, Warned)] == [HALVED]
    for name, picks in expected.items():
        np.testing.assert_allclose(found[name].yx, picks.yx, atol=0.01)
