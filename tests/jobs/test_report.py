"""The report: things are drawn where they are."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.pick import picks_of, score_one
from napari_topaz.jobs.preparing import prepare_source
from napari_topaz.jobs.report import Scene, _draw_picks, draw_report, round_length
from worlds import SHAPE


@pytest.fixture
def scene(world, model) -> Scene:
    prepared = prepare_source(world.files[0], model.card.preprocess)
    scores = score_one(prepared, model)
    picks = picks_of(scores, model, pixel_size=2.0)
    return Scene(prepared, scores, picks, world.truth["mic_0"], 8.0, 16.0, 0.0)


def test_a_picture_is_written(scene, model, tmp_path) -> None:
    found = evaluate({"mic_0": scene.picks}, {"mic_0": scene.targets}, 8.0)
    path = draw_report(tmp_path / "new" / "report.png", "A title", scene, model.card, found)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 50_000, "not an empty picture"


def test_picks_and_image_share_one_coordinate_system(scene) -> None:
    axes = Figure().subplots()
    _draw_picks(axes, scene)
    step = scene.prepared.step_yx[0]
    height, width = SHAPE
    # The first small pixel is centred on pixel (0, 0).
    assert axes.images[0].get_extent() == [-step / 2, width - step / 2, height - step / 2, -step / 2]
    drawn = np.concatenate([c.get_offsets() for c in axes.collections])
    wanted = np.concatenate([scene.picks.yx, scene.targets.yx])
    assert {tuple(p) for p in drawn.tolist()} <= {(x, y) for y, x in wanted.tolist()}
    assert {(x, y) for y, x in scene.picks.yx.tolist()} <= {tuple(p) for p in drawn.tolist()}


@pytest.mark.parametrize(("about", "length"), [(716.8, 500), (99, 50), (100, 100), (0.3, 0.2), (2400, 2000)])
def test_scale_bars_have_round_lengths(about, length) -> None:
    assert round_length(about) == pytest.approx(length)
