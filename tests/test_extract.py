from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_topaz.extract import Shape, extract
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


SMALL = (96, 130)  # preprocessed, at 2 original pixels each


def a_shape(oriented: bool = False) -> Shape:
    """The average of horizontal rods of 19 × 5 px."""
    y, x = np.indices((23, 23)) - 11
    rod = -np.exp(-((x / 8) ** 4) - (y / 2) ** 2).astype(np.float32)
    return Shape(np.where(np.hypot(y, x) <= 10, rod - rod[np.hypot(y, x) <= 10].mean(), 0), 9.5, oriented)


def a_map_of_rods(*rods: tuple[float, float, float], off: float = 0.0) -> ScoreMap:
    """Rods (y, x, degrees from x towards y) in preprocessed pixels; scores peak `off` their centres."""
    y, x = np.indices(SMALL)
    image, logits = np.zeros(SMALL, np.float32), np.full((24, 33), -5.0)
    for n, (cy, cx, degrees) in enumerate(rods):
        angle = np.radians(degrees)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        image -= np.exp(-((along / 8) ** 4) - (across / 2) ** 2).astype(np.float32)
        i, j = np.ogrid[:24, :33]
        logits += (8 - 0.1 * n) * np.exp(-((4 * i - cy - off) ** 2 + (4 * j - cx) ** 2) / 18)
    shape = (2 * SMALL[0], 2 * SMALL[1])
    return ScoreMap("r", logits.astype(np.float32), (8.0, 8.0), 2, shape, image=image)


#: Rods of 19 px that no disc of 0.9 radii keeps apart: 8 px side by side; and what it does keep apart.
PARALLEL = [(40, 60, 0), (48, 60, 0)]
APART = {
    "T-junction": [(40, 60, 0), (52, 60, 90)],
    "end to end": [(40, 40, 0), (40, 60, 0)],
    "side by side, slanted": [(40, 60, 50), (40, 74, 50)],
}


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("name", list(APART))
def test_rods_are_picked_once_at_their_centres(name: str, oriented: bool) -> None:
    rods = APART[name]
    found = extract(a_map_of_rods(*rods), 0.9 * 19, threshold=0.0, shape=a_shape(oriented))
    assert len(found) == len(rods)
    np.testing.assert_allclose(found.yx / 2, np.array(rods)[:, :2], atol=0.95)  # a tenth of the radius


def test_an_ellipse_keeps_parallel_rods_that_a_disc_takes_for_one() -> None:
    score_map = a_map_of_rods(*PARALLEL)
    assert len(extract(score_map, 0.9 * 19, threshold=0.0, shape=a_shape())) == 1
    found = extract(score_map, 0.9 * 19, threshold=0.0, shape=a_shape(oriented=True))
    np.testing.assert_allclose(found.yx / 2, np.array(PARALLEL)[:, :2], atol=0.95)
    # As near end to end they are one: the same scores over rods that point at each other.
    upright = [(y, x, 90) for y, x, _ in PARALLEL]
    assert len(extract(a_map_of_rods(*upright), 0.9 * 19, threshold=0.0, shape=a_shape(oriented=True))) == 1


@pytest.mark.parametrize("degrees", [45, -45])
def test_slanted_parallel_rods_are_two_side_by_side_and_one_end_to_end(degrees: float) -> None:
    angle = np.radians(degrees)
    y, x = 40 + 8 * np.cos(angle), 60 - 8 * np.sin(angle)  # 8 px across
    beside = [(40, 60, degrees), (y, x, degrees), (80, 20, -degrees)]
    found = extract(a_map_of_rods(*beside), 0.9 * 19, threshold=0.0, shape=a_shape(oriented=True))
    assert len(found) == 3
    ahead = [(40, 60, degrees + 90), (y, x, degrees + 90)]
    assert len(extract(a_map_of_rods(*ahead), 0.9 * 19, threshold=0.0, shape=a_shape(oriented=True))) == 1


