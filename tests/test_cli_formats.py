"""Formats of picks, and picks in the wrong place, on the command line."""

from __future__ import annotations

import numpy as np
import pytest
import starfile

from napari_topaz.files import PICK_FORMATS, read_picks, write_picks
from worlds import SHAPE, World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 3)


@pytest.fixture
def wrong(world, tmp_path):
    """All labels with y from the other edge."""
    (path,) = write_picks(
        tmp_path / "wrong.csv", {name: picks.flipped(SHAPE[0]) for name, picks in world.truth.items()}
    )
    return path


@pytest.mark.parametrize("format_", [name for name, format_ in PICK_FORMATS.items() if format_.single])
def test_formats_of_one_micrograph_go_into_a_folder(world, call, tmp_path, format_) -> None:
    suffix = PICK_FORMATS[format_].suffixes[0]
    size = ("--box-size", 20) if PICK_FORMATS[format_].boxed else ()
    code, _, err = call("convert", world.labels, tmp_path / f"out{suffix}", "--format", format_, *size)
    assert code == 1
    assert "of one micrograph, not of 3; give a folder." in err
    assert not any(tmp_path.iterdir())
    assert call("convert", world.labels, tmp_path / "out", "--format", format_, *size)[0] == 0
    found = read_picks(tmp_path / "out")
    np.testing.assert_allclose(found["mic_1"].yx, world.truth["mic_1"].yx, atol=1e-4)
    (file,) = tmp_path.glob("out/mic_1*")
    one = tmp_path / f"mic_1{suffix}"
    assert call("convert", file, one, "--from", format_, "--format", format_, *size)[0] == 0, (
        "of one, one file"
    )
    assert one.read_bytes() == file.read_bytes()


def test_boxes_need_a_size_and_cryosparc_the_micrographs(world, call, tmp_path) -> None:
    code, _, err = call("convert", world.labels, tmp_path / "out", "--format", "cbox")
    assert (code, "--box-size" in err) == (2, True)
    code, _, err = call("convert", world.labels, tmp_path / "out.cs")
    assert (code, "--micrographs or --exposures" in err) == (2, True)
    code, _, err = call("convert", world.labels, tmp_path / "out.xml")
    assert (code, "is of no format of picks" in err) == (2, True)
    code, _, err = call("convert", world.labels, tmp_path / "out.csv", "--format", "cs")
    assert (code, "does not fit --format cs; it must be .cs" in err) == (2, True)


def test_to_cryosparc_and_back_with_its_exposures(world, call, tmp_path) -> None:
    out, back, again = tmp_path / "p.cs", tmp_path / "p.star", tmp_path / "q.cs"
    assert call("convert", world.labels, out, "--micrographs", world.folder)[0] == 0
    assert call("convert", out, back)[0] == 0
    np.testing.assert_allclose(read_picks(back)["mic_0"].yx, world.truth["mic_0"].yx, atol=1e-3)
    assert call("convert", back, again, "--exposures", out)[0] == 0
    one, two = np.load(out), np.load(again)
    assert one["location/micrograph_uid"].tolist() == two["location/micrograph_uid"].tolist()
    assert call("info", out)[1].startswith(f"{out}: picks, picks 30, micrographs 3")


def test_suffixes_that_formats_share(world, call, tmp_path) -> None:
    path = tmp_path / "a.csv"
    assert call("convert", world.labels, path, "--format", "via")[0] == 0
    assert path.read_text().startswith("filename,file_size")
    assert call("convert", path, tmp_path / "b.via.csv")[0] == 0
    assert (tmp_path / "b.via.csv").read_text() == path.read_text()


def test_a_folder_for_relion_has_its_list(world, call, tmp_path) -> None:
    words = ("convert", world.labels, tmp_path / "out", "--micrographs", world.folder)
    assert call(*words)[0] == 0
    table = starfile.read(tmp_path / "out" / "autopick.star")
    assert list(table["rlnMicrographName"]) == [str(file.path) for file in world.files]
    assert call(*words)[0] == 2, "what exists is not replaced"
    (tmp_path / "out" / "mic_0_autopick.star").unlink()
    code, _, err = call("convert", tmp_path / "out", tmp_path / "x.csv")
    assert (code, "mic_0_autopick.star, which does not exist" in err) == (1, True)


def test_picks_in_the_wrong_place_are_warned_of_and_the_remedy_works(world, call, tmp_path, wrong) -> None:
    moved = tmp_path / "moved.star"
    code, _, err = call("convert", wrong, moved, "--micrographs", world.folder)
    assert (code, "give --flip-y." in err) == (0, True)
    code, _, err = call(
        "convert", wrong, moved, "--overwrite", "--flip-y", "--micrographs", world.folder, "--quiet"
    )
    assert (code, err) == (0, "")
    np.testing.assert_allclose(read_picks(moved)["mic_0"].yx, world.truth["mic_0"].yx, atol=1e-3)
    code, _, err = call("convert", wrong, tmp_path / "n.csv", "--micrographs", world.folder, "--no-check")
    assert (code, "Warning" in err) == (0, False)
    code, _, err = call(
        *("convert", world.labels, moved, "--overwrite", "--swap-xy", "--shift-x", 3, "--shift-y", -2)
    )
    first = read_picks(moved)["mic_0"].yx
    np.testing.assert_allclose(first, world.truth["mic_0"].yx[:, ::-1] + [-2, 3], atol=1e-3)


def test_training_refuses_labels_outside_with_the_command_that_moves_them(world, call, tmp_path) -> None:
    doubled = {name: picks.flipped(SHAPE[0]).rescaled(2) for name, picks in world.truth.items()}
    (path,) = write_picks(tmp_path / "wrong.csv", doubled)
    words = ("train", world.folder, "--picks", path, "--model", tmp_path / "m.safetensors")
    code, _, err = call(*words, "--diameter", 64, "--quiet")
    assert code == 1
    assert "are outside its 320 × 240 px" in err
    assert "on particles with coordinates times 0.5, y from the other edge" in err
    moves = f"'napari-topaz convert {path} MOVED --micrographs … --scale 0.5 --flip-y' moves them."
    assert err.rstrip().endswith(moves)


@pytest.mark.slow
def test_training_and_evaluation_warn_too(world, call, tmp_path, wrong) -> None:
    pytest.importorskip("torch")
    model = tmp_path / "m.safetensors"
    train = ("train", world.folder, "--diameter", 64, "--particle-pixels", 16, "--epochs", 1, "--steps", 5)
    train = (*train, "--width", 4, "--expected", 10, "--quiet", "--model", model)
    code, _, err = call(*train, "--picks", wrong)
    assert code == 0
    assert f"'napari-topaz convert {wrong} MOVED --micrographs … --flip-y' moves them." in err
    code, _, err = call(*train, "--picks", world.labels, "--overwrite")
    assert (code, "wrong place" in err) == (0, False)
    evaluate = ("evaluate", "--model", model, "--micrographs", world.folder, "--radius", 12, "--targets")
    code, _, err = call(*evaluate, wrong)
    assert (code, "wrong place" in err) == (0, True)
    code, _, err = call(*evaluate, world.labels)
    assert (code, "wrong place" in err) == (0, False)
