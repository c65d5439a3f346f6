"""Speed and memory of this package, against Topaz 0.3.20 where that is there.

Micrographs are simulated, 4096 × 4096, float32, and downsampled by 8. Commands are measured as whole
processes, ours and Topaz's in turn, after one run of each that does not count. "One micrograph more" is what
each further micrograph adds to a command: start-up is not in it. Ours in the stages of scores and suppression
is timed within its process, without the first call; all of Topaz is timed from outside. Shown is the median
(lowest–highest); the ratio is Topaz / ours, the median over the pairs. Peak memory is that of the process
alone. Threads are each program's own choice, unless --threads is given; training is on one core each.

    ./run bench [--peer] [--only STAGE …] [--repeats 5] [--threads N] [--weights FILE] [--quick]
    ./run bench --table-only        # of what is measured so far

--peer sets up Topaz in .venv-peer on first use. --quick: small sizes, to see that all of it works; its
figures mean nothing, and are written into the work folder. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import peer
from peer_process import CommandFailedError, machine
from suite_bench import Bench
from suite_measure import Figure, keep, kept, table
from suite_stages import STAGES, curves

HERE = Path(__file__).parent


def measure(bench: Bench, stages: Sequence[str]) -> list[str]:
    """Measure stages, and keep what each gives; returns why some have nothing."""
    failures = []
    for stage in stages:
        clock = time.monotonic()
        print(f"{stage} …", file=sys.stderr, flush=True)
        try:
            figures = STAGES[stage](bench)
        except (CommandFailedError, FileNotFoundError) as error:
            failures.append(f"{stage}: {error}")
            print(f"{stage} failed: {error}", file=sys.stderr)
            continue
        keep(figures, _file(bench.work, stage))
        print(f"{table(figures)}\n{stage}: {time.monotonic() - clock:.0f} s\n", flush=True)
    return failures


def _file(work: Path, stage: str) -> Path:
    return work / f"stage_{stage}.json"


def write_report(figures: Sequence[Figure], output: Path, said: Sequence[str]) -> None:
    """Write the table and the figure."""
    about = (__doc__ or "").split("\n\n")
    load = f"load {os.getloadavg()[2]:.1f} (mean of 15 minutes, at the end, this included)"
    parts = ["# Speed and memory", about[1], f"Machine: {machine()}; {load}.", *said, table(figures)]
    output.parent.mkdir(parents=True, exist_ok=True)
    found = curves(figures)
    if found:
        picture = output.with_suffix(".png")
        draw(found, picture)
        parts.append(f"![Cost of picking against the number of micrographs]({picture.name})")
    output.write_text("\n\n".join(parts) + "\n")


def draw(found: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """Draw cost against the number of micrographs."""
    picture, axes = plt.subplots(1, len(found), figsize=(4 * len(found), 3), squeeze=False)
    for axis, (unit, points) in zip(axes.flat, found.items(), strict=True):
        numbers, ours, theirs = zip(*points, strict=True)
        for values, label, colour in ((ours, "napari-topaz", "#0072B2"), (theirs, "Topaz 0.3.20", "#D55E00")):
            axis.plot(numbers, values, marker="o", markersize=4, label=label, color=colour)
        axis.set_xticks(numbers)
        axis.set_xlabel("micrographs")
        axis.set_ylabel({"s": "seconds", "MB": "peak memory (MB)"}[unit])
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(frameon=False)
    picture.tight_layout()
    picture.savefig(path, dpi=150)
    plt.close(picture)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", action="store_true", help="measure Topaz, too")
    parser.add_argument("--only", nargs="+", metavar="STAGE", choices=STAGES, default=list(STAGES))
    parser.add_argument("--repeats", type=int, help="5, or 2 with --quick")
    parser.add_argument("--threads", type=int, help="of both programs")
    parser.add_argument("--weights", type=Path, help="model that our training starts from, too")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table-only", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-bench")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(words)
    if options.weights is not None and not options.weights.is_file():
        parser.error(f"there is no model {options.weights}")
    if any(given is not None and given < 1 for given in (options.repeats, options.threads)):
        parser.error("--repeats and --threads are at least 1.")
    options.repeats = options.repeats or (2 if options.quick else 5)
    options.work = options.work / ("quick" if options.quick else "whole")
    options.output = options.output or (options.work if options.quick else HERE / "results") / "bench.md"
    return options


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    absent = peer.absent() if options.peer else "Topaz was not measured: --peer was not given."
    if absent:
        print(absent, file=sys.stderr)
    options.work.mkdir(parents=True, exist_ok=True)
    weights = options.weights.resolve() if options.weights else None
    bench = Bench(options.work, options.repeats, options.threads, options.quick, not absent, weights)
    failures = [] if options.table_only else measure(bench, options.only)
    there = [s for s in STAGES if _file(options.work, s).exists()]
    figures = [figure for stage in there for figure in kept(_file(options.work, stage))]
    said = [] if any(f.peer for f in figures) else [absent]
    write_report(figures, options.output, [*said, *(f"Not measured: {f}" for f in failures)])
    print(f"wrote {options.output}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
