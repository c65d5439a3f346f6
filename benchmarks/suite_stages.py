"""The stages of the suite: each measures one thing, and returns lines of the table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import mean

import numpy as np
import peer
import suite_work
from peer_process import Finished, finished
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from suite_bench import DOWNSAMPLE, PIXEL_SIZE, PREPARING, RADIUS, Bench
from suite_measure import Figure, Runs, Target, alternate, joined

from napari_topaz.files import write_mrc

HERE = Path(__file__).parent
#: Half the field of resnet8: nearer to an edge scores differ, as the peer continues by zeros.
BORDER = 36
#: Of the training stage.
TRAINING_SET, TRAINING_LABELS = "contaminated", 100


def preprocess(bench: Bench) -> list[Figure]:
    """Read, downsample by a Fourier crop, fit the mixture, write."""
    few, many = 1, 3 if bench.quick else 5
    files, out = bench.micrographs(many), bench.folder("preprocess")

    def ours(n: int) -> Finished:
        return bench.ours("preprocess", *files[:n], "--output", out, *PREPARING, "--overwrite", "--quiet")

    def theirs(n: int) -> Finished:
        return peer.preprocess(files[:n], bench.folder("preprocess_peer"), DOWNSAMPLE, threads=bench.threads)

    a, b = _both(bench, ours, theirs, few, many)
    return [
        Figure("preprocess", "one micrograph more", "s", a.each, b.each, Target(ratio=5)),
        Figure("preprocess", "peak memory, one micrograph", "MB", a.peak, b.peak, Target(most=400)),
        Figure("preprocess", "whole command, one micrograph", "s", a.whole, b.whole),
    ]


def _both(
    bench: Bench,
    ours: Callable[[int], Finished],
    theirs: Callable[[int], Finished],
    few: int,
    many: int,
) -> list[Runs]:
    return alternate([ours, theirs if bench.with_peer else None], few, many, bench.repeats)


def scores(bench: Bench) -> list[Figure]:
    """Dense scores of a preprocessed micrograph by the peer's resnet8, and whether the picks are the same."""
    edge = bench.size // DOWNSAMPLE
    what = f"resnet8 on {edge}² pixels, strided"
    if not bench.with_peer:
        return [Figure("scores", what, "s", note="the network comes with Topaz")]
    few, many = 1, 3
    files, model = bench.prepared(many), peer.shipped_file(peer.SHIPPED)
    out, mine = bench.folder("segment"), bench.folder("scores")
    runs: dict[str, list[dict]] = {"scores": [], "every-pixel": []}

    def ours(n: int) -> Finished:
        for way, kept in runs.items() if n == many else ():
            done = bench.python(HERE / "suite_work.py", way, model, RADIUS, mine, *files)
            kept.append(json.loads(done.output))
        return Finished(0.0, 0.0, 0.0, 0.0, "")

    def theirs(n: int) -> Finished:
        words = ("segment", "-m", peer.SHIPPED, "-d", -1, "-j", bench.threads or 0)
        return finished(peer.command(*words, "-o", out, *files[:n]), threads=bench.threads)

    _, b = _both(bench, ours, theirs, few, many)
    picks, _ = peer.extract(peer.SHIPPED, files, RADIUS, bench.work / "scores.txt", threads=bench.threads)
    figures = []
    target = Target(ratio=6)
    for way in ("scores", "every-pixel"):
        found = {n: np.array(p).reshape(-1, 3) for n, p in runs[way][-1]["picks"].items()}
        note = same_picks(found, picks, (edge, edge))
        if way == "scores":
            note += f"; scores differ by {difference(mine, out, files):.1g} at most, away from edges"
        seconds = tuple(mean(run["seconds"]) for run in runs[way])
        name = what if way == "scores" else what.replace("strided", "every pixel")
        figures.append(Figure("scores", name, "s", seconds, b.each, target, note))
    return figures


