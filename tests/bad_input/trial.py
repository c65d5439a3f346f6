"""Let the program meet a bad file, and say what it did wrong.

As a program, ``python -m bad_input.trial KIND DAMAGE``: one case in a process with little memory, and
without root's rights where the case is about them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_input.corpus import EITHER, READ, REFUSED, UNREADABLE, Case, corpus
from bad_input.whole import MICROGRAPHS, PICK_KINDS, whole

#: Address space of a process that meets a bomb, and seconds that any file may take.
MEMORY, SECONDS = 6 << 30, 20.0
#: Seconds for such a process, which imports PyTorch first, on a machine that does other things.
PROCESS = 120.0
#: Resident memory that one file may cost.
RESIDENT = 1 << 30
#: Users and groups have this number who own nothing.
NOBODY = 65534


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes
    ----------
    code : int
        The exit code of the command.
    said : str
        What it wrote to stderr.
    seconds : float
    faults : tuple of str
        What it did wrong; nothing where all is well.
    """

    code: int
    said: str
    seconds: float
    faults: tuple[str, ...]


def attempt(case: Case) -> Outcome:
    """Try one case, in this process; a bomb, or a file that root alone could read, in one of its own."""
    return _elsewhere(case) if case.bomb or _needs_no_rights(case) else _here(case)


def _needs_no_rights(case: Case) -> bool:
    return case.damage == UNREADABLE and os.geteuid() == 0


def _here(case: Case) -> Outcome:
    with (
        TemporaryDirectory(prefix="bad-input-") as place,
        contextlib.chdir(_scene(Path(place))),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # as far as Python's own go, which users see on stderr
        path = case.make(Path())
        before, clock = _fingerprints(Path("..")), time.monotonic()
        code, out, said = _call(commands(case, path))
        seconds = time.monotonic() - clock
        faults = [*_of_code(case, code, said), *_of_files(before, code)]
        if "Traceback" in out:
            faults.append("a traceback on stdout")
        if case.kind in (*MICROGRAPHS, *PICK_KINDS, "session", "labels"):
            faults += _of_viewer(case, path)
    return Outcome(code, said, seconds, tuple(faults))


class TooLongError(BaseException):
    """A file took more than its time; no handler of the program's takes this for its own error."""


@contextlib.contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Interrupt what takes longer, for example to read a pipe that nobody writes."""

    def stop(*_: object) -> None:
        raise TooLongError(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _scene(place: Path) -> Path:
    """A folder to work in, with a good micrograph, and somebody else's file above it."""
    (place / "bystander.txt").write_text("not yours")
    (place / "work").mkdir()
    (place / "work" / "other.mrc").write_bytes(whole("mrc"))
    (place / "work" / "targets.csv").write_text("micrograph,x,y\nmic,10,10\na b  c,10,10\nother,20,20\n")
    return place / "work"


def commands(case: Case, path: Path) -> list[str]:
    """The command line that reads a file of this kind."""
    name, kind = str(path), case.kind
    if kind in MICROGRAPHS:
        return ["preprocess", name, "--output", "out", "--downsample", "2"]
    if kind in PICK_KINDS:
        return ["convert", name, "out.csv", "--from", kind]
    if kind == "list":
        return ["preprocess", f"@{name}", "--output", "out", "--downsample", "2"]
    if kind in ("model", "sav"):
        return ["info", name]
    if kind == "heatmap":
        more = ("--picks", "targets.csv", "--targets", "targets.csv", "--radius", "5")
        return ["evaluate", "--heatmaps", str(path.parent), *more]
    if kind == "relion":
        return ["relion-pick", "--in_mics", name, "--o", "out", "--model", "none.safetensors"]
    return []


def _call(tokens: Sequence[str]) -> tuple[int, str, str]:
    from napari_topaz.cli import main
    from napari_topaz.cli.relion import main_pick

    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said), in_time():
        try:
            if not tokens:
                code = 0
            elif tokens[0] == "relion-pick":
                code = main_pick(tokens[1:])
            else:
                code = main(tokens)
        except BaseException as error:
            return 70, out.getvalue(), f"{type(error).__name__}: {error}"
    return code, out.getvalue(), said.getvalue()


