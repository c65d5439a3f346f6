"""Names of micrographs, and what a micrograph may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_topaz.micrograph import Micrograph, MicrographFile, micrograph_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a_01.mrc", "a_01"),
        ("MotionCorr/job002/a_01.mrc", "a_01"),
        ("a_01.mrc.gz", "a_01"),
        ("a_01.MRCS.bz2", "a_01"),
        ("C:\\data\\a_01.tif", "a_01"),
        (" a_01.png \n", "a_01"),
        ("3@Extract/stack.mrcs", "000003@stack"),
        ("000003@stack", "000003@stack"),
        ("dose_1.5.mrc", "dose_1.5"),
        ("dose_1.5", "dose_1.5"),
        ("a.frames.mrc", "a.frames"),
        ("a.frames", "a.frames"),
        ("me@home.mrc", "me@home"),
        ("folder/", "folder"),
        (".mrc", ".mrc"),
        (Path("x") / "a b.tiff", "a b"),
    ],
)
def test_names(text: str | Path, name: str) -> None:
    assert micrograph_name(text) == name


@given(st.sampled_from(["", "3@"]), st.text("ab.mrctif_/ 0159", max_size=20))
def test_the_name_of_a_name_is_itself(section: str, text: str) -> None:
    text = section + text
    assert micrograph_name(micrograph_name(text)) == micrograph_name(text)


def test_files_name_their_sections_as_relion_does() -> None:
    assert MicrographFile(Path("m/a.mrc")).star_name == str(Path("m/a.mrc"))
    third = MicrographFile(Path("m/s.mrcs"), 2)
    assert third.star_name == f"000003@{Path('m/s.mrcs')}"
    assert third.name == "000003@s"


@pytest.mark.parametrize("shape", [(5,), (0, 5), (5, 0), (2, 5, 5)])
def test_only_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="'a' must be a non-empty 2-D image"):
        Micrograph("a", np.zeros(shape))


@pytest.mark.parametrize("pixel_size", [0, -1, np.nan, np.inf])
def test_pixel_sizes_are_positive(pixel_size: float) -> None:
    with pytest.raises(ValueError, match="pixel size of 'a' must be positive"):
        Micrograph("a", np.zeros((2, 3)), pixel_size)


def test_shape_is_height_then_width() -> None:
    assert Micrograph("a", np.zeros((2, 3)), 1.5).shape == (2, 3)
