"""Does it pay to answer the suggested questions? A scripted user labels simulated sets of known truth.

Six of a set's micrographs are labelled and trained on, others are never labelled and judge. A draw begins
with ten labels: particles drawn at random. A model is trained as the program does by default, from the
general model; the user makes ten clicks, each answered from the truth; a model is trained anew from all
labels, with the same seed, and so on. What the clicks are about differs, all else is paired. `suggested`: the
questions of `napari_topaz.jobs.queries` (the dock's *Ask me*); `random picks`: picks of the model above its
threshold, drawn at random, answered yes or no; `random particles`: particles at random, clicked at their
centres, as a user does who looks at pictures alone.

    python benchmarks/labelling_loop.py [--sets contaminated noisy] [--ways …] [--draws 3] [--rounds 2]

Average precision (AP) is that of all peaks on the micrographs that judge. A candidate is a particle where
the centre of one lies within a third of the diameter. Criteria were chosen on sets of other seeds
(--development).

Every training is a cell that is kept in the work folder and not repeated: a run that was stopped goes on.
Writes benchmarks/results/labelling_loop.md and .png (labelling_loop_development.md) after each draw.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean
from zlib import crc32

# Before torch is imported: threads of two processes wait for one another.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import numpy as np
from labelling_loop_report import write
from labelling_loop_ways import HIT, WAYS, Click, Situation, random_particles, result_of
from scipy.spatial import cKDTree
from sets import SETS

from napari_topaz.files import atomic
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.pick import pick
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.jobs.train import train_on_files
from napari_topaz.micrograph import Micrograph
from napari_topaz.model.picker import PickerModel
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PickSettings, PreprocessSettings, TrainSettings
from napari_topaz.simulate import simulate as simulate_one

TRAINING = 6
FIRST = 10
#: What the seeds of the sets for development are more than those that are reported.
DEVELOPMENT = 1000
#: All peaks, whatever their score; as the dock takes them.
EVERY = PickSettings(threshold=-1000.0)
#: A candidate this close to a label (in diameters) is none any more, as in the dock.
TAKEN = 1 / 2
START = "start"
HERE = Path(__file__).parent


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
    def make(cls, name: str, micrographs: int, *, development: bool = False) -> World:
        seed = SETS[name].seed + (DEVELOPMENT if development else 0)
        settings = SETS[name].model_copy(update={"seed": seed})
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
class Plan:
    """What all cells of a run share."""

    work: Path
    clicks: int
    rounds: int
    epochs: int | None
    steps: int | None
    development: bool


def train(world: World, labels: dict[str, Picks], seed: int, plan: Plan) -> PickerModel:
    """Train on all labels, as the program does by default."""
    given = {k: v for k, v in (("epochs", plan.epochs), ("steps", plan.steps)) if v is not None}
    settings = TrainSettings(expected=world.expected, seed=seed, **given)
    preprocess = PreprocessSettings(diameter=SETS[world.name].diameter)
    job = train_on_files(world.training, labels, preprocess, settings, device="cpu", cache=world.cache)
    return result_of(job)


def candidates_of(world: World, model: PickerModel, labels: dict[str, Picks]) -> dict[str, Picks]:
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


def judged(world: World, model: PickerModel) -> dict:
    """Average precision on the micrographs that are never labelled, and F1 at the model's threshold."""
    found = result_of(pick(world.test, model, EVERY, device="cpu"))
    targets = {m.name: world.truth[m.name] for m in world.test}
    result = evaluate(found, targets, world.diameter / 2)
    at = result.curve.index_at(model.card.threshold)
    return {"ap": result.average_precision, "f1": 0.0 if at is None else float(result.curve.f()[at])}


def with_clicks(labels: dict[str, Picks], new: Sequence[Click]) -> dict[str, Picks]:
    """Add labels."""
    grown = dict(labels)
    for name, yx, kind in new:
        grown[name] = grown.get(name, Picks()) + Picks.labels(yx, kind)
    return grown