def _of_code(case: Case, code: int, said: str) -> Iterator[str]:
    allowed = {READ: (0,), REFUSED: (1, 2), EITHER: (0, 1, 2)}[case.expected]
    if case.kind == "relion":
        allowed = (1, 2)  # its model is missing in any case
    if code not in allowed:
        yield f"exit code {code}, not {' or '.join(map(str, allowed))}: {said.strip()[-300:]}"
    if code and not said.rstrip().rpartition("\n")[2].startswith(("Error: ", "Warning: ")):
        yield f"no sentence at the end of stderr: {said.strip()[-300:]!r}"
    if "Something unexpected" in said or "Traceback" in said:
        yield f"an error that nobody expected: {said.strip()[-300:]}"


def _of_files(before: dict[str, str], code: int) -> Iterator[str]:
    after = _fingerprints(Path(".."))
    changed = [name for name, digest in before.items() if after.get(name) != digest]
    if changed:
        yield f"files were changed: {changed}"
    new = sorted(after.keys() - before.keys())
    stray = [name for name in new if not name.startswith(("work/out", "work/out.csv"))]
    if stray:
        yield f"files where none should be: {stray}"
    # What says how results are made, for --resume, is none of them.
    marks = ("RELION_JOB_EXIT", "pick.json", "preprocess.json", "heatmap.json", "dataset")
    left = [name for name in new if not any(mark in name for mark in marks)]
    if code and left:
        yield f"partial output: {left}"


def _of_viewer(case: Case, path: Path) -> Iterator[str]:
    """What the viewer does with the same file: read it, or say one sentence."""
    from napari_topaz.files import FileError

    try:
        with in_time():
            _read_in_viewer(case, path)
    except FileError as error:
        if "\n" in str(error).replace(str(path), ""):
            yield f"the viewer's sentence has several lines: {error}"
    except (Exception, TooLongError) as error:
        yield f"the viewer met {type(error).__name__}: {error}"


def _read_in_viewer(case: Case, path: Path) -> None:
    from napari_topaz.files import read_picks
    from napari_topaz.files.session import read_session

    if case.kind in PICK_KINDS:
        read_picks(path, case.kind)
    elif case.kind in MICROGRAPHS:
        if find_spec("napari") is None:
            return  # the command line is installed without the viewer
        from napari_topaz.gui.reader import get_reader

        reader = get_reader(str(path))
        if reader is not None:
            reader(str(path))
    else:
        folder = Path("napari-topaz-session")
        folder.mkdir(exist_ok=True)
        for name in ("session", "labels"):
            target = folder / {"session": "session.json", "labels": "labels.csv"}[name]
            if name == case.kind:
                shutil.move(path, target)
            else:
                target.write_bytes(whole(name))
        read_session(folder)


def _fingerprints(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file():
            found[name] = "link" if path.is_symlink() else "folder or pipe"
        elif os.access(path, os.R_OK):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {name: digest for name, digest in found.items() if digest != "folder or pipe"}


# -- bombs ------------------------------------------------------------------------------------------


def _elsewhere(case: Case) -> Outcome:
    tests = Path(__file__).parents[1]
    call = [sys.executable, "-m", "bad_input.trial", case.kind, case.damage]
    clock = time.monotonic()
    try:
        done = subprocess.run(call, cwd=tests, capture_output=True, text=True, timeout=PROCESS, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(-9, "", time.monotonic() - clock, (f"did not end within {PROCESS:.0f} s",))
    try:
        return Outcome(**{k: tuple(v) if k == "faults" else v for k, v in json.loads(done.stdout).items()})
    except ValueError:
        fault = f"the process ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        return Outcome(done.returncode, done.stderr, time.monotonic() - clock, (fault,))


def _main(kind: str, damage: str) -> None:
    case = next(case for case in corpus() if (case.kind, case.damage) == (kind, damage))
    import torch  # before memory is counted  # noqa: F401

    if _needs_no_rights(case):
        _become_nobody(case)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = _here(case)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    heavy = (f"took {grown >> 20} MiB of memory",) if grown > RESIDENT else ()
    print(json.dumps(asdict(found) | {"faults": (*found.faults, *heavy)}))


def _become_nobody(case: Case) -> None:
    """Give up root's rights, once all is imported: root's Python need not be readable for others."""
    _here(replace(case, damage="", data=whole(case.kind), expected=EITHER))
    _here(replace(case, damage="", data=lambda path: path.symlink_to("nowhere"), expected=EITHER))
    os.chdir("/")
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


if __name__ == "__main__":
    _main(*sys.argv[1:])
