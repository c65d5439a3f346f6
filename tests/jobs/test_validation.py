"""How well a model finds labels: what does not depend on a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_topaz.jobs.validation import _standing_for, estimate
from napari_topaz.preprocess import Prepared
from napari_topaz.training_set import LabelledImage


def test_equal_scores_are_one_step_whatever_the_order_of_the_picks() -> None:
    scores = np.array([2, 1, 1, 1, 1, 0], np.float32)
    hits = np.array([True, True, False, False, False, True])
    first = estimate(scores, hits, 3, 3)
    last = estimate(scores, hits[[0, 2, 3, 4, 1, 5]], 3, 3)
    assert first == last
    # Precision 1 at recall ⅓, ⅔·3/5 at ⅔, 3/6 at 1.
    assert first.average_precision == pytest.approx((1 + 2 / 5 + 3 / 6) / 3)


def test_complete_labels_are_no_sample() -> None:
    """Two complete particles and one label that stands for ten: what is found is counted, not scaled."""
    scores = np.array([4, 3, 2, 1, 0], np.float32)
    hits = np.array([True, False, True, True, False])
    weights = np.array([1.0, 10.0, 10.0, 1.0, 1.0])
    found = estimate(scores, hits, 3, 12, weights=weights)
    recall = np.array([1, 1, 11, 12, 12]) / 12
    precision = np.minimum(1, recall * 12 / np.arange(1, 6))
    assert found.average_precision == pytest.approx(float(np.sum(precision * np.diff(recall, prepend=0))))
    alone = estimate(scores, hits, 3, 3, weights=np.ones(5))
    plain = estimate(scores, hits, 3, 3)
    assert (alone.average_precision, alone.threshold) == (plain.average_precision, plain.threshold)


def test_a_hit_stands_for_itself_where_the_labels_are_complete() -> None:
    image = LabelledImage(Prepared("a", np.zeros((9, 9), np.float32), (9, 9), 1.0), *2 * (np.zeros((4, 2)),))
    images = [image, replace(image, complete=True), replace(image, complete=True, positives=np.zeros((0, 2)))]
    assert [*map(np.ndarray.tolist, map(np.asarray, _standing_for(images, 20.0)))] == [24.0, [5.0, 1.0, 1.0]]
    assert _standing_for(images[:1], 3.0)[0] == 4, "no fewer than the labels"
    assert _standing_for(images[1:], 20.0)[0] == 4
