"""Picks are looked at where they lie: findings, and silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.events import Warned
from napari_topaz.files import find_micrographs, read_micrograph, read_picks
from napari_topaz.jobs.placement import look_at_picks
from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.placement import Placement
from napari_topaz.picks import Kind, Picks
from worlds import SHAPE, make_world, run


def flipped(truth: dict[str, Picks], height: int = SHAPE[0]) -> dict[str, Picks]:
    return {name: picks.flipped(height) for name, picks in truth.items()}


def test_a_flip_is_found_and_what_is_right_is_not(world) -> None:
    assert run(look_at_picks(world.files, world.truth)) == ([], None)
    events, found = run(look_at_picks(world.files, flipped(world.truth)))
    assert events == []
    assert found.placement == Placement(flip_y=True)
    assert (found.options, found.words, found.micrographs) == ("--flip-y", "y from the other edge", 3)
    sentence = found.sentence("do this")
    assert "on 3 micrographs" in sentence
    assert sentence.endswith("with y from the other edge; do this.")
    present = Placement(flip_y=True)
    assert run(look_at_picks(world.files, flipped(world.truth), present)) == ([], None)
    _, found = run(look_at_picks(world.files, world.truth, present))
    assert (found.options, found.words) == ("", "as they are in the file")


def test_micrographs_in_memory(world) -> None:
    sources = [replace(read_micrograph(file), file=None) for file in world.files]
    assert all(isinstance(source, Micrograph) for source in sources)
    _, found = run(look_at_picks(sources, flipped(world.truth)))
    assert found.placement == Placement(flip_y=True)


def test_rejected_picks_do_not_count(world) -> None:
    picks = {name: one.as_kind(Kind.NOT_PARTICLE) for name, one in flipped(world.truth).items()}
    assert run(look_at_picks(world.files, picks)) == ([], None)


def test_a_broken_micrograph_is_said_and_the_others_are_looked_at(tmp_path) -> None:
    world = make_world(tmp_path, 3)
    world.files[0].path.write_bytes(b"broken")
    more = flipped(world.truth)
    more["mic_0"] = more["mic_0"] + more["mic_0"]  # the first to be looked at
    events, found = run(look_at_picks(world.files, more))
    assert [type(event) for event in events] == [Warned]
    assert "mic_0 was not looked at" in events[0].message
    assert found.placement == Placement(flip_y=True)
    assert found.micrographs == 2


def test_options_and_words() -> None:
    from napari_topaz.jobs.placement import Finding

    found = Finding(Placement(True, 1 / 3, True, (-8.0, 16.0)), 0, 20, 1)
    assert found.options == "--swap-xy --scale 0.333333 --flip-y --shift-x 16 --shift-y -8"
    assert found.words == (
        "x and y exchanged, coordinates times 0.333333, y from the other edge, x moved by about 16 px, "
        "y moved by about -8 px"
    )
    assert "on 1 micrograph they" in found.sentence("x")


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    folder = shared / "data" / "bgal_empiar10017"
    if not folder.is_dir():
        pytest.skip(f"no real micrographs at {folder}")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("who", ["topaz_published", "cryolo_published"])
def test_published_boxes_of_the_unbinned_micrograph_with_y_from_the_other_edge(real: Path, who: str) -> None:
    files = find_micrographs([real / "micrographs"])[::4]
    boxes = read_picks(real / "picks" / who)
    _, found = run(look_at_picks(files, boxes))
    assert found.options == "--scale 0.5 --flip-y"
    assert found.best > 50 > 5 > found.as_is
    _, found = run(look_at_picks(files, boxes, Placement(scale=0.5)))
    assert found.options == "--scale 0.5 --flip-y", "the scale alone puts them inside, but nowhere"
    assert run(look_at_picks(files, boxes, found.placement)) == ([], None)


@pytest.mark.slow
def test_right_labels_are_left_in_peace(real: Path) -> None:
    files = find_micrographs([real / "micrographs"])
    labels = read_picks(real / "picks" / "labels_cryoppp.star")
    rng = np.random.default_rng(0)
    for count in (1, 2, 4, 8, 30, 10_000):
        some = {name: one[rng.permutation(len(one))[:count]] for name, one in labels.items()}
        assert run(look_at_picks(files, some)) == ([], None)
