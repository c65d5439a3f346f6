"""Conversion: scale, flip, formats, and picks that cannot be right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.events import JobError, Warned
from napari_topaz.files import PICK_FORMATS, FileError, read_picks, write_mrc, write_picks
from napari_topaz.jobs.convert import Conversion, convert
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from worlds import SHAPE, run


@pytest.fixture
def table(tmp_path):
    (path,) = write_picks(tmp_path / "in.csv", {"mic_0": Picks([[10, 20], [30, 5]], [1.0, 2.0])})
    return path


def files(world):
    return {f.name: f for f in world.files}


def test_formats(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.star"))
    found = read_picks(tmp_path / "out.star")["mic_0"]
    np.testing.assert_array_equal(found.yx, [[10, 20], [30, 5]])
    np.testing.assert_array_equal(found.scores, moved["mic_0"].scores)


def test_scale_comes_before_the_flip(table, tmp_path, world) -> None:
    how = Conversion(scale=4, flip_y=True)
    _, moved = run(convert(table, tmp_path / "out.csv", how, files=files(world)))
    np.testing.assert_array_equal(moved["mic_0"].yx, [[SHAPE[0] - 1 - 40, 80], [SHAPE[0] - 1 - 120, 20]])


def test_a_height_may_stand_in_for_micrographs(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.csv", Conversion(flip_y=True, height=100)))
    np.testing.assert_array_equal(moved["mic_0"].yx, [[89, 20], [69, 5]])


def test_a_flip_without_a_height_is_refused(table, tmp_path) -> None:
    with pytest.raises(JobError, match="--micrographs or --height"):
        run(convert(table, tmp_path / "out.csv", Conversion(flip_y=True)))


def test_picks_outside_are_refused_with_the_remedy(table, tmp_path, world) -> None:
    with pytest.raises(FileError, match=r"outside.*--scale"):
        run(convert(table, tmp_path / "out.csv", Conversion(scale=40), files=files(world)))
    assert not (tmp_path / "out.csv").exists()


def test_threshold(table, tmp_path) -> None:
    _, moved = run(convert(table, tmp_path / "out.csv", Conversion(threshold=1.5)))
    np.testing.assert_array_equal(moved["mic_0"].scores, [2.0])


def test_picks_without_micrograph_are_left_out_with_a_warning(tmp_path, world) -> None:
    picks = {"mic_0": Picks([[1, 1]]), "other": Picks([[2, 2]])}
    (path,) = write_picks(tmp_path / "in.csv", picks)
    events, moved = run(convert(path, tmp_path / "out.star", files=files(world)))
    assert list(moved) == ["mic_0"]
    assert any(isinstance(e, Warned) and "'other'" in e.message for e in events)
    text = (tmp_path / "out.star").read_text()
    assert str(world.files[0].path) in text
    assert "2.000000" in text, "the pixel size of the micrographs"


def test_pixel_sizes_that_differ_are_not_said(tmp_path, world) -> None:
    (path,) = write_picks(tmp_path / "in.csv", {"mic_0": Picks([[1, 1]]), "mic_1": Picks([[1, 1]])})
    write_mrc(tmp_path / "mic_1.mrc", np.zeros(SHAPE, np.float32), 3)
    both = files(world) | {"mic_1": MicrographFile(tmp_path / "mic_1.mrc")}
    run(convert(path, tmp_path / "out.star", files=both, check=False))
    assert "PixelSize" not in (tmp_path / "out.star").read_text()
    run(convert(path, tmp_path / "out.star", Conversion(pixel_size=4), files=both, check=False))
    assert "4.000000" in (tmp_path / "out.star").read_text()


def many(world):
    return {name: picks.flipped(SHAPE[0]) for name, picks in world.truth.items()}


def test_picks_in_the_wrong_place_are_written_with_a_warning_and_the_options(tmp_path, world) -> None:
    write_picks(tmp_path / "in.csv", many(world))
    events, moved = run(convert(tmp_path / "in.csv", tmp_path / "out.csv", files=files(world)))
    assert [e.message.rpartition("; ")[2] for e in events if isinstance(e, Warned)] == ["give --flip-y."]
    np.testing.assert_allclose(moved["mic_0"].yx, many(world)["mic_0"].yx)
    for how, more in ((Conversion(flip_y=True), {}), (Conversion(), {"check": False})):
        events, _ = run(convert(tmp_path / "in.csv", tmp_path / "out.csv", how, files=files(world), **more))
        assert not [e for e in events if isinstance(e, Warned)]
    np.testing.assert_allclose(
        run(convert(tmp_path / "in.csv", tmp_path / "out.csv", Conversion(flip_y=True), files=files(world)))[
            1
        ]["mic_1"].yx,
        world.truth["mic_1"].yx,
        atol=1e-3,
    )


def test_options_that_make_it_worse(tmp_path, world) -> None:
    write_picks(tmp_path / "in.csv", world.truth)
    for height, says in ((None, "leave out scale, flip and shift."), (SHAPE[0] - 10, "leave out scale")):
        how = Conversion(flip_y=True, height=height)
        events, _ = run(convert(tmp_path / "in.csv", tmp_path / "out.csv", how, files=files(world)))
        (message,) = [e.message for e in events if isinstance(e, Warned)]
        assert says in message


def test_a_flip_round_another_height_may_be_right(tmp_path, world) -> None:
    height = SHAPE[0] - 30  # as of an image that was padded
    write_picks(tmp_path / "in.csv", {name: one.flipped(height) for name, one in world.truth.items()})
    how = Conversion(flip_y=True, height=height)
    events, moved = run(convert(tmp_path / "in.csv", tmp_path / "out.csv", how, files=files(world)))
    assert not [e for e in events if isinstance(e, Warned)]
    np.testing.assert_allclose(moved["mic_0"].yx, world.truth["mic_0"].yx, atol=1e-3)


def test_picks_outside_are_refused_with_the_options_that_fit(tmp_path, world) -> None:
    doubled = {name: picks.rescaled(2) for name, picks in many(world).items()}
    write_picks(tmp_path / "in.csv", doubled)
    with pytest.raises(
        FileError,
        match=r"outside .* y [\d.]+; they would lie on particles with .* edge: give --scale 0\.5 --flip-y\.",
    ):
        run(convert(tmp_path / "in.csv", tmp_path / "out.csv", files=files(world)))
    assert not (tmp_path / "out.csv").exists()


def test_exchange_and_shift(table, tmp_path) -> None:
    how = Conversion(scale=2, swap_xy=True, flip_y=True, height=100, shift_yx=(0.5, -1))
    _, moved = run(convert(table, tmp_path / "out.csv", how))
    np.testing.assert_array_equal(moved["mic_0"].yx, [[100 - 1 - 40 + 0.5, 19], [100 - 1 - 10 + 0.5, 59]])
    np.testing.assert_array_equal(moved["mic_0"].scores, [1, 2])


def test_a_flip_turns_boxes(tmp_path, world) -> None:
    """A box of 8 rows from row 10 of 100: the other way up it begins at row 82."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mic_0.box").write_text("20\t10\t8\t8\n")
    how = Conversion(flip_y=True, height=100, box_size=8)
    run(convert(tmp_path / "in", tmp_path / "out", how, output_format="box"))
    assert (tmp_path / "out" / "mic_0.box").read_text() == "20\t82\t8\t8\n"
    run(convert(tmp_path / "in" / "mic_0.box", tmp_path / "out.csv", how))
    np.testing.assert_array_equal(read_picks(tmp_path / "out.csv")["mic_0"].yx, [[86, 24]])
    half = Conversion(scale=0.5, flip_y=True, height=50)  # ((4096 - (y + h / 2)) / 2 for height 4096)
    run(convert(tmp_path / "in", tmp_path / "out.csv", half))
    np.testing.assert_array_equal(read_picks(tmp_path / "out.csv")["mic_0"].yx, [[43, 12]])


