"""Kill the program at random moments and take its disk away: ``./run faults [N]`` prints what was lost.

Each row does one thing to a command, then lets it ``--resume`` and compares every file with those of an
undisturbed run: the source must not change meanwhile.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_topaz.files import FileError, read_picks
from worlds import DIAMETER, make_world

CALL = [sys.executable, "-c", "import sys; from napari_topaz.cli import main; sys.exit(main(sys.argv[1:]))"]
MICROGRAPHS = 12


@dataclass
class Tally:
    """What became of one fault."""

    fault: str
    tried: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)

    def row(self) -> str:
        return f"| {self.fault} | {self.tried} | {self.survived} | {'; '.join(self.lost) or 'nothing'} |"


def start(folder: Path, *words: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Start the program in a folder; `before` runs in its process."""
    return subprocess.Popen(
        [*CALL, *words],
        cwd=folder,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=before,
    )


SCORING = ("--model", "m.safetensors", "--device", "cpu")
#: Commands that are killed, with what they are told and a name that all of their results match.
KILLED = {
    "pick": (SCORING, "*_autopick.star"),
    "heatmap": ((*SCORING, "--symmetries", "none"), "*_heatmap.mrc"),
    "preprocess": (("--diameter", str(DIAMETER), "--normalise", "gmm-dataset"), "mic_*.mrc"),
}


def calling(command: str, output: str, *more: str) -> list[str]:
    return [command, "mic_*.mrc", *KILLED[command][0], "--output", output, *more]


def picking(output: str, *more: str) -> list[str]:
    return calling("pick", output, *more)


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name, without those that a killed process could not take back."""
    return {
        p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")
    }


def not_whole(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Files that are neither absent nor as in the undisturbed run; the list may name fewer micrographs."""
    found = contents(folder) if folder.is_dir() else {}
    wrong = [name for name, data in found.items() if name != "autopick.star" and data != expected.get(name)]
    try:
        read_picks(folder / "autopick.star") if "autopick.star" in found else None
    except FileError as error:
        wrong.append(str(error))
    return wrong


def after(folder: Path, expected: dict[str, bytes], tally: Tally, command: str = "pick") -> None:
    """Judge what the fault has left, resume, and judge again."""
    tally.tried += 1
    wrong = not_whole(folder / "out", expected)
    process = start(folder, *calling(command, "out", "--resume"))
    _, said = process.communicate()
    if process.returncode or contents(folder / "out") != expected:
        wrong.append(f"resumed to something else ({' '.join(said.split())[-100:]})")
    tally.lost += wrong
    tally.survived += not wrong
    shutil.rmtree(folder / "out", ignore_errors=True)


def undisturbed(folder: Path, command: str) -> tuple[dict[str, bytes], float]:
    """What a command writes, and its seconds."""
    clock = time.monotonic()
    start(folder, *calling(command, "out")).communicate()
    seconds = time.monotonic() - clock
    expected = contents(folder / "out")
    shutil.rmtree(folder / "out")
    return expected, seconds


def kill(folder: Path, command: str, times: int) -> Tally:
    """kill -9 at moments spread over an undisturbed run, most of them while files are written."""
    expected, seconds = undisturbed(folder, command)
    tally, rng = Tally(f"{command}: kill -9 at a random moment, then --resume"), random.Random(0)
    for _ in range(times):
        process = start(folder, *calling(command, "out"))
        limit, written = time.monotonic() + 3 * seconds, rng.randrange(MICROGRAPHS + 1)
        out = folder / "out"
        while process.poll() is None and time.monotonic() < limit:
            if written == 0 or (out.is_dir() and len(list(out.glob(KILLED[command][1]))) >= written):
                time.sleep(rng.uniform(0, 0.05))
                break
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        after(folder, expected, tally, command)
    return tally


def full_disk(folder: Path, expected: dict[str, bytes]) -> Tally:
    """No file may grow beyond some bytes, as on a full disk."""
    tally = Tally("pick: no room for a file, then --resume")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))

    process = start(folder, *picking("out"), before=limit)
    _, said = process.communicate()
    if process.returncode != 1 or "Error: " not in said or "Traceback" in said:
        tally.lost.append(f"ended with {process.returncode}: {said.strip()[-200:]}")
    after(folder, expected, tally)
    return tally


def vanishing(folder: Path, expected: dict[str, bytes]) -> Tally:
    """The folder of the results is moved away while they are written."""
    tally = Tally("pick: the output folder is moved away, then --resume")
    process = start(folder, *picking("out"))
    while process.poll() is None and not list((folder / "out").glob("*_autopick.star")):
        time.sleep(0.001)
    (folder / "out").rename(folder / "gone")
    _, said = process.communicate()
    if "Traceback" in said:
        tally.lost.append(said.strip()[-200:])
    tally.lost += not_whole(folder / "gone", expected)
    shutil.rmtree(folder / "gone")
    after(folder, expected, tally)
    return tally


def two_at_once(folder: Path, expected: dict[str, bytes]) -> Tally:
    """Two programs write the same results."""
    tally = Tally("pick: two programs, one output folder, then --resume")
    both = [start(folder, *picking("out", "--overwrite")) for _ in range(2)]
    for process in both:
        _, said = process.communicate()
        if "Traceback" in said:
            tally.lost.append(said.strip()[-200:])
    after(folder, expected, tally)
    return tally


def main(words: list[str]) -> int:
    times = int(words[0]) if words else 30
    os.environ["OMP_NUM_THREADS"] = "1"
    with TemporaryDirectory(prefix="faults-") as place:
        folder = Path(place)
        make_world(folder, count=MICROGRAPHS)
        short = ["--diameter", str(DIAMETER), "--epochs", "1", "--steps", "20", "--device", "cpu"]
        process = start(
            folder, "train", "mic_*.mrc", "--picks", "truth.star", "--model", "m.safetensors", *short
        )
        _, said = process.communicate()
        if process.returncode:
            print(said, file=sys.stderr)
            return 1
        expected, _ = undisturbed(folder, "pick")
        tallies = [
            *(kill(folder, command, times) for command in KILLED),
            full_disk(folder, expected),
            vanishing(folder, expected),
            two_at_once(folder, expected),
        ]
    print("| fault | tried | survived | lost |\n|---|---|---|---|")
    for tally in tallies:
        print(tally.row())
    return int(any(tally.lost for tally in tallies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
