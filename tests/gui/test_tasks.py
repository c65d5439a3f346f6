"""What the dock asks for in a thread, run here to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_topaz.files import write_picks
from napari_topaz.gui.tasks import loading_labels
from napari_topaz.jobs.placement import Misplaced
from napari_topaz.picks import Picks
from worlds import SHAPE, make_world, run


def test_boxes_that_count_from_the_other_edge_are_turned_as_boxes(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", 3)
    turned = {
        name: Picks(np.stack([SHAPE[0] - one.yx[:, 0], one.yx[:, 1]], axis=1))
        for name, one in world.truth.items()
    }
    write_picks(tmp_path / "boxes", turned, format="box", box_size=20)
    events, labels = run(loading_labels(tmp_path / "boxes", world.files))
    (misplaced,) = (event for event in events if isinstance(event, Misplaced))
    assert misplaced.finding.options == "--flip-y"
    np.testing.assert_allclose(labels["mic_0"].yx, turned["mic_0"].yx, atol=1e-3)
    moving = loading_labels(tmp_path / "boxes", world.files, misplaced.finding.placement)
    events, labels = run(moving)
    assert not any(isinstance(event, Misplaced) for event in events)
    np.testing.assert_allclose(labels["mic_0"].yx, world.truth["mic_0"].yx, atol=1e-3)
