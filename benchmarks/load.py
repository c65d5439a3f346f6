"""Twenty thousand micrographs, a million picks, a long session: time and memory, and what a window waits for.

    ./run load [--only ROW …] [--minutes 15] [--quick]

many: 20 000 micrographs of 256 × 256 pixels (links to four simulated ones, not turned) through
`napari-topaz pick` into one table. table, folder: 2000 of them, killed (signal 9) in the middle and resumed,
into one table and into a file each. formats: 10⁶ picks through every writer and reader. list: the window with
20 000 micrographs. gallery: gallery and plots with 10⁶ picks. soak: a scripted session of so many minutes.
models: fifty pretended trainings of twelve epochs, each with the general model's network.
CPU seconds are those of the process; seconds of the clock are with whatever else ran. Memory is VmHWM.
--quick: small numbers, to see that all of it works.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import load_pick
from load_tables import SESSION
from peer_process import machine

from napari_topaz.files import PICK_FORMATS

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "load.md"
RUN = ("", "s", "CPU s", "MB now", "MB at most")
PAUSES = ("step", "s until it is done", "longest pause, ms", "of it processor, ms")


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    many: int = 20_000
    resumed: int = 2000
    picks: int = 1_000_000
    listed: int = 20_000
    minutes: float = 15
    trainings: int = 50


def formats(folder: Path, sizes: Sizes) -> list[list[object]]:
    """Every format, written and read in processes of their own."""
    rows = []
    for name in [*PICK_FORMATS, SESSION]:
        path = folder / ("labels.csv" if name == SESSION else _file_of(name))
        found = [_table(what, name, sizes.picks, path) for what in ("write", "read")]
        times = [round(one[key], 1) for one in found for key in ("seconds", "cpu")]
        rows.append(
            [name, *times, round(max(one["peak"] for one in found)), round(path.stat().st_size / 1e6)]
        )
    return rows


def _file_of(name: str) -> str:
    chosen = PICK_FORMATS[name]
    return f"micrograph_00000{chosen.suffixes[0]}" if chosen.single else f"picks{chosen.suffixes[0]}"


def _table(what: str, name: str, count: int, path: Path) -> dict[str, float]:
    words = [sys.executable, str(HERE / "load_tables.py"), what, name, str(count), str(path)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return found


def in_window(what: str, folder: Path, *more: str) -> list[list[object]]:
    """Rows that load_viewer.py prints."""
    words = [sys.executable, str(HERE / "load_viewer.py"), what, str(folder), *more]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in said.splitlines() if line.startswith("[")]


def listed(folder: Path, sizes: Sizes) -> list[list[object]]:
    """The window with many micrographs."""
    return in_window("list", load_pick.world(folder, sizes.listed)[0], "--count", str(sizes.listed))


def gallery(folder: Path, sizes: Sizes) -> list[list[object]]:
    """Gallery and plots."""
    place = folder / "gallery"
    place.mkdir()
    return in_window("gallery", place, "--count", str(sizes.listed))


def soak(folder: Path, sizes: Sizes) -> list[list[object]]:
    """A long session."""
    return in_window("soak", load_pick.world(folder, 8)[0], "--minutes", str(sizes.minutes))


def models(folder: Path, sizes: Sizes) -> list[list[object]]:
    """Kept models."""
    words = [sys.executable, str(HERE / "load_models.py"), str(sizes.trainings)]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in said.splitlines()]


Part = tuple[str, Sequence[str], Callable[[Path, Sizes], list[list[object]]]]
PARTS: dict[str, Part] = {
    "many": ("Many micrographs through pick", RUN, lambda f, s: load_pick.many(f, s.many)),
    "table": (
        "Killed and resumed: one table",
        RUN,
        lambda f, s: load_pick.broken_off(f, s.resumed, table=True),
    ),
    "folder": (
        "Killed and resumed: a file each",
        RUN,
        lambda f, s: load_pick.broken_off(f, s.resumed, table=False),
    ),
    "formats": (
        "Picks through every format",
        ("format", "written, s", "CPU s", "read, s", "CPU s", "MB at most", "file, MB"),
        formats,
    ),
    "list": ("The list of micrographs", PAUSES, listed),
    "gallery": ("Gallery and plots", PAUSES, gallery),
    "soak": ("A long session", ("", "begin", "middle", "end"), soak),
    "models": ("Kept models", ("", "memory, MB", "temporary files, MB"), models),
}


def section(name: str, rows: Sequence[Sequence[object]], said: str) -> str:
    """One part of the report."""
    title, head, _ = PARTS[name]
    lines = [list(head), ["---"] * len(head), *([("" if c is None else str(c)) for c in row] for row in rows)]
    return f"## {title}\n\n{said}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def keep(path: Path, parts: dict[str, str]) -> None:
    """Write the report; parts that were not measured stay as they are."""
    old = path.read_text("utf-8").split("\n## ")[1:] if path.exists() else []
    known = {f"{one.partition(chr(10))[0]}": f"## {one.strip()}\n" for one in old}
    known |= {PARTS[name][0]: text for name, text in parts.items()}
    order = [known[title] for title, _, _ in PARTS.values() if title in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"# Load\n\n{__doc__.strip()}\n", *order]), "utf-8")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(
        prog="./run load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=PARTS, default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=15, help="of the session")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    sizes = Sizes(60, 40, 5000, 60, 0.5, 5) if given.quick else Sizes(minutes=given.minutes)
    os.nice(5)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "load.md" if given.quick else given.output
        for part in given.only:
            print(f"{part} …", file=sys.stderr, flush=True)
            rows = PARTS[part][2](Path(name), sizes)
            load = f"{machine()}; load {os.getloadavg()[2]:.1f} (mean of 15 minutes, at the end)."
            text = section(part, rows, f"`./run load --only {part}`; {load}")
            print(text, flush=True)
            keep(path, {part: text})


if __name__ == "__main__":
    main()
