"""Who has a session: one window at a time.

The operating system holds the lock, so that a killed process frees it at once. Where a network file
system knows no locks, the file says who has it and is touched from time to time.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from napari_topaz.files.errors import FileError

#: In the folder of the session.
LOCK = "in-use.lock"
#: Without locks of the system: a window that was silent for so long is gone, in s.
SILENCE = 300.0
#: Windows locks bytes for readers too; this one nobody reads.
_FAR = 1 << 30
#: Locks of this very process: some systems would grant it a second one.
_OURS: set[str] = set()


class SessionInUseError(FileError):
    """Another window has the session."""


class SessionLock:
    """The lock of one session's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._key = str(self._path.resolve())
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, or keep it.

        Raises
        ------
        SessionInUseError
            One sentence on who has it.
        FileError
            Where the folder does not let a file be made.
        """
        if self.is_held():
            return
        self.release()
        if self._key in _OURS:
            raise SessionInUseError("This folder is open in another window.")
        for _ in range(3):  # somebody may remove the file between opening and locking it
            file = self._open()
            try:
                self._lock(file)
            except BaseException:
                os.close(file)
                raise
            if self._is_at_its_place(file):
                self._file = file
                _OURS.add(self._key)
                self.refresh()
                return
            os.close(file)
        raise SessionInUseError("This folder is being opened in another window.")

    def is_held(self) -> bool:
        """Whether this lock is taken and its file still there."""
        return self._file is not None and self._is_at_its_place(self._file)

    def refresh(self) -> None:
        """Say that the window is alive."""
        if self._file is None:
            return
        about = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, json.dumps(about).encode())

    def release(self) -> None:
        """Give the lock back."""
        if self._file is None:
            return
        file, self._file = self._file, None
        _OURS.discard(self._key)
        with contextlib.suppress(OSError):  # a disk that is gone needs no lock
            if self._is_at_its_place(file):
                self._path.unlink()
        with contextlib.suppress(OSError):
            os.close(file)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError as error:
            raise FileError(f"{self._path.parent} may not be written.") from error
        except OSError as error:
            raise FileError(f"{self._path.parent} cannot be written ({error.strerror or error}).") from error

    def _lock(self, file: int) -> None:
        try:
            _lock_file(file)
        except (BlockingIOError, PermissionError) as error:
            raise SessionInUseError(self._who()) from error
        except OSError as error:  # ENOLCK, EOPNOTSUPP: no locks here
            if not _is_gone(self._about()):
                raise SessionInUseError(self._who()) from error

    def _is_at_its_place(self, file: int) -> bool:
        try:
            there, here = self._path.stat(), os.fstat(file)
        except OSError:
            return False
        return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)

    def _about(self) -> dict[str, Any]:
        try:
            about = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}

    def _who(self) -> str:
        host = self._about().get("host")
        if not isinstance(host, str) or host == socket.gethostname():
            return "This folder is open in another window."
        return f"This folder is open in another window, on the computer {host}."


def _is_gone(about: dict[str, Any]) -> bool:
    """Whether the owner that a lock file names is no more; nobody is gone."""
    moment, pid = about.get("time"), about.get("pid")
    if not isinstance(moment, (int, float)) or not isinstance(pid, int):
        return True
    if about.get("host") == socket.gethostname():
        return pid == os.getpid() or not _is_running(pid)
    # Of another clock, or before this one was set back: whoever still writes is noticed, as the session is
    # then another one than was read (gui/place.py).
    return abs(time.time() - moment) > SILENCE


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":  # there os.kill ends a process; and locks work
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock_file(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_file(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
