"""Suggested masks: carbon, gold and contaminations are covered, ice and particles are not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.masks import Mask
from napari_topaz.numerics.junk import suggest_junk
from napari_topaz.preprocess import prepare
from napari_topaz.settings import PreprocessSettings, SimulateSettings
from napari_topaz.simulate import simulate
from napari_topaz.simulate.canvas import empty_canvas
from napari_topaz.simulate.scene import add_contaminations, add_gold, carbon_film

DIAMETER = 180.0


def suggested(settings: SimulateSettings, index: int) -> tuple[Mask, np.ndarray, tuple[int, int]]:
    micrograph, truth = simulate(settings, index)
    how = PreprocessSettings(diameter=DIAMETER, normalise="none")
    prepared = prepare(micrograph, how)
    raster = suggest_junk(prepared.image, how.particle_pixels)
    return Mask(raster=raster), truth.yx, micrograph.shape


@pytest.mark.parametrize("zero_mean", [False, True])
def test_carbon_and_gold_are_covered_and_most_ice_is_not(zero_mean: bool) -> None:
    settings = SimulateSettings(carbon=1.0, gold=4, seed=1, zero_mean=zero_mean)
    mask, particles, shape = suggested(settings, 1)
    canvas = empty_canvas(settings, 1)
    film = carbon_film(canvas)
    assert film is not None
    add_contaminations(canvas)
    gold = add_gold(canvas)[:, :2] - canvas.margin
    gold = gold[((gold > 0) & (gold < shape[0])).all(axis=1)]
    assert len(gold) > 3
    covered = mask.on_grid(shape, shape, (1.0, 1.0))
    assert covered[film[canvas.middle] > 0.5].mean() > 0.98
    assert mask.covers(gold, shape).all()
    assert mask.covers(particles, shape).mean() < 0.12
    assert covered[film[canvas.middle] < 0.01].mean() < 0.15


def test_clean_ice_is_left_alone_however_uneven() -> None:
    settings = SimulateSettings(carbon=0, contaminations=0, seed=3, particles=150, ice_gradient=0.06)
    mask, _, _ = suggested(settings, 2)
    assert mask.is_empty


def test_bright_junk_is_junk_too() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (200, 260)).astype(np.float32)
    image[60:100, 150:200] += 6
    for sign in (1, -1):
        junk = Mask(raster=suggest_junk(sign * image, 16)).on_grid((200, 260), (200, 260), (1.0, 1.0))
        assert junk[60:100, 150:200].all()
        assert junk.mean() < 0.18


@pytest.mark.parametrize(
    "image", [np.zeros((50, 60)), np.full((50, 60), 7.0), np.ones((3, 80)), np.ones((1, 1))]
)
def test_an_image_without_anything_has_no_junk(image: np.ndarray) -> None:
    assert not suggest_junk(image, 16).any()


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="4 px are needed"):
        suggest_junk(np.zeros((50, 60)), 3)
    with pytest.raises(ValueError, match="no finite pixel"):
        suggest_junk(np.full((50, 60), np.nan), 16)
