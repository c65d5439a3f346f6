"""Cutting tiles in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.gui import gallery_tiles as module
from napari_topaz.gui.gallery_tiles import EDGE, TileCutter, TileKey, cut_tile
from napari_topaz.micrograph import Micrograph, MicrographFile

from .conftest import SHAPE, micrograph


@pytest.fixture
def cutter() -> Iterator[TileCutter]:
    cutter = TileCutter(kept=20)
    yield cutter
    cutter.close()


def until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def spotted(value: float = 500) -> Micrograph:
    """Noise with one bright spot at (100, 250)."""
    one = micrograph("spot")
    one.pixels[95:106, 245:256] = value
    return one


def test_a_tile_shows_its_place_in_the_middle() -> None:
    tile = cut_tile(spotted().pixels, TileKey(spotted(), 100, 250, 40.0))
    assert tile.shape == (64, 64)
    bright = np.argwhere(tile > 200)
    assert np.abs(bright.mean(axis=0) - 32).max() < 1
    away = cut_tile(spotted().pixels, TileKey(spotted(), 110, 240, 40.0))
    assert np.abs(np.argwhere(away > 200).mean(axis=0) - [22, 42]).max() < 1.5


def test_large_boxes_are_downsampled_and_edges_continued() -> None:
    one = micrograph("a")
    assert cut_tile(one.pixels, TileKey(one, 0, SHAPE[1] - 1, 100.0)).shape == (EDGE, EDGE)
    assert cut_tile(one.pixels, TileKey(one, 10, 10, None)).shape == (16, 16)  # 1/40 of the longer side


def test_a_hot_pixel_does_not_hide_the_particle() -> None:
    hot = spotted(112)
    clean = cut_tile(hot.pixels, TileKey(hot, 100, 250, 40.0)).astype(float)
    hot.pixels[80, 235] = 1e7
    tile = cut_tile(hot.pixels, TileKey(hot, 100, 250, 40.0)).astype(float)
    middle = slice(27, 37), slice(27, 37)
    assert abs(tile[middle].mean() - clean[middle].mean()) < 10


def test_tiles_are_made_in_a_thread_and_kept(cutter: TileCutter, files: list[MicrographFile]) -> None:
    keys = [TileKey(file, 100, 150, 40.0) for file in files]
    assert cutter.get(keys[0]) is None
    cutter.wish(keys)
    until(lambda: all(cutter.get(k) is not None for k in keys) and not cutter.busy)
    made, first = cutter.made, cutter.get(keys[0])
    cutter.wish(keys)
    assert (cutter.busy, cutter.made) == (False, made)
    assert cutter.get(keys[0]) is first
    others = [TileKey(files[0], y, 100, 40.0) for y in range(50, 70)]
    cutter.wish(others)
    until(lambda: not cutter.busy)
    assert [cutter.get(k) for k in keys] == [None] * 3  # the least recently used were forgotten


def test_what_cannot_be_read_is_told_once_and_tried_again(cutter: TileCutter, files, tmp_path: Path) -> None:
    gone = TileKey(MicrographFile(tmp_path / "gone.mrc"), 10, 10, 40.0)
    good = TileKey(files[0], 10, 10, 40.0)
    cutter.wish([gone, good])
    until(lambda: cutter.get(good) is not None and not cutter.busy)
    assert "gone.mrc" in str(cutter.why_not(gone))
    assert cutter.why_not(good) is None
    made = cutter.made
    cutter.wish([gone])
    assert (cutter.busy, cutter.made) == (False, made)
    (tmp_path / "gone.mrc").write_bytes(files[0].path.read_bytes())
    cutter.try_again()
    cutter.wish([gone])
    until(lambda: cutter.get(gone) is not None)


def test_a_micrograph_that_is_cut_between_two_tiles_is_told_and_the_rest_is_shown(
    cutter: TileCutter, files, monkeypatch
) -> None:
    broken = [TileKey(files[0], y, 60, 40.0) for y in (30, 60, 90)]
    good = TileKey(files[1], 30, 60, 40.0)
    cut = module.cut_tile

    def truncating(image: object, key: TileKey) -> np.ndarray:
        if key is broken[1]:
            with files[0].path.open("r+b") as file:
                file.truncate(2000)
        return cut(image, key)

    monkeypatch.setattr(module, "cut_tile", truncating)
    cutter.wish([*broken, good])
    until(lambda: not cutter.busy)
    assert [cutter.get(k) is not None for k in (*broken, good)] == [True, False, False, True]
    assert "written to while it was read" in str(cutter.why_not(broken[1]))
    assert cutter.why_not(good) is None


def test_new_wishes_replace_old_ones(cutter: TileCutter, monkeypatch) -> None:
    """She scrolled on, or opened another folder, while tiles were cut."""
    began, go, cut = threading.Event(), threading.Event(), []

    def slow(one: Micrograph, key: TileKey) -> np.ndarray:
        cut.append(key)
        began.set()
        assert go.wait(20)
        return np.zeros((4, 4), np.uint8)

    monkeypatch.setattr(module, "cut_tile", slow)
    old, new = (micrograph(name) for name in "ab")
    first = [TileKey(old, y, 50, 40.0) for y in range(5)]
    cutter.wish(first)
    assert began.wait(20)
    wanted = TileKey(new, 10, 10, 40.0)
    cutter.wish([wanted])
    go.set()
    until(lambda: not cutter.busy)
    assert cut == [first[0], wanted]


def test_closed_while_cutting_it_makes_no_more(cutter: TileCutter, monkeypatch) -> None:
    began, go, cut = threading.Event(), threading.Event(), []

    def slow(one: Micrograph, key: TileKey) -> np.ndarray:
        cut.append(key)
        began.set()
        assert go.wait(20)
        return np.zeros((4, 4), np.uint8)

    monkeypatch.setattr(module, "cut_tile", slow)
    source = micrograph("a")
    cutter.wish([TileKey(source, y, 50, 40.0) for y in range(5)])
    assert began.wait(20)
    cutter.close()
    go.set()
    until(lambda: not cutter.busy)
    assert len(cut) == 1
    cutter.wish([TileKey(source, 200, 50, 40.0)])
    assert not cutter.busy
