"""Does it pay to answer the suggested questions? A scripted user labels simulated sets of known truth.

Six of a set's twelve micrographs are labelled and trained on, the other six are never labelled and
judge. A draw begins with ten labels: particles drawn at random. A model is trained; the user makes ten
clicks, each answered from the truth; a model is trained anew from all labels, with the same seed, and so
on. What the clicks are about differs, all else is paired: `suggested`: the questions of
`napari_topaz.jobs.queries` (the dock's *Ask me*); `random picks`: picks of the model, drawn at random,
answered yes or no; `random particles`: ten more particles at random, as a user clicks who looks at
pictures alone.

    python benchmarks/labelling_loop.py [--sets contaminated globular] [--draws 5] [--rounds 4]

Average precision is that of all peaks on the held-out micrographs. A candidate is a particle where the
centre of one lies within a third of the diameter. Finished draws are kept in the work folder and not
repeated.

Writes benchmarks/results/labelling_loop.md and .png after each draw.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from math import isnan, sqrt
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from scipy.spatial import cKDTree
from sets import SETS

from napari_topaz.events import Job
from napari_topaz.files import atomic
from napari_topaz.jobs.drawing import BLUE, GREEN, INK, LINE, ORANGE, STYLE
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.pick import pick
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.jobs.queries import suggest_queries
from napari_topaz.jobs.train import train_on_files
from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.simulate import simulate as simulate_one

TRAINING = 6
FIRST, CLICKS = 10, 10
#: All peaks, whatever their score; as the dock takes them.
EVERY = PickSettings(threshold=-1000.0)
#: A candidate this close to a particle (in diameters) is one.
HIT = 1 / 3
#: A candidate this close to a label (in diameters) is none any more, as in the dock.
TAKEN = 1 / 2
SUGGESTED, PICKS, PARTICLES = "suggested", "random picks", "random particles"
WAYS = {SUGGESTED: BLUE, PICKS: ORANGE, PARTICLES: GREEN}


def result_of(job: Job):
    """Run a job to its end."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


