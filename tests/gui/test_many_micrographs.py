"""Tens of thousands of micrographs and picks: what is done once must not be done once for each."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from pytestqt.qtbot import QtBot

from napari_topaz.events import Job, Progress, Started, Warned
from napari_topaz.files import find_micrographs
from napari_topaz.files.session import SavedSession, write_session
from napari_topaz.gui import gallery_list, micrograph_list, tasks
from napari_topaz.gui import place as place_module
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.gallery_list import GalleryList
from napari_topaz.gui.guarded import guarded
from napari_topaz.gui.guide import guide
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.label_book import LabelBook
from napari_topaz.gui.mask_book import MaskBook
from napari_topaz.gui.pick_book import PickBook
from napari_topaz.gui.place import place_of, read_ahead
from napari_topaz.gui.plots import MOST_POINTS, PrecisionRecallPlot
from napari_topaz.gui.results import Results
from napari_topaz.gui.session import session_of
from napari_topaz.gui.session_texts import restored_text
from napari_topaz.gui.workspace import Workspace
from napari_topaz.masks import Mask
from napari_topaz.numerics.curves import Curve
from napari_topaz.picks import Kind, Picks
from worlds import run

from .conftest import micrograph

NAMES = [f"m_{k}" for k in range(6)]


@pytest.fixture
def many() -> Workspace:
    workspace = Workspace()
    workspace.add([micrograph(name) for name in NAMES])
    return workspace


def found(k: int) -> Picks:
    """Three picks; their places tell the micrograph."""
    return Picks([[50, 10 + k], [50, 110 + k], [50, 210 + k]], scores=[3, 2, 1])


# -- the workspace ----------------------------------------------------------------------------------


def test_labels_of_many_are_one_change_and_one_step_of_undo(many: Workspace) -> None:
    told: list[str] = []
    many.labels_changed.connect(told.append)
    before = many.changes
    many.set_many_labels({name: Picks.labels([[5, 5]]) for name in NAMES})
    assert (told, many.changes) == ([""], before + 1)
    assert len(many.all_labels) == len(NAMES)
    assert many.undo() == ""
    assert many.all_labels == {}
    assert many.redo() == ""
    assert len(many.all_labels) == len(NAMES)
    many.set_many_labels({})
    assert (told, many.changes) == (["", "", ""], before + 3)


def test_picks_at_labels_of_many_are_looked_at_again(many: Workspace) -> None:
    many.set_candidates("m_1", found(1))
    assert many.count("m_1") == 3
    many.set_many_labels({name: Picks.labels([[50, 11]], Kind.NOT_PARTICLE) for name in NAMES})
    assert many.count("m_1") == 2


def test_picks_of_many_are_forgotten_in_one_change(many: Workspace) -> None:
    for k, name in enumerate(NAMES):
        many.set_candidates(name, found(k))
    told: list[str] = []
    many.picks_changed.connect(told.append)
    many.set_model(None)
    assert told == [""]
    assert [name for name in NAMES if len(many.candidates(name))] == ["m_0"]  # it is shown


def test_masks_of_many_are_one_change(many: Workspace) -> None:
    book, told = MaskBook(many), []
    many.picks_changed.connect(told.append)
    for k, name in enumerate(NAMES):
        many.set_candidates(name, found(k))
    told.clear()
    corner = np.array([[0, 0], [0, 100], [100, 100], [100, 0]], np.float32)
    book.put({name: Mask((corner,)) for name in NAMES})
    assert told == [""]
    assert [many.count(name) for name in NAMES] == [2] * len(NAMES)
    told.clear()
    book.restore({})
    assert told == [""]
    assert [many.count(name) for name in NAMES] == [3] * len(NAMES)


def test_counts_of_particles_follow_the_labels() -> None:
    book = LabelBook({"a": Picks.labels([[1, 1], [2, 2]]), "b": Picks.labels([[1, 1]], Kind.NOT_PARTICLE)})
    assert book.particles == {"a": 2}
    book.put({"b": Picks.labels([[1, 1]])})
    assert book.particles == {"a": 2, "b": 1}
    book.put({"a": Picks()})
    assert book.particles == {"b": 1}
    book.history.go_back()
    assert book.particles == {"a": 2, "b": 1}


def test_particles_of_several_micrographs_are_counted_apart() -> None:
    both = Picks([[1, 1], [2, 2], [3, 3]], kinds=[1, 2, 1])
    book = LabelBook({"a": Picks(), "b": both, "c": Picks.labels([[1, 1]], Kind.NOT_PARTICLE), "d": both})
    assert book.particles == {"b": 2, "d": 2}
    assert LabelBook().particles == {}


def test_what_was_restored_is_said_without_looking_through_all_names() -> None:
    class Names(list):
        def __contains__(self, name: object) -> bool:
            raise AssertionError("20 000 times 20 000 comparisons")

    session = SavedSession({name: Picks.labels([[1, 1]]) for name in [*NAMES, "gone"]})
    text = restored_text(session, Names(NAMES))
    assert "6 labels on 6 micrographs. 1 label of 1 micrograph not in this folder" in text


def test_progress_that_comes_fast_is_told_now_and_then() -> None:
    def job(stop: threading.Event) -> Job[str]:
        yield Started("Reading", 2000)
        for n in range(1, 2001):
            yield Progress(n, 2000)
        yield Warned("careful")
        return "result"

    events, outcome = run(guarded(job, threading.Event()))
    assert outcome.result == "result"
    assert isinstance(events[0], Started)
    assert events[-2:] == [Progress(2000, 2000), Warned("careful")]
    assert len(events) < 200


def test_advice_does_not_look_at_every_label(many: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    many.set_many_labels({name: Picks.labels([[k, k] for k in range(4)]) for name in NAMES})

    def refuse(*_: object) -> None:
        raise AssertionError("20 000 times, after every click")

    monkeypatch.setattr(Picks, "of_kind", refuse)
    monkeypatch.setattr(Workspace, "labels", refuse)
    assert guide(many, None).suggest_template is not None  # no diameter
    assert sum(many.particles.values()) == 4 * len(NAMES)


def test_a_count_is_made_once(many: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    free = PickBook.free
    monkeypatch.setattr(PickBook, "free", lambda self, name: (asked.append(name), free(self, name))[1])
    many.set_candidates("m_1", found(1))
    assert [many.count("m_1"), many.count("m_1"), asked] == [3, 3, ["m_1"]]
    pick = many.options.pick.model_copy(update={"threshold": 1.5})
    many.change(pick=pick)
    assert many.count("m_1") == 2
    many.label("m_1", [[50, 111]], Kind.NOT_PARTICLE)
    many.change(preprocess=many.options.preprocess.model_copy(update={"diameter": 40.0}))
    assert many.count("m_1") == 1


def test_peaks_without_labels_ask_for_no_length(many: Workspace) -> None:
    book = PickBook(lambda name: Picks.labels([[1, 1]]), lambda name: 1 / 0)
    assert len(book.free("m_1")) == 0  # no peaks either


def test_results_are_those_of_the_moment_when_saving_began(many: Workspace) -> None:
    many.set_candidates("m_1", found(1))
    many.label("m_2", [[5, 5]], Kind.PARTICLE)
    frozen = many.frozen_results()
    many.label("m_1", [[200, 200]], Kind.PARTICLE)
    many.set_candidates("m_3", found(3))
    many.change(pick=many.options.pick.model_copy(update={"threshold": 2.5}))
    many.begin([micrograph("other")])
    assert {name: len(picks) for name, picks in frozen.all().items()} == {"m_1": 3, "m_2": 1}


@pytest.mark.gui
def test_results_are_put_together_behind_the_window(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(ViewerModel())
    session.workspace.add([micrograph(name) for name in NAMES])
    session.workspace.set_candidates("m_1", found(1))
    threads = []
    of = Results.of
    monkeypatch.setattr(
        Results, "of", lambda self, name: (threads.append(threading.current_thread()), of(self, name))[1]
    )
    bar = JobBar()
    qtbot.addWidget(bar)
    Actions(session, bar, bar).save(tmp_path / "picks.csv")
    qtbot.waitUntil(lambda: bar.running is None)
    assert "3 particles on 1 micrograph saved" in bar.message
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.gui
def test_labels_that_are_read_are_one_change(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(ViewerModel())
    session.workspace.add([micrograph(name) for name in NAMES])
    session.workspace.label("m_0", [[5, 5]], Kind.PARTICLE)
    labels = {name: Picks.labels([[5, 5], [90, 90]]) for name in NAMES}

    def loading(*_: object, **__: object):
        yield from ()
        return labels

    monkeypatch.setattr(tasks, "loading_labels", loading)
    told: list[str] = []
    session.workspace.labels_changed.connect(told.append)
    bar = JobBar()
    qtbot.addWidget(bar)
    Actions(session, bar, bar).load_labels(Path("labels.csv"))
    qtbot.waitUntil(lambda: bool(told))
    assert told == [""]
    assert [len(session.workspace.labels(name)) for name in NAMES] == [2] * len(NAMES)
    session.undo()
    assert [len(session.workspace.labels(name)) for name in NAMES] == [1, 0, 0, 0, 0, 0]


# -- the list ---------------------------------------------------------------------------------------


def test_pixel_sizes_are_those_that_were_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace()
    workspace.add(find_micrographs([folder]))

    def refuse(*_: object) -> None:
        raise AssertionError("20 000 files, while the window waits")

    monkeypatch.setattr(micrograph_list, "read_header", refuse)
    assert [workspace.stated_pixel_size(name) for name in workspace.names] == [2.0, 2.0, 2.0]


@pytest.mark.gui
def test_a_session_that_was_read_ahead_is_not_read_again(
    folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, place = find_micrographs([folder]), folder / "napari-topaz-session"
    write_session(place, SavedSession({"m_1": Picks.labels([[5, 5]])}))
    assert place_of(files) == place
    ahead = read_ahead(place)
    read = place_module.read_session
    monkeypatch.setattr(place_module, "read_session", lambda _: pytest.fail("in the window's own thread"))
    first = session_of(viewer := ViewerModel())
    first.keeper.open(files, alone=True, ahead=ahead)
    assert len(first.workspace.labels("m_1")) == 1
    first.keeper.leave()
    monkeypatch.setattr(place_module, "read_session", read)
    write_session(place, SavedSession({"m_1": Picks.labels([[5, 5], [9, 9]])}))  # meanwhile, by somebody else
    second = session_of(other := ViewerModel())
    second.keeper.open(files, alone=True, ahead=ahead)
    assert len(second.workspace.labels("m_1")) == 2
    second.keeper.leave()
    del viewer, other
    assert read_ahead(None) is None
    assert read_ahead(folder / "elsewhere") is None


# -- the gallery and the plots ------------------------------------------------------------------------


class Bench:
    """A list of the gallery; `threads` are those that put rows in order."""

    def __init__(self, qtbot: QtBot, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[threading.Thread] = []
        arranged = gallery_list.arranged

        def note(*args: object) -> object:
            self.threads.append(threading.current_thread())
            return arranged(*args)

        monkeypatch.setattr(gallery_list, "arranged", note)
        monkeypatch.setattr(gallery_list, "WAIT", 50)
        self.qtbot, self.owner = qtbot, JobBar()
        qtbot.addWidget(self.owner)
        for k, name in enumerate(NAMES):
            workspace.set_candidates(name, found(k))
        self.list = GalleryList(workspace, self.owner)
        self.settle()

    def settle(self) -> None:
        self.qtbot.wait(20)
        self.qtbot.waitUntil(lambda: not self.list.gathering, timeout=20_000)


@pytest.mark.gui
def test_many_rows_are_put_in_order_behind_the_window(
    qtbot: QtBot, many: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_list, "MANY", 10)
    bench = Bench(qtbot, many, monkeypatch)
    assert len(bench.list.rows) == 18
    assert threading.main_thread() not in bench.threads
    first = bench.list.rows.name(0), bench.list.rows.picks.yx[0]
    bench.list.label(0, Kind.NOT_PARTICLE)
    assert bench.list.rows.picks.kinds[0] == Kind.NOT_PARTICLE  # at once, though the rest comes later
    bench.settle()
    assert (bench.list.rows.name(0), bench.list.rows.picks.kinds[0]) == (first[0], Kind.NOT_PARTICLE)
    bench.list.label(0, Kind.NOT_PARTICLE)
    assert bench.list.rows.picks.kinds[0] == Kind.PICK
    bench.list.choose(order="worst")
    bench.settle()
    assert float(bench.list.rows.picks.scores[0]) == 1


@pytest.mark.gui
def test_rows_of_micrographs_that_are_gone_are_never_shown(
    qtbot: QtBot, many: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_list, "MANY", 10)
    bench = Bench(qtbot, many, monkeypatch)
    shown: list[set[str]] = []
    bench.list.changed.connect(lambda: shown.append(set(bench.list.rows.names)))
    bench.list.choose(order="worst")  # which is on its way when other micrographs are opened
    many.begin([micrograph("other")])
    bench.settle()
    assert shown
    assert set.union(*shown) <= {"other"}


@pytest.mark.gui
def test_picks_that_come_fast_are_gathered_together(
    qtbot: QtBot, many: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_list, "MANY", 10)
    bench = Bench(qtbot, many, monkeypatch)
    monkeypatch.setattr(gallery_list, "WAIT", 10_000)
    changes: list[object] = []
    bench.list.changed.connect(lambda: changes.append(None))
    for k in range(20):
        many.set_candidates(NAMES[k % 6], found(k))
        qtbot.wait(1)
    assert not changes
    assert bench.list._soon.remainingTime() > 9000 - 20 * 50


@pytest.mark.gui
def test_opening_micrographs_lists_names_a_few_times_only(
    qtbot: QtBot, many: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bench(qtbot, many, monkeypatch)
    read: list[None] = []

    class Counted(list):
        def __iter__(self):
            read.append(None)
            return super().__iter__()

    names = Workspace.names.fget
    monkeypatch.setattr(Workspace, "names", property(lambda self: Counted(names(self))))
    many.add([micrograph("other")])
    assert len(read) < len(NAMES)


@pytest.mark.gui
def test_a_long_curve_is_drawn_with_few_points(qtbot: QtBot) -> None:
    plot = PrecisionRecallPlot()
    qtbot.addWidget(plot)
    recall = np.linspace(0, 1, 200_000)
    plot.show_curve(Curve(1 - recall / 2, recall, -recall), 100_000)
    x, y = plot._line.getData()
    assert len(x) <= MOST_POINTS
    assert (x[0], x[-1], y[-1]) == (0, 1, 0.5)
    np.testing.assert_array_equal(x[:100], recall[:100])
    np.testing.assert_allclose(np.ravel(plot._here.getData()), [recall[100_000], 1 - recall[100_000] / 2])


def test_the_session_is_the_viewers_and_not_that_of_the_proxy_that_napari_gives_a_dock() -> None:
    viewer = ViewerModel()
    first = PublicOnlyProxy(viewer)
    session = session_of(first)
    reference = weakref.ref(session)
    assert session_of(viewer) is session
    del first, session  # the dock was closed
    gc.collect()
    assert reference() is not None
    assert session_of(PublicOnlyProxy(viewer)) is reference()
    assert reference().layers._viewer is viewer
