"""Micrographs that change while they are read, and programs that write the same."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from faults.children import Child
from faults.disks import at_home
from faults.programs import STACK, TRAIN, Program, Scene, Tally, badly_told
from faults.window import make_window


def micrograph(scene: Scene, times: int, program: Program) -> Tally:
    """Cut, delete and copy anew one micrograph after the other while they are read; then go on."""
    scene.undisturbed(program)
    tally, chance = Tally(), random.Random(program.name)
    mics = {path: path.read_bytes() for path in sorted((scene.folder / "mics").iterdir())}
    for _ in range(times):
        child = scene.start(program)
        while not child.ended():
            _disturb(chance.choice(list(mics)), mics, chance)
        wrong = [] if child.code in (0, 1, 2) else [f"ended with {child.code}: {child.said.strip()[-200:]}"]
        wrong += [said for said in badly_told(child, None) if "nobody expected" in said]
        learnt = program is TRAIN and "left out" in child.said  # from the others
        told = learnt or (program is STACK and child.code == 1)  # what is there is of the others
        scene.after(program, tally, *wrong, again="--overwrite" if learnt else program.again, as_told=told)
    return tally


def _disturb(path: Path, mics: dict[Path, bytes], chance: random.Random) -> None:
    """Do to one file what copying it anew does."""
    data = mics[path]
    how = chance.randrange(3)
    if how == 0:
        os.truncate(path, chance.randrange(len(data)))
    elif how == 1:
        path.unlink()
    else:
        with path.open("wb") as file:
            for start in range(0, len(data), len(data) // 4 + 1):
                file.write(data[start : start + len(data) // 4 + 1])
                file.flush()
                time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.01))
    path.write_bytes(data)
    time.sleep(chance.uniform(0, 0.01))


def two_programs(scene: Scene, times: int, program: Program) -> Tally:
    """Start it twice at (almost) the same time with one output; then resume."""
    scene.undisturbed(program)
    tally, chance = Tally(), random.Random(program.name)
    for _ in range(times):
        first = scene.start(program, "--overwrite")
        time.sleep(chance.uniform(0, scene.seconds[program] / 3))
        second = scene.start(program, "--overwrite")
        wrong = [one for child in (first, second) for one in badly_told(child, None)]
        scene.after(program, tally, *wrong)
    return tally


def two_windows(scene: Scene, times: int) -> Tally:
    """Open one folder in two windows that both edit: one saves, the other is told, and rescues on leaving."""
    tally = Tally()
    for _ in range(times):
        window = make_window(scene)
        child = window.open(at_home(scene), edits=60)
        child.wait_for(lambda: window.numbers["saved"] > 5)  # noqa: B023
        other = make_other(window)
        second = other.open(edits=10)
        wrong = [] if second.wait_for(lambda: other.numbers["made"] >= 10) else [second.said]  # noqa: B023
        child.wait_for(lambda: window.numbers["saved"] == window.numbers["made"])  # noqa: B023
        wrong += _left(second, other) + _left(child, window) + window.wrong()
        tally.note(wrong)
    return tally


def make_other(window):
    """Return a second window on the same folder, with numbers of its own."""
    from dataclasses import replace

    from faults.children import Numbers

    return replace(window, numbers=Numbers("made", "saved", "restored", "leave", "edits", "refused"))


def _left(child: Child, window) -> list[str]:
    window.numbers["leave"] = 1
    return [f"ended with {child.code}: {child.said.strip()[-200:]}"] if child.wait() else []
