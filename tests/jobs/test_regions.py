"""Region-level average precision: points of score maps against discs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.events import JobError
from napari_topaz.files import FileError, Heatmap, find_heatmaps, read_heatmap, write_heatmap, write_mrc
from napari_topaz.jobs.heatmap import heatmap, label_radius
from napari_topaz.jobs.judge import heatmaps_in, score_targets
from napari_topaz.jobs.preparing import prepare_source
from napari_topaz.jobs.regions import evaluate_regions, positive_points
from napari_topaz.numerics.regions import disc_mask, disc_pixels
from napari_topaz.picks import Kind, Picks
from napari_topaz.score_map import ScoreMap
from worlds import run

STEP = (4.0, 5.0)
GRID = (12, 17)


def score_map(logits: np.ndarray, name: str = "a") -> ScoreMap:
    return ScoreMap(name, logits.astype(np.float32), STEP, 2, (48, 85))


def test_points_are_positive_within_the_radius() -> None:
    # The grid point (5, 8) lies at y = 20, x = 40.
    mask = positive_points(score_map(np.zeros(GRID)), Picks.labels([[20, 40]]), 5.0)
    y, x = np.mgrid[:12, :17] * np.array(STEP)[:, None, None]
    np.testing.assert_array_equal(mask, np.hypot(y - 20, x - 40) <= 5.0)
    assert mask.sum() == 5


def test_a_disc_has_as_many_points_as_the_prior_counts() -> None:
    assert disc_mask((40, 60), np.array([[20, 30]]), (3.0, 3.0)).sum() == disc_pixels(3) == 29
    assert disc_mask((40, 60), np.array([[0, 0]]), (3.0, 3.0)).sum() == 11
    assert not disc_mask((40, 60), np.array([[-9, 30]]), (3.0, 3.0)).any()


def test_average_precision_by_hand() -> None:
    logits = np.zeros(GRID)
    logits[5, 8], logits[0, 0], logits[5, 9] = 3, 2, 1
    targets = {"a": Picks.labels([[20, 40], [20, 45]]) + Picks.labels([[40, 10]], Kind.NOT_PARTICLE)}
    found = evaluate_regions([Heatmap(score_map(logits), 1.0)], targets)
    # Two positive points: the best one, and the third after a miss.
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (found.regions, found.micrographs, found.label_radius) == (12 * 17, 1, 1.0)
    assert found.prior == pytest.approx(2 / (12 * 17))


def test_random_scores_reach_the_prior() -> None:
    rng = np.random.default_rng(0)
    maps = [Heatmap(score_map(rng.normal(size=GRID), f"m{k}"), 6.0) for k in range(60)]
    targets = {f"m{k}": Picks.labels(rng.uniform(0, 48, (5, 2))) for k in range(60)}
    found = evaluate_regions(maps, targets)
    assert found.average_precision == pytest.approx(found.prior, rel=0.1)


def test_micrographs_without_targets_do_not_count() -> None:
    logits = np.arange(12 * 17.0).reshape(GRID)
    maps = [Heatmap(score_map(logits, name), 5.0) for name in "ab"]
    found = evaluate_regions(maps, {"a": Picks.labels([[20, 40]])})
    assert found.micrographs == 1
    with pytest.raises(JobError, match="check the names"):
        evaluate_regions(maps, {"z": Picks.labels([[20, 40]])})


def test_an_unknown_label_radius_is_asked_for() -> None:
    maps = [Heatmap(score_map(np.zeros(GRID)), 0.0)]
    targets = {"a": Picks.labels([[20, 40]])}
    with pytest.raises(JobError, match="--label-radius"):
        evaluate_regions(maps, targets)
    assert evaluate_regions(maps, targets, 5.0).label_radius == 5.0
    with pytest.raises(JobError, match="larger --label-radius"):
        evaluate_regions(maps, {"a": Picks.labels([[22, 42]])}, 0.5)


def test_heat_maps_say_of_what_they_are(tmp_path) -> None:
    shape, step = (3838, 3710), (32.05234567, 31.98275862)
    scores = ScoreMap("a 01", np.random.default_rng(0).normal(size=(120, 116)).astype("f4"), step, 4, shape)
    for size in (0.85, None):
        read = read_heatmap(write_heatmap(tmp_path, Heatmap(scores, 24.25), size))
        assert (read.score_map.name, read.score_map.shape, read.score_map.border) == ("a 01", shape, 4)
        assert read.score_map.step_yx == pytest.approx(step, abs=1e-6)
        assert read.label_radius == 24.25
        np.testing.assert_array_equal(read.score_map.logits, scores.logits)


def test_other_images_are_no_heat_maps(tmp_path) -> None:
    with pytest.raises(FileError, match="give the folder that the command heatmap wrote"):
        find_heatmaps(tmp_path)
    write_mrc(tmp_path / "a_heatmap.mrc", np.zeros((4, 5)))
    with pytest.raises(FileError, match="write it anew"):
        read_heatmap(tmp_path / "a_heatmap.mrc")


def test_files_and_model_give_the_same(world, model, tmp_path) -> None:
    run(heatmap(world.files[:2], model, tmp_path))
    truth = {name: world.truth[name] for name in ("mic_0", "mic_1")}
    of_files = evaluate_regions(heatmaps_in(tmp_path, world.truth), world.truth)
    _, judged = run(score_targets(world.files, model, truth))
    of_model = evaluate_regions(judged.heatmaps, truth)
    assert of_files.average_precision == pytest.approx(of_model.average_precision, abs=1e-9)
    assert set(judged.picks) == {"mic_0", "mic_1"}
    # A particle of 32 px is 16 px after downsampling: regions within 3 of those, 6 here, are positive.
    prepared = prepare_source(world.files[0], model.card.preprocess)
    assert label_radius(prepared, model) == pytest.approx(6.0, rel=0.02)
    assert of_model.label_radius == pytest.approx(6.0, rel=0.02)
