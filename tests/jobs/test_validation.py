"""How well a model finds labels: what does not depend on a model."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.jobs.validation import estimate


def test_equal_scores_are_one_step_whatever_the_order_of_the_picks() -> None:
    scores = np.array([2, 1, 1, 1, 1, 0], np.float32)
    hits = np.array([True, True, False, False, False, True])
    first = estimate(scores, hits, 3, 3)
    last = estimate(scores, hits[[0, 2, 3, 4, 1, 5]], 3, 3)
    assert first == last
    # Precision 1 at recall ⅓, ⅔·3/5 at ⅔, 3/6 at 1.
    assert first.average_precision == pytest.approx((1 + 2 / 5 + 3 / 6) / 3)