FORMATS = list(PICK_FORMATS)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_between_any_two_formats_and_back(tmp_path, world, first: str, second: str) -> None:
    """In the second format coordinates are half as large, and y counts from the other edge."""
    file = world.files[0]
    truth = {file.name: world.truth[file.name]}
    more = {"files": {file.name: file}, "check": False}
    shapes = {file.name: SHAPE}
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    write_picks(one, truth, format=first, box_size=20, shapes=shapes)
    there = Conversion(scale=0.5, flip_y=True, height=SHAPE[0] // 2, box_size=33)
    back = Conversion(scale=2, flip_y=True, box_size=33)
    run(convert(one, two, there, input_format=first, output_format=second, **more))
    run(convert(two, three, back, input_format=second, output_format=first, **more))
    ((name, moved),) = read_picks(two, second).items()
    ((same, found),) = read_picks(three, first).items()
    assert (name, same) == (file.name, file.name)
    yx = truth[name].yx
    np.testing.assert_allclose(found.yx, yx, atol=4e-3)
    edge = 0 if PICK_FORMATS[first].corners or PICK_FORMATS[second].corners else 1
    np.testing.assert_allclose(moved.yx, (yx * (-1, 1) + (SHAPE[0] - edge, 0)) / 2, atol=2e-3)
