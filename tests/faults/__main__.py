"""Try all faults and print what was lost: ``./run faults [N] [--only TEXT …]``; N kills of each program."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import changing, disks, killing, machine, window
from faults.disks import LeftOutError
from faults.programs import (
    HEATMAP,
    PICK,
    PREPROCESS,
    PROGRAMS,
    STACK,
    TABLE,
    TRAIN,
    Program,
    Scene,
    Tally,
    make_scene,
)


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes
    ----------
    to : str
        What is disturbed.
    what : str
        What is done, and what is asked for after it.
    attempt : callable
        (scene, number of trials) -> Tally.
    part : int
        Every so many kills are one trial of this.
    """

    to: str
    what: str
    attempt: Callable[[Scene, int], Tally]
    part: int = 20


def _of(
    what: str, attempt: Callable[..., Tally], programs: tuple[Program, ...] = PROGRAMS, part: int = 20
) -> list[Fault]:
    """Return the same fault of several programs."""
    return [
        Fault(one.name, what, lambda scene, times, one=one: attempt(scene, times, one), part)
        for one in programs
    ]


SAVED = "session"
KILLED = "kill -9: half at random moments, half at random writes"
FAULTS = [
    *_of(f"{KILLED}; `--resume`", killing.killed, part=1),
    Fault(SAVED, f"{KILLED}; opened again", window.killed, 1),
    *_of(f"{KILLED}; `--resume`", killing.killed, (HEATMAP, PREPROCESS), 4),
    *_of("disk full: room for 0, 1, 2 … pages; room made, `--resume`", disks.full),
    Fault(SAVED, "disk full while it is saved; room made, or the window closed first", disks.session_full),
    *_of("folder read-only after a result; allowed again, `--resume`", disks.read_only),
    Fault(SAVED, "folder read-only; allowed again, or the window closed first", disks.session_read_only),
    *_of("folder of results moved away; `--resume`", disks.moved),
    *_of("micrographs moved away while they are read; `--resume`", disks.without_micrographs, (PICK, TABLE)),
    Fault(SAVED, "folder moved away; brought back, or the window closed first", disks.session_moved),
    *_of("micrographs cut, deleted, copied anew while read; `--resume`", changing.micrograph),
    *_of("micrographs cut, deleted, copied anew while read; `--overwrite`", changing.micrograph, (STACK,)),
    *_of("device out of memory above some rows: told once, same picks", machine.out_of_memory, (PICK, TABLE)),
    *_of("device out of memory at a step: told, model kept; `--resume`", machine.out_of_memory, (TRAIN,)),
    Fault("pick, `--workers 2`", "a worker killed: same files, nothing told", machine.worker_killed, 50),
    *_of("two programs, one output; `--resume`", changing.two_programs),
    Fault(SAVED, "two windows on one folder, both edit", changing.two_windows),
    *_of("killed, clock set back a day; `--resume`", machine.clock_back),
    Fault(
        PICK.name,
        "clock set back, `--overwrite` with other settings killed; `--resume`",
        machine.clock_back_overwriting,
    ),
    Fault(
        SAVED, "lock of a window that is gone, from tomorrow, no locks of the system", machine.clock_and_lock
    ),
    Fault(SAVED, "saved tomorrow, clock set back, rescued: told on opening", machine.clock_and_rescue),
]
HEAD = "| program | what was done | tried | survived | lost |\n|---|---|---|---|---|"


def attempt(fault: Fault, scene: Scene, kills: int) -> tuple[str, bool]:
    """Try one fault; returns its row, and whether something was lost."""
    clock = time.monotonic()
    try:
        tally = fault.attempt(scene, max(1, round(kills / fault.part)))
    except LeftOutError as reason:
        return f"| {fault.to} | {fault.what} | left out: {reason} | | |", False
    except Exception as error:  # the rows that follow are tried all the same
        traceback.print_exc()
        return f"| {fault.to} | {fault.what} | could not be tried: {type(error).__name__} | | |", True
    for lost in tally.lost:
        print(f"{fault.to}, {fault.what}: {lost}", file=sys.stderr, flush=True)
    print(f"{fault.to}: {fault.what}, {time.monotonic() - clock:.0f} s", file=sys.stderr, flush=True)
    lost = tally.tried - tally.survived
    return f"| {fault.to} | {fault.what} | {tally.tried} | {tally.survived} | {lost} |", bool(lost)


def main(words: list[str]) -> int:
    """Print the table; 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=20, metavar="N")
    parser.add_argument("--only", nargs="+", default=[], help="rows that hold one of these texts")
    given = parser.parse_args(words)
    chosen = [f for f in FAULTS if not given.only or any(text in f"{f.to}: {f.what}" for text in given.only)]
    clock, any_lost = time.monotonic(), False
    print(HEAD, flush=True)
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o777)
        scene = make_scene(Path(place))
        for fault in chosen:  # each row is printed as it comes
            row, lost = attempt(fault, scene, given.kills)
            print(row, flush=True)
            any_lost = any_lost or lost
    print(f"\n{time.monotonic() - clock:.0f} s", file=sys.stderr)
    return int(any_lost)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
