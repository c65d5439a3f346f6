"""Results of a long job: written as they come, resumed without loss, never mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_topaz.events import JobError, Saved
from napari_topaz.files import FileError, read_picks
from napari_topaz.jobs.saving import RECIPE_FILE, Destination, check_writable, open_output
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from worlds import run

A = Picks([[1.25, 2.5], [3, 4]], [0.1, -7.3])
B = Picks([[9, 8]], [5.0])


def destination(path, *, folder=False, format="star", recipe=None) -> Destination:  # noqa: A002
    files = {name: MicrographFile(path.parent / f"{name}.mrc") for name in ("a", "b", "c")}
    return Destination(path, format, folder, files, 2.0, 64, recipe or {"model": "m1"})


def equal(one: Picks, other: Picks) -> bool:
    return np.array_equal(one.yx, other.yx) and np.array_equal(one.scores, other.scores)


def test_a_table_is_there_at_the_end_and_its_journal_gone(tmp_path) -> None:
    output = open_output(destination(tmp_path / "out.star"))
    run(output.write("b", B))
    run(output.write("a", A))
    assert not (tmp_path / "out.star").exists()
    events, _ = run(output.finish(complete=True))
    assert events == [Saved(str(tmp_path / "out.star"))]
    found = read_picks(tmp_path / "out.star")
    assert list(found) == ["a", "b"], "in the order of the micrographs, whichever came first"
    assert equal(found["a"], A)
    assert [p.name for p in tmp_path.iterdir()] == ["out.star"]


def test_a_table_is_resumed_exactly(tmp_path) -> None:
    first = open_output(destination(tmp_path / "out.star"))
    run(first.write("a", A))
    run(first.finish(complete=False))  # stopped
    assert list(read_picks(tmp_path / "out.star")) == ["a"], "the part that is done can be used"
    second = open_output(destination(tmp_path / "out.star"), resume=True)
    assert second.done == {"a"}
    run(second.write("b", B))
    run(second.finish(complete=True))
    found = read_picks(tmp_path / "out.star")
    assert equal(found["a"], A)
    assert equal(found["b"], B)


def test_a_micrograph_without_picks_is_done_too(tmp_path) -> None:
    first = open_output(destination(tmp_path / "out.csv", format="csv"))
    run(first.write("c", Picks()))
    assert open_output(destination(tmp_path / "out.csv", format="csv"), resume=True).done == {"c"}


def test_a_line_cut_short_by_a_crash_is_not_done(tmp_path) -> None:
    first = open_output(destination(tmp_path / "out.star"))
    run(first.write("a", A))
    run(first.write("b", B))
    first.journal.write_text(first.journal.read_text()[:-20])
    second = open_output(destination(tmp_path / "out.star"), resume=True)
    assert second.done == {"a"}
    run(second.write("b", B))
    third = open_output(destination(tmp_path / "out.star"), resume=True)
    assert third.done == {"a", "b"}, "the torn line was dropped, not written on"


def test_a_finished_table_is_extended(tmp_path) -> None:
    first = open_output(destination(tmp_path / "out.star"))
    run(first.write("a", A))
    run(first.finish(complete=True))
    second = open_output(destination(tmp_path / "out.star"), resume=True)
    assert second.done == {"a"}


def test_without_resume_it_begins_again(tmp_path) -> None:
    first = open_output(destination(tmp_path / "out.star"))
    run(first.write("a", A))
    assert open_output(destination(tmp_path / "out.star")).done == frozenset()


@pytest.mark.parametrize("folder", [False, True])
def test_picks_of_another_model_are_not_mixed_in(tmp_path, folder) -> None:
    path = tmp_path / ("out" if folder else "out.star")
    run(open_output(destination(path, folder=folder)).write("a", A))
    other = destination(path, folder=folder, recipe={"model": "m2"})
    with pytest.raises(JobError, match=r"another model.*--resume"):
        open_output(other, resume=True)
    assert open_output(other).done == frozenset()


def test_a_folder_has_a_file_for_each(tmp_path) -> None:
    output = open_output(destination(tmp_path / "out", folder=True, format="box"))
    events, _ = run(output.write("a", A))
    assert events == [Saved(str(tmp_path / "out" / "a.box"))]
    run(output.finish(complete=True))
    np.testing.assert_allclose(read_picks(tmp_path / "out")["a"].yx, A.yx)
    again = open_output(destination(tmp_path / "out", folder=True, format="box"), resume=True)
    assert again.done == {"a"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.box", RECIPE_FILE}


def test_a_folder_of_star_files_gets_the_list_of_all_that_is_done(tmp_path) -> None:
    for name, picks in (("b", B), ("a", A)):  # the second one resumes
        output = open_output(destination(tmp_path / "out", folder=True), resume=True)
        run(output.write(name, picks))
        assert (tmp_path / "out" / "autopick.star").exists() == (name == "a"), "not before the end"
        events, _ = run(output.finish(complete=False))
        assert events == [Saved(str(tmp_path / "out" / "autopick.star"))]
    assert output.done == {"b"}, "the list is no micrograph"
    assert set(read_picks(tmp_path / "out" / "autopick.star")) == {"a", "b"}
    assert tmp_path / "out" / "autopick.star" in destination(tmp_path / "out", folder=True).targets()


@pytest.mark.parametrize("name", ["out", "out.star"])
def test_what_cannot_be_written_is_known_before_the_work(tmp_path, name) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="cannot be written"):
        open_output(destination(tmp_path / "file" / name, folder=name == "out"))


def test_check_writable_leaves_nothing(tmp_path) -> None:
    check_writable(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"model\.safetensors cannot be written"):
        check_writable(tmp_path / "file" / "model.safetensors")


@pytest.mark.parametrize(
    "damage", [b"\0" * 300, b"\xff\xfe{", b'{"name": "b", "picks": 5}', b'{"name": "b"}', b"[1]"]
)
def test_a_damaged_line_is_not_done_but_those_after_it_are(tmp_path, damage: bytes) -> None:
    """As a power cut leaves them."""
    first = open_output(destination(tmp_path / "out.star"))
    for name, picks in (("a", A), ("b", B), ("c", A)):
        run(first.write(name, picks))
    head, a, _, c = first.journal.read_bytes().splitlines()
    first.journal.write_bytes(b"\n".join([head, a, damage, c, b""]))
    again = open_output(destination(tmp_path / "out.star"), resume=True)
    assert again.done == {"a", "c"}
    run(again.write("b", B))
    run(again.finish(complete=True))
    assert equal(read_picks(tmp_path / "out.star")["b"], B)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"{"])
def test_a_journal_that_says_nothing_is_an_error(tmp_path, content: bytes) -> None:
    (tmp_path / "out.star.partial").write_bytes(content)
    with pytest.raises(JobError, match=r"out\.star\.partial is damaged; give --overwrite"):
        open_output(destination(tmp_path / "out.star"), resume=True)


def test_a_journal_that_is_gone_is_not_begun_anew(tmp_path) -> None:
    """The disk was taken away, and its folder is another one now."""
    output = open_output(destination(tmp_path / "out.star"))
    run(output.write("a", A))
    output.journal.unlink()
    with pytest.raises(FileError, match="not there any more; connect the disk again"):
        run(output.write("b", B))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_is_told(tmp_path) -> None:
    output = open_output(destination(tmp_path / "out.star"))
    output.journal.unlink()
    output.journal.symlink_to("/dev/full")
    with pytest.raises(FileError, match=r"partial cannot be written \(No space left"):
        run(output.write("b", B))
