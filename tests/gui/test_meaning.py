"""What the expected number means, in circles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_topaz.gui.meaning import meaning
from napari_topaz.gui.options import Options
from napari_topaz.settings import PreprocessSettings, TrainSettings

SHAPE = (1000, 2000)  # 2 Mpx; a circle of 100 px covers 7854 px, 0.39 %


def said(diameter: float = 100.0, counted: float | None = None, **train: object) -> str:
    options = replace(
        Options(), preprocess=PreprocessSettings(diameter=200, downsample=5), train=TrainSettings(**train)
    )
    return meaning(options, SHAPE, diameter, 2.0, counted)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        # 50 discs of 29 px each (label radius 3 px) on 400 x 200 px
        ({"expected": 50}, "About 50 circles like these per micrograph; they cover 20% of it (π = 0.018)."),
        ({"expected": 1}, "About 1 circle like these per micrograph; they cover less than 1% of it"),
        ({"expected": 310, "diameter": 50.0}, "About 310 circles like these per micrograph; they cover 30%"),
        (
            {"prior": 0.029},
            "The prior means about 80 circles like these per micrograph; they cover 31% of it",
        ),
        ({}, "Not given: about 51 circles like these per micrograph are assumed, 20% of it"),
        ({"counted": 20.0}, "Not given: about 20 circles like these per micrograph, as on the complete ones"),
        ({"expected": 30, "counted": 20.0}, "About 30 circles"),
        (
            {"expected": 2000},
            "2,000 circles like these do not fit on a micrograph: they would cover 785% of it.",
        ),
    ],
)
def test_the_number_in_circles(how: dict, text: str) -> None:
    assert said(**how).startswith(text)
