from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.outliers import clip_outliers
from napari_topaz.numerics.rescale import fourier_crop
from napari_topaz.preprocess import Prepared, clipped_and_small, downsampling, prepare, resolved_pixel_size
from napari_topaz.settings import PreprocessSettings


def a_micrograph(pixel_size: float | None = 2.0) -> Micrograph:
    pixels = np.random.default_rng(0).normal(100, 10, (123, 170))
    return Micrograph("a", pixels.astype(np.uint16), pixel_size)


def test_downsampling_follows_from_the_diameter() -> None:
    settings = PreprocessSettings(diameter=190, particle_pixels=19)
    assert downsampling(settings, 2.0) == pytest.approx(5)
    assert downsampling(settings, 50.0) == 1
    assert downsampling(PreprocessSettings(diameter=190, downsample=3), None) == 3


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match="diameter of the particle is missing"):
        downsampling(PreprocessSettings(), 2.0)
    with pytest.raises(ValueError, match="pixel size is missing"):
        downsampling(PreprocessSettings(diameter=190), None)
    with pytest.raises(ValueError, match=r"^a: The pixel size is missing"):
        prepare(a_micrograph(None), PreprocessSettings(diameter=190))


def test_the_settings_pixel_size_wins() -> None:
    assert resolved_pixel_size(PreprocessSettings(pixel_size=3), a_micrograph(2.0)) == 3
    assert resolved_pixel_size(PreprocessSettings(), a_micrograph(2.0)) == 2
    assert resolved_pixel_size(PreprocessSettings(), a_micrograph(None)) is None
    small = prepare(a_micrograph(2.0), PreprocessSettings(diameter=190, pixel_size=5, particle_pixels=19))
    assert small.image.shape == (61, 85)
    assert small.pixel_size == 5


def test_prepared_micrographs_are_small_and_normalised() -> None:
    prepared = prepare(a_micrograph(), PreprocessSettings(downsample=4, normalise="affine"))
    assert (prepared.name, prepared.shape, prepared.pixel_size) == ("a", (123, 170), 2.0)
    assert prepared.image.dtype == np.float32
    assert prepared.image.shape == (30, 42)
    assert prepared.step_yx == (123 / 30, 170 / 42)
    assert prepared.image.mean() == pytest.approx(0, abs=1e-5)
    assert prepared.image.std() == pytest.approx(1, abs=1e-5)


def test_a_spot_is_found_where_it_was() -> None:
    y, x = np.indices((230, 411))
    spot = 100 - 20 * np.exp(-((y - 200) ** 2 + (x - 390) ** 2) / 100)
    prepared = prepare(Micrograph("a", spot), PreprocessSettings(downsample=8, normalise="none", clip=0))
    weights = prepared.image.max() - prepared.image[22:, 43:]
    i, j = np.indices(weights.shape)
    centre = [(weights * i).sum() / weights.sum() + 22, (weights * j).sum() / weights.sum() + 43]
    np.testing.assert_allclose(np.array(centre) * prepared.step_yx, [200, 390], atol=1.5)


def test_hot_pixels_are_clipped_before_they_ring() -> None:
    clean = a_micrograph()
    pixels = clean.pixels.copy()
    pixels[60, 80] = 60_000
    hot = Micrograph("a", pixels, 2.0)
    settings = PreprocessSettings(downsample=4, normalise="none")
    difference = prepare(hot, settings).image - prepare(clean, settings).image
    assert np.abs(difference).max() < 10
    raw = PreprocessSettings(downsample=4, normalise="none", clip=0)
    assert np.abs(prepare(hot, raw).image - prepare(clean, raw).image).max() > 1000


def test_odd_micrographs() -> None:
    settings = PreprocessSettings(downsample=3)
    constant = prepare(Micrograph("a", np.full((31, 44), 7, np.int8)), settings)
    np.testing.assert_allclose(constant.image, np.zeros((10, 14)), atol=1e-6)
    pixels = a_micrograph().pixels.astype(np.float32)
    pixels[:20] = np.nan
    assert np.isfinite(prepare(Micrograph("a", pixels), settings).image).all()
    with pytest.raises(ValueError, match=r"^a: .* no finite pixel"):
        prepare(Micrograph("a", np.full((31, 44), np.nan)), settings)


def test_the_micrograph_is_left_alone() -> None:
    pixels = np.random.default_rng(0).normal(size=(31, 44)).astype(np.float32)
    pixels[3, 4] = np.nan
    before = pixels.copy()
    pixels.setflags(write=False)
    prepare(Micrograph("a", pixels), PreprocessSettings(downsample=1))
    np.testing.assert_array_equal(pixels, before)


def test_a_real_micrograph(shared: Path) -> None:
    path = shared / "data" / "single_micrographs" / "fei-extended.mrc"
    with mrcfile.mmap(path, permissive=True) as mrc:
        prepared = prepare(Micrograph("real", mrc.data, 0.854), PreprocessSettings(downsample=8))
    assert isinstance(prepared, Prepared)
    assert prepared.image.shape == (prepared.shape[0] // 8, prepared.shape[1] // 8)
    # Its hot pixels, up to 45804, would reach hundreds of standard deviations.
    assert np.abs(prepared.image).max() < 15


@pytest.mark.parametrize("clip", [0.0, 5.0])
@pytest.mark.parametrize("shape", [(37, 51), (300, 410)])
@pytest.mark.parametrize(
    "kind", ["float32", "hot", "nan", "inf", "float64", ">i2", "uint8", "flat", "few counts", "view"]
)
def test_one_pass_gives_what_two_steps_give(kind: str, shape: tuple[int, int], clip: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 10, (300, 410)).astype(np.float32)
    if kind in ("hot", "nan", "inf"):
        pixels[7, ::9] = {"hot": 1e6, "nan": np.nan, "inf": np.inf}[kind]
        pixels[299, 409] = -1e6
    elif kind == "float64":
        pixels = pixels.astype(np.float64)
        pixels[250, 3] = 1e300  # infinite as float32
    elif kind in (">i2", "uint8"):
        pixels = pixels.astype(kind)
    elif kind == "flat":
        pixels[:] = 7
    elif kind == "few counts":
        pixels = rng.poisson(0.1, pixels.shape).astype(np.uint8)
    elif kind == "view":
        pixels = pixels.repeat(2, axis=1)[:, ::2]
    before = pixels.copy()
    found = clipped_and_small(pixels, clip, shape)
    expected = fourier_crop(clip_outliers(pixels, clip), shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(pixels, before)
