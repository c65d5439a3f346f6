"""A machine that misbehaves: memory that is full, workers that die, a clock that is set back."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import numpy as np

from faults.children import fork
from faults.disks import LeftOutError, wait_for_results
from faults.programs import PICK, TRAIN, Program, Scene, Tally, badly_told
from napari_topaz.files import read_picks

DAY = 86_400


def out_of_memory(scene: Scene, times: int, program: Program) -> Tally:
    """Refuse memory: of every convolution of more than some rows, or of a training after some steps."""
    scene.undisturbed(program)
    tally, chance = Tally(), random.Random(program.name)
    for _ in range(times):
        if program is TRAIN:
            child = scene.start(program, before=_full_after(chance.randrange(3, 6)))
            wrong = badly_told(child, 0)
            scene.after(program, tally, *wrong, *_says(child.said, "memory is full"), as_told=True)
            continue
        child = scene.start(program, before=_full_above(chance.randrange(40, 60)))
        wrong = badly_told(child, 0) + _says(child.said, "smaller pieces")
        wrong += _other_picks(scene, program)
        tally.note(wrong)
        scene.clean()
    return tally


def _says(said: str, text: str) -> list[str]:
    return [] if said.count(text) == 1 else [f"it is told {said.count(text)} times that {text!r}"]


def _full_above(rows: int) -> Callable[[], None]:
    def begin() -> None:
        import torch

        real = torch.nn.Conv2d.forward

        def forward(self, x):
            if x.shape[-2] > rows:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return real(self, x)

        torch.nn.Conv2d.forward = forward

    return begin


def _full_after(steps: int) -> Callable[[], None]:
    def begin() -> None:
        import torch

        from napari_topaz.model.training import Steps

        real, taken = Steps.__next__, count()

        def take(self):
            if next(taken) >= steps:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return real(self)

        Steps.__next__ = take

    return begin


def _other_picks(scene: Scene, program: Program) -> list[str]:
    """Return which picks are not those of the undisturbed run, but for the last digit."""
    wrong = []
    scene.work.with_name("expected").mkdir(exist_ok=True)
    for name, content in scene.expected[program].items():
        if name.endswith(".star") and not name.endswith("/autopick.star") and isinstance(content, bytes):
            expected = scene.work.with_name("expected") / Path(name).name
            expected.write_bytes(content)
            pairs = zip(read_picks(expected).items(), read_picks(scene.work / name).items(), strict=True)
            for (_, one), (micrograph, other) in pairs:
                if one.yx.shape != other.yx.shape or not np.allclose(one.yx, other.yx, atol=0.01):
                    wrong.append(f"other picks on {micrograph}")
    return wrong


def worker_killed(scene: Scene, times: int) -> Tally:
    """Kill one of two workers while they pick: the rest of its micrographs is redone, and nothing is told."""
    if find_spec("distributed") is None or find_spec("psutil") is None:
        raise LeftOutError("dask is not installed (extra 'cluster')")
    scene.undisturbed(PICK)
    tally, chance = Tally(), random.Random("workers")
    for _ in range(times):
        call = "import sys; from napari_topaz.cli import main; sys.exit(main(sys.argv[1:]))"
        words = [sys.executable, "-c", call, *PICK.words, "--workers", "2"]
        with subprocess.Popen(words, cwd=scene.folder, stderr=subprocess.PIPE, text=True) as program:
            killed = _kill_a_worker(program, chance.random(), scene.work / "out")
            _, said = program.communicate()
        wrong = [] if killed else ["no worker was there to be killed"]
        if program.returncode or "Traceback" in said or "Warning" in said:
            wrong.append(f"ended with {program.returncode}: {said.strip()[-300:]}")
        scene.after(PICK, tally, *wrong)
    return tally


def _kill_a_worker(program: subprocess.Popen[str], part: float, out: Path) -> bool:
    """Kill a worker once the first result is there."""
    import psutil

    while program.poll() is None:
        found = []
        with suppress(psutil.Error):  # some end meanwhile
            children = psutil.Process(program.pid).children(recursive=True)
            found = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
        if found and list(out.glob("*_autopick.star")):
            found[int(part * len(found))].kill()
            return True
        time.sleep(0.005)
    return False


# -- the clock ------------------------------------------------------------------------------------


def clock_back(scene: Scene, times: int, program: Program) -> Tally:
    """Kill a run, set the clock back by a day, resume."""
    scene.undisturbed(program)
    tally, chance = Tally(), random.Random(program.name)
    for _ in range(times):
        child = scene.start(program)
        wait_for_results(scene, program, child, 1)
        time.sleep(chance.uniform(0, scene.seconds[program] / 4))
        child.kill()
        _in_the_future(scene.work)
        scene.after(program, tally)
    return tally


def clock_back_overwriting(scene: Scene, times: int) -> Tally:
    """Set the clock back by a day, begin to replace results by those of other settings, kill, resume."""
    other = Program(PICK.name, (*PICK.words, "--threshold", "-1"), PICK.first)
    scene.undisturbed(PICK, other)
    tally, chance = Tally(), random.Random("overwriting")
    for _ in range(times):
        scene.start(PICK).wait()
        _in_the_future(scene.work)
        before = {path: path.stat().st_mtime_ns for path in scene.work.glob(PICK.first)}
        child = scene.start(other, "--overwrite")
        wanted = 1 + chance.randrange(4)
        child.wait_for(lambda before=before, wanted=wanted: _changed(before) >= wanted)
        child.kill()
        child = scene.start(other, "--resume")
        code = child.wait()
        whole = scene.is_whole(other)
        tally.note([] if whole and not code else [f"results of two settings are mixed ({code})"])
        scene.clean()
    return tally


def _changed(before: dict[Path, int]) -> int:
    return sum(path.stat().st_mtime_ns != moment for path, moment in before.items())


def _in_the_future(folder: Path) -> None:
    """Let everything be written tomorrow: seen from now, the clock was set back."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + DAY,) * 2)


