"""Coordinates that lie on particles, and those that would after a flip, a scale, an exchange or a shift."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.placement import BlobMaps, Placement, better_placement, blob_maps

SHAPE = (420, 610)
AS_IT_IS = Placement()


def micrograph(seed: int, sign: float = -1.0, count: int = 25, shape=SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Discs in noise on a gradient, with a hot pixel; and their centres."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 1, shape) + np.linspace(0, 5, shape[1])
    yx = rng.uniform(20, np.array(shape) - 20, (count, 2))
    y, x = np.ogrid[: shape[0], : shape[1]]
    for cy, cx in yx:
        pixels += sign * ((y - cy) ** 2 + (x - cx) ** 2 < 8**2)
    pixels[7, 9] = 1e5
    return pixels.astype(np.float32), yx


def world(micrographs: int = 3, **how) -> tuple[list[BlobMaps], list[np.ndarray]]:
    made = [micrograph(seed, **how) for seed in range(micrographs)]
    return [blob_maps(pixels) for pixels, _ in made], [yx for _, yx in made]


def raw_of(yx: np.ndarray, wanted: Placement, height: int = SHAPE[0]) -> np.ndarray:
    """What a file says whose coordinates become `yx` by `wanted`."""
    raw = yx - wanted.shift_yx
    if wanted.flip_y:
        raw = np.stack([height - min(1, wanted.scale) - raw[:, 0], raw[:, 1]], axis=1)
    raw = raw / wanted.scale
    return raw[:, ::-1] if wanted.swap_xy else raw


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(
    "wanted",
    [
        Placement(flip_y=True),
        Placement(scale=0.5),
        Placement(scale=2.0),
        Placement(scale=0.25, flip_y=True),
        Placement(scale=4.0, flip_y=True),
        Placement(scale=1 / 3),
        Placement(swap_xy=True),
        Placement(swap_xy=True, scale=0.5, flip_y=True),
    ],
)
def test_what_puts_picks_on_particles_is_found(wanted: Placement, sign: float) -> None:
    maps, truth = world(sign=sign)
    raw = [raw_of(yx, wanted) for yx in truth]
    np.testing.assert_allclose(wanted.moved(raw[0], SHAPE[0]), truth[0], atol=1e-3)
    found = better_placement(maps, raw)
    assert found is not None
    assert found.placement == wanted
    assert found.best >= max(6, 2 * found.as_is)
    assert better_placement(maps, raw, wanted) is None, "silent where that is what will be done"


@pytest.mark.parametrize("wanted", [Placement(shift_yx=(30, 40)), Placement(flip_y=True, shift_yx=(-52, 0))])
def test_a_corner_or_another_height_is_a_shift(wanted: Placement) -> None:
    maps, truth = world()
    found = better_placement(maps, [raw_of(yx, wanted) for yx in truth])
    assert found is not None
    assert (found.placement.scale, found.placement.flip_y) == (1, wanted.flip_y)
    np.testing.assert_allclose(found.placement.shift_yx, wanted.shift_yx, atol=2 * maps[0].step)


@pytest.mark.parametrize("seed", range(4))
def test_right_picks_are_left_in_peace(seed: int) -> None:
    maps, truth = world()
    rng = np.random.default_rng(seed)
    assert better_placement(maps, truth) is None
    assert better_placement(maps, [yx + rng.normal(0, 3, yx.shape) for yx in truth]) is None
    for few in (1, 3, 4, 8):
        assert better_placement(maps, [rng.permutation(yx)[:few] for yx in truth]) is None
    half_wrong = [np.concatenate([yx, rng.uniform(0, SHAPE, yx.shape)]) for yx in truth]
    assert better_placement(maps, half_wrong) is None


def test_the_first_picks_need_not_be_everywhere() -> None:
    """Files often go by place, and not all picks are looked at."""
    pixels, yx = micrograph(0, count=700, shape=(1000, 1400))
    raw = raw_of(yx[np.argsort(yx[:, 0])], Placement(flip_y=True), 1000)
    found = better_placement([blob_maps(pixels)], [raw])
    assert found is not None
    assert found.placement == Placement(flip_y=True)


def test_a_defect_in_a_corner_draws_no_picks_into_it() -> None:
    """Scaled down far enough, all picks lie on it."""
    made = [micrograph(seed, count=0) for seed in range(3)]
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    corner = (20 * ((y - 25) ** 2 + (x - 35) ** 2 < 20**2)).astype(np.float32)
    maps = [blob_maps(pixels - corner) for pixels, _ in made]
    rng = np.random.default_rng(0)
    assert better_placement(maps, [rng.uniform(0, SHAPE, (60, 2)) for _ in maps]) is None


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_fits_nothing_is_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, _ = world()
    assert better_placement(maps, [rng.uniform(0, SHAPE, (60, 2)) for _ in maps]) is None
    assert better_placement(maps, [rng.uniform(0, 2, (60, 2)) * SHAPE for _ in maps]) is None
    noise = [blob_maps(rng.normal(size=SHAPE)) for _ in maps]
    assert better_placement(noise, [rng.uniform(0, SHAPE, (60, 2)) for _ in maps]) is None


def test_a_lattice_that_is_its_own_mirror_image_is_no_alarm() -> None:
    """Either way fits; then the file is right."""
    grid = np.stack(np.meshgrid(np.arange(29.5, 400, 40), np.arange(30, 600, 40), indexing="ij"), -1)
    yx = grid.reshape(-1, 2)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    pixels = np.random.default_rng(0).normal(0, 1, SHAPE)
    for cy, cx in yx:
        pixels -= (y - cy) ** 2 + (x - cx) ** 2 < 8**2
    maps = [blob_maps(pixels.astype(np.float32))]
    assert better_placement(maps, [yx]) is None
    assert better_placement(maps, [yx], Placement(flip_y=True)) is None


def test_micrographs_of_different_sizes() -> None:
    (pixels, one), (others, two) = micrograph(1), micrograph(2, shape=(700, 500))
    maps = [blob_maps(pixels), blob_maps(others)]
    assert [m.step for m in maps] == [2, 2]
    raw = [raw_of(one, Placement(flip_y=True)), raw_of(two, Placement(flip_y=True), 700)]
    found = better_placement(maps, raw)
    assert found is not None
    assert found.placement == Placement(flip_y=True)


def test_maps_cover_the_micrograph() -> None:
    pixels, _ = micrograph(0, shape=(1030, 2051))
    made = blob_maps(pixels)
    assert (made.step, made.shape, made.maps.shape) == (5, (1030, 2051), (6, 204, 408))
    assert np.abs(made.maps).max() < 4, "no hot pixel"
    np.testing.assert_allclose(made.maps.mean(axis=(1, 2)), 0, atol=1e-4)
    assert made.maps.std(axis=(1, 2)).min() > 0.7


def test_images_without_anything() -> None:
    flat = blob_maps(np.ones(SHAPE, np.uint8))
    assert not flat.maps.any()
    picks = np.random.default_rng(0).uniform(0, SHAPE, (50, 2))
    assert better_placement([flat], [picks]) is None
    assert better_placement([blob_maps(np.ones((3, 5)))], [picks]) is None
    assert better_placement([], []) is None
    gaps, yx = micrograph(3)
    gaps[:50] = np.nan
    assert better_placement([blob_maps(gaps)], [raw_of(yx, Placement(flip_y=True))]) is not None
    with pytest.raises(ValueError, match="finite"):
        blob_maps(np.full(SHAPE, np.nan))


def test_the_order_of_the_steps() -> None:
    placement = Placement(swap_xy=True, scale=2, flip_y=True, shift_yx=(0.5, -1))
    np.testing.assert_array_equal(placement.moved(np.array([[10, 20]]), 100), [[100 - 1 - 40 + 0.5, 19]])
    assert AS_IT_IS.moved(np.array([[1.25, 2]]), 0).tolist() == [[1.25, 2]]
