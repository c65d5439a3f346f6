"""Files are written as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from napari_topaz.files import FileError, replace_file


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
