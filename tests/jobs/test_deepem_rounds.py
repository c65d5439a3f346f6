"""The loop of DeepEM: what was picked rightly and wrongly is learnt, and the next round picks better."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.jobs.evaluate import evaluate  # noqa: E402
from napari_topaz.jobs.label import label  # noqa: E402
from napari_topaz.jobs.pick import pick  # noqa: E402
from napari_topaz.jobs.train import train_on_files  # noqa: E402
from napari_topaz.picks import Kind  # noqa: E402
from napari_topaz.settings import (  # noqa: E402
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    SimulateSettings,
    TrainSettings,
)
from napari_topaz.settings.presets import with_preset  # noqa: E402
from napari_topaz.simulate import simulate  # noqa: E402
from worlds import run  # noqa: E402

pytestmark = pytest.mark.slow

EVERY = PickSettings(threshold=-50, deviation_filter="off")


def test_three_rounds_raise_the_average_precision_on_other_micrographs() -> None:
    how = SimulateSettings(size=512, particles=14, contaminations=25, fragments=0.7, dose=8, seed=3)
    made = [simulate(how, i) for i in range(4)]
    truth = {m.name: p for m, p in made}
    images = [m for m, _ in made]
    training, test = images[:2], images[2:]
    labels = {m.name: truth[m.name][:4] for m in training}
    preprocess = with_preset("deepem", PreprocessSettings(diameter=how.diameter))
    settings = with_preset("deepem", TrainSettings(expected=14, epochs=2, steps=50, held_out=0))
    network = with_preset("deepem", NetworkSettings())
    radius = how.diameter / how.pixel_size / 2
    found, model = [], None
    for _ in range(3):
        _, model = run(
            train_on_files(training, labels, preprocess, settings, network, device="cpu", start=model)
        )
        picks = run(pick(test, model, EVERY, device="cpu"))[1]
        found.append(evaluate(picks, {m.name: truth[m.name] for m in test}, radius).average_precision)
        own = run(pick(training, model, EVERY, device="cpu"))[1]
        labels = label(own, truth, radius, most_true=10, most_false=20, known=labels).labels
    assert found[0] < found[1] < found[2], np.round(found, 3)
    assert found[2] > found[0] + 0.03
    assert sum(len(p.of_kind(Kind.NOT_PARTICLE)) for p in labels.values()) >= 40
