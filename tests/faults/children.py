"""Processes to be killed: forked, so that hundreds of them take minutes, and with a hand on their clock."""

from __future__ import annotations

import io
import mmap
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import BuiltinFunctionType, FrameType
from typing import Any

#: Seconds after which a process is taken to hang.
PATIENCE = 600.0
#: Built-in functions that change what is on the disk, and modules whose frames call them.
CHANGES = {"open", "write", "__exit__", "close", "replace", "rename", "unlink", "mkdir", "fsync", "ftruncate"}
WRITERS = (
    "napari_topaz.files",
    "napari_topaz.jobs",
    "napari_topaz.model",
    "napari_topaz.gui",
    "pathlib",
    "shutil",
)


@dataclass
class Child:
    """A process that was started here; `log` has what it says on stderr."""

    pid: int
    log: Path
    code: int | None = None

    def ended(self) -> bool:
        """Whether it has come to its end."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def kill(self) -> None:
        """Take it away, as the system does."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def paused(self, change: Callable[[], object]) -> None:
        """Change something while it stands still."""
        if not self.ended():
            os.kill(self.pid, signal.SIGSTOP)
            change()
            os.kill(self.pid, signal.SIGCONT)

    def wait_for(self, sign: Callable[[], bool]) -> bool:
        """Wait until there is a sign of progress; False where it ended before."""
        limit = time.monotonic() + PATIENCE
        while not sign():
            if self.ended() or time.monotonic() > limit:
                return False
            time.sleep(0.0005)
        return True

    def wait(self) -> int:
        """Return its exit code, or minus the signal that ended it."""
        limit = time.monotonic() + PATIENCE
        while not self.ended():
            if time.monotonic() > limit:
                os.kill(self.pid, signal.SIGKILL)
                limit += PATIENCE
            time.sleep(0.001)
        assert self.code is not None
        return self.code

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return self.log.read_text("utf-8", "replace")


def fork(folder: Path, work: Callable[[], int], before: Callable[[], object] | None = None) -> Child:
    """Do some work in a process of its own, in a folder; `before` runs first there."""
    log = folder / f"said-{time.monotonic_ns()}.txt"
    log.touch()
    log.chmod(0o666)
    pid = os.fork()
    if pid:
        return Child(pid, log)
    code = 70
    try:
        os.chdir(folder)
        os.dup2(os.open(log, os.O_WRONLY), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        if before is not None:
            before()
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.setprofile(None)
        sys.stderr.flush()
        os._exit(code)


def start(folder: Path, words: Sequence[str], before: Callable[[], object] | None = None) -> Child:
    """Start the command line in a folder."""
    from napari_topaz.cli import main

    return fork(folder, lambda: main(list(words)), before)


def known_to(folder: Path, words: Sequence[str]) -> None:
    """Import here what a command imports, so that what is forked from now on need not."""
    from napari_topaz.cli import main

    names = folder / "modules.txt"

    def work() -> int:
        code = main(list(words))
        names.write_text("\n".join(sys.modules))
        return code

    fork(folder, work).wait()
    for name in names.read_text().splitlines():
        if not name.startswith("_") and name not in sys.modules:
            with suppress(Exception):  # what is only made while a program runs
                import_module(name)


class Numbers:
    """Whole numbers that a process and those that it forks see alike."""

    def __init__(self, *names: str) -> None:
        self._place = {name: 8 * n for n, name in enumerate(names)}
        self._shared = mmap.mmap(-1, 8 * len(names))

    def __getitem__(self, name: str) -> int:
        return int(struct.unpack_from("q", self._shared, self._place[name])[0])

    def __setitem__(self, name: str, value: int) -> None:
        struct.pack_into("q", self._shared, self._place[name], value)


class Operations:
    """Count what a process does to the disk, and kill it before or after one of these operations.

    Parameters
    ----------
    fatal : int
        Which one; 0: none. There are two moments to each: before it and after it.
    """

    def __init__(self, fatal: int = 0) -> None:
        self._fatal, self.numbers = fatal, Numbers("done")

    def __call__(self) -> None:
        """Begin; to be called in the process."""
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def _look(self, frame: FrameType, event: str, called: Any) -> None:
        if event not in ("c_call", "c_return") or not isinstance(called, BuiltinFunctionType):
            return
        if called.__name__ not in CHANGES or not frame.f_globals.get("__name__", "").startswith(WRITERS):
            return
        if called.__name__ == "__exit__" and not isinstance(called.__self__, io.IOBase):
            return
        self.numbers["done"] += 1
        if self.numbers["done"] == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
