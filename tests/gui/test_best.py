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
