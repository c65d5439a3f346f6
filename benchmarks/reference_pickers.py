"""Pick half of the beta-galactosidase micrographs (EMPIAR-10017) without training, and evaluate.

As in real_data.py: odd micrographs (sorted by name) are picked and matched within 27 px with the
curated centres; labels for the templates are drawn at random from the even ones, and are the same
for the same draw.

The pickers' constants were chosen while looking at average precision on these same micrographs
(and on simulated ones), so these figures are slightly optimistic.

    python benchmarks/reference_pickers.py --data FOLDER [--draws 3] [--labels 10 100]

Writes benchmarks/results/reference_pickers.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean

from real_data import DIAMETER, PIXEL_SIZE, RADIUS, command, draw_labels, f1

from napari_topaz import find_micrographs, read_picks, write_picks


def measure(work: Path, files: list[Path], method: str, given: list[object]) -> dict:
    """Pick, with all peaks and with the default threshold; evaluate both on the test half."""
    words = ["--method", method, "--diameter", DIAMETER, "--pixel-size", PIXEL_SIZE, *given]
    picks, found = work / "picks.star", {}
    for what, threshold in (("all", ["--threshold", -1000]), ("default", [])):
        made = command("reference", *files, "--output", picks, "--overwrite", *words, *threshold)
        score = ("--picks", picks, "--targets", work / "targets.star", "--radius", RADIUS)
        found[what] = command("evaluate", *score) | {"seconds": made["seconds"]}
    return found


def row(name: str, found: list[dict]) -> str:
    """One line of the table."""
    average = [f["all"]["average_precision"] for f in found]
    cells = [
        ", ".join(f"{a:.3f}" for a in average),
        f"**{mean(average):.3f}**",
        f"{mean(f['all']['best_f1'] for f in found):.3f}",
        f"{mean(f1(f['default']) for f in found):.3f}",
        f"{mean(f['default']['seconds'] for f in found):.1f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/reference_pickers.md")
    options = parser.parse_args()
    files = find_micrographs([options.data / "micrographs"])
    by_name, test = {f.name: f for f in files}, [f.path for f in files[1::2]]
    labels = read_picks(options.data / "picks/labels_cryoppp.star")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        targets = {f.name: labels[f.name] for f in files[1::2]}
        write_picks(work / "targets.star", targets, files=by_name, pixel_size=PIXEL_SIZE)
        for method in ("log", "dog"):
            rows.append(row(f"`{method}`", [measure(work, test, method, [])]))
            print(rows[-1], flush=True)
        for count in options.labels:
            found = []
            for draw in range(options.draws):
                drawn = draw_labels(labels, [f.name for f in files[0::2]], count, draw)
                write_picks(work / "labels.star", drawn, files=by_name, pixel_size=PIXEL_SIZE)
                # The labelled micrographs must be there to be averaged; their picks are not evaluated.
                labelled = [f.path for f in files[0::2] if f.name in drawn]
                given = ["--picks", work / "labels.star"]
                found.append(measure(work, [*test, *labelled], "template", given))
            rows.append(row(f"`template`, {count} labels", found))
            print(rows[-1], flush=True)
    text = "\n".join(
        [
            "| picker | average precision by draw | mean | best F1 | F1 at the default threshold | time, s |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )
    words = f"--draws {options.draws} --labels {' '.join(map(str, options.labels))}"
    options.output.write_text(
        "# Reference pickers on beta-galactosidase (EMPIAR-10017)\n\n"
        f"{(chr(10) * 2).join((__doc__ or '').split(chr(10) * 2)[1:3])}\n\n"
        f"Command: `python benchmarks/reference_pickers.py --data FOLDER {words}`. "
        f"Time: the whole command, for {len(test)} micrographs of 2048 × 2048 and, for templates, the "
        f"labelled ones.\n\n{text}\n"
    )


if __name__ == "__main__":
    main()
