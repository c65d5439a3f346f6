"""kill -9 of commands: at random moments, and at random operations on files."""

from __future__ import annotations

import random
import time

from faults.children import Operations
from faults.programs import Program, Scene, Tally


def killed(scene: Scene, times: int, program: Program) -> Tally:
    """Half of the kills at a moment of the whole run, half before or after an operation on a file."""
    scene.undisturbed(program)
    tally, chance = Tally(), random.Random(program.name)
    for n in range(times):
        if n % 2:
            child = scene.start(program)
            _at_a_moment(scene, program, child, chance)
        else:
            fatal = Operations(1 + int(chance.random() * scene.operations[program]))
            child = scene.start(program, before=fatal)
        code = child.wait()
        odd = [] if code in (0, -9) else [f"ended with {code}: {child.said.strip()[-200:]}"]
        scene.after(program, tally, *odd)
    return tally


def _at_a_moment(scene: Scene, program: Program, child, chance: random.Random) -> None:
    """At any time, or, as starting takes longest, a little after a result has come."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, scene.seconds[program]))
    else:
        wanted = chance.randrange(program.results) + 1
        child.wait_for(lambda: len(list(scene.work.glob(program.first))) >= wanted)
        time.sleep(chance.uniform(0, scene.seconds[program] / 4))
    child.kill()
