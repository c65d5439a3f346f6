"""What the expected number means, in particles: true before any is labelled."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from scipy.special import expit

from napari_topaz.gui.meaning import expected_precision, meaning
from napari_topaz.gui.options import Options
from napari_topaz.gui.picks_panel import PicksPanel
from napari_topaz.gui.workspace import Workspace
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings, TrainSettings

SHAPE = (1000, 2000)  # 2 Mpx; a circle of 100 px covers 7854 px, 0.39 %


def said(
    diameter: float = 100.0, counted: float | None = None, labelled: float = 0.0, **train: object
) -> str:
    options = replace(
        Options(), preprocess=PreprocessSettings(diameter=200, downsample=5), train=TrainSettings(**train)
    )
    return meaning(options, SHAPE, diameter, 2.0, counted, labelled)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        # 50 discs of 29 px each (label radius 3 px) on 400 x 200 px
        (
            {"expected": 50},
            "About 50 particles of 200 Å per micrograph; they cover 20% of its area (π = 0.018).",
        ),
        ({"expected": 1}, "About 1 particle of 200 Å per micrograph; it covers less than 1% of its area"),
        ({"expected": 310, "diameter": 50.0}, "About 310 particles of 100 Å per micrograph; they cover 30%"),
        (
            {"prior": 0.029},
            "The prior means about 80 particles of 200 Å per micrograph; they cover 31% of its area",
        ),
        ({}, "Not given: about 51 particles of 200 Å per micrograph, 20% of its area"),
        ({"counted": 20.0}, "Not given: about 20 particles of 200 Å per micrograph, as on the complete ones"),
        ({"expected": 30, "counted": 20.0}, "About 30 particles"),
        (
            {"expected": 2000},
            "2,000 particles of 200 Å do not fit on a micrograph: they would cover 785% of it.",
        ),
        ({"expected": 50, "labelled": 50.0}, "About 50 particles"),
        (
            {"expected": 50, "labelled": 62.4},
            "50 particles of 200 Å are expected per micrograph, but 62 are labelled where any are: give a",
        ),
        ({"labelled": 60.0}, "51 particles of 200 Å are assumed per micrograph, but 60 are labelled"),
    ],
)
def test_the_number_in_particles(how: dict, text: str) -> None:
    assert said(**how).startswith(text)


def test_without_a_pixel_size_the_width_is_in_pixels() -> None:
    options = replace(Options(), preprocess=PreprocessSettings(diameter=200, downsample=5))
    assert "particles of 100 px per" in meaning(options, SHAPE, 100.0, None)


class TestExpectedPrecision:
    """Labels count as right, picks as their probabilities."""

    def picked(self, workspace: Workspace, *, calibrated: bool = True, scores: tuple[float, ...]) -> None:
        model = SimpleNamespace(
            card=SimpleNamespace(threshold=0.0),
            knows_preprocessing=True,
            is_general=False,
            calibrated=calibrated,
        )
        workspace.set_model(model)
        yx = np.array([(60.0 + 30 * i, 200.0) for i in range(len(scores))], np.float32)
        workspace.set_candidates("a", Picks(yx, np.array(scores, np.float32)))

    def test_it_is_the_mean_probability(self, workspace: Workspace) -> None:
        self.picked(workspace, scores=(3.0, 2.0, 1.0, 0.5, 0.1, -1.0))
        wanted = expit([3.0, 2.0, 1.0, 0.5, 0.1]).mean()
        assert expected_precision(workspace, "a") == pytest.approx(wanted)
        workspace.label("a", [(5.0, 5.0)], Kind.PARTICLE)
        assert expected_precision(workspace, "a") == pytest.approx((5 * wanted + 1) / 6)

    def test_nobody_knows_where_scores_are_no_probabilities(self, workspace: Workspace) -> None:
        self.picked(workspace, calibrated=False, scores=(3.0,) * 9)
        assert expected_precision(workspace, "a") is None

    def test_nothing_is_said_of_a_handful_or_of_nothing(self, workspace: Workspace) -> None:
        assert expected_precision(workspace, "a") is None
        assert expected_precision(workspace, None) is None
        self.picked(workspace, scores=(3.0, 2.0))
        assert expected_precision(workspace, "a") is None


def test_the_panel_says_how_many_are_right_and_what_that_hangs_on(qtbot: QtBot) -> None:
    panel = PicksPanel()
    qtbot.addWidget(panel)
    scores = np.arange(10, dtype=np.float32)
    panel.show_scores(scores, 3.0, 7, chosen=False, precision=0.871)
    assert panel.count.text() == "7 particles here, about 87% right"
    assert "expected number" in panel.count.toolTip()
    panel.show_scores(scores, 3.0, 7, chosen=False)
    assert panel.count.text() == "7 particles here"
    assert panel.count.toolTip() == ""
