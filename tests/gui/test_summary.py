"""Particles per micrograph: what is counted, drawn and said, and where a click leads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QApplication

from napari_topaz.events import MicrographDone
from napari_topaz.gui import tasks
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.plots import Colours
from napari_topaz.gui.results import Results
from napari_topaz.gui.session import session_of
from napari_topaz.gui.summary import Summarising
from napari_topaz.gui.summary_panel import MOST_POINTS, Summary, SummaryPanel
from napari_topaz.numerics.counts import Counts
from napari_topaz.picks import Kind, Picks

from .conftest import micrograph

pytestmark = pytest.mark.gui
NAMES = [f"m_{k}" for k in range(9)]
#: m_3 has too many, m_6 none, m_8 is broken.
COUNTS = (40, 44, 38, 200, 41, 39, 0, 42)


def until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Wait for it: threads may be slow where much else runs."""
    qtbot.waitUntil(condition, timeout=30_000)


def found(n: int) -> Picks:
    return Picks(np.arange(2 * n).reshape(n, 2) % 300, np.linspace(3, 1, n))


@pytest.fixture
def world(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    session, bar, panel = session_of(ViewerModel()), JobBar(), SummaryPanel()
    for widget in (bar, panel):
        qtbot.addWidget(widget)
    session.workspace.add([micrograph(name) for name in NAMES])
    actions = Actions(session, bar, bar)
    monkeypatch.setattr("napari_topaz.gui.summary.QUIET", 0)
    monkeypatch.setattr("napari_topaz.gui.summary.SOMETIMES", 10**6)  # nothing waits for that without a job

    def picking(sources, model, options, done, stop, kept):
        picks = dict(zip(NAMES, map(found, COUNTS), strict=False))
        for name, one in picks.items():
            yield MicrographDone(name, one)
        yield MicrographDone("m_8", error="It is broken.")
        return picks

    monkeypatch.setattr(tasks, "picking", picking)
    card = SimpleNamespace(threshold=0.0)
    session.workspace.model = SimpleNamespace(card=card, is_general=False, knows_preprocessing=True)
    controller = Summarising(session, bar, actions, panel, bar)
    yield SimpleNamespace(
        workspace=session.workspace, bar=bar, panel=panel, actions=actions, controller=controller
    )
    until(qtbot, lambda: bar.running is None and not controller.latest.busy)


def test_after_pick_all_it_opens_and_names_what_stands_out(qtbot: QtBot, world: SimpleNamespace) -> None:
    assert world.panel.fold.inside.isHidden()
    world.actions.pick_all()
    until(qtbot, lambda: "444 particles on 8 micrographs" in world.panel.numbers.text())
    assert not world.panel.fold.inside.isHidden()
    text = world.panel.numbers.text()
    assert "median 40.5, 1 without any, 1 failed (<a" in text
    assert text.index("m_3</a> (200)") < text.index("m_6</a> (0)")
    assert "m_1<" not in text
    assert world.panel.fold.button.text() == "Per micrograph · 2 stand out · 1 failed"
    plot = world.panel.plot
    assert [list(item.data["x"]) for item in (plot.many, plot.few)] == [[4], [7]]
    assert list(plot.points.data["x"]) == list(range(1, 9))


def test_links_and_clicks_go_to_the_micrograph(qtbot: QtBot, world: SimpleNamespace) -> None:
    world.actions.pick_all()
    until(qtbot, lambda: "stand out" in world.panel.fold.button.text())
    world.panel.numbers.linkActivated.emit("m_3")
    assert world.workspace.current == "m_3"
    assert world.panel.plot._here.value() == 4
    world.panel.plot.chosen.emit(6)
    assert world.workspace.current == "m_6"


def test_it_follows_threshold_labels_and_exclusions(qtbot: QtBot, world: SimpleNamespace) -> None:
    workspace, numbers = world.workspace, world.panel.numbers
    world.actions.pick_all()
    until(qtbot, lambda: "444 particles" in numbers.text())
    workspace.decisions.put(["m_3"], Mark.EXCLUDED, on=True)
    until(qtbot, lambda: "244 particles on 7 micrographs" in numbers.text())
    workspace.show("m_6")
    assert world.panel.plot._here.value() == 6, "the list of those in use has no m_3"
    workspace.label("m_6", [[5, 5], [90, 90]], Kind.PARTICLE)
    workspace.label("m_6", [[200, 200]], Kind.NOT_PARTICLE)
    until(qtbot, lambda: "246 particles" in numbers.text())
    world.actions.choose_threshold(2.0)
    until(qtbot, lambda: "246" not in numbers.text())
    expected = sum(map(workspace.count, set(NAMES) - {"m_3", "m_8"}))
    until(qtbot, lambda: f"{expected} particles" in numbers.text())
    assert expected == sum(map(len, (p for n, p in workspace.results.items())))


def test_a_fold_that_she_closed_stays_closed(qtbot: QtBot, world: SimpleNamespace) -> None:
    button = world.panel.fold.button
    button.click()
    button.click()
    world.actions.pick_all()
    until(qtbot, lambda: "stand out" in button.text())
    assert not button.isChecked()


def test_counting_is_done_behind_the_window(
    qtbot: QtBot, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, counts = [], Results.counts
    monkeypatch.setattr(
        Results, "counts", lambda self: (threads.append(threading.current_thread()), counts(self))[1]
    )
    world.actions.pick_all()
    until(qtbot, lambda: "444 particles" in world.panel.numbers.text())
    assert threads
    assert threading.main_thread() not in threads


def test_failures_of_the_last_run_only(qtbot: QtBot, world: SimpleNamespace) -> None:
    world.actions.pick_all()
    until(qtbot, lambda: "1 failed" in world.panel.numbers.text())
    world.workspace.set_candidates("m_8", found(3))
    until(qtbot, lambda: "447 particles on 9" in world.panel.numbers.text())
    assert "failed" not in world.panel.numbers.text(), "it is picked now"


def summary(counts: list[int] | np.ndarray, prefix: str = "n") -> Summary:
    return Summary([f"{prefix}{k}" for k in range(len(counts))], np.arange(len(counts)), Counts.of(counts))


@pytest.fixture
def panel(qtbot: QtBot) -> SummaryPanel:
    panel = SummaryPanel()
    qtbot.addWidget(panel)
    panel.fold.button.setChecked(True)
    panel.resize(340, 200)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def test_of_thousands_few_lines_are_drawn_and_a_click_finds_the_outlier(panel: SummaryPanel) -> None:
    counts = np.random.default_rng(0).poisson(100, 20_000).clip(90, 110)
    counts[12_345] = 900
    panel.show_summary(summary(counts))
    assert len(panel.plot.lines.xData) == 2 * MOST_POINTS
    assert len(panel.plot.points.data) == 0
    width, height = panel.plot.item.vb.viewPixelSize()
    assert panel.plot.nearest(12_345 + 4 * width, 30 - 4 * height) == 12_345
    beside = panel.plot.nearest(12_345 + 15 * width, 10)
    assert abs(beside - 12_345 - 15 * width) <= width + 1
    assert counts[beside] == pytest.approx(100, abs=8), "of many in that place, the one at this height"


def test_a_click_of_the_mouse_in_the_plot(qtbot: QtBot, panel: SummaryPanel) -> None:
    panel.show_summary(summary([50] * 20 + [900] + [50] * 20))
    QApplication.processEvents()
    plot, told = panel.plot, []
    panel.chosen.connect(told.append)
    place = plot.widget.mapFromScene(plot.item.vb.mapViewToScene(QPointF(20.3, 29.0)))
    for button in (Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton):
        qtbot.mouseClick(plot.widget.viewport(), button, pos=place)
    assert told == ["n20"]


def test_few_are_points_again(panel: SummaryPanel) -> None:
    panel.show_summary(summary(np.full(MOST_POINTS + 1, 9)))
    assert len(panel.plot.points.data) == 0
    low, high = panel.plot.lines.yData[:2]
    assert low < 3 < high, "equal counts are seen, too"
    panel.show_summary(summary([9, 8, 7]))
    assert len(panel.plot.points.data) == 3
    assert panel.plot.lines.xData is None
    assert panel.plot.nearest(1.2, 0.0) == 1
    panel.show_summary(Summary())
    assert panel.plot.nearest(1.0, 1.0) is None
    assert panel.numbers.isHidden()


def test_many_names_are_not_all_listed_and_strange_ones_are_text(panel: SummaryPanel) -> None:
    counts = [50] * 60 + [900] * 8
    panel.show_summary(summary(counts, prefix='<b>"&'))
    text = panel.numbers.text()
    assert "and 3 more" in text
    assert text.count("<a ") == 5
    assert "&lt;b&gt;&quot;&amp;60" in text


def test_colours_follow_the_theme(panel: SummaryPanel) -> None:
    panel.show_summary(summary([50] * 20 + [900]))
    panel.set_colours(Colours(kept="#0077b6"))
    assert "#0077b6" in panel.numbers.text()


def test_where_all_fail_they_are_named(
    qtbot: QtBot, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picking(sources, model, options, done, stop, kept):
        for name in ("m_1", "m_8"):
            yield MicrographDone(name, error="It is broken.")
        return {}

    monkeypatch.setattr(tasks, "picking", picking)
    world.actions.pick_all()
    until(qtbot, lambda: "2 failed" in world.panel.fold.button.text())
    text = world.panel.numbers.text()
    assert text.startswith("2 failed (<a")
    assert "m_8</a>" in text
    assert not world.panel.numbers.isHidden()
    world.workspace.decisions.put(["m_8"], Mark.EXCLUDED, on=True)
    until(qtbot, lambda: "m_8" not in world.panel.numbers.text())
    assert "1 failed" in world.panel.fold.button.text()


def test_failures_belong_to_one_run_and_one_folder(
    qtbot: QtBot, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picking(sources, model, options, done, stop, kept):
        yield MicrographDone("m_0", found(40))
        yield MicrographDone("m_7" if runs else "m_8", error="It is broken.")
        yield MicrographDone("m_6")  # nothing was found out about it, but nothing failed
        return {}

    runs: list[int] = []
    monkeypatch.setattr(tasks, "picking", picking)
    world.actions.pick_all()
    until(qtbot, lambda: "m_8</a>" in world.panel.numbers.text())
    assert "1 failed" in world.panel.numbers.text()
    until(qtbot, lambda: world.bar.running is None)
    runs.append(1)
    world.actions.pick_all()
    until(qtbot, lambda: "m_7</a>" in world.panel.numbers.text())
    assert "1 failed" in world.panel.numbers.text()
    until(qtbot, lambda: world.bar.running is None)
    world.workspace.add([micrograph("m_9")])
    until(qtbot, lambda: "failed" not in world.panel.numbers.text())


def test_while_it_picks_it_counts_now_and_then_if_that_is_seen(
    qtbot: QtBot, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, counted = threading.Event(), []
    monkeypatch.setattr("napari_topaz.gui.summary.SOMETIMES", 60)
    monkeypatch.setattr(world.controller, "_take", lambda summary: counted.append(len(summary.names)))

    def picking(sources, model, options, done, stop, kept):
        for name in NAMES[:6]:
            yield MicrographDone(name, found(40))
            stop.wait(0.03)
        go_on.wait(30)
        return {}

    monkeypatch.setattr(tasks, "picking", picking)
    world.actions.pick_all()
    until(qtbot, lambda: len(world.workspace.picked) == 6)
    qtbot.wait(150)
    assert set(counted) <= {0}, "the fold is closed"
    world.panel.fold.button.click()
    until(qtbot, lambda: 6 in counted)
    go_on.set()
    until(qtbot, lambda: world.bar.running is None)


def test_the_place_that_is_shown_is_marked_where_it_counts(qtbot: QtBot, world: SimpleNamespace) -> None:
    here = world.panel.plot._here
    world.workspace.show("m_2")
    world.actions.pick_all()
    until(qtbot, lambda: "444 particles" in world.panel.numbers.text())
    assert (here.isVisible(), here.value()) == (True, 3)
    world.workspace.decisions.put(["m_0"], Mark.EXCLUDED, on=True)
    until(qtbot, lambda: here.value() == 2)
    world.workspace.decisions.put(["m_2"], Mark.EXCLUDED, on=True)
    until(qtbot, lambda: not here.isVisible())
