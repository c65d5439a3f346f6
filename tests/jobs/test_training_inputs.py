"""π of the unlabelled regions, for each objective as it means it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from napari_topaz.choices import OBJECTIVES
from napari_topaz.jobs.training_inputs import prior_of
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import TrainSettings
from napari_topaz.training_set import LabelledImage, TrainingSet

SIDE, LABELS, EXPECTED = 200, 5, 20


def labelled() -> TrainingSet:
    prepared = Prepared("a", np.zeros((SIDE, SIDE), np.float32), (SIDE, SIDE), 1.0)
    positives = np.array([(20 + 30 * i, 100) for i in range(LABELS)], np.float32)
    image = LabelledImage(prepared, positives, np.empty((0, 2), np.float32))
    return TrainingSet((image,), frozenset(), 10.0, 3.0, float(EXPECTED), assumed=False)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("flanks", [True, False])
def test_labelled_particles_are_taken_off_where_they_are_not_drawn(name: str, flanks: bool) -> None:
    """A disc of radius 3 has 29 pixels, one of radius 10 has 317."""
    found = prior_of(labelled(), TrainSettings(objective=name, ignore_flanks=flanks))
    whole, rest = SIDE**2, SIDE**2 - LABELS * (317 if flanks else 29)
    # Unlabelled regions of nnpu hold the labelled particles, too; pn-pi weighs all positives.
    of_all = name in ("nnpu", "pn-pi")
    expected = EXPECTED * 29 / whole if of_all else (EXPECTED - LABELS) * 29 / rest
    assert found == pytest.approx(expected)
