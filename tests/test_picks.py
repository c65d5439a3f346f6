"""Picks, and the one coordinate convention."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_topaz.files.columns import table_of
from napari_topaz.picks import Kind, Picks

P = Picks(
    [[1, 2], [3, 4], [5, 6]], scores=[0.5, np.nan, 2], kinds=[Kind.PICK, Kind.PARTICLE, Kind.NOT_PARTICLE]
)


def test_nothing_is_a_valid_set_of_picks() -> None:
    for empty in (Picks(), Picks([]), Picks.labels([]), P[:0]):
        assert (len(empty), empty.yx.shape, empty.scores.shape) == (0, (0, 2), (0,))
        assert empty.inside((5, 5)).shape == (0,)


def test_types_and_defaults() -> None:
    picks = Picks(np.ones((2, 2), np.float64))
    assert (picks.yx.dtype, picks.scores.dtype, picks.kinds.dtype) == (np.float32, np.float32, np.uint8)
    assert np.isnan(picks.scores).all()
    assert list(picks.kinds) == [Kind.PICK] * 2
    assert list(Picks.labels([[1, 2]]).kinds) == [Kind.PARTICLE]
    assert list(Picks.labels([[1, 2]], Kind.NOT_PARTICLE).kinds) == [Kind.NOT_PARTICLE]


def test_picks_are_copies_that_cannot_be_changed() -> None:
    yx = np.ones((2, 2), np.float32)
    picks = Picks(yx)
    yx[:] = 7
    assert (picks.yx == 1).all()
    for array in (picks.yx, picks.scores, picks.kinds):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 picks need 2 scores and kinds"):
        Picks([[1, 2], [3, 4]], scores=[1])
    with pytest.raises(ValueError, match="2 picks need 2 scores and kinds"):
        Picks([[1, 2], [3, 4]], kinds=[1, 1, 1])


def test_selecting_and_joining_keep_rows_together() -> None:
    assert list(P.of_kind(Kind.PARTICLE).yx[0]) == [3, 4]
    assert list(P[np.array([2, 0])].scores) == [2, 0.5]
    joined = P[:1] + P[2:]
    np.testing.assert_array_equal(joined.yx, [[1, 2], [5, 6]])
    assert list(joined.kinds) == [Kind.PICK, Kind.NOT_PARTICLE]
    assert list(P.as_kind(Kind.PARTICLE).kinds) == [Kind.PARTICLE] * 3
    np.testing.assert_array_equal(P.as_kind(Kind.PARTICLE).scores, P.scores)


def test_scores() -> None:
    np.testing.assert_array_equal(P.above(1).yx, [[3, 4], [5, 6]])  # none is not below
    np.testing.assert_array_equal(P.above(0.5).yx, P.yx)
    np.testing.assert_array_equal(P.by_score().yx, [[5, 6], [1, 2], [3, 4]])


def test_rescaling_by_axis() -> None:
    np.testing.assert_array_equal(P.rescaled(2).yx[0], [2, 4])
    np.testing.assert_array_equal(P.rescaled((2, 0.5)).yx[0], [2, 1])
    np.testing.assert_array_equal(P.rescaled(2).scores, P.scores)


def test_flipping_exchanges_first_and_last_row() -> None:
    flipped = Picks([[0, 3], [9, 4]]).flipped(10)
    np.testing.assert_array_equal(flipped.yx, [[9, 3], [0, 4]])
    image = np.random.default_rng(0).random((10, 7))
    assert image[0, 3] == image[::-1][int(flipped.yx[0, 0]), 3]


@given(hnp.arrays(np.int16, (3, 2), elements=st.integers(-50, 250)))
def test_flipping_twice_is_nothing(yx: np.ndarray) -> None:
    np.testing.assert_array_equal(Picks(yx).flipped(200).flipped(200).yx, yx)


def test_pixels_cover_half_around_their_centre() -> None:
    yx = [[-0.5, 0], [-0.51, 0], [9.49, 6.49], [9.5, 0], [0, 6.5]]
    assert list(Picks(yx).inside((10, 7))) == [True, False, True, False, False]
    assert list(Picks([[1.5, 3], [1.4, 3], [7.4, 3], [7.5, 3]]).inside((10, 7), 2)) == [
        True,
        False,
        True,
        False,
    ]


def test_joining_thousands_copies_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, rows = [P] * 50, 0
    joined = np.concatenate

    def counted(arrays, *args, **options):
        nonlocal rows
        result = joined(arrays, *args, **options)
        rows += len(result)
        return result

    monkeypatch.setattr(np, "concatenate", counted)
    table = table_of({f"m{i}": one for i, one in enumerate(parts)})
    assert len(table) == 50 * 2, "one of each three is rejected"
    assert rows <= 4 * len(table)
    monkeypatch.undo()
    assert (Picks.joined(parts).yx == np.concatenate([one.yx for one in parts])).all()
    assert len(Picks.joined([])) == 0
