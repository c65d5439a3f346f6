"""Masks and margins in training, picking, suggestions and heat maps."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.events import JobError, MicrographDone, Warned
from napari_topaz.jobs.heatmap import heatmap
from napari_topaz.jobs.masking import masked, masked_for_training
from napari_topaz.jobs.pick import PickOne, pick, picks_of, score_one
from napari_topaz.jobs.reference import reference_pick
from napari_topaz.jobs.train import train_on_files
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PickSettings, PreprocessSettings, ReferenceSettings, TrainSettings
from worlds import DIAMETER, PIXEL_SIZE, SHAPE, World, make_world, run

torch = pytest.importorskip("torch")

HOW = PreprocessSettings(diameter=DIAMETER)
LEFT = Mask(raster=np.array([[True, False]]).repeat(2, axis=0))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 2)


def under(picks: Picks, mask: Mask) -> int:
    return int(mask.covers(picks.yx, SHAPE).sum())


def an_image(name: str = "a") -> Prepared:
    return Prepared(name, np.zeros((60, 80), np.float32), SHAPE, PIXEL_SIZE)


def test_a_margin_in_angstrom_joins_the_mask() -> None:
    made = masked(an_image(), {"a": LEFT}, 40.0).mask
    assert made is not None
    assert made.margin == 20
    assert made.raster is not None
    np.testing.assert_array_equal(made.raster, LEFT.raster)
    assert masked(an_image("b"), {"a": LEFT}).mask is None
    assert masked(an_image(), None).mask is None
    assert masked(an_image(), {"a": LEFT.with_margin(30)}, 40.0).mask.margin == 30  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="pixel size of 'a' is not known"):
        masked(replace(an_image(), pixel_size=None), None, 5.0)
    with pytest.raises(ValueError, match=r"^a: The mask is 2 × 9 px"):
        masked(an_image(), {"a": Mask(raster=np.ones((9, 2), bool))})


def test_labels_under_a_mask_are_told() -> None:
    images = [an_image("a"), an_image("b")]
    labels = {n: Picks.labels([(100, 20), (100, 300), (5, 300), (900, 1)]) for n in "ab"}
    events, made = run(masked_for_training(images, labels, {"a": LEFT}, 20.0))
    assert [i.mask is not None for i in made] == [True, True]
    (warned,) = [e.message for e in events if isinstance(e, Warned)]
    assert warned.startswith("3 labels lie under masks or within the margin and are not used (2 micrographs")
    one, _ = run(masked_for_training(images, {"b": labels["b"]}, None, 20.0))
    assert [e.message for e in one] == ["1 label lies under masks or within the margin and is not used (b)."]
    assert run(masked_for_training(images, labels, None))[0] == []
    with pytest.raises(JobError, match="no scaled picture"):
        run(masked_for_training(images, labels, {"a": Mask(raster=np.ones((9, 2), bool))}))


def test_suggestions_honour_masks(world: World) -> None:
    masks = {"mic_0": LEFT}
    settings = ReferenceSettings(threshold=-1000.0)
    _, free = run(reference_pick(world.files, HOW, settings))
    _, found = run(reference_pick(world.files, HOW, settings, masks=masks))
    hidden = under(free["mic_0"], LEFT)
    assert hidden > 0
    assert under(found["mic_0"], LEFT) == 0
    assert len(found["mic_0"]) == len(free["mic_0"]) - hidden
    assert len(found["mic_1"]) == len(free["mic_1"])


@pytest.mark.slow
def test_training_and_picking_honour_masks(world: World, tmp_path: Path) -> None:
    masks = {"mic_0": LEFT}
    settings = TrainSettings(epochs=1, steps=2, margin=20.0, expected=10)
    events, model = run(train_on_files(world.files, world.truth, HOW, settings, masks=masks))
    warned = [e.message for e in events if isinstance(e, Warned)]
    hidden = sum(under(picks, masks.get(name, Mask()).with_margin(10)) for name, picks in world.truth.items())
    assert any(w.startswith(f"{hidden} labels lie under masks") for w in warned)
    assert model.card.labels == sum(map(len, world.truth.values())) - hidden
    everything = PickSettings(threshold=-1000.0)
    _, free = run(pick(world.files, model, everything))
    events, found = run(pick(world.files, model, everything, masks=masks))
    assert under(free["mic_0"], LEFT) > 0
    assert under(found["mic_0"], LEFT) == 0
    assert len(found["mic_1"]) == len(free["mic_1"])
    shown = {e.name: e.picks for e in events if isinstance(e, MicrographDone)}
    assert under(shown["mic_0"], LEFT) == 0
    # A score map that is kept knows its mask, and so does what travels to other processes.
    kept = score_one(world.files[0], model, everything, masks=masks)
    assert under(picks_of(kept, model, everything), LEFT) == 0
    worker = PickOne(None, None, masks)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(worker)).masks["mic_0"].raster.tolist() == LEFT.raster.tolist()  # type: ignore[union-attr]
    # In a heat map the hidden part has the lowest score.
    from napari_topaz.files import read_heatmap

    _, (first, second) = run(heatmap(world.files, model, tmp_path, masks=masks))
    logits = read_heatmap(first).score_map.logits
    assert (logits[:, : logits.shape[1] // 2 - 1] == logits.min()).all()
    assert (logits[:, logits.shape[1] // 2 + 1 :] > logits.min()).mean() > 0.9
    assert len(np.unique(read_heatmap(second).score_map.logits)) > logits.size / 2


def test_a_mask_that_does_not_fit_breaks_its_micrograph_alone(world: World) -> None:
    masks = {"mic_1": Mask(raster=np.ones((9, 2), bool))}
    events, found = run(reference_pick(world.files, HOW, masks=masks))
    errors = {e.name: e.error for e in events if isinstance(e, MicrographDone)}
    assert errors["mic_0"] is None
    assert "no scaled picture" in str(errors["mic_1"])
    assert list(found) == ["mic_0"]


def test_labels_all_under_masks_end_a_training(world: World) -> None:
    labels = {"mic_0": Picks.labels([(100, 20)]) + Picks.labels([(90, 20)], Kind.NOT_PARTICLE)}
    with pytest.raises(JobError, match="All labels lie under masks"):
        run(train_on_files(world.files, labels, HOW, masks={"mic_0": LEFT}))
