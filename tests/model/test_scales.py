"""Scores at several sizes: where they lie, and which of them counts."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.jobs.pretrain import SCALES  # noqa: E402
from napari_topaz.model.general import general_model  # noqa: E402
from napari_topaz.model.scales import LEAST, POWER, TRUST, excess, joined, smaller  # noqa: E402
from napari_topaz.model.scoring import score_image  # noqa: E402
from napari_topaz.preprocess import Prepared  # noqa: E402


def bump(shape: tuple[int, int], centre: tuple[float, float], width: float, height: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    squared = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return (-4 + height * np.exp(-squared / (2 * width**2))).astype(np.float32)


def test_excess_is_that_of_peaks_over_one_half() -> None:
    logits = np.full((9, 9), -3, np.float32)
    logits[2, 2], logits[6, 6], logits[2, 6] = np.log(3), 50, -1
    assert excess(logits) == pytest.approx(0.25 + 0.5)


def test_maps_that_are_sure_of_nothing_count_alike_but_for_trust() -> None:
    first, second = (np.full((5, 6), value, np.float32) for value in (-2.0, -5.0))
    expected = (TRUST * -2 - 5) / (TRUST + 1)
    np.testing.assert_allclose(joined([first, second], [(20, 24), (20, 24)]), expected, rtol=1e-6)


def test_surer_scores_count_by_a_power_of_their_excess() -> None:
    first, second = np.full((9, 9), -2, np.float32), np.full((9, 9), -2, np.float32)
    second[4, 4] = 40.0
    weight = (LEAST + 0.5) ** POWER
    found = joined([first, second], [(36, 36), (36, 36)])
    share = weight / (weight + TRUST * LEAST**POWER)
    assert found[4, 4] == pytest.approx(share * 40 - (1 - share) * 2, rel=1e-5)


@pytest.mark.parametrize("size", [(160, 200), (157, 203)])
def test_the_smaller_map_lies_where_the_larger_does(size: tuple[int, int]) -> None:
    small = (110, 138)
    shape, coarse = ((s - 1) // 4 + 1 for s in size), ((s - 1) // 4 + 1 for s in small)
    at = np.array([80.0, 120.0])  # pixels of the image
    on_coarse = at * small / np.array(size) / 4
    first = np.full(tuple(shape), -4, np.float32)
    second = bump(tuple(coarse), tuple(on_coarse), 2.0, 14.0)
    found = joined([first, second], [size, small])
    assert found.shape == first.shape
    y, x = np.mgrid[: found.shape[0], : found.shape[1]]
    mass = found + found.min() * -1
    centre = [float((mass * one).sum() / mass.sum()) for one in (y, x)]
    np.testing.assert_allclose(centre, at / 4, atol=0.1)


def test_a_model_of_one_size_scores_as_its_network_does() -> None:
    image = np.random.default_rng(0).normal(size=(96, 120)).astype(np.float32)
    model = general_model().with_card(scales=(1.0,), score_slope=1.0, score_offset=0.0)
    found = model.score(Prepared("m", image, image.shape), symmetries="none")
    np.testing.assert_array_equal(found.logits, score_image(model.network, image))


def test_the_general_model_scores_two_sizes() -> None:
    image = np.random.default_rng(0).normal(size=(96, 120)).astype(np.float32)
    model = general_model()
    assert model.card.scales == SCALES
    prepared = Prepared("m", image, image.shape)
    plain = model.with_card(scales=(1.0,))
    one = plain.score(prepared)
    small = smaller(image, 1.45, "gmm")
    two = plain.score(Prepared("m", small, small.shape))
    both = model.score(prepared)
    np.testing.assert_array_equal(both.logits, joined([one.logits, two.logits], [image.shape, small.shape]))
    assert both.border > one.border


def test_an_image_too_small_to_be_made_smaller_is_scored_as_it_is() -> None:
    model = general_model()
    image = np.random.default_rng(0).normal(size=(model.network.field + 1,) * 2).astype(np.float32)
    prepared = Prepared("m", image, image.shape)
    alone = model.with_card(scales=(1.0,)).score(prepared)
    np.testing.assert_array_equal(model.score(prepared).logits, alone.logits)
