"""Estimate the number of particles per micrograph from a few labels, on simulated sets of known truth.

For each density and seed eight micrographs of 1024 × 1024 are simulated, and 40 labels are drawn at
random from all particles; 'napari-topaz count' then runs as a user would call it, without
any guess. The truth is the mean number of particles on the micrographs that have labels.

    python benchmarks/prior.py [--densities 10 25 60 120 200] [--seeds 2 3] [--labels 40] [--micrographs 8]

Nothing was chosen on these seeds: that no particles are presumed, the number of epochs and the confidence
of the bound were looked at on seed 101 (densities 10, 60 and 200) and on seed 0 (10).

Writes benchmarks/results/prior.md after each set; a finished set is kept in the work folder and not repeated.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from napari_topaz import Picks, find_micrographs, read_picks, write_picks

DIAMETER = 180
#: Largest factor between estimate and truth that is promised.
PROMISED = 1.5


def command(*words: object) -> dict:
    """Run the command line with --json; return the object on its last line."""
    program = Path(sys.executable).with_name("napari-topaz")
    line = [str(program), *map(str, words), "--json", "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def draw_labels(truth: dict[str, Picks], count: int, seed: int) -> dict[str, Picks]:
    """Draw labels at random from all particles of all micrographs."""
    everything = [(name, i) for name in truth for i in range(len(truth[name]))]
    chosen = np.random.default_rng([seed, count]).choice(len(everything), count, replace=False)
    rows: dict[str, list[int]] = {}
    for c in chosen:
        rows.setdefault(everything[c][0], []).append(everything[c][1])
    return {name: truth[name][np.array(which)] for name, which in rows.items()}


def one_set(work: Path, density: int, seed: int, labels: int, micrographs: int) -> dict:
    """Simulate, label and count once; the result is kept in the work folder."""
    tag = f"{density}_{seed}_{labels}_{micrographs}"
    kept = work / f"{tag}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    folder = work / tag
    command("simulate", folder, "--micrographs", micrographs, "--particles", density, "--seed", seed)
    truth = read_picks(folder / "particles.star")
    drawn = draw_labels(truth, labels, seed)
    files = {f.name: f for f in find_micrographs([folder])}
    write_picks(folder / "labels.star", drawn, files=files)
    found = command(
        "count", folder, "--picks", folder / "labels.star", "--diameter", DIAMETER, "--seed", seed
    )
    true = sum(len(truth[name]) for name in drawn) / len(drawn)
    row = {"density": density, "seed": seed, "truth": true, "found": found}
    kept.write_text(json.dumps(row, indent=1))
    shutil.rmtree(folder)
    return row


def factor(row: dict) -> float:
    """How far the estimate is from the truth, at least 1."""
    ratio = row["found"]["expected"] / row["truth"]
    return max(ratio, 1 / ratio)


def table(rows: list[dict]) -> str:
    """Lay the results out as Markdown."""
    lines = [
        "| density | seed | truth | estimate | from … to | factor | s |",
        "|---" * 7 + "|",
    ]
    for row in rows:
        found = row["found"]
        bounds = f"{found['low']:.0f} … {found['high']:.0f}"
        lines.append(
            f"| {row['density']} | {row['seed']} | {row['truth']:.1f} "
            f"| **{found['expected']:.1f}** | {bounds} | {factor(row):.2f} | {found['seconds']:.0f} |"
        )
    within = sum(factor(r) <= PROMISED for r in rows)
    return "\n".join(lines) + f"\n\nWithin a factor {PROMISED} of the truth: {within} of {len(rows)}."


def write(path: Path, rows: list[dict], words: str) -> None:
    """Write the table of what is done so far."""
    about = __doc__.split("\n\n")
    path.write_text(
        f"# The number of particles, estimated from labels\n\n{about[1]}\n\n{about[3]}\n\n"
        f"Command: `python benchmarks/prior.py {words}`, on {platform.machine()}; seconds of a machine "
        f"that did other things too.\n\n{table(rows)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--densities", type=int, nargs="+", default=[10, 25, 60, 120, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--micrographs", type=int, default=8)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-prior")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/prior.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for density in options.densities:
        for seed in options.seeds:
            rows.append(one_set(options.work, density, seed, options.labels, options.micrographs))
            print(density, seed, f"factor {factor(rows[-1]):.2f}", flush=True)
            write(options.output, rows, " ".join(sys.argv[1:]))
    print(table(rows))


if __name__ == "__main__":
    main()
