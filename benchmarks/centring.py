"""How well picks are centred, and what suppression loses, on simulated sets of known truth.

For each set 100 labels are drawn at random from the first six of twelve micrographs, a model is trained by
the default recipe, and the other six are scored once. Picks are then taken from the very same scores in
several ways: *grid* (grid points, greedily, a radius apart, as before), *scores* (peaks between the
grid points, 0.9 radii apart), *default* (these, centred by the average of the labels) and *ellipse* (with
`--suppression ellipse`). Matched within the particle's radius (real set: 27 px).

    python benchmarks/centring.py [--sets globular elongated …] [--draws 2] [--real FOLDER] [--jitter PX]

AP is the average precision; *found* the part of the particles hit by any pick, which suppression limits.
The other figures are those of the N best picks, N being the number of particles: the part of the particles
that they hit, how far hits are from the truth in particle radii (median, that of the tenth that is off most,
and the length of the mean over all hits, *common*), and duplicates: picks without a particle of their own
within half a radius of one, per particle. *near* is the part of the particles that lie within 0.9 radii of
another; *of near* the part of those that the N best hit.

Weights and widths of the centring were chosen on the first draw of globular, elongated and crowded; the rest
was looked at as well, so that no set is untouched. FOLDER is that of benchmarks/real_data.py, whose split and
radius are taken (even micrographs train, odd ones test); its labels are neither complete nor exact. --jitter
moves labels by a Gaussian error of so many pixels. Writes benchmarks/results/centring.md; training and scores
are kept in the work folder. What is possible at all: benchmarks/centring_floor.py.
"""

from __future__ import annotations

import argparse
import pickle
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from real_data import DIAMETER, EXPECTED, PIXEL_SIZE, draw_labels
from scipy.spatial import cKDTree
from sets import SETS as SHARED
from sets import _like

from napari_topaz import Picks, find_micrographs, read_micrograph, read_picks
from napari_topaz.extract import extract
from napari_topaz.jobs.pick import picks_of
from napari_topaz.jobs.train import train_on_files
from napari_topaz.jobs.training_inputs import average_of, small_diameter
from napari_topaz.micrograph import Micrograph
from napari_topaz.model.picker import PickerModel
from napari_topaz.numerics.curves import precision_recall
from napari_topaz.numerics.matching import match
from napari_topaz.preprocess import Prepared, prepare
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.simulate import simulate as simulate_one
from napari_topaz.training_set import build_training_set

LABELS = 100
#: Rods that lie in the plane and may cross or touch at a quarter of their length.
SETS = {k: SHARED[k] for k in ("globular", "elongated", "crowded", "contaminated", "noisy")} | {
    "packed": _like(shape="rod", dose=6.0, spacing=0.25, particles=300, preferred_views=0.9, seed=5)
}


@dataclass
class Case:
    """What is known of one draw of labels."""

    name: str
    draw: int
    radius: float  # of the particle, pixels of the original
    match: float  # pixels of the original
    labels: dict[str, Picks]
    train: list[Prepared]
    test: list[Prepared]
    truth: dict[str, Picks]
    model: Path
    scores: list[ScoreMap]


def simulated(name: str) -> tuple[list[Micrograph], dict[str, Picks], float, float, float]:
    """Micrographs, truth, diameter, pixel size and expected number of a set."""
    made = [simulate_one(SETS[name], i) for i in range(SETS[name].micrographs)]
    truth = {m.name: picks for m, picks in made}
    expected = float(np.mean([len(p) for p in truth.values()]))
    return [m for m, _ in made], truth, SETS[name].diameter, SETS[name].pixel_size, expected


def real(folder: Path) -> tuple[list[Micrograph], dict[str, Picks], float, float, float]:
    """Read the same of the real set, even micrographs first."""
    files = find_micrographs([folder / "micrographs"])
    micrographs = [read_micrograph(f) for f in [*files[0::2], *files[1::2]]]
    return micrographs, read_picks(folder / "picks/labels_cryoppp.star"), DIAMETER, PIXEL_SIZE, EXPECTED


def jittered(labels: dict[str, Picks], sigma: float, seed: int) -> dict[str, Picks]:
    """Move labels by Gaussian errors of `sigma` px along each axis, as a hand does."""
    rng = np.random.default_rng([seed, 7])
    if not sigma:
        return labels
    return {n: Picks.labels(p.yx + rng.normal(0, sigma, p.yx.shape)) for n, p in labels.items()}


def make_case(work: Path, name: str, draw: int, jitter: float, data: Path | None) -> Case:
    """Train and score once; kept in the work folder."""
    tag = f"{name}_{draw}_{jitter:g}"
    kept = work / f"{tag}.pickle"
    if kept.exists():
        with kept.open("rb") as file:
            return pickle.load(file)
    micrographs, truth, diameter, size, expected = simulated(name) if data is None else real(data)
    half = (len(micrographs) + 1) // 2
    labels = draw_labels(truth, [m.name for m in micrographs[:half]], LABELS, draw)
    labels = jittered(labels, jitter, draw)
    preprocess = PreprocessSettings(diameter=diameter, pixel_size=size)
    start = time.monotonic()
    job = train_on_files(
        micrographs[:half], labels, preprocess, TrainSettings(expected=expected, seed=draw), device="cpu"
    )
    model = finished(job)
    path = model.save(work / f"{tag}.safetensors")
    prepared = [prepare(m, model.card.preprocess) for m in micrographs]
    scores = [model.score(p) for p in prepared[half:]]
    print(f"{tag}: trained and scored in {time.monotonic() - start:.0f} s", flush=True)
    radius = diameter / size / 2
    case = Case(
        tag, draw, radius, radius if data is None else 27.0, labels, prepared[:half], prepared[half:],
        {m.name: truth[m.name] for m in micrographs[half:]}, path, scores,
    )  # fmt: skip
    with kept.open("wb") as file:
        pickle.dump(case, file)
    return case


