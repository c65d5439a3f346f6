"""Write or read many picks in a process of its own, and account for it as JSON on stdout.

    python benchmarks/load_tables.py write|read FORMAT PICKS PATH [FOLDER OF MICROGRAPHS]

Picks lie at random, with scores, on 1000 micrographs of 4096 × 4096 pixels; on one where the format's
file holds the picks of one. Time is without imports; memory is the most that the process ever held
(VmHWM), imports and the picks themselves included.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from napari_topaz.files import PICK_FORMATS, read_picks, write_picks
from napari_topaz.files.label_table import csv_of_labels, labels_of_csv
from napari_topaz.picks import Kind, Picks

MICROGRAPHS, EDGE, BOX = 1000, 4096, 128
#: Not a format of picks: the labels of a session.
SESSION = "session"


def peak() -> float:
    """Most memory that this process has held, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def drawn(count: int, micrographs: int) -> dict[str, Picks]:
    """Return `count` picks on some micrographs; always the same ones."""
    rng = np.random.default_rng(0)
    ends = np.linspace(0, count, micrographs + 1).astype(int)
    sizes = np.diff(ends)
    return {
        f"micrograph_{k:05}": Picks(rng.uniform(0, EDGE - 1, (n, 2)), rng.normal(0, 3, n))
        for k, n in enumerate(sizes)
    }


def write(format_: str, picks: dict[str, Picks], path: Path) -> None:
    """Write them."""
    if format_ == SESSION:
        path.write_bytes(csv_of_labels({name: one.as_kind(Kind.PARTICLE) for name, one in picks.items()}))
        return
    shapes = dict.fromkeys(picks, (EDGE, EDGE))
    write_picks(path, picks, format=format_, pixel_size=1.0, box_size=BOX, shapes=shapes)


def read(format_: str, path: Path) -> dict[str, Picks]:
    """Read them again."""
    return labels_of_csv(path.read_bytes())[0] if format_ == SESSION else read_picks(path, format_)


def same(one: dict[str, Picks], other: dict[str, Picks], *, nearly: bool, scored: bool) -> bool:
    """Whether both have the same picks; `nearly`: to a thousandth of a pixel."""
    if sum(map(len, one.values())) != sum(map(len, other.values())):
        return False
    pairs = zip(one.values(), other.values(), strict=True)
    return all(
        np.allclose(a.yx, b.yx, rtol=0, atol=1e-3 if nearly else 0)
        and (not scored or np.array_equal(a.scores, b.scores))
        for a, b in pairs
    )


def main(what: str, format_: str, count: str, place: str) -> None:
    """Do it, and print what it took."""
    path = Path(place)
    single = format_ != SESSION and PICK_FORMATS[format_].single and bool(path.suffix)
    picks = drawn(int(count), 1 if single else MICROGRAPHS)
    clock, used = time.perf_counter(), time.process_time()
    if what == "write":
        write(format_, picks, path)
        seconds, cpu, most = time.perf_counter() - clock, time.process_time() - used, peak()
    else:
        found = read(format_, path)
        seconds, cpu, most = time.perf_counter() - clock, time.process_time() - used, peak()
        if not same(picks, found, nearly=format_ == "cs", scored=format_ != "imod"):
            raise SystemExit(f"{format_}: other picks were read than were written.")
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": most}))


if __name__ == "__main__":
    main(*sys.argv[1:])
