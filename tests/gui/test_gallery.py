"""The particle gallery: what she sees, clicks and presses."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor

from napari_topaz.files import find_micrographs
from napari_topaz.gui import gallery_tiles
from napari_topaz.gui.gallery import ParticleGallery
from napari_topaz.gui.gallery_average import average, grey
from napari_topaz.gui.gallery_view import GAP
from napari_topaz.gui.looks import PALETTES
from napari_topaz.gui.session import session_of
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import DIAMETER, SHAPE, micrograph

pytestmark = pytest.mark.gui

#: Far apart, with scores that tell their places.
PLACES = np.array([[60, 60], [60, 160], [60, 260], [160, 60], [160, 160], [160, 260]], np.float32)


class Bench:
    """A gallery in a viewer without a window, 60 picks on each of two micrographs."""

    def __init__(self, qtbot: QtBot, sources: list | None = None) -> None:
        self.viewer = ViewerModel()
        self.session = session_of(self.viewer)
        self.workspace = self.session.workspace
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)] if sources is None else sources)
        self.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
        for k, name in enumerate(self.workspace.names):
            self.workspace.set_candidates(name, Picks(PLACES, 10.0 - 2 * np.arange(6) - k))
        self.gallery = ParticleGallery(self.viewer)
        qtbot.addWidget(self.gallery)
        self.view, self.list = self.gallery.view, self.gallery.list
        self.qtbot = qtbot
        self.gallery.resize(900, 300)
        self.gallery.show()
        self.settle()

    def settle(self) -> None:
        """Wait until the list and the tiles in view are there."""
        self.qtbot.waitUntil(lambda: not self.list.gathering and not self.gallery.cutter.busy, timeout=20000)

    def click(self, row: int, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        place = self.view.place(row).center()
        self.qtbot.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, modifier, place)
        self.settle()

    def press(self, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.view, key, modifier)
        self.settle()

    def labels(self, name: str) -> list[tuple[float, float, int]]:
        labels = self.workspace.labels(name)
        return [(*map(float, yx), int(kind)) for yx, kind in zip(labels.yx, labels.kinds, strict=True)]

    def row(self, row: int) -> tuple[str, float, int]:
        """Micrograph, score and kind of a row."""
        picks = self.list.rows.picks
        return self.list.rows.name(row), float(picks.scores[row]), int(picks.kinds[row])


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def test_the_best_come_first_across_micrographs(bench: Bench) -> None:
    assert bench.view.count == 12
    assert [bench.row(k)[:2] for k in range(3)] == [("a", 10), ("b", 9), ("a", 8)]
    assert all(bench.gallery._look(k).pixels is not None for k in range(12))
    bench.gallery.order.setCurrentIndex(1)
    bench.gallery.order.activated.emit(1)
    assert bench.row(0)[:2] == ("b", -1)
    assert "12 tiles of 2 micrographs: 0 labelled, 0 rejected" in bench.gallery.status.text()


def test_a_click_rejects_and_another_takes_it_back(bench: Bench) -> None:
    bench.click(1)
    assert bench.labels("b") == [(60, 60, Kind.NOT_PARTICLE)]
    assert bench.row(1) == ("b", 9, Kind.NOT_PARTICLE)  # it stays where it is
    assert "1 rejected" in bench.gallery.status.text()
    bench.click(1)
    assert bench.labels("b") == []
    assert bench.row(1) == ("b", 9, Kind.PICK)


def test_shift_and_click_accepts_also_what_was_rejected(bench: Bench) -> None:
    bench.click(0)
    bench.click(0, Qt.KeyboardModifier.ShiftModifier)
    assert bench.labels("a") == [(60, 60, Kind.PARTICLE)]
    assert bench.row(0) == ("a", 10, Kind.PARTICLE)


def test_sorted_by_kind_nothing_jumps_under_the_mouse(bench: Bench) -> None:
    bench.gallery.order.setCurrentIndex(2)
    bench.gallery.order.activated.emit(2)
    bench.click(5)
    bench.click(5, Qt.KeyboardModifier.ShiftModifier)
    assert bench.row(5)[2] == Kind.PARTICLE
    bench.gallery.order.activated.emit(2)  # she asks for the order once more
    assert bench.row(0)[2] == Kind.PARTICLE


def test_keys_move_accept_reject_and_undo(bench: Bench) -> None:
    bench.press(Qt.Key.Key_Right)
    bench.press(Qt.Key.Key_Right)
    assert bench.view.cursor == 1
    bench.press(Qt.Key.Key_J)
    assert bench.labels("b") == [(60, 60, Kind.PARTICLE)]
    bench.press(Qt.Key.Key_K)
    assert bench.labels("b") == [(60, 60, Kind.NOT_PARTICLE)]
    bench.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert bench.labels("b") == [(60, 60, Kind.PARTICLE)]
    bench.press(Qt.Key.Key_End)
    assert bench.view.cursor == 11
    bench.press(Qt.Key.Key_Home)
    assert bench.view.cursor == 0


def test_a_double_click_goes_there_and_labels_nothing(bench: Bench, monkeypatch) -> None:
    gone: list = []
    monkeypatch.setattr(bench.gallery.going, "go", lambda name, yx: gone.append((name, *yx.tolist())))
    place = bench.view.place(3).center()
    for gesture in (bench.qtbot.mouseClick, bench.qtbot.mouseDClick):
        gesture(bench.view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert gone == [("b", 60, 160)]
    assert bench.labels("b") == []
    bench.press(Qt.Key.Key_Return)
    assert gone[1] == ("b", 60, 160)


def test_only_this_micrograph_follows_the_current_one(bench: Bench) -> None:
    bench.gallery.scope.setCurrentIndex(1)
    assert {bench.row(k)[0] for k in range(bench.view.count)} == {"a"}
    bench.workspace.show("b")
    assert {bench.row(k)[0] for k in range(bench.view.count)} == {"b"}


def test_threshold_model_and_labels_are_followed_while_it_is_open(bench: Bench) -> None:
    bench.workspace.change(pick=bench.workspace.options.pick.model_copy(update={"threshold": 8.5}))
    bench.settle()
    assert bench.view.count == 2
    bench.workspace.label("a", [[250, 250]], Kind.PARTICLE)
    bench.settle()
    assert bench.view.count == 3
    bench.workspace.set_model(None)  # its picks are forgotten, but those of the current micrograph
    bench.settle()
    assert {bench.row(k)[0] for k in range(bench.view.count)} == {"a"}


def test_the_cursor_stays_on_its_particle(bench: Bench) -> None:
    bench.press(Qt.Key.Key_Home)
    assert bench.row(0)[:2] == ("a", 10)
    bench.workspace.set_candidates("b", Picks(PLACES, 20.0 + np.arange(6)))
    bench.settle()
    assert bench.view.cursor == 6
    assert bench.row(6)[:2] == ("a", 10)


def test_nothing_to_show_says_what_to_do(qtbot: QtBot) -> None:
    bench = Bench(qtbot, sources=[])
    assert bench.view.count == 0
    assert "Open micrographs" in bench.gallery.status.text()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_J, Qt.Key.Key_End, Qt.Key.Key_Return):
        bench.press(key)
    bench.workspace.add([micrograph("c")])
    bench.settle()
    assert "No picks and no labels" in bench.gallery.status.text()


def test_a_vanished_micrograph_is_told_and_the_rest_is_shown(qtbot: QtBot, folder: Path) -> None:
    files = find_micrographs([folder])
    files[1].path.unlink()
    bench = Bench(qtbot, sources=files)
    qtbot.waitUntil(lambda: "m_2.mrc" in bench.gallery.status.text(), timeout=10000)
    looks = {bench.row(k)[0]: bench.gallery._look(k) for k in range(12)}
    assert looks["m_2"].broken
    assert looks["m_2"].pixels is None
    assert not looks["m_1"].broken
    assert looks["m_1"].pixels is not None
    assert "m_2.mrc" in bench.gallery._describe(next(k for k in range(12) if bench.row(k)[0] == "m_2"))


def test_another_folder_while_tiles_are_cut(qtbot: QtBot, monkeypatch) -> None:
    bench = Bench(qtbot)
    cut, began, go = gallery_tiles.cut_tile, threading.Event(), threading.Event()

    def slow(one, key):
        began.set()
        assert go.wait(20)
        return cut(one, key)

    monkeypatch.setattr(gallery_tiles, "cut_tile", slow)
    bench.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER * 1.2))  # other tiles
    qtbot.waitUntil(began.is_set)
    bench.workspace.begin([micrograph("new", 5)], {"new": Picks.labels(PLACES[:2])})
    bench.view.viewport().repaint()  # rows of what is gone must not be asked for
    go.set()
    bench.settle()
    assert {bench.row(k)[0] for k in range(bench.view.count)} == {"new"}
    assert bench.view.count == 2


def test_closed_while_cutting(qtbot: QtBot, monkeypatch) -> None:
    bench = Bench(qtbot)
    began, go = threading.Event(), threading.Event()

    def slow(one, key):
        began.set()
        assert go.wait(20)
        return np.zeros((4, 4), np.uint8)

    monkeypatch.setattr(gallery_tiles, "cut_tile", slow)
    bench.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER * 1.2))
    qtbot.waitUntil(began.is_set)
    cutter, workspace, kept = bench.gallery.cutter, bench.workspace, bench.list
    with qtbot.waitSignal(bench.gallery.destroyed):
        bench.gallery.deleteLater()
    go.set()
    qtbot.waitUntil(lambda: not cutter.busy)
    del bench
    gc.collect()
    workspace.label("a", [[60, 60]], Kind.PARTICLE)  # nobody listens any more
    assert not kept.gathering


def test_many_rows_only_tiles_in_view_are_looked_at(qtbot: QtBot) -> None:
    bench = Bench(qtbot)
    grid = np.stack(np.meshgrid(np.arange(5, SHAPE[0] - 5, 3), np.arange(5, SHAPE[1] - 5, 3)), -1).reshape(
        -1, 2
    )
    bench.workspace.set_candidates("a", Picks(grid[:9000], np.linspace(1, 100, 9000)))
    bench.settle()
    assert bench.view.count == 9006
    looked: list[int] = []
    look = bench.view._look
    bench.view._look = lambda row: looked.append(row) or look(row)
    bar = bench.view.verticalScrollBar()
    bar.setValue(bar.maximum())
    bench.view.viewport().repaint()
    assert 0 < len(looked) < 100
    assert max(looked) == 9005
    bench.settle()
    assert bench.gallery.cutter.made < 600


def test_the_grid(bench: Bench) -> None:
    view = bench.view
    for row in (0, 1, view.columns, 11):
        assert view.at(*_xy(view.place(row).center())) == row
    assert view.at(*_xy(view.place(0).topRight() + QPoint(GAP // 2, 0))) is None
    assert view.at(*_xy(view.place(11).center() + QPoint(view.size_ + GAP, 0))) is None
    bench.gallery.size_slider.setValue(190)
    columns = view.columns
    assert view.place(columns - 1).right() < view.viewport().width()
    height = -(-12 // columns) * (190 + GAP) + GAP
    assert view.verticalScrollBar().maximum() + view.viewport().height() == height
    view._go_to(11)
    assert view.place(11).bottom() <= view.viewport().height()
    assert 11 in view.in_view()
    view._go_to(0)
    assert view.place(0).top() >= 0


def test_the_average_is_of_what_is_in_view_and_not_rejected(bench: Bench, monkeypatch) -> None:
    shown: list = []
    monkeypatch.setattr(bench.gallery.averages, "show_tiles", lambda tiles: shown.append(len(tiles)))
    bench.gallery._average()
    bench.click(2)
    bench.gallery._average()
    assert shown[0] == len(bench.view.in_view())
    assert shown[-1] == shown[0] - 1


def test_averages() -> None:
    assert average([]) is None
    small, large = np.full((4, 4), 10, np.uint8), np.full((6, 6), 30, np.uint8)
    np.testing.assert_array_equal(average([large, small, large + 10]), np.full((6, 6), 35))
    levels = grey(np.linspace(-3, 7, 10000, dtype=np.float32).reshape(100, 100))
    assert (levels.min(), levels.max()) == (0, 255)
    assert abs(float(levels.mean()) - 127) < 2


def test_wide_and_high(bench: Bench) -> None:
    bench.gallery.resize(900, 300)
    assert bench.view.width() > 400
    bench.gallery.resize(340, 800)
    bench.qtbot.waitUntil(lambda: bench.view.width() > 300)


def _xy(point: QPoint) -> tuple[int, int]:
    return point.x(), point.y()


def is_framed(bench: Bench, row: int, colour: str) -> bool:
    """Whether a tile has a frame of that colour, as it is painted."""
    corner, wanted = bench.view.place(row).topLeft(), QColor(colour)
    found = bench.view.viewport().grab().toImage().pixelColor(corner.x() + 1, corner.y() + 30)
    return all(abs(a - b) <= 8 for a, b in zip(found.getRgb(), wanted.getRgb(), strict=True))


def test_tiles_and_averages_are_inverted_with_the_picture(bench: Bench) -> None:
    before = [bench.gallery._look(k).pixels for k in range(12)]
    bench.gallery._average()
    plain = bench.gallery.averages.plain.pixmap().toImage()
    display = bench.workspace.options.display.model_copy(update={"invert": True})
    bench.workspace.change(display=display)
    after = [bench.gallery._look(k).pixels for k in range(12)]
    assert all(np.array_equal(255 - a, b) for a, b in zip(before, after, strict=True))
    bench.qtbot.waitUntil(lambda: bench.gallery.averages.plain.pixmap().toImage() != plain)
    inverted = bench.gallery.averages.plain.pixmap().toImage()
    middle = plain.width() // 2
    greys = [image.pixelColor(middle, middle).red() for image in (plain, inverted)]
    assert greys[0] == pytest.approx(255 - greys[1], abs=20)
    assert abs(greys[0] - greys[1]) > 40


def test_frames_have_the_colours_that_she_prefers(bench: Bench) -> None:
    bench.click(0)
    assert is_framed(bench, 0, PALETTES["yellow, red, blue"].not_particle)
    preferences = bench.session.preferences
    preferences._pages = SimpleNamespace(looks=SimpleNamespace(colours="white, orange, blue"))
    preferences.changed.emit()
    assert is_framed(bench, 0, PALETTES["white, orange, blue"].not_particle)
    later = ParticleGallery(bench.viewer)
    bench.qtbot.addWidget(later)
    assert later.view._colours == PALETTES["white, orange, blue"]


def test_a_gallery_that_is_gone_listens_to_nothing(bench: Bench) -> None:
    signals = bench.workspace.options_changed, bench.session.preferences.changed
    before = [len(signal) for signal in signals]
    bench.gallery.destroyed.emit()
    assert [len(signal) for signal in signals] == [before[0] - 1, before[1] - 1]
