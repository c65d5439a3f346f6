"""Evaluation: by hand on a case one can count."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_topaz.files import FileError
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.picks import Kind, Picks

TARGETS = {"a": Picks.labels([[10, 10], [50, 80]]), "b": Picks.labels([[20, 30], [5, 90]])}
PICKS = {
    "a": Picks([[10, 13], [50, 80], [90, 10]], [3.0, 2.0, 1.0]),
    "b": Picks([[20, 30]], [4.0]),
    "c": Picks([[1, 1]], [9.0]),
}


def test_a_case_one_can_count() -> None:
    found = evaluate(PICKS, TARGETS, radius=5)
    # Best first: b hits, a hits, a hits, a misses; the fourth target is never found.
    assert (found.micrographs, found.targets, found.picks, found.hits) == (2, 4, 4, 3)
    assert found.average_precision == pytest.approx(0.75)
    assert found.precision_at == {0.25: 1.0, 0.5: 1.0, 0.75: 1.0, 0.9: 0.0}
    assert (found.best_f1, found.threshold) == (pytest.approx(6 / 7), 2.0)
    assert found.median_distance == 0.0
    assert found.ignored == ("c",)
    assert found.without_picks == ()


def test_the_radius_decides() -> None:
    assert evaluate(PICKS, TARGETS, radius=2).hits == 2


def test_targets_without_picks_count_as_missed_and_are_named() -> None:
    found = evaluate({"a": PICKS["a"]}, TARGETS, 5)
    assert found.without_picks == ("b",)
    assert found.targets == 4


def test_names_may_differ_in_folder_and_suffix() -> None:
    renamed = {f"MotionCorr/{name}.mrc": picks for name, picks in PICKS.items()}
    assert evaluate(renamed, TARGETS, 5).hits == 3
    assert evaluate(PICKS, {f"x/{n}.mrc": t for n, t in TARGETS.items()}, 5).hits == 3


def test_other_micrographs_altogether_are_refused() -> None:
    with pytest.raises(FileError, match=r"'z'.*'a'"):
        evaluate({"z": PICKS["a"]}, TARGETS, 5)


def test_rejected_ones_are_left_out() -> None:
    rejected = Picks.labels([[90, 10]], Kind.NOT_PARTICLE)
    found = evaluate(PICKS, {**TARGETS, "a": TARGETS["a"] + rejected}, 5)
    assert (found.targets, found.hits) == (4, 3)


def test_no_targets_and_no_radius_are_refused() -> None:
    with pytest.raises(ValueError, match="no targets"):
        evaluate(PICKS, {"a": Picks()}, 5)
    with pytest.raises(ValueError, match="radius"):
        evaluate(PICKS, TARGETS, 0)


def test_picks_without_scores_are_one_step() -> None:
    found = evaluate({n: Picks(p.yx) for n, p in PICKS.items()}, TARGETS, 5)
    assert found.average_precision == pytest.approx(0.75 * 0.75)
    assert len(found.curve.recall) == 1


def test_the_result_as_plain_values_is_json() -> None:
    plain = evaluate(PICKS, TARGETS, 5).as_dict()
    assert json.loads(json.dumps(plain))["precision_at_recall"]["0.9"] == 0.0
    assert np.isfinite(plain["threshold"])


def test_distances_of_the_hits() -> None:
    picks = {"a": Picks([[10, 13], [50, 80]], [1, 2]), "b": Picks([[20, 30], [5, 94]], [3, 4])}
    found = evaluate(picks, TARGETS, 5)  # 3, 0, 0 and 4 px off
    assert (found.median_distance, found.distance_90) == (pytest.approx(1.5), pytest.approx(3.7))


def test_beta_moves_the_best_threshold() -> None:
    # Precision 1 at recall 1/2, or precision 1/2 at recall 1: F½ prefers the first, F2 the second.
    picks = {"a": Picks([[10, 10], [90, 10], [90, 40], [50, 80]], [4.0, 3.0, 2.0, 1.0])}
    targets = {"a": TARGETS["a"]}
    careful, complete = (evaluate(picks, targets, 5, beta=beta) for beta in (0.5, 2))
    assert (careful.best_f, careful.threshold) == (pytest.approx(1.25 * 0.5 / (0.25 + 0.5)), 4.0)
    assert (complete.best_f, complete.threshold) == (pytest.approx(5 * 0.5 / (4 * 0.5 + 1)), 1.0)
    assert careful.best_f1 == complete.best_f1
    for beta in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="β"):
            evaluate(picks, targets, 5, beta=beta)


def test_the_calibration_counts_picks() -> None:
    found = evaluate(PICKS, TARGETS, 5)
    assert sum(row["count"] for row in found.as_dict()["calibration"]) == 4
    assert found.calibration.observed.tolist() == [0, 1, 1]  # scores 1; 2; 3 and 4


def test_curves_of_many_picks_are_thinned_but_whole() -> None:
    rng = np.random.default_rng(0)
    picks = {"a": Picks(rng.uniform(0, 1000, (4000, 2)), rng.normal(size=4000))}
    found = evaluate(picks, {"a": Picks.labels(rng.uniform(0, 1000, (200, 2)))}, 10)
    curve = json.loads(json.dumps(found.as_dict(curves=True)))["curve"]
    assert len(curve["recall"]) == len(curve["precision"]) == len(curve["thresholds"]) == 500
    assert curve["recall"][-1] == found.curve.recall[-1]
    assert curve["thresholds"][0] == found.curve.thresholds[0]


def test_the_step_at_a_threshold() -> None:
    curve = evaluate(PICKS, TARGETS, 5).curve  # scores 4, 3, 2, 1
    assert [curve.index_at(t) for t in (5, 4, 2.5, 1, -9)] == [None, 0, 1, 3, 3]
    assert curve.f()[2] == pytest.approx(6 / 7)
