"""Which micrographs stand out by their number of particles."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.counts import STANDS_OUT, Counts, envelope, root_z_scores


def test_chance_does_not_stand_out_and_what_does_is_named_farthest_first() -> None:
    counts = np.random.default_rng(0).poisson(100, 2000)
    counts[[5, 700, 1200]] = 0, 300, 190
    found = Counts.of(counts)
    assert list(found.outliers[:3]) == [5, 700, 1200]
    assert len(found.outliers) <= 5
    assert (found.total, found.without) == (counts.sum(), 1)
    assert found.median == np.median(counts)


@pytest.mark.parametrize("mean", [4, 100, 1000])
def test_few_and_many_are_judged_alike(mean: int) -> None:
    z = root_z_scores(np.random.default_rng(1).poisson(mean, 5000))
    assert z.std() == pytest.approx(1, abs=0.15)
    assert (np.abs(z) > STANDS_OUT).mean() < 0.005


def test_the_score_is_that_of_the_definition() -> None:
    counts = np.array([0, 81, 100, 121, 144])  # roots of about 0, 9, 10, 11, 12: the deviations' median is 1
    np.testing.assert_allclose(root_z_scores(counts), np.array([-10, -1, 0, 1, 2]) / 1.4826, atol=0.5)
    off = np.sqrt(counts + 0.375) - np.sqrt(100.375)
    np.testing.assert_allclose(root_z_scores(counts), off / (1.4826 * np.median(np.abs(off))))


def test_where_nearly_all_agree_chance_is_allowed_for() -> None:
    counts = np.full(50, 100)
    counts[3], counts[4] = 103, 30
    assert list(Counts.of(counts).outliers) == [4]


@pytest.mark.parametrize("counts", [[], [7], [0, 0, 0]])
def test_of_few_nothing_stands_out(counts: list[int]) -> None:
    found = Counts.of(counts)
    assert len(found.outliers) == 0
    assert found.median == (7 if counts == [7] else 0)
    assert found.without == counts.count(0)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        root_z_scores([3, -1])


@pytest.mark.parametrize(("n", "columns"), [(1, 5), (7, 7), (20_000, 300), (10, 3), (0, 4)])
def test_the_envelope_has_every_value_within(n: int, columns: int) -> None:
    values = np.random.default_rng(2).integers(0, 500, n)
    x, low, high = envelope(values, columns)
    assert len(x) == min(n, columns)
    if n:
        assert low.min() == values.min()
        assert high.max() == values.max()
        assert 0 <= x[0] <= x[-1] <= n - 1
    if n == columns:
        np.testing.assert_array_equal([x, low, high], [np.arange(n), values, values])
