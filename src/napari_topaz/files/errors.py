"""The one error of this floor, and how an operating-system error becomes one sentence of it."""

from __future__ import annotations

from pathlib import Path


class FileError(ValueError):
    """A file cannot be read or written; one sentence: what is wrong, with which file, what to do."""


def reading_failed(path: Path, error: OSError) -> FileError:
    """Say why the operating system does not let `path` be read."""
    if isinstance(error, FileNotFoundError):
        return FileError(f"{path} does not exist; check the path.")
    if isinstance(error, IsADirectoryError):
        return FileError(f"{path} is a folder; give a file in it.")
    if isinstance(error, PermissionError):
        return FileError(f"{path} may not be read; check its permissions.")
    return FileError(f"{path} cannot be read ({error.strerror or error}); check the disk and copy it again.")
