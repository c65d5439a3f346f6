"""Run a command to its end, and account for it: seconds, CPU seconds, peak memory."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np

#: Lines of a failed command's output that are shown.
SHOWN = 5
#: The peak of memory is looked up this often; what a command takes in its last moment may be missed.
EVERY = 0.01
#: Its CPU seconds are remembered this often (s).
REMEMBERED = 1.0
#: What decides over the number of threads in numpy and torch.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class CommandFailedError(RuntimeError):
    """A command ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True)
class Finished:
    """What a command took.

    Attributes
    ----------
    began : float
        Seconds since the epoch, to compare with the times of files.
    wall, cpu : float
        Seconds; `cpu` is that of the process and of the children it waited for.
    peak : float
        Most resident memory of the process itself, MB. Not the kernel's account of it at the end, which
        for a short while counts the memory of the process that starts the command.
    output : str
        Standard output and error together.
    history : sequence of (float, float)
        (seconds since the epoch, CPU seconds of the process itself until then) about once a second.
    """

    began: float
    wall: float
    cpu: float
    peak: float
    output: str
    history: Sequence[tuple[float, float]] = ()

    def cpu_until(self, moment: float) -> float:
        """Return the CPU seconds used until a time (s since the epoch), linear between what is remembered.

        Not the clock times a share: a process that was stopped for an hour has not worked in it.
        """
        moments, seconds = zip(*self.history, (self.began + self.wall, self.cpu), strict=True)
        return float(np.interp(moment, (self.began, *moments), (0.0, *seconds)))


def finished(
    words: Sequence[object], *, threads: int | None = None, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end.

    Parameters
    ----------
    words : sequence
        Program and arguments.
    threads : int, optional
        Threads that numpy and torch may use; their own choice where not given.
    environment : mapping, optional
        Added to this process's.

    Raises
    ------
    CommandFailedError
        Where it ends with anything but 0.
    """
    line = [str(word) for word in words]
    more = dict.fromkeys(THREADS, str(threads)) if threads else {}
    surroundings = {**os.environ, **more, **(environment or {})}
    with tempfile.TemporaryFile() as said:
        began, clock = time.time(), time.perf_counter()
        with subprocess.Popen(line, stdout=said, stderr=subprocess.STDOUT, env=surroundings) as process:
            watch = _Watch(process.pid)
            try:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            except BaseException:
                process.kill()
                raise
            finally:
                watch.stop()
        wall = time.perf_counter() - clock
        said.seek(0)
        output = said.read().decode(errors="replace")
    if process.returncode:
        last = "\n".join(output.strip().splitlines()[-SHOWN:])
        raise CommandFailedError(f"{' '.join(line)} ended with {process.returncode}:\n{last}")
    return Finished(began, wall, used.ru_utime + used.ru_stime, watch.megabytes, output, watch.history)


class _Watch:
    """Looks up a process's most memory so far, and its CPU seconds over time, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self.history: list[tuple[float, float]] = []
        self._folder, self._ended = Path(f"/proc/{pid}"), Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self._look()
            except OSError:  # it has ended, or this system has no such file
                return

    def _look(self) -> None:
        with (self._folder / "status").open() as file:
            line = next((one for one in file if one.startswith("VmHWM")), None)
        if line is not None:
            self.megabytes = max(self.megabytes, int(line.split()[1]) * 1024 / 1e6)
        now = time.time()
        if not self.history or now - self.history[-1][0] >= REMEMBERED:
            # User and system time; the name before them may hold anything but ends with ")".
            fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            self.history.append((now, ticks / os.sysconf("SC_CLK_TCK")))


def machine() -> str:
    """Name of the processor and number of cores that this process may use."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cores} cores"
