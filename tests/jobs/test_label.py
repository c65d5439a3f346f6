"""Picks become labels of both kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_topaz.files import FileError, read_picks, write_picks
from napari_topaz.jobs.label import label
from napari_topaz.picks import Kind, Picks

TRUTH = {"a": Picks.labels([(10, 10), (50, 50)]), "b": Picks.labels([(20, 20)])}
PICKS = {
    "a": Picks([(11, 10), (13, 10), (50, 90), (51, 50)], [4.0, 3.0, 2.0, 1.0]),
    "b": Picks([(80, 80), (20, 21), (5, 60)], [9.0, 5.0, np.nan]),
    "nobody looked": Picks([(1, 1)], [0.0]),
}


def rows(labels: dict[str, Picks], kind: Kind) -> dict[str, list[tuple[float, float]]]:
    return {n: [tuple(yx) for yx in p.of_kind(kind).yx.tolist()] for n, p in labels.items()}


def test_hits_are_particles_and_misses_are_not() -> None:
    found = label(PICKS, TRUTH, 6)
    assert rows(found.labels, Kind.PARTICLE) == {"a": [(11, 10), (51, 50)], "b": [(20, 21)]}
    # (13, 10) lies on a particle that has its pick: neither right nor wrong.
    assert rows(found.labels, Kind.NOT_PARTICLE) == {"a": [(50, 90)], "b": [(80, 80), (5, 60)]}
    assert (found.particles, found.not_particles) == (3, 3)
    assert found.ignored == ("nobody looked",)


def test_the_best_scores_over_all_micrographs_come_first() -> None:
    found = label(PICKS, TRUTH, 6, most_true=2, most_false=1)
    assert rows(found.labels, Kind.PARTICLE) == {"a": [(11, 10)], "b": [(20, 21)]}
    assert rows(found.labels, Kind.NOT_PARTICLE) == {"a": [], "b": [(80, 80)]}
    none = label(PICKS, TRUTH, 6, most_true=0, most_false=0)
    assert (none.particles, none.not_particles) == (0, 0)


def test_known_labels_are_kept_and_not_given_twice() -> None:
    known = {"a": Picks([(9, 9)]), "b": Picks.labels([(82, 80)], Kind.NOT_PARTICLE), "c": Picks([(3, 4)])}
    found = label(PICKS, TRUTH, 6, known=known)
    assert rows(found.labels, Kind.PARTICLE) == {"a": [(9, 9), (51, 50)], "b": [(20, 21)], "c": [(3, 4)]}
    assert rows(found.labels, Kind.NOT_PARTICLE) == {"a": [(50, 90)], "b": [(82, 80), (5, 60)], "c": []}
    assert (found.particles, found.not_particles) == (2, 2)


def test_both_kinds_are_written_and_read_back(tmp_path: Path) -> None:
    found = label(PICKS, TRUTH, 6)
    back = read_picks(found.write(tmp_path / "labels.csv"))
    assert {n: p.kinds.tolist() for n, p in back.items()} == {
        n: p.kinds.tolist() for n, p in found.labels.items()
    }
    np.testing.assert_array_equal(back["b"].yx, found.labels["b"].yx)


def test_picks_of_other_micrographs_are_refused() -> None:
    with pytest.raises(FileError, match="micrograph"):
        label({"x": PICKS["a"]}, TRUTH, 6)
    with pytest.raises(ValueError, match="radius"):
        label(PICKS, TRUTH, 0)


def call(*words: object) -> int:
    from napari_topaz.cli import main

    return main([str(w) for w in words])


def test_the_command_adds_to_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picks, truth, out = tmp_path / "picks.csv", tmp_path / "truth.csv", tmp_path / "labels.csv"
    write_picks(picks, PICKS)
    write_picks(truth, TRUTH)
    common = ("label", "--picks", picks, "--targets", truth, "--radius", "12A", "--pixel-size", 2)
    assert call(*common, "--output", out, "--true-picks", 1, "--false-picks", 1) == 0
    assert "2 labels, of them 1 new particles and 1 new places" in capsys.readouterr().out
    assert call(*common, "--output", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert call(*common, "--output", tmp_path / "more.csv", "--add-to", out, "--json") == 0
    assert '"labels": 6' in capsys.readouterr().out
    assert call(*common, "--output", tmp_path / "labels.star") == 2
    assert ".csv" in capsys.readouterr().err
    assert call(*common, "--output", tmp_path / "x.csv", "--true-picks", -1) == 2
    assert call(*common, "--output", tmp_path / "x.csv", "--add-to", tmp_path / "nothing.csv") == 1