@dataclass(frozen=True, eq=False)
class State:
    """Labels, the model that learnt from them, and what is reported."""

    world: World
    labels: dict[str, Picks]
    model: PickerModel
    row: dict

    @cached_property
    def candidates(self) -> dict[str, Picks]:
        """What can be asked about."""
        return candidates_of(self.world, self.model, self.labels)

    def save(self, file: Path) -> None:
        """Keep it; the JSON file comes last."""
        labels = {n: [p.yx.tolist(), p.kinds.tolist()] for n, p in self.labels.items()}
        self.model.save(file.with_suffix(".safetensors"))
        with atomic.replace_file(file) as part:
            part.write_text(json.dumps({"row": self.row, "labels": labels}))

    @classmethod
    def load(cls, world: World, file: Path) -> State:
        kept = json.loads(file.read_text())
        labels = {n: Picks(np.array(yx), kinds=np.array(kinds)) for n, (yx, kinds) in kept["labels"].items()}
        return cls(world, labels, PickerModel.load(file.with_suffix(".safetensors")), kept["row"])


def cell(world: World, way: str, draw: int, number: int, before: State | None, plan: Plan) -> State:
    """Click and train, or return what is kept of an earlier run."""
    what = [world.name, plan.development, len(world.training), plan.epochs, plan.steps, draw]
    what += [] if before is None else [way, plan.clicks, number]
    kept = plan.work / f"{world.name}_{way.replace(' ', '-')}_{draw}_{number}_{_checksum(what):08x}.json"
    if kept.exists():
        return State.load(world, kept)
    clock = time.process_time()
    rng = np.random.default_rng([draw, number, crc32(way.encode())])
    if before is None:
        now = Situation(world, None, {}, {}, rng)  # type: ignore[arg-type]
        new = random_particles(now, FIRST)
        labels = with_clicks({}, new)
    else:
        now = Situation(world, before.model, before.labels, before.candidates, rng)
        new = WAYS[way](now, plan.clicks)
        labels = with_clicks(before.labels, new)
    model = train(world, labels, draw, plan)
    row = {"set": world.name, "way": way, "draw": draw, "round": number, "clicks": plan.clicks}
    row |= {"yes": sum(kind == Kind.PARTICLE for *_, kind in new), "asked": len(new)}
    row |= judged(world, model) | {"seconds": time.process_time() - clock}
    state = State(world, labels, model, row)
    state.save(kept)
    print(*(f"{v:.4f}" if isinstance(v, float) else v for v in row.values()), flush=True)
    return state


def _checksum(what: list) -> int:
    return crc32(json.dumps(what).encode())


def one_draw(world: World, draw: int, ways: Sequence[str], plan: Plan) -> list[dict]:
    """All ways from the same ten labels."""
    start = cell(world, START, draw, 0, None, plan)
    rows = []
    for way in ways:
        state = start
        rows.append(start.row | {"way": way})
        for number in range(1, plan.rounds + 1):
            state = cell(world, way, draw, number, state, plan)
            rows.append(state.row)
    return rows


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=["contaminated", "noisy", "crowded"], choices=list(SETS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS)[:3], choices=list(WAYS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first-draw", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clicks", type=int, default=10, help="of a round")
    parser.add_argument("--micrographs", type=int, default=10, help="of a set; the first six at most train")
    parser.add_argument("--epochs", type=int, help="of each training; as the program would without it")
    parser.add_argument("--steps", type=int, help="of each epoch")
    parser.add_argument("--development", action="store_true", help="sets of other seeds")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "napari-topaz-labelling-loop"
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(words)
    name = "labelling_loop_development.md" if options.development else "labelling_loop.md"
    options.output = options.output or HERE / "results" / name
    return options


def main(words: Sequence[str] | None = None) -> None:
    options = parse(words)
    options.work.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        options.work, options.clicks, options.rounds, options.epochs, options.steps, options.development
    )
    worlds = {
        name: World.make(name, options.micrographs, development=options.development) for name in options.sets
    }
    rows: list[dict] = []
    given = sys.argv[1:] if words is None else list(words)
    for draw in range(options.first_draw, options.first_draw + options.draws):
        for world in worlds.values():  # all sets in turn, so that an early end has some of each
            rows += one_draw(world, draw, options.ways, plan)
            write(options.output, rows, options.ways, given, __doc__ or "")


if __name__ == "__main__":
    main()
