from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_topaz.extract import extract
from napari_topaz.masks import Mask
from napari_topaz.picks import Kind
from napari_topaz.score_map import ScoreMap

STEP = (4.1, 7.9)
SHAPE = (40, 30)
CENTRES = np.array([[40.0, 100.0], [100.0, 61.0], [21.0, 200.0]])


def a_map() -> ScoreMap:
    """Three blobs of falling height, of the same width in original pixels along both axes."""
    y, x = np.arange(SHAPE[0])[:, None] * STEP[0], np.arange(SHAPE[1]) * STEP[1]
    heights = 3 - np.arange(len(CENTRES))
    logits = sum(
        h * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 450)
        for h, (cy, cx) in zip(heights, CENTRES, strict=True)
    )
    return ScoreMap("a", (logits - 2).astype(np.float32), STEP, 2, (164, 237))


def test_finds_blobs_in_original_pixels_best_first() -> None:
    picks = extract(a_map(), 30, threshold=-1.3)
    np.testing.assert_allclose(picks.yx, CENTRES, atol=1)
    assert (picks.kinds == Kind.PICK).all()
    np.testing.assert_allclose(picks.scores, [1, 0, -1], atol=0.15)


def test_the_radius_is_in_original_pixels_along_both_axes() -> None:
    logits = np.full((20, 30), -np.inf, np.float32)
    logits[10, 10], logits[10, 13], logits[16, 10] = 3, 2, 1  # 23.7 px to the right, 24.6 px down
    score_map = ScoreMap("a", logits, STEP, 0, (82, 237))
    assert [len(extract(score_map, radius)) for radius in (23, 24, 25)] == [3, 2, 1]


def test_picks_near_the_edges_are_dropped() -> None:
    picks = extract(a_map(), 30, margin=25, threshold=-1.3)
    np.testing.assert_allclose(picks.yx, CENTRES[:2], atol=1)


def test_nothing_is_picked_under_a_mask() -> None:
    around = np.array([(80, 40), (80, 80), (120, 80), (120, 40)], np.float32)
    masked = replace(a_map(), mask=Mask((around,)))
    np.testing.assert_allclose(extract(masked, 30, threshold=-1.3).yx, CENTRES[[0, 2]], atol=1)
    # The slope that reaches beyond the outline is no peak of its own.
    half = np.array([(90, 40), (90, 62), (120, 62), (120, 40)], np.float32)
    cut = extract(replace(a_map(), mask=Mask((half,))), 30, threshold=-1.3)
    np.testing.assert_allclose(cut.yx, CENTRES[[0, 2]], atol=1)
    both = extract(replace(a_map(), mask=Mask((around,))), 30, margin=25, threshold=-1.3)
    np.testing.assert_allclose(both.yx, CENTRES[:1], atol=1)


@pytest.mark.parametrize("threshold", [-np.inf, 0.0])
def test_everything_lies_inside_and_above_the_threshold(threshold: float) -> None:
    logits = np.random.default_rng(0).normal(size=(33, 21)).astype(np.float32)
    picks = extract(ScoreMap("a", logits, (4.0, 3.5), 0, (129, 71)), 9.0, threshold=threshold)
    assert len(picks) > 20
    assert picks.inside((129, 71)).all()
    assert (picks.scores >= threshold).all()
    assert (np.diff(picks.scores) <= 0).all()


def test_an_empty_map_has_no_picks() -> None:
    assert len(extract(a_map(), 30, threshold=100)) == 0


def test_picks_whose_box_deviates_too_little_or_too_much_are_dropped() -> None:
    # Deviation 0 … 29 from left to right: 100 / 7.9 = 12.7, 61 / 7.9 = 7.7 and 200 / 7.9 = 25.3 at the blobs.
    deviations = np.broadcast_to(np.arange(SHAPE[1], dtype=np.float32), SHAPE)
    score_map = replace(a_map(), deviations=deviations)
    kept = {
        (0, 100): [0, 1, 2],
        (10, 100): [0, 2],
        (0, 20): [0, 1],
        (7.4, 8.0): [1],  # at the blob, between grid points
        (7.9, 12.0): [],
    }
    for bounds, which in kept.items():
        picks = extract(score_map, 30, threshold=-1.3, deviations=bounds)
        np.testing.assert_allclose(picks.yx, CENTRES[which], atol=1)
    with pytest.raises(ValueError, match="no standard deviations"):
        extract(a_map(), 30, deviations=(0, 1))
