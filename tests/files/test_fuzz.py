"""Arbitrary bytes and mutations of whole files: a FileError or a valid result, never anything else."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bad_input.mutations import READERS, meet, mutated
from bad_input.whole import whole
from napari_topaz.files import PICK_FORMATS, read_picks, write_picks
from napari_topaz.files.label_table import csv_of_labels, labels_of_csv
from napari_topaz.picks import Kind, Picks

KINDS = sorted(READERS)
FAST = settings(max_examples=12, deadline=None)
COORDINATES = st.floats(-1e5, 1e5, width=32)
SHAPE = (4096, 5120)


@pytest.mark.parametrize("kind", KINDS)
@settings(parent=FAST)
@given(st.integers(0, 2**32))
def test_mutations(kind: str, seed: int) -> None:
    with TemporaryDirectory() as folder:
        meet(kind, mutated(whole(kind), random.Random(seed)), Path(folder))


@pytest.mark.parametrize("kind", KINDS)
@settings(parent=FAST)
@given(st.binary(max_size=200))
def test_any_bytes(kind: str, data: bytes) -> None:
    with TemporaryDirectory() as folder:
        meet(kind, data, Path(folder))


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "other.mrc").write_bytes(whole("mrc"))
    said = meet(kind, whole(kind), tmp_path)
    assert said == "read" or kind == "sav"


@pytest.mark.parametrize("name", PICK_FORMATS)
@settings(parent=FAST)
@given(
    yx=st.lists(
        st.tuples(st.floats(0, 4000, width=32), st.floats(0, 5000, width=32)), min_size=1, max_size=5
    ),
    score=st.none() | st.floats(-100, 100, width=32),
)
def test_picks_come_back(name: str, yx: list[tuple[float, float]], score: float | None) -> None:
    picks = Picks(yx, None if score is None else np.full(len(yx), score))  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        path = Path(folder, f"mic{PICK_FORMATS[name].suffixes[0]}")
        write_picks(path, {"mic": picks}, format=name, box_size=64, shapes={"mic": SHAPE})
        (found,) = read_picks(path, name).values()
    # cryoSPARC's fractions are float32; a corner of a box has no digits left for 1e-38.
    np.testing.assert_allclose(found.yx, picks.yx, rtol=0, atol=1e-3 if name == "cs" else 1e-9)


@settings(parent=FAST)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8),
        st.lists(st.tuples(COORDINATES, COORDINATES, st.sampled_from(Kind)), min_size=1, max_size=4),
        max_size=4,
    )
)
def test_labels_come_back(labels: dict[str, list[tuple[float, float, Kind]]]) -> None:
    given_ = {
        name: Picks([row[:2] for row in rows], kinds=np.array([row[2] for row in rows], np.uint8))  # type: ignore[arg-type]
        for name, rows in labels.items()
    }
    found, lost = labels_of_csv(csv_of_labels(given_))
    assert not lost
    assert list(found) == list(given_)
    for name, one in given_.items():
        np.testing.assert_array_equal(found[name].yx, one.yx)
        np.testing.assert_array_equal(found[name].kinds, one.kinds)


FOUND = {
    "a name that is too long": ("list", b"a" * 5000),
    "an unknown home": ("list", b"~nobody-of-that-name/a.mrc"),
    "columns of endless names": ("csv", b"x" * 9000 + b"\n1\n"),
    "a header of NumPy that does not end": ("cs", b"\x93NUMPY\x01\x00\x0a\x00{'descr': ("),
    "a label with words for numbers": (
        "heatmap",
        whole("heatmap").replace(b"scores: 64 48 4 4", b"scores: 64 48 4 x"),
    ),
    "a step of 0": ("heatmap", whole("heatmap").replace(b"scores: 64 48 4 4", b"scores: 64 48 0 4")),
    "a header without a map": ("heatmap", whole("heatmap").replace(b"MAP ", b"MOP ")),
    "a section that no stack has": ("imod", b"1 2 1e30\n"),
}


@pytest.mark.parametrize(("kind", "data"), FOUND.values(), ids=FOUND)
def test_what_fuzzing_found(kind: str, data: bytes, tmp_path: Path) -> None:
    said = meet(kind, data, tmp_path)
    assert said != "read" or b"MOP" in data
    assert "\n" not in said


def test_a_sentence_has_one_line_and_an_end() -> None:
    from napari_topaz.files import FileError

    assert str(FileError("a\nb is gone; look.")) == "a b is gone; look."
    said = str(FileError("x" * 5000 + "; look."))
    assert len(said) < 1000
    assert said.endswith("; look.")
