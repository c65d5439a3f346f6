"""The button that sets the threshold with the best F_β."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_topaz.gui.best import BY_SCORES, BY_TARGETS, Best
from napari_topaz.gui.best_row import BestRow
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.marks import Mark
from napari_topaz.gui.session import session_of
from napari_topaz.masks import Mask
from napari_topaz.picks import Picks
from napari_topaz.settings import PreprocessSettings

from .conftest import DIAMETER, micrograph

pytestmark = pytest.mark.gui


class Bench:
    """A session, the row, and what connects them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.session = session_of(ViewerModel())
        self.workspace = self.session.workspace
        self.workspace.add([micrograph("a", 1), micrograph("b", 2)])
        self.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER))
        self.dock = QWidget()
        qtbot.addWidget(self.dock)
        self.bar, self.row = JobBar(self.dock), BestRow(self.dock)
        self.best = Best(self.session, self.bar, self.row, self.dock)

    def model(self, *, calibrated: bool) -> None:
        card = SimpleNamespace(threshold=0.0)
        model = SimpleNamespace(card=card, calibrated=calibrated, knows_preprocessing=True)
        self.workspace.set_model(model)  # type: ignore[arg-type]

    def pick(self) -> None:
        """Some of which the better half is right, and two hundred that are hardly."""
        places = np.random.default_rng(1).uniform(20, 280, (300, 2))
        self.workspace.set_candidates("a", Picks(places, np.linspace(5, -5, 300, dtype=np.float32)))


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def offered(bench: Bench) -> str | None:
    bench.best.look()
    return None if bench.row.isHidden() else bench.row.button.toolTip()


def test_it_is_offered_where_something_tells_it(bench: Bench) -> None:
    assert offered(bench) is None
    bench.model(calibrated=True)
    assert offered(bench) is None  # nothing is picked
    bench.pick()
    assert offered(bench) == BY_SCORES
    bench.model(calibrated=False)
    bench.pick()
    assert offered(bench) is None
    bench.session.targets.set({"a": Picks.labels([[50, 60]])})
    assert offered(bench) == BY_TARGETS
    bench.workspace.set_candidates("a", Picks([[50, 60]], [3]), suggested=1.0)
    assert offered(bench) is None


