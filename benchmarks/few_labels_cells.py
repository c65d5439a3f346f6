"""One cell of few_labels.py: one recipe, one set, one draw of labels → average precision over seconds.

What is known of a set, how labels are drawn, and how a result is kept are those of papers_cells.py.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import peer
from papers_cells import (
    MicrographSet,
    World,
    cache,
    draw_labels,
    fingerprint,
    load,
    preprocess_of,
    training_set_of,
)
from papers_cells import Recipe as Settings
from papers_cells import run_cell as run_reference

from napari_topaz import MicrographFile, Picks
from napari_topaz.events import EpochDone
from napari_topaz.files import write_mrc
from napari_topaz.files.atomic import replace_file
from napari_topaz.jobs.evaluate import Evaluation, evaluate
from napari_topaz.jobs.pick import load_model, picks_of
from napari_topaz.jobs.train import train
from napari_topaz.micrograph import Micrograph
from napari_topaz.model.general import WEIGHTS
from napari_topaz.model.picker import PickerModel
from napari_topaz.settings import NetworkSettings, PickSettings, PreprocessSettings, TrainSettings

#: Raise it where the code below changes what a cell means.
VERSION = 1
OURS, PEER, REFERENCE = "ours", "peer", "reference"
#: How the seconds of the peer's models were found.
ACCOUNT, CLOCK = "the process's own account", "a share of the clock"
#: The peer's training: models after 50, 100, … 500 steps, of which these are judged.
PEER_EPOCHS, PEER_STEPS, PEER_JUDGED = 10, 50, (50, 100, 250, 500)


@dataclass(frozen=True)
class Recipe:
    """How particles are found.

    Attributes
    ----------
    title : str
        For people.
    who : str
        OURS, PEER or REFERENCE.
    counts : tuple of int
        Numbers of labels it is measured with.
    weights : str
        What training starts from, and what picks without labels: of OURS "given" (--weights) or ""; of the
        PEER the name of a network that comes with it, or "".
    changes : mapping
        Of our training settings.
    """

    title: str
    who: str
    counts: tuple[int, ...]
    weights: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_weights(self) -> bool:
        return self.who == OURS and bool(self.weights)


GIVEN = "given"
TRAINED = (10, 30, 100)
RECIPES: dict[str, Recipe] = {
    "ours": Recipe("napari-topaz, from its weights", OURS, (0, *TRAINED), GIVEN),
    "ours-scratch": Recipe("napari-topaz, from scratch", OURS, TRAINED, changes={"start": "random"}),
    "peer": Recipe("Topaz, from its resnet8", PEER, (0, *TRAINED), peer.SHIPPED),
    "peer-scratch": Recipe("Topaz, resnet8 from scratch", PEER, TRAINED),
    "peer-resnet16": Recipe("Topaz, its resnet16 as it is", PEER, (0,), peer.SHIPPED_LARGE),
    "log": Recipe("LoG blobs", REFERENCE, (0,)),
}
#: Cells of the peer in the order of what they tell: minutes each.
PEER_ORDER = (("peer", 10), ("peer", 100), ("peer-scratch", 100), ("peer", 30), ("peer-scratch", 10))


@dataclass(frozen=True)
class Cell:
    """What is measured. `weights` is the file that "ours" starts from."""

    set: str
    method: str
    labels: int
    draw: int
    steps: int = PEER_EPOCHS * PEER_STEPS
    weights: str = ""

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.method]

    def file(self, work: Path, micrographs: MicrographSet) -> Path:
        """Where its result is kept."""
        settings = settings_of(self, 1.0) if self.recipe.who == OURS else (PEER_STEPS, PEER_JUDGED)
        of = asdict(self) | {"weights": checksum_of(self.weights)}
        means = [VERSION, of, asdict(self.recipe), settings, fingerprint(micrographs)]
        checksum = crc32(json.dumps(means, sort_keys=True, default=str).encode())
        return work / f"few_{self.set}_{self.method}_{self.labels}_{self.draw}_{checksum:08x}.json"


@lru_cache
def checksum_of(path: str) -> str:
    return f"{crc32(Path(path).read_bytes()):08x}" if path else ""


def cells(
    sets: Sequence[str],
    methods: Sequence[str],
    counts: Sequence[int],
    draws: int,
    *,
    steps: int = PEER_EPOCHS * PEER_STEPS,
    weights: str = "",
) -> list[Cell]:
    """All cells; of each draw those that tell most for their time first.

    What takes seconds (no labels) and then what takes a minute (ours) comes before the peer's training; of
    that, :data:`PEER_ORDER`. Without labels there is one draw.
    """
    found = [
        Cell(name, method, count, draw, steps if recipe.who == PEER else 0, weights * recipe.needs_weights)
        for draw in range(draws)
        for count in counts
        for method, recipe in RECIPES.items()
        if method in methods and count in recipe.counts and (weights or not recipe.needs_weights)
        for name in sets
        if count or not draw
    ]
    return sorted(found, key=_rank)


def _rank(cell: Cell) -> tuple[int, int, int]:
    trained = cell.recipe.who == PEER and cell.labels > 0
    # All draws of what is fast, then a draw of the peer after the other.
    order = PEER_ORDER.index((cell.method, cell.labels)) if (cell.method, cell.labels) in PEER_ORDER else 99
    return (cell.draw + 1, order, 0) if trained else (0, int(cell.labels > 0), cell.draw)


def settings_of(cell: Cell, diameter: float) -> Settings:
    """Return the settings of a training of ours."""
    preprocess = PreprocessSettings(diameter=diameter)
    return Settings(preprocess, NetworkSettings(), TrainSettings(seed=cell.draw, **cell.recipe.changes))


def run_cell(cell: Cell, micrographs: MicrographSet, work: Path) -> dict:
    """Measure a cell, or return what is kept of an earlier run.

    Returns
    -------
    dict
        With `curve`: (seconds, step, average precision, best F1) of each model that was judged. The last one,
        repeated in `average_precision` and `best_f1`, is what the training ends with.

    Raises
    ------
    JobError, CommandFailedError
        Where nothing can be learnt; nothing is kept then.
    """
    kept = cell.file(work, micrographs)
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    world = load(micrographs)
    names = [s.name for s in world.training]
    labels = draw_labels(world.truth, names, cell.labels, cell.draw) if cell.labels else {}
    if cell.recipe.who == REFERENCE:
        row = run_reference_cell(cell, micrographs, work)
    elif cell.recipe.who == PEER:
        row = run_peer(cell, micrographs, world, labels, work)
    else:
        row = run_ours(cell, world, labels)
    last = row["curve"][-1]
    row = asdict(cell) | row | {"seconds": last[0], "average_precision": last[2], "best_f1": last[3]}
    row["labelled"] = sum(map(len, labels.values()))
    row["weights"] = Path(cell.weights).name
    with replace_file(kept) as temporary:
        temporary.write_text(json.dumps(row, indent=1))
    return row


def judged(picks: Mapping[str, Picks], world: World) -> Evaluation:
    """Compare picks of the test micrographs with their particles."""
    targets = {s.name: world.truth[s.name] for s in world.test}
    return evaluate(dict(picks), targets, world.diameter / world.pixel_size / 2)


def run_reference_cell(cell: Cell, micrographs: MicrographSet, work: Path) -> dict:
    """Pick without anything learnt, as in the papers' table."""
    from papers_cells import Cell as PapersCell

    # Steps, learning rate and width say nothing here, but must be allowed.
    row = run_reference(PapersCell(cell.set, cell.method, 0, 0, 1, 1e-2, 1), micrographs, work)
    return {"curve": [(0.0, 0, row["average_precision"], row["best_f1"])], "cpu": row["seconds"]}


