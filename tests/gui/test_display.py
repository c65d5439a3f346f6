"""Pictures are smaller and smoother, but every pixel is where it is."""

from __future__ import annotations

from concurrent.futures import wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_topaz.files.errors import FileError
from napari_topaz.gui.display import DisplaySettings, Pictures, binned, contrast, picture_of
from napari_topaz.micrograph import Micrograph, MicrographFile

RAW = DisplaySettings(low_pass=0)


def spot(shape: tuple[int, int], y: float, x: float, sigma: float) -> np.ndarray:
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2 / sigma**2).astype(np.float32)


@pytest.mark.parametrize("low_pass", [0.0, 20.0])
@settings(max_examples=20)
@given(y=st.floats(60, 230), x=st.floats(60, 330), side=st.sampled_from([60, 100, 150, 407]))
def test_a_spot_is_drawn_where_it_is(low_pass: float, y: float, x: float, side: int) -> None:
    shape = (301, 407)
    wanted = DisplaySettings.model_construct(longest_side=side, low_pass=low_pass)
    picture = picture_of(Micrograph("a", spot(shape, y, x, 8)), wanted, 1.0)
    assert max(picture.pixels.shape) <= side
    i, j = np.mgrid[: picture.pixels.shape[0], : picture.pixels.shape[1]]
    weights = picture.pixels / picture.pixels.sum()
    drawn = [float((weights * k).sum()) * picture.scale + picture.translate for k in (i, j)]
    assert drawn == pytest.approx([y, x], abs=0.05)


@given(st.integers(1, 9))
def test_binning_is_the_mean_of_blocks(factor: int) -> None:
    pixels = np.random.default_rng(factor).integers(0, 60_000, (37, 53)).astype(np.uint16)
    h, w = 37 // factor, 53 // factor
    blocks = pixels[: h * factor, : w * factor].reshape(h, factor, w, factor)
    np.testing.assert_allclose(binned(pixels, factor), blocks.mean(axis=(1, 3)), rtol=1e-6)


def test_low_pass_takes_noise_away_but_keeps_the_mean() -> None:
    micrograph = Micrograph("a", np.random.default_rng(0).normal(7, 1, (200, 300)).astype("f4"))
    rough, smooth = picture_of(micrograph, RAW, 1.0), picture_of(micrograph, DisplaySettings(), 1.0)
    assert smooth.pixels.std() < 0.2 * rough.pixels.std()
    assert smooth.pixels.mean() == pytest.approx(7, abs=0.05)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((20, 30), np.int8),
        np.full((20, 30), np.nan, np.float32),
        np.where(np.arange(600).reshape(20, 30) == 7, np.inf, 1.0),
        np.ones((1, 1), np.uint16),
    ],
    ids=["constant", "nan", "hot", "one pixel"],
)
def test_odd_micrographs_have_a_picture(pixels: np.ndarray) -> None:
    picture = picture_of(Micrograph("a", pixels), DisplaySettings(), None)
    assert np.isfinite(picture.pixels).all()
    assert picture.limits[0] < picture.limits[1]


def test_contrast_does_not_follow_hot_pixels() -> None:
    pixels = np.random.default_rng(0).normal(0, 1, (1000, 1200)).astype(np.float32)
    pixels[::97, ::89] = 1e6
    low, high = contrast(pixels)
    assert -4 < low < -2
    assert 2 < high < 5


def test_pictures_are_kept_a_few_and_makes_each_once(files: list[MicrographFile]) -> None:
    pictures = Pictures(kept=2)
    first = pictures.get(files[0], RAW, 2.0)
    assert pictures.get(files[0], RAW, 2.0) is first
    others = [pictures.get(file, RAW, 2.0) for file in files[1:]]
    wait([first, *others], timeout=10)
    assert others[-1].result().name == "m_3"
    assert pictures.get(files[2], RAW, 2.0) is others[-1]
    assert pictures.get(files[0], RAW, 2.0) is not first  # was forgotten
    pictures.close()


def test_a_broken_file_is_tried_again(tmp_path) -> None:
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"no micrograph")
    pictures = Pictures()
    first = pictures.get(MicrographFile(broken), RAW, None)
    assert isinstance(first.exception(timeout=10), FileError)
    assert pictures.get(MicrographFile(broken), RAW, None) is not first
    pictures.close()


def test_pictures_never_show_another_micrograph_in_memory() -> None:
    pictures, rng = Pictures(), np.random.default_rng(0)
    for k in range(30):  # each is gone when the next one is made, which often gets its address
        one = Micrograph(f"m{k}", rng.random((40, 60)))
        assert pictures.get(one, RAW, 2.0).result(timeout=10).name == one.name
        del one
    pictures.close()


def test_binning_contrast_and_inversion_are_hers() -> None:
    micrograph = Micrograph("a", np.random.default_rng(0).normal(7, 1, (200, 300)).astype("f4"))
    usual = picture_of(micrograph, RAW, 1.0)
    assert picture_of(micrograph, RAW.model_copy(update={"binning": 3}), 1.0).bin == 3
    hard = RAW.model_copy(update={"black": 20.0, "white": 5.0})
    low, high = picture_of(micrograph, hard, 1.0).limits
    assert np.mean(usual.pixels < low) == pytest.approx(0.20, abs=0.01)
    assert np.mean(usual.pixels > high) == pytest.approx(0.05, abs=0.01)
    other = picture_of(micrograph, hard.model_copy(update={"invert": True}), 1.0)
    assert other.inverted
    assert np.mean(other.pixels < other.limits[0]) == pytest.approx(0.05, abs=0.01)  # these are white now
    np.testing.assert_array_equal(other.pixels, usual.pixels)
    assert usual.span == (usual.pixels.min(), usual.pixels.max())


def test_high_pass_evens_the_ice() -> None:
    ramp = np.linspace(0, 50, 300, dtype=np.float32) + np.random.default_rng(0).normal(0, 1, (200, 300))
    even = picture_of(Micrograph("a", ramp), DisplaySettings(low_pass=0, high_pass=60), 1.0).pixels
    assert abs(even[:, :50].mean() - even[:, -50:].mean()) < 0.5
    assert even.std() < 1.5


def test_the_picture_never_touches_the_micrograph() -> None:
    pixels = np.random.default_rng(0).normal(7, 1, (200, 300)).astype(np.float32)
    kept = pixels.copy()
    picture_of(Micrograph("a", pixels), DisplaySettings(high_pass=100, binning=1, invert=True), 1.0)
    np.testing.assert_array_equal(pixels, kept)
