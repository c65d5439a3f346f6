"""Disks that are full, folders that may not be written, and folders that are moved away."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.children import Child
from faults.programs import MICROGRAPHS, TRAIN, Program, Scene, Tally, badly_told, model_in
from faults.window import Window, make_window
from napari_topaz.files.session import read_session

#: Bytes of a page: a small file takes one.
PAGE = 4096
#: Who is not root.
NOBODY = 65534


class LeftOutError(Exception):
    """A fault cannot be tried here; says why."""


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a disk of 2 MiB; yields a file on it that fills it."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise LeftOutError("a small disk cannot be mounted here (it takes root)")
    try:
        yield place / ".filler"
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(filler: Path, room: int) -> None:
    """Leave room for so many pages."""
    filler.unlink(missing_ok=True)
    free = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize // PAGE - room) * PAGE)


def full(scene: Scene, times: int, program: Program) -> Tally:
    """Leave room for 0, 1, 2 … pages, run, make room, resume."""
    scene.undisturbed(program)
    tally, most = Tally(), 14 if program is TRAIN else MICROGRAPHS + 3
    rooms = sorted({round(k * most / max(1, times - 1)) for k in range(times)}) if times > 1 else [3]
    for room in rooms:
        with small_disk(scene.work) as filler:
            fill(filler, room)
            child = scene.start(program, before=at_home(scene))
            child.wait()
            wrong = badly_told(child, None) + scene.not_whole(program) + _rescued(scene, program, child)
            filler.unlink()
            scene.after(program, tally, *wrong)
    return tally


def at_home(scene: Scene, *, nobody: bool = False) -> Callable[[], None]:
    """Give the process a home in the scene, and where folders must refuse it, no right to write anywhere."""

    def begin() -> None:
        os.environ["XDG_DATA_HOME"] = str(scene.folder / "home")
        os.umask(0)
        if nobody and os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    shutil.rmtree(scene.folder / "home", ignore_errors=True)
    (scene.folder / "home").mkdir()
    (scene.folder / "home").chmod(0o777)
    return begin


def _rescued(scene: Scene, program: Program, child: Child) -> list[str]:
    """Of a training that ended in an error, the model must be somewhere."""
    if program is not TRAIN or child.code == 0 or not child.said.count("Epoch 3/3"):
        return []
    found = list((scene.folder / "home").rglob("*.safetensors"))
    if not found or str(found[0]) not in child.said:
        return [f"the model is nowhere: {child.said.strip()[-200:]}"]
    return (
        [] if model_in(found[0]) == scene.expected[program]["t.safetensors"] else ["another model was kept"]
    )


def wait_for_results(scene: Scene, program: Program, child: Child, wanted: int) -> None:
    """Wait until so many results are there."""
    child.wait_for(lambda: len(list(scene.work.glob(program.first))) >= wanted)


def read_only(scene: Scene, times: int, program: Program) -> Tally:
    """Take the right to write away while results come, give it back, resume."""
    return _changed_on_the_way(scene, times, program, nobody=True)


def moved(scene: Scene, times: int, program: Program) -> Tally:
    """Move the folder of the results away while they come, resume, and look at both."""
    return _changed_on_the_way(scene, times, program, nobody=False)


def _changed_on_the_way(scene: Scene, times: int, program: Program, *, nobody: bool) -> Tally:
    scene.undisturbed(program)
    tally, chance, gone = Tally(), random.Random(program.name), scene.folder / "gone"
    for _ in range(times):
        scene.work.chmod(0o777)
        child = scene.start(program, before=at_home(scene, nobody=nobody))
        wait_for_results(scene, program, child, 1 + chance.randrange(max(1, program.results - 2)))
        folder = next(iter(scene.work.glob(program.first)), scene.work / "x").parent
        child.paused(partial(folder.chmod, 0o555) if nobody else partial(folder.rename, gone))
        wrong = badly_told(child, None)
        if nobody:
            folder.chmod(0o777)
            wrong += _rescued(scene, program, child)
        elif gone.is_dir():
            away = scene.folder / "away" / (folder.name if folder != scene.work else "")
            shutil.rmtree(scene.folder / "away", ignore_errors=True)
            away.parent.mkdir(exist_ok=True)
            gone.rename(away)
            wrong += scene.not_whole(program, scene.folder / "away")
            scene.work.mkdir(exist_ok=True)
        scene.after(program, tally, *wrong)
    return tally


def without_micrographs(scene: Scene, times: int, program: Program) -> Tally:
    """Move the folder of the micrographs away while they are read, bring it back, resume."""
    scene.undisturbed(program)
    tally, mics, gone = Tally(), scene.folder / "mics", scene.folder / "gone"
    for n in range(times):
        child = scene.start(program)
        wait_for_results(scene, program, child, 1)
        time.sleep(scene.seconds[program] / 20 * (n % 3))
        child.paused(lambda: mics.rename(gone))
        wrong = badly_told(child, None)
        if gone.is_dir():
            gone.rename(mics)
        scene.after(program, tally, *wrong)
    return tally


# -- the session ----------------------------------------------------------------------------------


def session_full(scene: Scene, times: int) -> Tally:
    """Fill the disk while edits are saved; then make room, or close the window first."""
    tally = Tally()
    for n in range(times):
        window = make_window(scene)
        micrograph = (window.folder / "mic_0.mrc").read_bytes()
        with small_disk(window.folder) as filler:
            (window.folder / "mic_0.mrc").write_bytes(micrograph)
            disturb = partial(fill, filler, n % 5)
            tally.note(_refused(scene, window, disturb, filler.unlink, leave_first=bool(n % 2)))
    return tally


def session_read_only(scene: Scene, times: int) -> Tally:
    """Take the right to write away while edits are saved; then give it back, or close the window first."""
    tally = Tally()
    for n in range(times):
        window = make_window(scene)
        forbid, allow = (partial(_allow, window, mode) for mode in (0o555, 0o777))
        tally.note(_refused(scene, window, forbid, allow, leave_first=bool(n % 2)))
    return tally


def _allow(window: Window, mode: int) -> None:
    for path in (window.session, window.session / "models", window.folder):
        if path.is_dir():
            path.chmod(mode)


def session_moved(scene: Scene, times: int) -> Tally:
    """Move the folder away while edits are saved; then bring it back, or close the window first."""
    tally, gone = Tally(), scene.folder / "gone"
    shutil.rmtree(gone, ignore_errors=True)
    for n in range(times):
        window = make_window(scene)
        away, back = partial(window.folder.rename, gone), partial(gone.rename, window.folder)
        tally.note(_refused(scene, window, away, back, leave_first=bool(n % 2)))
    return tally


def _refused(
    scene: Scene,
    window: Window,
    disturb: Callable[[], object],
    restore: Callable[[], object],
    *,
    leave_first: bool,
) -> list[str]:
    """Disturb a window; all of its edits must be saved once it may, or be rescued where it closes first."""
    numbers = window.numbers
    child = window.open(at_home(scene, nobody=True), edits=80)
    child.wait_for(lambda: numbers["saved"] > 10)
    child.paused(disturb)
    wrong = [] if child.wait_for(lambda: numbers["refused"] > 0) else [f"nothing was refused: {child.said}"]
    child.wait_for(lambda: numbers["made"] == 80)
    if not leave_first:
        restore()
        child.wait_for(lambda: numbers["saved"] == 80)
    numbers["leave"] = 1
    if child.wait():
        wrong.append(f"ended with {child.code}: {child.said.strip()[-300:]}")
    if leave_first:
        restore()
        # It was told that not all is saved: labels come before the model.
        return wrong + _in_rescue(scene, window) + window.wrong(of_model=False)
    if numbers["saved"] != 80:
        wrong.append(f"{numbers['saved']} of 80 edits were saved")
    return wrong + window.wrong()


def _in_rescue(scene: Scene, window: Window) -> list[str]:
    """Look for the session among the user's own data."""
    places = list((scene.folder / "home").glob("napari-topaz/rescued/*"))
    found = [one.session for one in map(read_session, places) if one is not None]
    if len(found) != 1 or sum(map(len, found[0].labels.values())) != 80:
        return [f"{len(found)} sessions were rescued, but 80 edits were made"]
    return window.wrong_in(found[0], places[0])