def clock_and_lock(scene: Scene, times: int) -> Tally:
    """Where the system has no locks: a lock file of a window that is gone, written tomorrow."""
    tally = Tally()
    for n in range(times):
        place = scene.folder / f"locked-{n}"
        place.mkdir()
        tally.note([] if fork(scene.folder, lambda: _locks(place)).wait() == 0 else ["locked for a day"])  # noqa: B023
        shutil.rmtree(place)
    return tally


def _locks(place: Path) -> int:
    import json

    from napari_topaz.files import session_lock

    def no_locks(file: int) -> None:
        raise OSError(37, "No locks available")

    session_lock._lock_file = no_locks
    about = {"host": "elsewhere", "pid": 1, "time": time.time() + DAY}
    (place / session_lock.LOCK).write_text(json.dumps(about))
    session_lock.SessionLock(place).acquire()
    return 0


def clock_and_rescue(scene: Scene, times: int) -> Tally:
    """Save tomorrow, set the clock back, rescue what cannot be saved: it is told on opening."""
    tally = Tally()
    for n in range(times):
        place = scene.folder / f"rescued-{n}"
        place.mkdir()
        child = fork(scene.folder, lambda: _rescue(place))  # noqa: B023
        tally.note(
            [] if child.wait() == 0 else [f"what was rescued is not told of {child.said.strip()[-200:]}"]
        )
        shutil.rmtree(place)
    return tally


def _rescue(place: Path) -> int:
    from datetime import datetime, timedelta

    from napari_topaz.files.session import SavedSession, fingerprint, read_session, write_session
    from napari_topaz.files.session_places import rescue_folder, rescued

    os.environ["XDG_DATA_HOME"] = str(place)
    session = place / "napari-topaz-session"
    write_session(session, SavedSession(saved=datetime.now() + timedelta(days=1)))
    found = read_session(session)
    assert found is not None
    rescue = rescue_folder(place)
    rescue.mkdir(parents=True)
    write_session(rescue, SavedSession(follows=fingerprint(session)))
    return int(rescued(place, found.session.saved, fingerprint(session)) != [rescue])
