"""Train on half of the beta-galactosidase micrographs (EMPIAR-10017), pick the other half, evaluate.

Runs the command line as a user would: even micrographs (sorted by name) train, odd ones test;
100 labels are drawn at random from the training half; picks are matched within 27 px (half the
particle's diameter) of the curated centres, which are incomplete. The picks published with Topaz
and crYOLO go through the same evaluation.

    python benchmarks/real_data.py --data FOLDER [--objectives cvir ge-kl …] [--draws 3] [--labels 100]

The held-out half is not untouched: the rule by which an epoch is kept, the smoothing of the default
threshold and the number of epochs for few labels were chosen while looking at average
precision or F1 on it, and learning rate and weights come from earlier trials on these micrographs.
Read the figures as slightly optimistic; the objectives share all of that, so that they compare.

FOLDER holds micrographs/*.mrc, picks/labels_cryoppp.star and picks/*_published/*.box. Writes
benchmarks/results/real_data.md; a finished run is kept in the work folder and not repeated.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np

from napari_topaz import Kind, Picks, find_micrographs, read_picks, write_picks
from napari_topaz.choices import OBJECTIVES

DIAMETER, PIXEL_SIZE, RADIUS = 180, 3.54, 27
#: Particles per micrograph, as a user would guess them from a look (the labels have 678).
EXPECTED = 650


def command(*words: object) -> dict:
    """Run the command line with --json; return the object on its last line."""
    program = Path(sys.executable).with_name("napari-topaz")
    line = [str(program), *map(str, words), "--json", "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def draw_labels(labels: dict[str, Picks], names: list[str], count: int, seed: int) -> dict[str, Picks]:
    """Draw labels at random from all those of the training half."""
    everything = [(name, i) for name in names for i in range(len(labels[name]))]
    chosen = np.random.default_rng(seed).choice(len(everything), count, replace=False)
    by_name: dict[str, list[int]] = {}
    for c in chosen:
        by_name.setdefault(everything[c][0], []).append(everything[c][1])
    return {name: labels[name][np.array(rows)].as_kind(Kind.PARTICLE) for name, rows in by_name.items()}


def one_run(work: Path, data: Path, objective: str, count: int, seed: int, extra: list[str]) -> dict:
    """Train, pick and evaluate once; the result is kept in the work folder."""
    tag = "_".join([objective, str(count), str(seed), *[e.strip("-") for e in extra]])
    kept = work / f"{tag}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    files = find_micrographs([data / "micrographs"])
    train, test = [f.path for f in files[0::2]], [f.path for f in files[1::2]]
    labels = read_picks(data / "picks/labels_cryoppp.star")
    by_name = {f.name: f for f in files}
    drawn = draw_labels(labels, [f.name for f in files[0::2]], count, seed)
    write_picks(work / f"{tag}_labels.star", drawn, files=by_name, pixel_size=PIXEL_SIZE)
    targets = work / "targets.star"
    write_picks(targets, {f.name: labels[f.name] for f in files[1::2]}, files=by_name, pixel_size=PIXEL_SIZE)
    model, picks = work / f"{tag}.safetensors", work / f"{tag}.star"
    trained = command(
        "train", *train, "--picks", work / f"{tag}_labels.star", "--model", model, "--diameter", DIAMETER,
        "--pixel-size", PIXEL_SIZE, "--expected", EXPECTED, "--objective", objective, "--seed", seed,
        "--time-limit", 300, "--overwrite", *extra,
    )  # fmt: skip
    # A low threshold: the whole precision-recall curve is wanted.
    command("pick", *test, "--model", model, "--output", picks, "--threshold", -20, "--overwrite")
    result = command("evaluate", "--picks", picks, "--targets", targets, "--radius", RADIUS)
    at_default = work / f"{tag}_default.star"
    command("pick", *test, "--model", model, "--output", at_default, "--overwrite")
    default = command("evaluate", "--picks", at_default, "--targets", targets, "--radius", RADIUS)
    row = {
        "objective": objective,
        "labels": count,
        "draw": seed,
        "train": trained,
        "all": result,
        "default": default,
    }
    kept.write_text(json.dumps(row, indent=1))
    return row


def published(work: Path, data: Path) -> list[tuple[str, dict]]:
    """Evaluate the picks that were published with Topaz and crYOLO on the test half."""
    files = find_micrographs([data / "micrographs"])[1::2]
    rows = []
    for who in ("topaz", "cryolo"):
        folder = data / f"picks/{who}_published"
        picks = read_picks(folder)
        # In pixels of the unbinned 4096-px micrographs, y counted from the other edge.
        test = {f.name: picks[f.name].flipped(4096).rescaled(0.5) for f in files}
        write_picks(work / f"{who}.star", test, files={f.name: f for f in files})
        targets = work / "targets.star"
        rows.append(
            (
                who,
                command(
                    "evaluate", "--picks", work / f"{who}.star", "--targets", targets, "--radius", RADIUS
                ),
            )
        )
    return rows


def table(rows: list[dict], others: list[tuple[str, dict]], draws: int) -> str:
    """Lay the results out as Markdown."""
    lines = [
        "| objective | "
        + " | ".join(f"draw {d}" for d in range(draws))
        + " | mean AP | F1 at the default threshold | best F1 | training, s |",
        "|---" * (draws + 5) + "|",
    ]
    for objective in dict.fromkeys(r["objective"] for r in rows):
        mine = [r for r in rows if r["objective"] == objective]
        aps = [r["all"]["average_precision"] for r in mine]
        default = [f1(r["default"]) for r in mine]
        best = [r["all"]["best_f1"] for r in mine]
        seconds = [r["train"]["seconds"] for r in mine]
        cells = [f"{a:.3f}" for a in aps] + [
            f"**{mean(aps):.3f}**",
            f"{mean(default):.3f}",
            f"{mean(best):.3f}",
            f"{mean(seconds):.0f}",
        ]
        lines.append(f"| `{objective}` | " + " | ".join(cells) + " |")
    for who, result in others:
        blank = " | ".join([""] * draws)
        average, best = result["average_precision"], result["best_f1"]
        lines.append(f"| picks published with {who} | {blank} | {average:.3f} | | {best:.3f} | |")
    return "\n".join(lines)


def f1(result: dict) -> float:
    """F1 of all the picks."""
    hits = result["hits"]
    return 2 * hits / (result["picks"] + result["targets"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--objectives", nargs="+", default=list(OBJECTIVES))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-real-data")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/real_data.md")
    options, extra = parser.parse_known_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for objective in options.objectives:
        for draw in range(options.draws):
            rows.append(one_run(options.work, options.data, objective, options.labels, draw, extra))
            print(objective, draw, rows[-1]["all"]["average_precision"], flush=True)
    text = table(rows, published(options.work, options.data), options.draws)
    words = " ".join(
        [
            "--objectives",
            *options.objectives,
            "--draws",
            str(options.draws),
            "--labels",
            str(options.labels),
            *extra,
        ]
    )
    about = __doc__.split("\n\n")
    options.output.write_text(
        f"# Beta-galactosidase (EMPIAR-10017), {options.labels} labels\n\n{about[1]}\n\n{about[3]}\n\n"
        f"Command: `python benchmarks/real_data.py --data FOLDER {words}`, on {platform.machine()}, "
        f"micrographs of 2048 × 2048 at {PIXEL_SIZE} Å/px.\n\n{text}\n"
    )
    print(text)


if __name__ == "__main__":
    main()
