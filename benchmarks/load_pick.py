"""Many micrographs through `napari-topaz pick`: time and memory on the way, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from long_job import make_micrographs, make_model

EDGE = 256
#: Simulated micrographs; all others are links to them.
DIFFERENT = 4
#: Seconds between two looks at the process.
EVERY = 0.2
#: The process is looked at when so many parts of the micrographs are done.
PARTS = 5


@dataclass(frozen=True)
class Seen:
    """The process at one moment: micrographs done, seconds, CPU seconds, MB now and at most."""

    done: int
    wall: float
    cpu: float
    now: float
    most: float


@dataclass(frozen=True)
class Run:
    """A command from its beginning to its end, and what it printed last."""

    seen: list[Seen]
    code: int
    result: dict[str, object]


def world(folder: Path, count: int) -> tuple[Path, Path]:
    """Return a folder of `count` micrographs and a model; made where they are not there."""
    micrographs, model = folder / f"micrographs_{count}", folder / "model.safetensors"
    if not micrographs.exists():
        make_micrographs(micrographs, EDGE, DIFFERENT, count)
    if not model.exists():
        make_model(model)
    return micrographs, model


def command(micrographs: Path, model: Path, output: Path, *more: str) -> list[str]:
    """The words of the command; the score is not averaged over turns, which takes eight times as long."""
    program = "import sys; from napari_topaz.cli import main; sys.exit(main())"
    words = ["pick", str(micrographs), "--model", str(model), "--output", str(output), "--symmetries", "none"]
    return [sys.executable, "-c", program, *words, "--json", "--quiet", *more]


def watched(words: list[str], output: Path, kill_at: int | None = None) -> Run:
    """Run the command and look at it; kill it (signal 9) as soon as `kill_at` micrographs are done."""
    began, seen = time.monotonic(), []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for done in counts(output):
            if process.poll() is not None:
                break
            seen.append(look(process.pid, done, time.monotonic() - began) or seen[-1])
            if kill_at is not None and done >= kill_at:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(EVERY)
        said = process.communicate()[0]
    lines = said.strip().splitlines()
    return Run(seen, process.returncode, json.loads(lines[-1]) if lines else {})


def counts(output: Path) -> Iterator[int]:
    """How many micrographs are done, again and again: lines of the journal, or files of the folder."""
    journal, at, done = output.with_name(f"{output.name}.partial"), 0, 0
    while True:
        if journal.exists():
            with journal.open("rb") as file:
                file.seek(at)
                new = file.read()
            at, done = at + len(new), done + new.count(b"\n") - (at == 0)
        elif output.is_dir():
            done = max(sum(1 for entry in os.scandir(output) if entry.name.endswith("_autopick.star")), done)
        yield done


def look(pid: int, done: int, wall: float) -> Seen | None:
    """Look at a process; None where it has just ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Vm")}
    if "VmRSS:" not in sizes:
        return None
    cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return Seen(done, wall, cpu, sizes["VmRSS:"], sizes["VmHWM:"])


def many(folder: Path, count: int) -> list[list[object]]:
    """Pick `count` micrographs into one table; returns rows of what was seen on the way."""
    micrographs, model = world(folder, count)
    output = folder / f"many_{count}.star"
    run = watched(command(micrographs, model, output, "--overwrite"), output)
    rows = [row_of(f"{seen.done}", seen) for seen in passing(run.seen, count)]
    last = run.seen[-1]
    rows.append([*row_of("the table is written", last)[:3], round(last.now), round(last.most)])
    size = output.stat().st_size / 1e6
    rows.append([f"({run.result['picks']} picks, {size:.0f} MB; exit code {run.code})", "", "", "", ""])
    return rows


def passing(seen: list[Seen], count: int) -> list[Seen]:
    """The first look at each part of the work."""
    goals = [count * k // PARTS for k in range(PARTS + 1)]
    goals[0] = 1
    return [next(one for one in seen if one.done >= goal) for goal in goals if seen[-1].done >= goal]


def row_of(what: str, seen: Seen) -> list[object]:
    """As a row of the table."""
    return [what, round(seen.wall), round(seen.cpu), round(seen.now), round(seen.most)]


def broken_off(folder: Path, count: int, *, table: bool) -> list[list[object]]:
    """Pick undisturbed; and again, killed in the middle and resumed. Compare every byte."""
    micrographs, model = world(folder, count)
    whole, broken = (folder / f"{name}_{count}{'.star' if table else ''}" for name in ("whole", "broken"))
    first = watched(command(micrographs, model, whole, "--overwrite"), whole)
    killed = watched(command(micrographs, model, broken), broken, kill_at=count // 2)
    resumed = watched(command(micrographs, model, broken, "--resume"), broken)
    again, skipped = resumed.result["micrographs"], resumed.result["skipped"]
    fine = contents(whole) == contents(broken) and again + skipped == count and killed.code == -signal.SIGKILL
    what = "one table" if table else "a file each"
    rows = [row_of(f"{what}: undisturbed", first.seen[-1])]
    rows.append(row_of(f"{what}: killed after {killed.seen[-1].done}", killed.seen[-1]))
    rows.append(row_of(f"{what}: resumed, {skipped} done before and {again} now", resumed.seen[-1]))
    said = "the same bytes, none lost, none twice" if fine else "**DIFFERENT**"
    return [*rows, [f"{what}: {said}", "", "", "", ""]]


def contents(path: Path) -> dict[str, bytes]:
    """All that was written; a journal left behind is something else, too."""
    if path.is_dir():
        return {entry.name: entry.read_bytes().replace(path.name.encode(), b"") for entry in path.iterdir()}
    return {entry.suffix: entry.read_bytes() for entry in path.parent.glob(f"{path.name}*")}