@dataclass(eq=False)
class World:
    """A set: micrographs, and where the particles are."""

    name: str
    training: list[Micrograph]
    test: list[Micrograph]
    truth: dict[str, Picks]
    diameter: float  # px
    cache: PreparedCache = field(default_factory=lambda: PreparedCache(2**31))

    @classmethod
    def make(cls, name: str, micrographs: int) -> World:
        settings = SETS[name]
        made = [simulate_one(settings, k) for k in range(min(micrographs, settings.micrographs))]
        images = [image for image, _ in made]
        half = min(TRAINING, len(images) // 2)
        truth = {image.name: picks for image, picks in made}
        return cls(name, images[:half], images[half:], truth, settings.diameter / settings.pixel_size)

    @property
    def expected(self) -> float:
        """Particles per micrograph, which the user states."""
        return mean(len(self.truth[m.name]) for m in self.training)

    def is_particle(self, name: str, yx: np.ndarray) -> bool:
        """Answer of the user."""
        return bool(cKDTree(self.truth[name].yx).query(yx)[0] <= HIT * self.diameter)


@dataclass(frozen=True)
class Effort:
    """How long each training is; None as the dock would."""

    epochs: int | None
    steps: int | None


def train(world: World, labels: dict[str, Picks], seed: int, effort: Effort):
    """Train from scratch on all labels."""
    given = {k: v for k, v in (("epochs", effort.epochs), ("steps", effort.steps)) if v is not None}
    settings = TrainSettings(expected=world.expected, seed=seed, **given)
    preprocess = PreprocessSettings(diameter=SETS[world.name].diameter)
    job = train_on_files(world.training, labels, preprocess, settings, device="cpu", cache=world.cache)
    return result_of(job)


def candidates_of(world: World, model, labels: dict[str, Picks]) -> dict[str, Picks]:
    """All peaks on the micrographs that are labelled, but those at labels."""
    found = result_of(pick(world.training, model, EVERY, device="cpu"))
    free = {}
    for name, picks in found.items():
        known = labels.get(name, Picks())
        near = np.zeros(len(picks), bool)
        if len(known) and len(picks):
            near = cKDTree(known.yx).query(picks.yx)[0] <= TAKEN * world.diameter
        free[name] = picks[~near]
    return free


def judged(world: World, model) -> float:
    """Average precision on the micrographs that are never labelled."""
    found = result_of(pick(world.test, model, EVERY, device="cpu"))
    targets = {m.name: world.truth[m.name] for m in world.test}
    return evaluate(found, targets, world.diameter / 2).average_precision


def drawn(world: World, labels: dict[str, Picks], count: int, rng: np.random.Generator) -> list:
    """Return particles at random that are not labelled yet: (micrograph, place, kind)."""
    free = []
    for image in world.training:
        truth, known = world.truth[image.name], labels.get(image.name, Picks()).of_kind(Kind.PARTICLE)
        taken = np.zeros(len(truth), bool)
        if len(known):
            taken = cKDTree(known.yx).query(truth.yx)[0] <= HIT * world.diameter
        free += [(image.name, yx) for yx in truth.yx[~taken]]
    return [(*free[k], Kind.PARTICLE) for k in rng.choice(len(free), min(count, len(free)), replace=False)]


def clicks(world: World, way: str, model, labels: dict[str, Picks], rng: np.random.Generator) -> list:
    """Return what the user labels in one round: (micrograph, place, kind) of each click."""
    if way == PARTICLES:
        return drawn(world, labels, CLICKS, rng)
    candidates = candidates_of(world, model, labels)
    threshold = model.card.threshold
    if way == SUGGESTED:
        names = list(candidates)
        asked = result_of(
            suggest_queries(
                world.training,
                candidates,
                dict.fromkeys(names, threshold),
                dict.fromkeys(names, world.diameter),
                labels,
                CLICKS,
            )
        )
        places = [(q.name, np.array([q.y, q.x], np.float32)) for q in asked.questions]
    else:
        above = [(name, yx) for name, picks in candidates.items() for yx in picks.above(threshold).yx]
        chosen = rng.choice(len(above), min(CLICKS, len(above)), replace=False)
        places = [above[k] for k in chosen]
    kinds = [Kind.PARTICLE if world.is_particle(*place) else Kind.NOT_PARTICLE for place in places]
    return [(*place, kind) for place, kind in zip(places, kinds, strict=True)]


def with_clicks(labels: dict[str, Picks], new: list) -> dict[str, Picks]:
    """Add labels."""
    grown = dict(labels)
    for name, yx, kind in new:
        grown[name] = grown.get(name, Picks()) + Picks.labels(yx, kind)
    return grown


def loop(world: World, way: str, draw: int, rounds: int, effort: Effort, first) -> list[dict]:
    """Label and train for some rounds; `first`: labels, model and row of the start, the same for all ways."""
    labels, model, row = first
    rows = [row | {"way": way}]
    rng = np.random.default_rng([draw, list(WAYS).index(way)])
    for number in range(1, rounds + 1):
        new = clicks(world, way, model, labels, rng)
        labels = with_clicks(labels, new)
        model = train(world, labels, draw, effort)
        rows.append(_row(world, way, draw, number, labels, model))
        print(*rows[-1].values(), flush=True)
    return rows


def _row(world: World, way: str, draw: int, number: int, labels: dict[str, Picks], model) -> dict:
    kinds = np.concatenate([p.kinds for p in labels.values()])
    return {
        "set": world.name,
        "way": way,
        "draw": draw,
        "round": number,
        "particles": int((kinds == Kind.PARTICLE).sum()),
        "not": int((kinds == Kind.NOT_PARTICLE).sum()),
        "ap": judged(world, model),
    }


def one_draw(world: World, draw: int, rounds: int, effort: Effort, work: Path) -> list[dict]:
    """All ways from the same ten labels; the result is kept in the work folder."""
    tag = f"{world.name}_{len(world.training)}_{draw}_{rounds}_{effort.epochs}_{effort.steps}"
    kept = work / f"{tag}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    labels = with_clicks({}, drawn(world, {}, FIRST, np.random.default_rng([draw, 99])))
    model = train(world, labels, draw, effort)
    row = _row(world, "", draw, 0, labels, model)
    print(*row.values(), flush=True)
    rows = [r for way in WAYS for r in loop(world, way, draw, rounds, effort, (labels, model, row))]
    with atomic.replace_file(kept) as part:
        part.write_text(json.dumps(rows))
    return rows


def values(rows: list[dict], set_: str, way: str, number: int) -> dict[int, float]:
    """Average precision by draw."""
    return {r["draw"]: r["ap"] for r in rows if (r["set"], r["way"], r["round"]) == (set_, way, number)}


def difference(rows: list[dict], set_: str, way: str, number: int) -> tuple[float, float]:
    """Mean of `suggested` minus another way over draws, and its standard error (NaN of one draw)."""
    ours, theirs = values(rows, set_, SUGGESTED, number), values(rows, set_, way, number)
    away = [ours[d] - theirs[d] for d in ours if d in theirs]
    return mean(away), stdev(away) / sqrt(len(away)) if len(away) > 1 else float("nan")


def table(rows: list[dict]) -> str:
    """Lay the results out as Markdown."""
    heads = ["set", "clicks", *WAYS, f"{SUGGESTED} − {PICKS}", f"{SUGGESTED} − {PARTICLES}", "draws"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for set_ in dict.fromkeys(r["set"] for r in rows):
        for number in sorted({r["round"] for r in rows if r["set"] == set_}):
            mine = [mean(values(rows, set_, way, number).values()) for way in WAYS]
            cells = [set_, str(FIRST + number * CLICKS), *(f"{ap:.3f}" for ap in mine)]
            for way in (PICKS, PARTICLES):
                away, error = difference(rows, set_, way, number)
                cells.append(
                    "–" if not number else f"{away:+.3f}" + ("" if isnan(error) else f" ± {error:.3f}")
                )
            cells.append(str(len(values(rows, set_, SUGGESTED, number))))
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw_figure(path: Path, rows: list[dict]) -> None:
    """Draw average precision against clicks, one panel a set; bars are standard errors of the mean."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(r["set"] for r in rows))
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2 * len(sets), 3.9), dpi=130, facecolor="white", layout="constrained")
        for panel, set_ in zip(np.atleast_1d(figure.subplots(1, len(sets))), sets, strict=True):
            numbers = sorted({r["round"] for r in rows if r["set"] == set_})
            x = [FIRST + n * CLICKS for n in numbers]
            for way, colour in WAYS.items():
                found = [list(values(rows, set_, way, n).values()) for n in numbers]
                errors = [stdev(f) / sqrt(len(f)) if len(f) > 1 else 0 for f in found]
                panel.errorbar(
                    x, [mean(f) for f in found], errors, color=colour, label=way, capsize=2, **LINE
                )
            panel.set(
                title=set_, xlabel="labels and answers", ylabel="average precision, held-out micrographs"
            )
            panel.set_xticks(x)
            panel.grid(True)
        panel.legend(frameon=False, labelcolor=INK)
        with atomic.replace_file(path) as part:
            figure.savefig(part, format="png")


def write(output: Path, rows: list[dict], words: str, seconds: float) -> None:
    """Write table and figure of what is done so far."""
    about = __doc__.split("\n\n")
    draw_figure(output.with_suffix(".png"), rows)
    output.write_text(
        f"# {about[0]}\n\n{about[1]}\n\n{about[3]}\n\n"
        f"Command: `python benchmarks/labelling_loop.py {words}`, {seconds / 60:.0f} min on a CPU that had "
        f"other work.\n\n![figure]({output.stem}.png)\n\n{table(rows)}\n\n"
        "Differences are means over draws ± their standard error; all ways of a draw begin alike.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=["contaminated", "globular"], choices=list(SETS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--micrographs", type=int, default=2 * TRAINING, help="of a set; half of them train")
    parser.add_argument("--epochs", type=int, help="of each training; as the dock would without it")
    parser.add_argument("--steps", type=int, help="of each epoch")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-labelling-loop"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results/labelling_loop.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    places = {"--work", "--output", str(options.work), str(options.output)}
    words = " ".join(word for word in sys.argv[1:] if word not in places)
    began, rows, effort = time.monotonic(), [], Effort(options.epochs, options.steps)
    worlds = {name: World.make(name, options.micrographs) for name in options.sets}
    for draw in range(1, options.draws + 1):  # all sets in turn, so that an early end has some of each
        for world in worlds.values():
            rows += one_draw(world, draw, options.rounds, effort, options.work)
            write(options.output, rows, words, time.monotonic() - began)
    print(table(rows))


if __name__ == "__main__":
    main()
