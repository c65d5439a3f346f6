"""The one error of this floor, and how an operating-system error becomes one sentence of it."""

from __future__ import annotations

import stat
from pathlib import Path

#: Characters of a sentence; more of a damaged file says no more.
_LONGEST = 1000


class FileError(ValueError):
    """A file cannot be read or written; one sentence: what is wrong, with which file, what to do.

    What it quotes of a damaged file may have lines, and be long: the sentence has one, and an end.
    """

    def __init__(self, sentence: str) -> None:
        line = "".join(c if c.isprintable() else " " for c in sentence)
        super().__init__(
            line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 4 :]}"
        )


def refuse_special(path: Path) -> None:
    """Raise FileError where `path` is a pipe or a device, which may have no end; OSError where it is gone."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise FileError(f"{path} is a pipe or a device; give a file.")


def reading_failed(path: Path, error: OSError) -> FileError:
    """Say why the operating system does not let `path` be read."""
    if isinstance(error, FileNotFoundError):
        return FileError(f"{path} does not exist; check the path.")
    if isinstance(error, IsADirectoryError):
        return FileError(f"{path} is a folder; give a file in it.")
    if isinstance(error, PermissionError):
        return FileError(f"{path} may not be read; check its permissions.")
    return FileError(f"{path} cannot be read ({error.strerror or error}); check the disk and copy it again.")
