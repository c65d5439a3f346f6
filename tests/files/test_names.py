"""Whose picks are these, and can they be?"""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.files import FileError, check_inside, match_names
from napari_topaz.picks import Picks

ONE = Picks([[1, 2]])
TWO = Picks([[1, 2], [3, 4]])
SHAPE = (200, 300)


def test_names_match_without_folder_and_suffix() -> None:
    matched = match_names(
        {"Micrographs/a.mrc": ONE, "b": TWO, "other": ONE}, ["b.mrc", "/data/a.tif", "c.mrc"]
    )
    assert list(matched.picks) == ["b", "a"]
    assert matched.picks["b"] is TWO
    assert matched.missing == ("other",)


def test_nothing_is_guessed() -> None:
    with pytest.raises(FileError, match="picks are for 'a_DW', the micrographs are 'a'; names must agree"):
        match_names({"a_DW.mrc": ONE}, ["a.mrc"])


def test_examples_of_both_sides() -> None:
    with pytest.raises(FileError, match="for 'p0', 'p1' and 3 more, the micrographs are 'm0', 'm1';"):
        match_names({f"p{k}": ONE for k in range(5)}, ["m0.mrc", "m1.mrc"])


def test_clashes() -> None:
    with pytest.raises(FileError, match=r"picks 'x/a\.mrc' and 'y/a\.mrc' have the same name"):
        match_names({"x/a.mrc": ONE, "y/a.mrc": ONE}, ["a"])
    with pytest.raises(FileError, match=r"micrographs 'a\.mrc' and 'a\.tif' have the same name"):
        match_names({"a": ONE}, ["a.mrc", "a.tif"])


def test_no_picks_is_no_error() -> None:
    matched = match_names({}, ["a"])
    assert (matched.picks, matched.missing) == ({}, ())


def everywhere(height: float, width: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (300, 2)) * (height - 1, width - 1)


def test_inside() -> None:
    check_inside(Picks(), SHAPE, "a")
    check_inside(Picks([[-0.5, -0.5], [199.4, 299.4]]), SHAPE, "a")


@pytest.mark.parametrize(
    ("yx", "cause"),
    [
        (everywhere(400, 600), r"image 2 times larger: use --scale 0\.5 \(and --flip-y if"),
        (everywhere(600, 900), r"image 3 times larger: use --scale 0\.333333"),
        (everywhere(1600, 2400), r"image 8 times larger: use --scale 0\.125"),
        (everywhere(308, 462), r"a scale of at most 0\.65\d* would make them fit: use --scale"),
        (everywhere(300, 200), "x and y seem to be exchanged"),
        (everywhere(200, 300) - (200, 0), r"counted from the other edge: add the height \(200\)"),
        (everywhere(200, 300) - (90, 90), "negative coordinates are no centres"),
        ([[20, 30], [199.8, 20]], "just over the edge: remove them"),
    ],
)
def test_outside_gives_the_likely_cause(yx: np.ndarray, cause: str) -> None:
    with pytest.raises(FileError, match=cause) as caught:
        check_inside(Picks(yx), SHAPE, "a_01")
    assert "picks of 'a_01' are outside its 300 × 200 px (width × height), for example x " in str(
        caught.value
    )


def test_the_scale_that_is_suggested_fits() -> None:
    picks = Picks(everywhere(308, 462))
    with pytest.raises(FileError) as caught:
        check_inside(picks, SHAPE, "a")
    scale = float(str(caught.value).split("at most ")[1].split()[0])
    check_inside(picks.rescaled(scale), SHAPE, "a")