def run_ours(cell: Cell, world: World, labels: dict[str, Picks]) -> dict:
    """Train, and judge the model after each epoch; without labels judge the weights as they are."""
    begun = time.process_time()
    settings = settings_of(cell, world.diameter)
    preprocess = preprocess_of(settings, world)
    # The general model is where training starts from by itself.
    given = cell.weights and cell.weights != str(WEIGHTS)
    start = load_model(cell.weights, device="cpu") if given else None
    if not cell.labels:
        start = load_model(cell.weights, device="cpu")
        curve = [point(0.0, 0, start.with_card(preprocess=preprocess), world)]
        return {"curve": curve, "cpu": time.process_time() - begun}
    training_set = training_set_of(world, labels, preprocess, settings.train)
    models: list[tuple[float, int, PickerModel]] = []
    clock = time.process_time()
    network = None if start else settings.network
    job = train(training_set, preprocess, settings.train, network, device="cpu", start=start)
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            model = end.value
            break
        if isinstance(event, EpochDone):
            models.append((time.process_time() - clock, event.step, event.model))
    models.append((time.process_time() - clock, models[-1][1], model))
    cpu = time.process_time() - begun
    return {"curve": [point(*one, world) for one in models], "cpu": cpu, "prior": training_set.prior}


def point(seconds: float, step: int, model: PickerModel, world: World) -> tuple[float, int, float, float]:
    """Judge a model of ours."""
    test = [cache().prepare(source, model.card.preprocess) for source in world.test]
    # Down to the lowest score: the whole precision-recall curve is wanted.
    picks = {one.name: picks_of(model.score(one), model, PickSettings(threshold=-1000)) for one in test}
    found = judged(picks, world)
    return seconds, step, found.average_precision, found.best_f1


