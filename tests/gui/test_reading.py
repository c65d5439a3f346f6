"""Labels that seem to be in the wrong place are asked about, and moved only on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMessageBox, QPushButton

from napari_topaz.files import write_picks
from napari_topaz.gui import dialogs
from napari_topaz.gui.actions import Actions
from napari_topaz.gui.job_bar import JobBar
from napari_topaz.gui.session import session_of
from napari_topaz.jobs.placement import Finding, Misplaced
from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.placement import Placement
from napari_topaz.picks import Picks
from worlds import SHAPE, drawn

pytestmark = pytest.mark.gui


class Bench:
    """Three micrographs with particles, and a job bar."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.session = session_of(ViewerModel())
        self.bar = JobBar()
        qtbot.addWidget(self.bar)
        self.actions = Actions(self.session, self.bar, self.bar)
        self.qtbot, self.path = qtbot, folder / "labels.csv"
        pixels, self.truth = {}, {}
        for seed in range(3):
            pixels[f"m_{seed}"], yx = drawn(seed)
            self.truth[f"m_{seed}"] = Picks(yx)
        self.session.workspace.add([Micrograph(name, image, 2.0) for name, image in pixels.items()])

    def load(self, picks: dict[str, Picks]) -> list[Picks]:
        write_picks(self.path, picks)
        self.actions.load_labels(self.path)
        self.qtbot.waitUntil(lambda: self.bar.running is None)
        return [self.session.workspace.labels(name) for name in picks]


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


def answer(monkeypatch: pytest.MonkeyPatch, says: str) -> list[Misplaced]:
    asked: list[Misplaced] = []

    def ask(parent: object, path: Path, misplaced: Misplaced) -> str:
        asked.append(misplaced)
        return says

    monkeypatch.setattr(dialogs, "ask_placement", ask)
    return asked


def test_right_labels_are_read_without_a_word(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, "")
    assert [len(labels) for labels in bench.load(bench.truth)] == [10, 10, 10]
    assert asked == []


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("says", ["move", "keep", ""])
def test_labels_in_the_wrong_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, says: str, doubled: bool
) -> None:
    asked = answer(monkeypatch, says)
    scale = 2 if doubled else 1
    # It is the larger image whose lines are counted from the other edge.
    wrong = {name: one.rescaled(scale).flipped(scale * SHAPE[0]) for name, one in bench.truth.items()}
    labels = bench.load(wrong)
    (misplaced,) = asked
    assert misplaced.finding.placement == Placement(scale=0.5 if doubled else 1, flip_y=True)
    assert bool(misplaced.outside) == doubled
    if says == "move":
        bench.qtbot.waitUntil(lambda: bench.bar.message.startswith("30 labels"))
        labels = [bench.session.workspace.labels(name) for name in wrong]
        for found, name in zip(labels, wrong, strict=True):
            np.testing.assert_allclose(found.yx, bench.truth[name].yx, atol=1e-3)
    elif says == "keep" and not doubled:
        np.testing.assert_allclose(labels[0].yx, wrong["m_0"].yx, atol=1e-3)
    else:
        assert [len(one) for one in labels] == [0, 0, 0]
    if not says:
        assert bench.bar.message == "Nothing was read from labels.csv."


@pytest.mark.parametrize(
    ("outside", "text", "says"),
    [
        (0, "Move them", "move"),
        (0, "Take them as they are", "keep"),
        (0, "Cancel", ""),
        (7, "Move them", "move"),
        (7, "Cancel", ""),
    ],
)
def test_the_dialog(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, outside: int, text: str, says: str
) -> None:
    finding = Finding(Placement(scale=0.5, flip_y=True), 0.4, 77.2, 3)
    misplaced = Misplaced(finding.sentence("nothing was moved yet"), finding, outside)
    shown: list[str] = []
    texts = {"Move them", "Cancel", *(() if outside else ("Take them as they are",))}

    def click(box: QMessageBox) -> int:
        buttons = {one.text().replace("&", ""): one for one in box.findChildren(QPushButton)}
        assert set(buttons) == texts
        shown.append(box.informativeText())
        box.show()
        buttons[text].click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", click)
    bar = JobBar()
    qtbot.addWidget(bar)
    assert dialogs.ask_placement(bar, Path("x.csv"), misplaced) == says
    assert "coordinates times 0.5, y from the other edge" in shown[0]
    assert shown[0].startswith("7 of them are outside") == bool(outside)
