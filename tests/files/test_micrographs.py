"""Finding micrographs, and reading whatever was found."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.files import (
    MICROGRAPH_FORMATS,
    FileError,
    find_micrographs,
    read_header,
    read_micrograph,
    write_mrc,
)
from napari_topaz.micrograph import MicrographFile

IMAGE = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a_10.mrc", "a_9.mrc", "b.mrcs", "a_1.mrc.gz", "sub/c.mrc", ".hidden.mrc"):
        write_mrc(tmp_path / name, np.stack([IMAGE] * 2) if name == "b.mrcs" else IMAGE, 1.0)
    (tmp_path / "notes.txt").write_text("not a micrograph")
    return tmp_path


def names(*specs: str | Path) -> list[str]:
    return [file.name for file in find_micrographs(specs)]


def test_a_folder_is_listed_in_natural_order(folder: Path) -> None:
    assert names(folder) == ["a_1", "a_9", "a_10", "000001@b", "000002@b"]


def test_files_globs_sections_and_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(folder / "a_9.mrc", str(folder / "a_1*")) == ["a_9", "a_1", "a_10"]
    assert names(folder / "**" / "c.*") == ["c"]
    assert names(f"2@{folder / 'b.mrcs'}") == ["000002@b"]
    assert find_micrographs([f"2@{folder / 'b.mrcs'}"]) == [MicrographFile(folder / "b.mrcs", 1)]
    (folder / "list.txt").write_text("# chosen\na_10.mrc\n\nsub\n000001@b.mrcs\n")
    assert names(f"@{folder / 'list.txt'}") == ["a_10", "c", "000001@b"]
    monkeypatch.chdir(folder)
    assert names("@list.txt", "a_9.mrc") == ["a_10", "c", "000001@b", "a_9"]
    assert find_micrographs("a_9.mrc") == [MicrographFile(Path("a_9.mrc"))]


def test_nothing_is_listed_twice(folder: Path) -> None:
    assert names(folder, folder / "a_9.mrc", folder / "sub" / ".." / "a_9.mrc", folder / "b.mrcs") == names(
        folder
    )


def test_brackets_in_a_name_are_no_glob(tmp_path: Path) -> None:
    write_mrc(tmp_path / "a[1].mrc", IMAGE)
    assert names(tmp_path / "a[1].mrc") == ["a[1]"]


def test_a_broken_header_is_left_for_reading(folder: Path) -> None:
    (folder / "a_9.mrc").write_text("broken")
    file = find_micrographs([folder])[1]
    assert file.name == "a_9"
    with pytest.raises(FileError, match=r"a_9\.mrc"):
        read_header(file)
    with pytest.raises(FileError, match=r"a_9\.mrc"):
        read_micrograph(file)


def test_clashes_name_both_files(folder: Path) -> None:
    write_mrc(folder / "sub" / "a_9.map", IMAGE)
    with pytest.raises(FileError, match=r"a_9\.mrc and .*a_9\.map are both called 'a_9'"):
        find_micrographs([folder, folder / "sub"])


@pytest.mark.parametrize("spec", ["missing.mrc", "missing/", "@missing.txt", "3@missing.mrcs"])
def test_what_is_missing_is_named(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"missing.* does not exist"):
        find_micrographs([spec])


def test_nothing_found(folder: Path) -> None:
    (folder / "empty").mkdir()
    for specs in ([], [folder / "empty"]):
        with pytest.raises(FileError, match=r"No micrograph in .*\.mrc"):
            find_micrographs(specs)
    with pytest.raises(FileError, match=r"No file matches .*x\*\.mrc; check the pattern\."):
        find_micrographs([folder / "x*.mrc"])


def test_unknown_suffix(folder: Path) -> None:
    with pytest.raises(FileError, match=r"notes\.txt has an unknown suffix; known are \.mrc"):
        find_micrographs([folder / "notes.txt"])
    with pytest.raises(FileError, match="unknown suffix"):
        read_micrograph(folder / "notes.txt")
    with pytest.raises(FileError, match="is a folder"):
        read_header(folder)


def test_bad_lists(folder: Path) -> None:
    (folder / "nested.txt").write_text("@nested.txt\n")
    with pytest.raises(FileError, match=r"nested\.txt names another list"):
        find_micrographs([f"@{folder / 'nested.txt'}"])
    with pytest.raises(FileError, match="not a text file"):
        find_micrographs([f"@{folder / 'a_9.mrc'}"])


def test_a_section_that_is_not_there(folder: Path) -> None:
    for section in (-1, 2):
        with pytest.raises(FileError, match="has 2 sections"):
            read_micrograph(MicrographFile(folder / "b.mrcs", section))


def test_every_format_is_told_by_its_suffix(tmp_path: Path) -> None:
    for format_ in MICROGRAPH_FORMATS.values():
        for suffix in format_.suffixes:
            (tmp_path / f"x{suffix}").write_bytes(gzip.compress(b"no format"))
            with pytest.raises(FileError) as caught:
                read_header(tmp_path / f"x{suffix}")
            assert "unknown suffix" not in str(caught.value)


def test_finding_a_folder_reads_each_header_once_and_no_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mrc(tmp_path / "0.mrc", IMAGE)
    header = (tmp_path / "0.mrc").read_bytes()[:1024]
    for k in range(500):
        (tmp_path / f"{k}.mrc").write_bytes(header)
    opened = []
    plain = Path.open

    def spy(path: Path, *more, **named):
        opened.append(path)
        return plain(path, *more, **named)

    monkeypatch.setattr(Path, "open", spy)
    assert len(find_micrographs([tmp_path])) == 500
    assert len(set(opened)) == len(opened) == 500