def finished(job: Iterator) -> PickerModel:
    """Run a job to its end; return its result."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def ways(case: Case) -> dict[str, Callable[[ScoreMap, Prepared], Picks]]:
    """Return the ways of taking picks that are compared."""
    model = PickerModel.load(case.model)
    diameter = small_diameter(case.train[0], model.card.preprocess)
    training_set = build_training_set(case.train, case.labels, diameter=diameter, expected=1.0)
    # Models in the work folder may be older than the entry in their card.
    model = model.with_card(average=average_of(training_set), average_radius=training_set.particle_radius)

    def by(**options: str) -> Callable[[ScoreMap, Prepared], Picks]:
        settings = PickSettings(threshold=-1000.0, **options)
        return lambda scores, prepared: picks_of(replace(scores, image=prepared.image), model, settings)

    return {
        "grid": lambda scores, prepared: extract(scores, case.radius, interpolated=False),
        "scores": by(centring="scores"),
        "default": by(),
        "ellipse": by(suppression="ellipse"),
    }


def measured(case: Case, way: Callable[[ScoreMap, Prepared], Picks]) -> dict[str, float]:
    """Pick the test half, and compare with the truth."""
    picks, truth, found, near = [], [], [], []
    clock = time.process_time()
    for prepared, scores in zip(case.test, case.scores, strict=True):
        picks.append(way(scores, prepared))
        truth.append(case.truth[prepared.name].yx.astype(np.float64))
    seconds = (time.process_time() - clock) / len(picks)
    for p, t in zip(picks, truth, strict=True):
        found.append(match(t, p.yx, case.match))
        near.append(cKDTree(t).query(t, 2)[0][:, 1] <= 0.9 * case.radius)
    count = sum(map(len, truth))
    scores = np.concatenate([p.scores for p in picks])
    hits = np.concatenate([f.hits for f in found])
    lowest = np.sort(scores)[::-1][min(count, len(scores)) - 1]
    best = [p.scores >= lowest for p in picks]
    off = np.concatenate([f.distance[f.hits & b] for f, b in zip(found, best, strict=True)]) / case.radius
    errors = [
        (p.yx - t[f.target_of_pick])[f.hits & b] for p, t, f, b in zip(picks, truth, found, best, strict=True)
    ]
    common = np.concatenate(errors).mean(axis=0) / case.radius
    twice = sum(
        int((cKDTree(t).query(p.yx[b & ~f.hits])[0] < case.radius / 2).sum())
        for t, p, b, f in zip(truth, picks, best, found, strict=True)
    )
    crowd = sum(int(n[f.target_of_pick[f.hits & b]].sum()) for n, f, b in zip(near, found, best, strict=True))
    together = int(np.concatenate(near).sum())
    return {
        "AP": precision_recall(scores, hits, count).average_precision,
        "found": float(hits.sum() / count),
        "hit by N best": len(off) / count,
        "median error": float(np.median(off)),
        "90 %": float(np.quantile(off, 0.9)),
        "common": float(np.linalg.norm(common)),
        "≤ 0.1": float(np.mean(off <= 0.1)),
        "≤ 0.2": float(np.mean(off <= 0.2)),
        "duplicates": twice / count,
        "near": together / count,
        "of near": crowd / max(together, 1),
        "s": seconds,
    }


def table(rows: list[tuple[str, int, str, dict[str, float]]]) -> str:
    """Lay out as Markdown."""
    names = list(rows[0][3])
    lines = ["| set | draw | way | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for name, draw, way, row in rows:
        cells = " | ".join(f"{v:.3f}" for v in row.values())
        lines.append(f"| {name} | {draw} | {way} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--real", type=Path, help="folder of the real set; without it only simulated ones")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-centring")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/centring.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in [*options.sets, *(["real"] if options.real else [])]:
        for draw in range(options.draws):
            data = options.real if name == "real" else None
            case = make_case(options.work, name, draw, options.jitter, data)
            for way, picker in ways(case).items():
                rows.append((name, draw, way, measured(case, picker)))
                print(name, draw, way, *(f"{k} {v:.3f}" for k, v in rows[-1][3].items()), flush=True)
    words = f"--sets {' '.join(options.sets)} --draws {options.draws} --jitter {options.jitter:g}"
    about = __doc__.split("\n\n")
    where = " --real FOLDER" if options.real else ""
    options.output.write_text(
        "# Centres of picks, and what suppression loses\n\n"
        f"{about[1]}\n\n{about[3]}\n\n{about[4].strip()}\n\n"
        f"Command: `python benchmarks/centring.py {words}{where}`, on {platform.machine()}; "
        f"*s* are seconds of processor time per micrograph on a busy core.\n\n{table(rows)}\n"
    )


if __name__ == "__main__":
    main()