def difference(ours: Path, theirs: Path, files: Sequence[Path]) -> float:
    """Largest difference of scores where both have one, away from edges; NaN where that is nowhere."""
    found = [nan]
    for path in files:
        strided, dense = np.load(ours / f"{path.stem}.npy"), suite_work.read(theirs / f"{path.stem}.tiff")
        step = -(-dense.shape[0] // strided.shape[0])
        inner = slice(-(-BORDER // step), -(-BORDER // step) * -1)
        apart = np.abs(strided - dense[::step, ::step])[inner, inner]
        found.append(float(apart.max()) if apart.size else nan)
    return float(np.nanmax(found)) if len(found) > 1 else nan


def same_picks(ours: dict[str, np.ndarray], theirs: dict, shape: tuple[int, int]) -> str:
    """How many of the peer's picks with a score above 0, away from the edges, are picks of ours, too."""
    distances = []
    for name, picks in theirs.items():
        strong = picks[(picks.scores > 0) & picks.inside(shape, BORDER)]
        if len(strong) and len(ours[name]):
            distances += list(KDTree(ours[name][:, :2]).query(strong.yx)[0])
    if not distances:
        return "the peer has no picks with scores above 0"
    near = [np.mean(np.array(distances) <= limit) for limit in (1, 1.5, 2)]
    said = ", ".join(f"{part:.0%} within {limit} px" for part, limit in zip(near, (1, 1.5, 2), strict=True))
    return f"of {len(distances)} picks of the peer above 0: {said} of ours"


def suppression(bench: Bench) -> list[Figure]:
    """Non-maximum suppression in maps of scores, down to the lowest."""
    figures = []
    for size in (256, 512) if bench.quick else (512, 1024, 2048):
        files = _maps(bench, size, 3)
        runs: list[dict] = []

        def ours(n: int, files: list[Path] = files, runs: list[dict] = runs) -> Finished:
            done = bench.python(HERE / "suite_work.py", "suppress", RADIUS, *files[:n])
            runs.append(json.loads(done.output))
            return done

        def theirs(n: int, files: list[Path] = files) -> Finished:
            out = bench.work / "suppression.txt"
            return peer.extract("none", files[:n], RADIUS, out, threads=bench.threads)[1]

        _, b = _both(bench, ours, theirs, 1, len(files))
        whole = [r for r in runs if len(r["picks"]) == len(files)]
        seconds = tuple(mean(r["seconds"]) for r in whole)
        picks = whole[-1]["picks"][files[0].stem]
        exact = [(i, j) for i, j, _ in picks] == suite_work.greedy(suite_work.read(files[0]), RADIUS)
        note = f"{len(picks)} picks; {'exact' if exact else '**not exact**'}"
        figures.append(Figure("suppression", f"{size}² map", "s", seconds, b.each, Target(ratio=5), note))
    return figures


def _maps(bench: Bench, size: int, number: int) -> list[Path]:
    """Smooth random maps of scores."""
    files = [bench.folder(f"maps_{size}") / f"map_{k}.mrc" for k in range(number)]
    for k, path in enumerate(files):
        if not path.exists():
            noise = np.random.default_rng(k).normal(size=(size, size))
            write_mrc(path, np.float32(gaussian_filter(noise, 3.0) * 20), PIXEL_SIZE)
    return files


def _pickers(bench: Bench, number: int) -> tuple[Callable[[int], Finished], Callable[[int], Finished]]:
    """Micrographs to picks: our command, and the two of the peer."""
    files, model = bench.micrographs(number), bench.untrained()
    given = ("--model", model, *PREPARING, "--output", bench.work / "picks.star", "--overwrite", "--quiet")
    folder = bench.folder("pick_peer")

    def ours(n: int) -> Finished:
        return bench.ours("pick", *files[:n], *given)

    def theirs(n: int) -> Finished:
        first = peer.preprocess(files[:n], folder, DOWNSAMPLE, threads=bench.threads)
        small = [folder / f.name for f in files[:n]]
        out = bench.work / "pick_peer.txt"
        words = {"threshold": -6, "threads": bench.threads}  # its default threshold
        return joined([first, peer.extract(peer.SHIPPED, small, RADIUS, out, **words)[1]])

    return ours, theirs


def pick(bench: Bench) -> list[Figure]:
    """From micrograph to picks, within a long job."""
    few, many = 1, 3 if bench.quick else 6
    a, b = _both(bench, *_pickers(bench, many), few, many)
    note = "default network, eight symmetries; Topaz: preprocess and extract with resnet8"
    return [
        Figure("pick", "one micrograph more", "s", a.each, b.each, Target(most=1), note),
        Figure("pick", "peak memory, one micrograph", "MB", a.peak, b.peak),
    ]


#: In a process of its own: torch must not come in by the way.
READ = """
import sys
from napari_topaz.files import find_micrographs, read_micrograph
read_micrograph(find_micrographs([sys.argv[1]])[0]).pixels.mean()
assert "torch" not in sys.modules
"""


def startup(bench: Bench) -> list[Figure]:
    """Seconds until a command does anything."""
    file = bench.micrographs(1)[0]
    sides: dict[str, tuple[Callable[[], Finished], Target]] = {
        "napari-topaz --version": (lambda: bench.ours("--version"), Target(most=0.3)),
        "import napari_topaz": (lambda: bench.python("-c", "import napari_topaz"), Target(most=0.2)),
        f"read a {bench.size}² micrograph, without torch": (lambda: bench.python("-c", READ, file), Target()),
        "Python alone": (lambda: bench.python("-c", "pass"), Target()),
    }
    others = [finished(peer.command("--version")) for _ in range(bench.repeats * bench.with_peer)]
    theirs = tuple(other.wall for other in others)
    figures = []
    for what, (run, target) in sides.items():
        run()
        seconds = tuple(run().wall for _ in range(bench.repeats))
        figures.append(Figure("start-up", what, "s", seconds, theirs if "--version" in what else (), target))
    return figures


def training(bench: Bench) -> list[Figure]:
    """Seconds until as good as the peer ever gets, on micrographs that neither has seen."""
    import few_labels_report

    name, labels = ("globular", 10) if bench.quick else (TRAINING_SET, TRAINING_LABELS)
    methods = ["ours-scratch", *(["ours"] if bench.weights else []), *(["peer"] if bench.with_peer else [])]
    output = bench.folder("training") / "few_labels.md"
    words = ["--sets", name, "--labels", labels, "--methods", *methods, "--draws", 1, "--workers", 1]
    words += ["--output", output, "--work", bench.work / "few_labels"]
    words += ["--weights", bench.weights] if bench.weights else []
    words += ["--peer-steps", 50] if bench.quick else []
    bench.python(HERE / "few_labels.py", *words)
    rows = read_curves(output.with_name("few_labels_cells.csv"))
    target = Target(ratio=20)
    figures = []
    for f in few_labels_report.speeds(rows):
        ours = (f["ours"],) if isfinite(f["ours"]) else ()
        note = f"AP {f['target']:.3f} on set {name}, {labels} labels, one core; aim 50 ×"
        note += "" if ours else "; ours does not reach it"
        figures.append(Figure("training", f["method"], "s", ours, (f["peer"],), target, note))
    for row in rows if not figures else []:
        note = f"AP {row['average_precision']:.3f} on set {name}, {labels} labels, one core"
        figures.append(Figure("training", row["method"], "s", (row["seconds"],), note=note))
    return figures


def read_curves(path: Path) -> list[dict]:
    """Cells of few_labels.py from its table."""
    rows: dict[tuple, dict] = {}
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            key = (line["set"], line["method"], int(line["labels"]), int(line["draw"]))
            row = rows.setdefault(key, dict(zip(("set", "method", "labels", "draw"), key, strict=True)))
            judged = [float(line[n]) for n in ("seconds", "step", "average_precision", "best_f1")]
            row.setdefault("curve", []).append(judged)
            row |= {"seconds": judged[0], "average_precision": judged[2]}
    return list(rows.values())


def scaling(bench: Bench) -> list[Figure]:
    """Cost against the number of micrographs; the figure is drawn from this."""
    counts = (1, 2) if bench.quick else (1, 2, 4, 8, 16)
    ours, theirs = _pickers(bench, counts[-1])
    figures = []
    for n in counts:
        a, b = [ours(n) for _ in range(min(3, bench.repeats))], [theirs(n)] if bench.with_peer else []
        for what, unit, of in (("pick", "s", "wall"), ("pick, peak memory", "MB", "peak")):
            x, y = (tuple(getattr(r, of) for r in side) for side in (a, b))
            figures.append(Figure("scaling", f"{what}, {n} micrographs", unit, x, y))
    return figures


STAGES: dict[str, Callable[[Bench], list[Figure]]] = {
    "startup": startup,
    "preprocess": preprocess,
    "scores": scores,
    "suppression": suppression,
    "pick": pick,
    "scaling": scaling,
    "training": training,
}


def curves(figures: Sequence[Figure]) -> dict[str, list[tuple[int, float, float]]]:
    """(micrographs, ours, peer) of the stage of scaling, by unit; NaN where it was not measured."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for f in figures:
        if f.stage == "scaling":
            number = int(f.what.split(",")[-1].split()[0])
            values = (float(np.median(side)) if side else nan for side in (f.ours, f.peer))
            found.setdefault(f.unit, []).append((number, *values))
    return found
