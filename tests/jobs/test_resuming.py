"""A folder of results: what is done, what is of another recipe, what was only to be replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from napari_topaz.events import JobError
from napari_topaz.files import FileError
from napari_topaz.jobs.resuming import ResultFolder, kept_folder

NAMES = ("a", "b", "c")
RECIPE = {"model": "m1", "size": 2.0}


def opened(folder: Path, *, resume: bool = True, recipe=None) -> ResultFolder:
    targets = {name: folder / f"{name}.mrc" for name in NAMES}
    return ResultFolder(folder / "recipe.json", recipe or RECIPE, targets, resume=resume)


def write(folder: Path, *names: str, day: int = 0) -> None:
    """Write results on some day, whatever the clock says."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.mrc").write_text(name)
        os.utime(folder / f"{name}.mrc", (1e9 + 86_400 * day,) * 2)


def test_what_was_written_is_done(tmp_path) -> None:
    assert opened(tmp_path).done == frozenset()
    write(tmp_path, "a", "c")
    for _ in range(2):
        again = opened(tmp_path)
        assert again.done == {"a", "c"}
        assert not again.unverified
    assert opened(tmp_path, resume=False).done == frozenset()


@pytest.mark.parametrize(
    "day", [-1, 1, 99_999], ids=["the clock was set back", "a day later", "in the future"]
)
def test_results_that_were_to_be_replaced_are_not_done(tmp_path, day: int) -> None:
    """Begun anew with another recipe, and interrupted: the rest is still of the first one."""
    opened(tmp_path)
    write(tmp_path, *NAMES)
    other = RECIPE | {"model": "m2"}
    opened(tmp_path, resume=False, recipe=other)
    write(tmp_path, "b", day=day)
    for _ in range(2):
        again = opened(tmp_path, recipe=other)
        assert again.done == {"b"}
        again.remember(answer=42)
    write(tmp_path, "a", "c", day=day)
    again = opened(tmp_path, recipe=other)
    assert again.done == set(NAMES)
    again.finish()
    assert json.loads((tmp_path / "recipe.json").read_text()) == {**other, "found": {"answer": 42}}


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path) -> None:
    results = opened(tmp_path / "out", resume=False)
    results.check()
    (tmp_path / "out").rename(tmp_path / "gone")
    with pytest.raises(FileError, match="not there any more; connect the disk again"):
        results.check()


def test_another_recipe_is_refused(tmp_path) -> None:
    opened(tmp_path)
    for other in (RECIPE | {"model": "m2"}, {"size": 2.0}, {**RECIPE, "model": None}):
        with pytest.raises(JobError, match=r"another model.*--overwrite in place of --resume"):
            opened(tmp_path, recipe=other)
    with pytest.raises(JobError, match="model and size"):
        opened(tmp_path, recipe={"model": 1, "size": 1})
    opened(tmp_path, resume=False, recipe={"other": (1, 2)})
    assert opened(tmp_path, recipe={"other": (1, 2)}).done == frozenset(), "a tuple is a list in the file"


def test_results_without_a_recipe_are_kept_and_that_is_said(tmp_path) -> None:
    """However often the run is resumed, and whatever it finds out."""
    write(tmp_path, "a", "b")
    os.utime(tmp_path / "a.mrc", (1e9, 1e9))
    first = opened(tmp_path)
    assert (first.done, first.unverified) == ({"a", "b"}, True)
    first.remember(answer=42)
    again = opened(tmp_path)
    assert (again.done, again.unverified, again.found) == ({"a", "b"}, False, {"answer": 42})


def test_what_was_found_is_remembered_but_no_recipe(tmp_path) -> None:
    opened(tmp_path).remember(mixture=[1.5, 2])
    assert opened(tmp_path).found == {"mixture": [1.5, 2]}
    assert opened(tmp_path, resume=False).found == {}
    assert opened(tmp_path).found == {}, "what is begun anew finds it anew"


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "null"])
def test_a_damaged_recipe_is_one_sentence(tmp_path, text: str) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(JobError, match=r"recipe.json .*--overwrite in place of --resume"):
        opened(tmp_path)
    assert opened(tmp_path, resume=False).done == frozenset()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="choose another folder"):
        opened(tmp_path / "file" / "out", resume=False)


def test_an_empty_file_is_no_result(tmp_path) -> None:
    """A power cut leaves such: the name came to the disk, the content did not."""
    opened(tmp_path)
    write(tmp_path, "a", "b")
    (tmp_path / "b.mrc").write_bytes(b"")
    assert opened(tmp_path).done == {"a"}


def test_a_folder_that_is_kept(tmp_path) -> None:
    check = kept_folder(tmp_path / "new" / "out")
    check()
    (tmp_path / "new").rename(tmp_path / "gone")
    with pytest.raises(FileError, match="out is not there any more; connect the disk again"):
        check()
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="a file is in the place of its folder"):
        kept_folder(tmp_path / "file" / "out")
