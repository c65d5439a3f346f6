"""Files are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from bad_input.whole import whole
from napari_topaz.files import FileError, replace_file
from napari_topaz.files.atomic import flush_folder, write_text
from napari_topaz.files.session import DESCRIPTION, LABELS, PREVIOUS, SavedSession, write_session
from napari_topaz.jobs.saving import Destination, open_output
from napari_topaz.model.picker import PickerModel
from napari_topaz.picks import Picks


def test_replaces_only_on_success(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replace_file(path) as part:
        part.write_text("first")
        assert not path.exists()
        assert part.parent == path.parent
        assert part.suffix == ".txt"
    assert path.read_text() == "first"

    def write_half() -> None:
        with replace_file(path) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    with replace_file(tmp_path / "a") as part:
        part.write_text("x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with replace_file(tmp_path / "link") as part:
        part.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def write(path: Path) -> None:
    with replace_file(path) as part:
        part.write_text("x")


def test_folders_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder; give the name of a file"):
        write(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="a file is in the place of its folder"):
        write(tmp_path / "file" / "a.txt")


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is played; see the next test for a real one."""

    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(FileError, match=r"a\.txt cannot be written, its folder is read-only; choose another"):
        write(tmp_path / "a.txt")


def test_real_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write into read-only folders")
    with pytest.raises(FileError, match="its folder is read-only"):
        write(tmp_path / "a.txt")


def test_full_disk(tmp_path: Path) -> None:
    def fill() -> None:
        with replace_file(tmp_path / "a.txt") as part:
            part.write_text("x")
            raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match=r"a\.txt cannot be written \(No space left on device\)"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_made_where_that_is_wanted_only(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "a.txt"
    with (
        pytest.raises(FileError, match="folder is not there any more"),
        replace_file(path, make_folder=False),
    ):
        pass
    assert not path.parent.exists()
    with replace_file(path) as part:
        part.write_text("x")
    (tmp_path / "gone").rename(tmp_path / "other")
    with pytest.raises(FileError, match="folder is not there any more"), replace_file(path) as part:
        part.parent.rename(tmp_path / "another")


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is flushed (by name), renamed and removed from now on, in order."""
    steps: list[tuple[str, str]] = []
    fsync, replace, unlink = os.fsync, os.replace, Path.unlink

    def flushed(handle: int) -> None:
        about = os.fstat(handle)
        steps.append(("flush", "folder" if stat.S_ISDIR(about.st_mode) else f"{about.st_size} bytes"))
        fsync(handle)

    def renamed(part: Path, target: Path) -> None:
        steps.append(("name", Path(target).name))
        replace(part, target)

    def removed(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            steps.append(("remove", path.name))
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(Path, "unlink", removed)
    return steps


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")
class TestPowerCut:
    """What must be on the disk before what."""

    def test_contents_come_before_their_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = steps_of(monkeypatch)
        write_text(tmp_path / "a.txt", "hello")
        assert steps == [("flush", "5 bytes"), ("name", "a.txt")]

    def test_a_table_comes_before_its_journal_goes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = open_output(Destination(tmp_path / "t.csv", "csv", False))
        list(output.write("a", Picks([(1, 2)], [0.5])))
        steps = steps_of(monkeypatch)
        list(output.finish(complete=True))
        assert [what for what, _ in steps] == ["flush", "name", "flush", "remove"]
        assert steps[1:] == [("name", "t.csv"), ("flush", "folder"), ("remove", "t.csv.partial")]

    def test_a_model_comes_before_what_it_was_made_of_goes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever saves one removes the partial training next."""
        (tmp_path / "m.safetensors").write_bytes(whole("model"))
        model = PickerModel.load(tmp_path / "m.safetensors")
        steps = steps_of(monkeypatch)
        model.save(tmp_path / "n.safetensors")
        assert [what for what, _ in steps] == ["flush", "name", "flush"]
        assert steps[2] == ("flush", "folder")

    def test_labels_come_before_the_description_that_states_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_session(tmp_path / "s", SavedSession({"a": Picks([(1, 2)])}))
        steps = steps_of(monkeypatch)
        write_session(tmp_path / "s", SavedSession({"a": Picks([(3, 4)])}))
        kinds = [what if detail != "folder" else detail for what, detail in steps]
        assert kinds == ["flush", "name", "folder"] * 3
        assert [name for what, name in steps if what == "name"] == [PREVIOUS, LABELS, DESCRIPTION]


def test_a_disk_that_is_full_when_it_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network disks say so no earlier."""
    write_text(tmp_path / "a.txt", "old")

    def full(handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"cannot be written \(Disk quota exceeded\); make room"):
        write_text(tmp_path / "a.txt", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_disk_that_cannot_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unknown)
    write_text(tmp_path / "a.txt", "new")
    flush_folder(tmp_path)
    flush_folder(tmp_path / "gone")
    assert (tmp_path / "a.txt").read_text() == "new"
