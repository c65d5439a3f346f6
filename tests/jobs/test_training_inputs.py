"""π of the unlabelled regions, for each objective as it means it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from napari_topaz.choices import OBJECTIVES
from napari_topaz.events import JobError
from napari_topaz.jobs.training_inputs import doubts, prior_of
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


def said(training_set: TrainingSet, **settings: object) -> str:
    return " ".join(d.message for d in doubts(training_set, TrainSettings(held_out=0.0, **settings)))


def test_numbers_that_cannot_be_true_are_said() -> None:
    assert said(labelled()) == ""
    assert "4 particles per micrograph are expected, but 5 are labelled" in said(
        replace(labelled(), expected=4.0)
    )
    assert said(replace(labelled(), expected=float(LABELS))) == ""
    # 200² pixels are 127 discs of radius 10.
    assert said(replace(labelled(), expected=127.0)) == ""
    assert "128 particles of this diameter do not fit" in said(replace(labelled(), expected=128.0))
    (image,) = labelled().images
    done = replace(labelled(), images=(replace(image, complete=True),), expected=4.0)
    assert said(done) == ""


def test_doubled_labels_and_a_missing_filter_are_said() -> None:
    assert "3 labels lie on another one" in said(replace(labelled(), doubled=3))
    assert "from 20 labels on, and there are 5" in said(labelled(), deviation_filter=True)


def test_nnpu_takes_no_boxes() -> None:
    with pytest.raises(JobError, match="sample of all regions"):
        prior_of(labelled(), TrainSettings(objective="nnpu", sampling="boxes"))