def test_it_follows_the_picks_by_itself(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    qtbot.waitUntil(lambda: not bench.row.isHidden())


def test_scores_set_it_and_another_beta_sets_another(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    bench.best.look()
    assert bench.row.button.text() == "Best F1"
    bench.row.button.click()
    qtbot.waitUntil(lambda: bench.workspace.options.pick.threshold is not None)
    first = bench.workspace.threshold
    assert "best F1 by the scores of 1 micrograph" in bench.bar.message
    bench.row.number.lineEdit().selectAll()
    QTest.keyClicks(bench.row.number.lineEdit(), "2")
    assert bench.row.button.text() == "Best F2"
    qtbot.waitUntil(lambda: bench.workspace.threshold < first - 0.3)
    assert "best F2" in bench.bar.message


def test_targets_count_before_scores(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.workspace.set_candidates("a", Picks([[50, 60], [100, 200], [200, 200]], [-1, -2, -3]))
    bench.session.targets.set({"a": Picks.labels([[50, 60], [100, 200]])})
    bench.row.button.click()
    qtbot.waitUntil(lambda: bench.workspace.options.pick.threshold == -2)
    assert "at the targets of 1 micrograph: 100% of the picks are right" in bench.bar.message


def test_where_none_is_better_it_says_so(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.workspace.set_candidates("a", Picks([[50, 60]], [1]))
    bench.session.targets.set({"a": Picks.labels([[200, 60]])})
    bench.row.button.click()
    qtbot.waitUntil(lambda: "No pick is at a target" in bench.bar.message)
    assert bench.workspace.options.pick.threshold is None


def test_beta_is_that_of_training_until_she_types_another(bench: Bench) -> None:
    train = bench.workspace.options.train.model_copy(update={"beta": 2.0})
    bench.workspace.change(train=train)
    assert (bench.row.beta, bench.row.button.text()) == (2.0, "Best F2")


def test_an_answer_that_comes_after_another_model_is_dropped(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    bench.row.button.click()
    bench.model(calibrated=True)
    qtbot.waitUntil(lambda: not bench.best.latest.busy)
    assert bench.workspace.options.pick.threshold is None


def test_micrographs_that_she_excludes_do_not_count(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    for name in "ab":
        bench.workspace.set_candidates(name, bench.workspace.peaks("a"))
    bench.workspace.decisions.put(["a"], Mark.EXCLUDED, on=True)
    bench.row.button.click()
    qtbot.waitUntil(lambda: "by the scores of 1 micrograph:" in bench.bar.message)
    bench.best.look()
    bench.workspace.decisions.put(["b"], Mark.EXCLUDED, on=True)
    qtbot.waitUntil(bench.row.isHidden)  # by itself


def test_masks_are_looked_through_in_a_thread(
    qtbot: QtBot, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, covers = [], Mask.covers
    bench.model(calibrated=True)
    bench.pick()
    bench.workspace.mask({"a": Mask((np.array([[0, 0], [0, 300], [150, 300], [150, 0]], np.float32),))})
    monkeypatch.setattr(
        Mask, "covers", lambda *args: (threads.append(threading.current_thread()), covers(*args))[1]
    )
    bench.best.look()
    bench.row.button.click()
    qtbot.waitUntil(lambda: "best F1" in bench.bar.message)
    assert len(set(threads)) == 1
    assert threading.main_thread() not in threads


def test_suggestions_have_a_threshold_of_their_own(bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    bench.workspace.show("b")
    assert offered(bench) == BY_SCORES  # those of "a"
    bench.workspace.set_candidates("b", Picks([[50, 60]], [3]), suggested=1.0)
    assert offered(bench) is None


def test_whatever_changes_it_follows_by_itself(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    qtbot.waitUntil(lambda: not bench.row.isHidden())
    bench.model(calibrated=True)  # of "a" there are no scores of it yet
    qtbot.waitUntil(bench.row.isHidden)
    bench.pick()
    bench.workspace.set_candidates("b", Picks([[50, 60]], [3]), suggested=1.0)
    qtbot.waitUntil(lambda: not bench.row.isHidden())
    bench.workspace.show("b")
    qtbot.waitUntil(bench.row.isHidden)
    bench.workspace.show("a")
    qtbot.waitUntil(lambda: not bench.row.isHidden())
    bench.session.targets.set({"a": Picks.labels([[50, 60]])})
    qtbot.waitUntil(lambda: bench.row.button.toolTip() == BY_TARGETS)


def test_all_micrographs_count_and_beta_does_at_targets_too(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    bench.workspace.set_candidates("b", bench.workspace.peaks("a"))
    bench.best.look()
    bench.row.button.click()
    qtbot.waitUntil(lambda: "by the scores of 2 micrographs" in bench.bar.message)
    # Of four targets one is the best pick; for the other three nine more picks must be taken.
    wrong, right = [[20 + 20 * n, 280] for n in range(6)], [[50 + 60 * n, 60] for n in range(4)]
    scores = [9, *range(8, 2, -1), 2, 1, 0]
    bench.workspace.set_candidates("a", Picks([right[0], *wrong, *right[1:]], scores))
    bench.workspace.set_candidates("b", Picks(), stale=True)
    bench.session.targets.set({"a": Picks.labels(right)})
    for beta, threshold in ((1.0, 0.0), (0.2, 9.0)):
        bench.row.show_beta(beta)
        bench.row.button.click()
        qtbot.waitUntil(lambda threshold=threshold: bench.workspace.options.pick.threshold == threshold)


def test_a_dock_that_opens_shows_what_there_is(qtbot: QtBot, bench: Bench) -> None:
    bench.model(calibrated=True)
    bench.pick()
    train = bench.workspace.options.train.model_copy(update={"beta": 2.0})
    bench.workspace.change(train=train)
    row = BestRow(bench.dock)
    best = Best(bench.session, bench.bar, row, bench.dock)
    assert (row.isHidden(), row.beta) == (False, 2.0)
    row.number.set_value(None)
    assert row.beta == 1.0
    assert not best.latest.busy


def test_a_dock_that_closes_listens_to_nothing(qtbot: QtBot, bench: Bench) -> None:
    workspace = bench.workspace
    signals = (workspace.picks_changed, workspace.options_changed, workspace.decisions.marks.changed)
    dock = QWidget()
    before = [len(signal) for signal in signals]
    best = Best(bench.session, bench.bar, BestRow(dock), dock)
    assert [len(signal) for signal in signals] == [n + 1 for n in before]
    gone: list[bool] = []
    dock.destroyed.connect(lambda: gone.append(True))
    dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert [len(signal) for signal in signals] == before
    best.latest.ask(lambda: gone.append(False), lambda: True, lambda _: None, lambda _: None)
    assert not best.latest.busy