@pytest.mark.parametrize("oriented", [False, True])
def test_centring_does_not_bring_picks_together(oriented: bool) -> None:
    """Two peaks of scores over one rod, which draws both to its centre."""
    rod, off = a_map_of_rods((40, 60, 0)), 5.0
    peaks = a_map_of_rods((40, 60 - off, 0), (40, 60 + off, 0))
    score_map = replace(rod, logits=peaks.logits)
    found = extract(score_map, 0.9 * 19, threshold=0.0, shape=a_shape(oriented))
    assert len(found) <= 2
    assert (np.linalg.norm(np.diff(found.yx, axis=0), axis=1) > 0.9 * 19).all()
    assert np.abs(found.yx[0] / 2 - [40, 60]).max() < off - 1


@pytest.mark.parametrize("shape", [None, a_shape(), a_shape(oriented=True)])
def test_a_higher_threshold_leaves_the_other_picks_as_they_are(shape: Shape | None) -> None:
    """The dock takes all peaks at once and hides those below its threshold."""
    rng = np.random.default_rng(0)
    score_map = a_map_of_rods(
        *np.column_stack([rng.uniform(10, [86, 120], (25, 2)), rng.uniform(0, 180, 25)])
    )
    logits = score_map.logits + rng.normal(0, 1, score_map.logits.shape).astype(np.float32)
    score_map = replace(score_map, logits=logits)
    every = extract(score_map, 17, shape=shape).above(0.0)
    some = extract(score_map, 17, threshold=0.0, shape=shape)
    np.testing.assert_allclose(every.yx, some.yx, atol=1e-3)


def test_the_image_corrects_scores_that_peak_off_the_centre() -> None:
    score_map = a_map_of_rods((40, 60, 0), (70, 30, 90), off=2.5)
    by_scores = extract(score_map, 17, threshold=0.0).yx / 2
    by_image = extract(score_map, 17, threshold=0.0, shape=a_shape()).yx / 2
    assert (np.abs(by_scores[:, 0] - [40, 70]) > 1.5).all()
    assert np.abs(by_image[0] - [40, 60]).max() < 0.95
    np.testing.assert_array_equal(
        extract(score_map.without_image(), 17, threshold=0.0, shape=a_shape()).yx / 2, by_scores
    )


def test_directions_need_an_image() -> None:
    with pytest.raises(ValueError, match="image"):
        extract(a_map_of_rods((40, 60, 0)).without_image(), 17, shape=a_shape(oriented=True))


@pytest.mark.parametrize("shape", [None, a_shape(), a_shape(oriented=True)])
def test_missing_scores_are_no_picks(shape: Shape | None) -> None:
    score_map = a_map_of_rods((40, 60, 0), (70, 30, 90))
    logits = score_map.logits.copy()
    logits[15:20, 4:12] = np.nan
    found = extract(replace(score_map, logits=logits), 17, threshold=0.0, shape=shape)
    np.testing.assert_allclose(found.yx / 2, [[40, 60]], atol=0.95)
    nothing = replace(score_map, logits=np.full_like(logits, np.nan))
    assert len(extract(nothing, 17, shape=shape)) == 0


def test_two_peaks_within_a_step_of_the_grid_are_told_apart() -> None:
    """Two blobs three steps apart, between grid points; on the grid their flanks outdo the second peak."""
    i, j = np.ogrid[:20, :30]
    logits = sum(np.exp(-((i - 9.5) ** 2 + (j - c) ** 2) / 1.6) for c in (10.4, 13.2)) * 6 - 3
    found = extract(ScoreMap("a", logits.astype(np.float32), (8.0, 8.0), 0, (160, 240)), 17, threshold=0.0)
    np.testing.assert_allclose(found.yx[np.argsort(found.yx[:, 1])], [[76, 83.2], [76, 105.6]], atol=1.5)
    assert len(found) == 2


def test_a_reference_pickers_flanks_are_picks_as_before() -> None:
    logits = np.zeros((1, 9), np.float32)
    logits[0] = [9, 8, 7, 6, 5, 4, 3, 2, 1]
    scores = ScoreMap("a", logits, (1.0, 1.0), 0, (1, 9))
    assert extract(scores, 2.0, interpolated=False).scores.tolist() == [9, 6, 3]
    assert extract(scores, 2.0).scores.tolist() == [9]
