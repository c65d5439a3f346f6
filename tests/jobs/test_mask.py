"""Suggested masks of files: written one by one, broken ones left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_topaz.events import JobError, MicrographDone, Saved
from napari_topaz.files import find_masks, write_mrc
from napari_topaz.jobs import mask as module
from napari_topaz.jobs.mask import SuggestOne, mask_targets, polygons_of, suggest_masks
from napari_topaz.masks import Mask, masked_pixels
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings
from worlds import DIAMETER, PIXEL_SIZE, run

HOW = PreprocessSettings(diameter=DIAMETER, particle_pixels=12)


SHAPE = (600, 800)


def dirty(seed: int) -> np.ndarray:
    """Noise, and a dark corner of 200 × 250 px."""
    pixels = np.random.default_rng(seed).normal(0, 0.6, SHAPE).astype(np.float32)
    pixels[:200, :250] -= 1
    return pixels


def test_masks_are_written_and_cover_the_dark_corner(tmp_path: Path) -> None:
    files = [MicrographFile(tmp_path / f"{k}.mrc") for k in range(2)]
    for k, file in enumerate(files):
        write_mrc(file.path, dirty(k), PIXEL_SIZE)
    (tmp_path / "broken.mrc").write_bytes(b"no")
    every = [*files, MicrographFile(tmp_path / "broken.mrc")]
    out = tmp_path / "masks"
    events, found = run(suggest_masks(every, HOW, out, skip={"1"}))
    assert list(found) == ["0"]
    assert [Path(e.path) for e in events if isinstance(e, Saved)] == [mask_targets(files, out)["0"]]
    errors = {e.name: e.error for e in events if isinstance(e, MicrographDone)}
    assert errors["0"] is None
    assert errors["broken"] is not None
    read = find_masks(out, ["0"])["0"]
    grid = masked_pixels(read, SHAPE, SHAPE)
    assert grid[:200, :250].mean() > 0.97
    assert grid[300:, 400:].mean() == 0
    assert abs(grid.mean() - found["0"][1]) < 0.03


def test_suggestions_lie_where_the_preprocessed_pixels_are(monkeypatch: pytest.MonkeyPatch) -> None:
    junk = np.zeros((30, 40), bool)
    junk[10:20, 5:10] = True
    monkeypatch.setattr(module, "suggest_junk", lambda image, diameter: junk)
    small = Prepared("m", np.zeros((30, 40), np.float32), (300, 320), 2.0)
    found, covered = SuggestOne(PreprocessSettings(diameter=40, downsample=8.0))(small)
    assert covered == pytest.approx(50 / 1200)
    (polygon,) = found.polygons
    # Pixels 10 to 19 are centred at 100 to 190, 5 to 9 at 40 to 72.
    np.testing.assert_allclose((polygon.min(axis=0) + polygon.max(axis=0)) / 2, [145, 56], atol=1)


def test_a_raster_becomes_polygons_in_its_place() -> None:
    raster = np.zeros((8, 10), bool)
    raster[2:5, 3:7] = True
    made = polygons_of(Mask((), raster, 3.0), (80, 100))
    assert made.raster is None
    assert made.margin == 3
    grid = masked_pixels(made.with_margin(0), (80, 100), (80, 100))
    expected = np.zeros((80, 100), bool)
    expected[20:50, 30:70] = True
    np.testing.assert_array_equal(grid, expected)
    assert polygons_of(made, (80, 100)) is made


def test_nothing_is_written_without_a_folder_and_nothing_done_without_a_diameter() -> None:
    source = Micrograph("m", dirty(0), PIXEL_SIZE)
    _, found = run(suggest_masks([source], HOW))
    assert found["m"][0].polygons
    with pytest.raises(JobError, match="diameter of the particle is missing"):
        run(suggest_masks([source], PreprocessSettings()))
