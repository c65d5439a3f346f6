"""One mixture for a dataset, as the dock runs it: training, a look at a micrograph, picking all."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("torch")

from napari_topaz.gui import tasks
from napari_topaz.gui.learning import Learning
from napari_topaz.gui.options import Options
from napari_topaz.jobs.kept_scores import KeptScores
from napari_topaz.jobs.pick import score_one
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.settings.fitted import FittedPreprocess
from worlds import DIAMETER, PIXEL_SIZE, drawn, run

pytestmark = pytest.mark.slow


def test_what_is_shown_while_training_is_what_is_picked() -> None:
    made = [drawn(k) for k in range(3)]
    sources = [
        Micrograph(f"m{k}", (1 + 0.3 * k) * (20 + pixels), PIXEL_SIZE) for k, (pixels, _) in enumerate(made)
    ]
    labels = {source.name: Picks.labels(yx) for source, (_, yx) in zip(sources[:2], made, strict=False)}
    options = Options(
        PreprocessSettings(diameter=DIAMETER, particle_pixels=16, normalise="gmm-dataset"),
        TrainSettings(epochs=1, steps=3, expected=12),
        NetworkSettings(width=3),
    )
    cache, stop = PreparedCache(), threading.Event()
    learning = Learning(sources, options, cache)
    _, model = run(learning.training(labels, stop))
    assert isinstance(model.card.preprocess, FittedPreprocess)
    shown, peaks = tasks.scoring(sources[2], model, options, PIXEL_SIZE, cache)
    np.testing.assert_array_equal(shown.logits, score_one(sources[2], model).logits)
    _, picks = run(tasks.picking(sources, model, options, frozenset(), stop, KeptScores()))
    np.testing.assert_array_equal(picks["m2"].yx, peaks.yx)
    _, on = run(learning.training(labels, stop, model))
    assert on.card.preprocess.mixture == model.card.preprocess.mixture, "the same micrographs"
