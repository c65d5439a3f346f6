"""Masks in folders: polygons and rasters, found by name, refused where they are none."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_topaz.files import FileError, find_masks, read_mask, write_mask, write_mrc
from napari_topaz.masks import Mask, masked_pixels

SHAPE = (60, 90)
SQUARE = np.array([(10, 20), (10, 40), (30, 40), (30, 20)], np.float32)


def feature(*rings: list[tuple[float, float]]) -> dict[str, object]:
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}}


def test_polygons_and_rasters_come_back_as_they_were(tmp_path: Path) -> None:
    raster = np.random.default_rng(0).random((12, 18)) < 0.3
    written = write_mask(tmp_path / "new", "a.b", Mask((SQUARE, SQUARE + 7), raster))
    assert [p.name for p in written] == ["a.b_mask.geojson", "a.b_mask.png"]
    found = find_masks(tmp_path / "new", ["a.b", "other"])
    assert list(found) == ["a.b"]
    mask = pickle.loads(pickle.dumps(found))["a.b"]
    np.testing.assert_array_equal(mask.polygons, [SQUARE, SQUARE + 7])
    np.testing.assert_array_equal(mask.raster, raster)
    # Nothing masked is a mask, too: somebody has looked.
    write_mask(tmp_path / "new", "other", Mask())
    assert find_masks(tmp_path / "new", ["other"])["other"].is_empty


def test_geojson_counts_from_the_corner_of_the_first_pixel(tmp_path: Path) -> None:
    """One pixel, row 3, column 7, as QuPath writes its outline; by hand."""
    path = tmp_path / "a_mask.geojson"
    path.write_text(json.dumps(feature([(7, 3), (8, 3), (8, 4), (7, 4), (7, 3)])))
    mask = read_mask(path)
    assert mask.polygons[0].min(axis=0).tolist() == [2.5, 6.5]
    assert np.argwhere(masked_pixels(mask, SHAPE, SHAPE)).tolist() == [[3, 7]]
    (write_mask(tmp_path, "b", mask)[0]).rename(path)
    assert [7.0, 3.0] in json.loads(path.read_text())["features"][0]["geometry"]["coordinates"][0]


def test_holes_and_collections_are_read(tmp_path: Path) -> None:
    outer = [(10, 10), (50, 10), (50, 40), (10, 40), (10, 10)]
    hole = [(20, 20), (30, 20), (30, 30), (20, 30), (20, 20)]
    other = [(70, 0), (80, 0), (80, 10), (70, 10), (70, 0)]
    path = tmp_path / "a.json"
    collection = {
        "type": "FeatureCollection",
        "features": [
            feature(outer, hole),
            {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[other]]}},
            {"type": "Feature", "geometry": None},
        ],
    }
    path.write_text(json.dumps(collection))
    grid = masked_pixels(find_masks(tmp_path, ["a"])["a"], SHAPE, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[10:40, 10:50] = expected[:10, 70:80] = True
    expected[20:30, 20:30] = False
    np.testing.assert_array_equal(grid, expected)


def test_rasters_of_other_programs_are_read(tmp_path: Path) -> None:
    raster = np.zeros((6, 9), np.uint8)
    raster[1, 2] = 1
    Image.fromarray(raster * 255).save(tmp_path / "png.png")
    tifffile.imwrite(tmp_path / "tif_mask.tif", raster.astype(np.uint16))
    write_mrc(tmp_path / "mrc.mrc", raster.astype(np.float32), None)
    write_mrc(tmp_path / "likely_mask.mrc", np.where(raster, 0.7, 0.4).astype(np.float32), None)
    found = find_masks(tmp_path, ["png", "tif", "mrc", "likely"])
    assert len(found) == 4
    for mask in found.values():
        np.testing.assert_array_equal(mask.raster, raster > 0)


def test_an_own_file_comes_before_one_that_only_has_the_name(tmp_path: Path) -> None:
    write_mask(tmp_path, "a", Mask((SQUARE,)))
    Image.fromarray(np.arange(54, dtype=np.uint8).reshape(6, 9)).save(tmp_path / "a.png")  # the micrograph
    assert len(find_masks(tmp_path, ["a"])["a"].polygons) == 1


def test_several_files_of_a_micrograph_all_hold(tmp_path: Path) -> None:
    write_mask(tmp_path, "a", Mask((SQUARE,)))
    Image.fromarray(np.eye(2, dtype=np.uint8)).save(tmp_path / "a_mask.png")
    mask = find_masks(tmp_path, ["a"])["a"]
    assert len(mask.polygons) == 1
    assert mask.raster is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type": "Point", "coordinates": [1, 2]}',
        '{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]}',
        '{"type": "Polygon", "coordinates": [[[1, null], [3, 4], [5, 6], [1, 2]]]}',
        '{"type": "Polygon", "coordinates": [["a", "b", "c", "d"]]}',
        '{"type": "Polygon", "coordinates": []}',
        '{"type": "FeatureCollection", "features": 3}',
    ],
)
def test_what_is_no_geojson_of_polygons_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a_mask.geojson"
    path.write_text(text)
    with pytest.raises(FileError, match=r"a_mask\.geojson is no GeoJSON of polygons") as refused:
        find_masks(tmp_path, ["a"])["a"]
    assert "\n" not in str(refused.value)


def test_what_is_no_raster_of_a_mask_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.arange(54, dtype=np.uint8).reshape(6, 9)).save(tmp_path / "a.png")
    with pytest.raises(FileError, match=r"a\.png has 54 values from 0 to 53, but a mask has two"):
        read_mask(tmp_path / "a.png")
    write_mrc(tmp_path / "b.mrc", np.array([[-1.0, 1.0]], np.float32).repeat(4, 0), None)
    with pytest.raises(FileError, match="2 values from -1 to 1"):
        read_mask(tmp_path / "b.mrc")
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(FileError, match=r"c\.png"):
        read_mask(tmp_path / "c.png")


def test_folders_without_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        find_masks(tmp_path / "none", ["a"])
    with pytest.raises(FileError, match="it has none"):
        find_masks(tmp_path, ["a"])
    (tmp_path / "b_mask.png").touch()
    with pytest.raises(FileError, match=r"no mask of these micrographs \(the files there are of b_mask\)"):
        find_masks(tmp_path, ["a"])
    with pytest.raises(FileError, match="is a file; give the folder"):
        find_masks(tmp_path / "b_mask.png", ["a"])
    with pytest.raises(FileError, match="no file can have"):
        write_mask(tmp_path, "../a", Mask())
