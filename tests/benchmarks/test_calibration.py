"""calibration.py: what it says of picks whose probabilities are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.special import expit

from napari_topaz.settings import SimulateSettings

pytest.importorskip("torch")

from napari_topaz.jobs.calibrating import label_weights

TINY = SimulateSettings(micrographs=3, size=256, pixel_size=4.6, diameter=180.0, particles=10, carbon=0.0)


@pytest.fixture
def calibration(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("calibration")


def drawn(calibration: ModuleType, slope: float) -> object:
    """Picks of 12 micrographs, 4 of them for the test, that are particles with sigmoid(slope · score)."""
    random = np.random.default_rng(0)
    scores = random.normal(-2, 3, 24_000)
    right = random.random(len(scores)) < expit(slope * scores)
    image = np.repeat(np.arange(12), 2000)
    labelled = right & (random.random(len(scores)) < 0.01)
    known = calibration.Known(scores, right, labelled, image < 3, np.where(image < 8, image, -1))
    test = known.image < 0
    expected, particles = right[~test].sum() / 8, int(right[test].sum())
    return calibration.Row("made", "general model", 10, 0, known, expected, particles)


@pytest.mark.parametrize("slope", [0.6, 1.25])
def test_the_right_slope_has_the_right_precision(calibration: ModuleType, slope: float) -> None:
    row = drawn(calibration, slope)
    assert calibration.best_slope(row) == pytest.approx(slope, rel=0.05)
    right = calibration.outcome(row, slope, 0.01)
    assert right.slope == pytest.approx(slope, rel=0.04)
    assert right.expected == pytest.approx(right.true, abs=0.02)
    assert right.f1_below < 0.01
    wrong = calibration.outcome(row, 2.2 if slope < 1 else 0.4, 0.01)
    assert abs(wrong.expected - wrong.true) > 0.05


def test_labels_count_as_they_do_in_the_package(calibration: ModuleType) -> None:
    known = drawn(calibration, 1.0).known
    seen = known.of(known.image >= 0)
    counts = np.bincount(seen.image[seen.labelled], minlength=8)
    assert counts[:3].all()
    assert counts[3:].sum() > 8
    np.testing.assert_allclose(calibration.weights_of(seen, calibration.PACKAGE), label_weights(counts, 3))
    assert calibration.weights_of(seen, calibration.HELD_OUT).sum() == counts[:3].sum()
    assert calibration.weights_of(seen, calibration.ALL).sum() == counts.sum()


@pytest.mark.slow
def test_a_model_is_trained_once_and_reported(
    calibration: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    short = {"epochs": 1, "steps": 4, "symmetries": "none"}
    element = replace(calibration.ablation.ELEMENTS["default"], settings=short)
    monkeypatch.setitem(calibration.ablation.ELEMENTS, "default", element)
    monkeypatch.setattr(
        calibration, "sets", lambda development: {"tiny": calibration.MicrographSet("tiny", TINY)}
    )
    out = tmp_path / "table.md"
    words = ["--labels", "6", "--draws", "1", "--work", str(tmp_path / "w"), "--output", str(out)]
    assert calibration.main(words) == 0
    first = out.read_text()
    assert "| tiny | general model | 6 |" in first
    monkeypatch.setattr(calibration, "measured", None)
    assert calibration.main(words) == 0
    assert out.read_text() == first