def run_peer(
    cell: Cell, micrographs: MicrographSet, world: World, labels: dict[str, Picks], work: Path
) -> dict:
    """Train the peer, and let it pick with its models after some steps."""
    prepared = peer_micrographs(micrographs, world, work)
    step_yx = steps_of(prepared)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not cell.labels:
            return {"curve": [peer_point(0.0, 0, cell.recipe.weights, prepared, world, folder)], "cpu": 0.0}
        peer.write_targets(folder / "targets.txt", labels, step_yx)
        training = peer.Training(
            world.expected, bool(cell.recipe.weights), cell.steps // PEER_STEPS, PEER_STEPS, seed=cell.draw
        )
        snapshots, whole = peer.train(
            prepared / "training", folder / "targets.txt", folder / "models", training, threads=1
        )
        chosen = [s for s in snapshots if s.step in PEER_JUDGED or s is snapshots[-1]]
        curve = [peer_point(s.seconds, s.step, s.path, prepared, world, folder) for s in chosen]
    return {"curve": curve, "cpu": whole.cpu, "timed": ACCOUNT if whole.history else CLOCK}


def peer_point(
    seconds: float, step: int, model: str | Path, prepared: Path, world: World, folder: Path
) -> tuple[float, int, float, float]:
    """Let the peer pick the test micrographs, and judge that."""
    step_yx = steps_of(prepared)
    radius = world.diameter / world.pixel_size / 2 / step_yx[0]
    files = sorted((prepared / "test").glob("*.mrc"))
    picks, _ = peer.extract(model, files, radius, folder / "picks.txt", threads=1)
    found = judged({name: p.rescaled(step_yx) for name, p in picks.items()}, world)
    return seconds, step, found.average_precision, found.best_f1


def peer_micrographs(micrographs: MicrographSet, world: World, work: Path) -> Path:
    """Folder with the set as the peer preprocesses it, in training/ and test/; made once.

    Its downsampling factor is a whole number: the nearest to ours.
    """
    mark = crc32(fingerprint(micrographs).encode())
    folder = work / f"peer_{micrographs.name}_{peer_factor(world)}_{mark:08x}"
    if folder.is_dir():
        return folder
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        made = Path(name)
        for part, sources in (("training", world.training), ("test", world.test)):
            files = [_file_of(source, made / "raw", world) for source in sources]
            (made / part).mkdir()
            peer.preprocess(files, made / part, peer_factor(world), threads=1)
        shape = tuple(world_shape(world))
        (made / "shape.json").write_text(json.dumps(shape))
        shutil.rmtree(made / "raw", ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
        else:
            made.mkdir()  # for the end of the context
    return folder


def peer_factor(world: World) -> int:
    """Return the whole factor by which the peer downsamples."""
    ours = world.diameter / world.pixel_size / PreprocessSettings().particle_pixels
    return max(1, round(ours))


def _file_of(source: MicrographFile | Micrograph, folder: Path, world: World) -> Path:
    if isinstance(source, MicrographFile):
        return source.path
    folder.mkdir(exist_ok=True)
    path = folder / f"{source.name}.mrc"
    write_mrc(path, source.pixels, world.pixel_size)
    return path


def world_shape(world: World) -> tuple[int, int]:
    """(height, width) of the micrographs of a set."""
    source = world.training[0]
    return cache().prepare(source, PreprocessSettings(downsample=8.0)).shape


def steps_of(prepared: Path) -> tuple[float, float]:
    """Pixels of the micrograph per pixel of what the peer made of it (y, x)."""
    import mrcfile

    height, width = json.loads((prepared / "shape.json").read_text())
    small = mrcfile.read(next((prepared / "training").glob("*.mrc"))).shape
    return height / small[0], width / small[1]


def reached(curve: Sequence[Sequence[float]], average_precision: float) -> float:
    """Seconds until a judged model is at least this good; infinite where none is."""
    return min((p[0] for p in curve if p[2] >= average_precision), default=float("inf"))
