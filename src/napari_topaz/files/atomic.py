"""Write a file as a whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_topaz.files.errors import FileError

#: What file systems answer that cannot flush a file.
_NO_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def replace_file(path: str | Path, *, make_folder: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move it there when the block succeeds.

    A reader sees the old file or the new one, never half of one, also after a power cut: the contents are
    on the disk before they get the name. A symbolic link stays one, its target is replaced.

    Parameters
    ----------
    path : str or Path
        The file to write.
    make_folder : bool
        Make missing folders; on a disk that is gone they would hide what is on it.

    Yields
    ------
    Path
        Where to write; same folder and suffix. Removed when the block fails.

    Raises
    ------
    FileError
        Where the file cannot be written: read-only folder, full disk, a folder of that name.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise FileError(f"{path} is a folder; give the name of a file to write.")
    part = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        part.touch(exist_ok=False)  # so that a read-only folder is known before any work is done
        yield part
        _flush(part)
        os.replace(part, target)  # noqa: PTH105 (the one call whose name says what it does)
    except OSError as error:
        raise writing_failed(Path(path), error) from error
    finally:
        _remove(part)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all, with the same line ends on every system.

    Raises
    ------
    FileError
        Where the file cannot be written, or the text has what no UTF-8 has: bytes of a file's name.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        begin = max(text.rfind(mark, 0, error.start) for mark in '\t\n," ') + 1
        name = re.split(r"[\t\n,\" ]", text[begin:], maxsplit=1)[0]
        raise FileError(f"{path} cannot be written, as {name!r} is not UTF-8; rename that file.") from error
    with replace_file(path) as part:
        part.write_bytes(data)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: before something is removed that a new file makes needless.

    Where the system cannot do that (Windows, some network disks) nothing happens.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # the files themselves are there, and flushed; see replace_file
        return
    finally:
        os.close(handle)


def _flush(part: Path) -> None:
    """Have the contents on the disk; this is also where a full network disk says so."""
    handle = os.open(part, os.O_RDWR | getattr(os, "O_BINARY", 0))  # Windows flushes what may be written
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)


def _remove(part: Path) -> None:
    """Remove what a failed block left; the failure itself is what the user should read."""
    try:
        part.unlink(missing_ok=True)
    except OSError:
        # A folder that became unreachable: the reason is already on its way as an exception.
        return


def writing_failed(path: Path, error: OSError) -> FileError:
    """Say why the operating system does not let `path` be written."""
    if isinstance(error, PermissionError):
        return FileError(f"{path} cannot be written, its folder is read-only; choose another folder.")
    if isinstance(error, (NotADirectoryError, FileExistsError)):
        return FileError(
            f"{path} cannot be written, a file is in the place of its folder; choose another folder."
        )
    if isinstance(error, FileNotFoundError):
        return FileError(
            f"{path} cannot be written, its folder is not there any more; connect the disk again."
        )
    return FileError(
        f"{path} cannot be written ({error.strerror or error}); make room or choose another folder."
    )
