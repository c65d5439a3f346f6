"""One cell of the papers' table: one method, one set of micrographs, one draw of labels → average precision.

Used by papers_table.py. A cell's result is a JSON file whose name ends in a checksum of its settings and of
its set's first micrograph, so that a changed setting is never mistaken for a result that is there already.
The package's code is not in it: take another work folder when that changes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from napari_topaz import Picks, find_micrographs, read_micrograph, read_picks
from napari_topaz.choices import PRESETS
from napari_topaz.events import Job
from napari_topaz.extract import extract
from napari_topaz.files.atomic import replace_file
from napari_topaz.jobs.evaluate import evaluate
from napari_topaz.jobs.pick import picks_of
from napari_topaz.jobs.preparing import PreparedCache, Source
from napari_topaz.jobs.reference_picker import make_picker
from napari_topaz.jobs.train import train
from napari_topaz.jobs.training_inputs import small_diameter
from napari_topaz.micrograph import Micrograph
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    ReferenceSettings,
    SimulateSettings,
    TrainSettings,
)
from napari_topaz.settings.presets import with_preset
from napari_topaz.simulate import simulate
from napari_topaz.training_set import LabelledImage, TrainingSet, build_training_set

#: The papers' objectives; with this ending, with the papers' autoencoder.
OBJECTIVES = ("pn", "nnpu", "ge-kl", "ge-binomial")
AUTOENCODER = "+ae"
#: With this one, too, its error is a mean over the pixels of a region and not their sum (--tune only).
PER_PIXEL, REGION_PIXELS = "-mean", 31 * 31
#: The papers use the autoencoder up to so many labels.
AUTOENCODER_LABELS = 250
#: The decoder draws so many of the 256 regions of a minibatch, chosen at random: all take most of the time.
RECONSTRUCTED = 64
#: What needs no label, and what is trained in another way.
UNTRAINED, TEMPLATE, DEFAULT, DEEPEM = "log", "template", "default", "deepem"
METHODS = (
    *(objective + ending for ending in ("", AUTOENCODER) for objective in OBJECTIVES),
    DEEPEM,
    DEFAULT,
    TEMPLATE,
    UNTRAINED,
)
#: The real set: beta-galactosidase, EMPIAR-10017 (see real_data.py).
REAL, REAL_DIAMETER, REAL_PIXEL_SIZE = "beta-galactosidase", 180.0, 3.54
#: Raise it where the code below changes what a cell means.
VERSION = 1


@dataclass(frozen=True)
class MicrographSet:
    """Where micrographs with known particles come from: simulated (and perhaps inverted), or of a folder."""

    name: str
    settings: SimulateSettings | None = None
    folder: Path | None = None
    inverted: bool = False


@dataclass(frozen=True)
class Cell:
    """What is measured; `labels` is 0 where none are used."""

    set: str
    method: str
    labels: int
    draw: int
    steps: int
    learning_rate: float
    width: int

    def file(self, work: Path, micrographs: MicrographSet) -> Path:
        """Where its result is kept."""
        means = [VERSION, asdict(self), recipe_of(self, 1.0), fingerprint(micrographs)]
        checksum = crc32(json.dumps(means, sort_keys=True, default=str).encode())
        return work / f"{self.set}_{self.method}_{self.labels}_{self.draw}_{checksum:08x}.json"


@dataclass(frozen=True, eq=False)
class World:
    """A set in memory: micrographs to train on and to test on, with their true particles."""

    training: tuple[Source, ...]
    test: tuple[Source, ...]
    truth: dict[str, Picks]
    diameter: float
    pixel_size: float

    @property
    def expected(self) -> float:
        """Mean number of particles per training micrograph."""
        return sum(len(self.truth[s.name]) for s in self.training) / len(self.training)


def fingerprint(micrographs: MicrographSet) -> str:
    """Checksum of the first micrograph and its particles: the code that draws them may change."""
    return f"{_fingerprint(micrographs)}:{micrographs.settings}"


@lru_cache
def _fingerprint(micrographs: MicrographSet) -> str:
    if micrographs.settings is not None:
        micrograph, truth = simulate(micrographs.settings, 0)
        pixels = micrograph.pixels
    else:
        assert micrographs.folder is not None
        file = find_micrographs([micrographs.folder / "micrographs"])[0]
        pixels, truth = read_micrograph(file).pixels, real_truth(micrographs.folder)[file.name]
    return f"{crc32(np.ascontiguousarray(pixels).tobytes()):08x}-{crc32(truth.yx.tobytes()):08x}"


def real_truth(folder: Path) -> dict[str, Picks]:
    """Curated centres of the real set."""
    return dict(read_picks(folder / "picks/labels_cryoppp.star"))


@lru_cache(maxsize=2)
def load(micrographs: MicrographSet) -> World:
    """Simulate or find the micrographs: two of three train (real ones: every other), the rest test."""
    settings = micrographs.settings
    if settings is None:
        assert micrographs.folder is not None
        files = tuple(find_micrographs([micrographs.folder / "micrographs"]))
        truth = real_truth(micrographs.folder)
        return World(files[0::2], files[1::2], truth, REAL_DIAMETER, REAL_PIXEL_SIZE)
    pairs = [simulate(settings, i) for i in range(settings.micrographs)]
    made = tuple(_inverted(micrograph) if micrographs.inverted else micrograph for micrograph, _ in pairs)
    split = round(len(made) * 2 / 3)
    truth = {micrograph.name: picks for micrograph, picks in pairs}
    return World(made[:split], made[split:], truth, settings.diameter, settings.pixel_size)


def _inverted(micrograph: Micrograph) -> Micrograph:
    """Return a micrograph whose particles are bright."""
    return replace(micrograph, pixels=2 * micrograph.pixels.mean() - micrograph.pixels)


@lru_cache(maxsize=1)
def cache() -> PreparedCache:
    """Return the preprocessed micrographs of this process."""
    return PreparedCache(max_bytes=2**28)


def draw_labels(truth: dict[str, Picks], names: Sequence[str], count: int, draw: int) -> dict[str, Picks]:
    """Draw `count` of the particles of these micrographs, or all where there are fewer.

    The draws of one number are nested: the first 10 of 100 are the draw of 10.
    """
    everything = [(name, i) for name in names for i in range(len(truth[name]))]
    order = np.random.default_rng(draw).permutation(len(everything))[:count]
    chosen = sorted(everything[k] for k in order)
    return {
        name: truth[name][np.array([i for _, i in rows])]
        for name, rows in groupby(chosen, key=lambda one: one[0])
    }


def available(method: str) -> bool:
    """Whether this version of the package has the method."""
    return method != DEEPEM or DEEPEM in PRESETS


def cells(
    sets: Sequence[str],
    methods: Sequence[str],
    counts: Sequence[int],
    draws: int,
    steps: int,
    rate: float,
    width: int,
) -> list[Cell]:
    """All cells, a whole draw after the other, so that what is interrupted is a balanced table."""
    found = []
    for draw in range(draws):
        for name in sets:
            for count in counts:
                for method in methods:
                    if AUTOENCODER in method and count > AUTOENCODER_LABELS:
                        continue
                    one = Cell(name, method, count, draw, steps, rate, width)
                    found.append(replace(one, labels=0, draw=0) if method == UNTRAINED else one)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Recipe:
    """Settings of a training."""

    preprocess: PreprocessSettings
    network: NetworkSettings
    train: TrainSettings


def recipe_of(cell: Cell, diameter: float) -> Recipe:
    """Return how a cell is trained.

    The papers' methods: the preset "paper" but for width, number of steps and learning rate with its
    schedule, which are the same for all of them. Preprocessing is the default one for every method, and
    none of them starts from the general model.
    """
    preprocess = PreprocessSettings(diameter=diameter)
    if cell.method == DEFAULT:
        return Recipe(preprocess, NetworkSettings(), TrainSettings(seed=cell.draw, start="random"))
    if cell.method == DEEPEM and available(DEEPEM):
        train_settings = with_preset(DEEPEM, TrainSettings(seed=cell.draw))
        return Recipe(preprocess, with_preset(DEEPEM, NetworkSettings()), train_settings)
    objective = cell.method.removesuffix(PER_PIXEL).removesuffix(AUTOENCODER)
    weight = 10.0 / REGION_PIXELS if cell.method.endswith(PER_PIXEL) else 10.0
    train_settings = TrainSettings(
        objective=objective if objective in OBJECTIVES else OBJECTIVES[0],
        autoencoder=weight if AUTOENCODER in cell.method else 0.0,
        reconstructed=RECONSTRUCTED,
        epochs=1,
        steps=cell.steps,
        learning_rate=cell.learning_rate,
        schedule="cosine",
        seed=cell.draw,
    )
    network = with_preset("paper", NetworkSettings(width=cell.width))
    return Recipe(preprocess, network, with_preset("paper", train_settings))


def run_cell(cell: Cell, micrographs: MicrographSet, work: Path) -> dict:
    """Measure a cell, or return what is kept of an earlier run.

    Raises
    ------
    JobError
        Where nothing can be learnt; nothing is kept then.
    """
    kept = cell.file(work, micrographs)
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    world = load(micrographs)
    names = [s.name for s in world.training]
    labels = draw_labels(world.truth, names, cell.labels, cell.draw)
    clock = time.process_time()
    if cell.method in (UNTRAINED, TEMPLATE):
        picks, prior = pick_by_reference(cell, world, labels), None
    else:
        picks, prior = pick_by_model(cell, world, labels)
    targets = {s.name: world.truth[s.name] for s in world.test}
    found = evaluate(picks, targets, world.diameter / world.pixel_size / 2)
    row = asdict(cell) | {
        "average_precision": found.average_precision,
        "best_f1": found.best_f1,
        "labelled": sum(map(len, labels.values())),
        "particles": round(world.expected * len(names)),
        "prior": prior,
        "seconds": time.process_time() - clock,
    }
    with replace_file(kept) as temporary:
        temporary.write_text(json.dumps(row, indent=1))
    return row


def pick_by_reference(cell: Cell, world: World, labels: dict[str, Picks]) -> dict[str, Picks]:
    """Pick the test micrographs without training."""
    preprocess = preprocess_of(recipe_of(cell, world.diameter), world)
    settings = ReferenceSettings(method=cell.method)
    picker = result_of(make_picker(world.training, preprocess, settings, labels=labels, cache=cache()))
    radius = world.diameter / world.pixel_size / 2
    prepared = [cache().prepare(source, preprocess) for source in world.test]
    return {one.name: extract(picker.score(one), radius) for one in prepared}


def pick_by_model(cell: Cell, world: World, labels: dict[str, Picks]) -> tuple[dict[str, Picks], float]:
    """Train, and pick the test micrographs; returns the π of training, too.

    Unlabelled regions come from all training micrographs, with a label or without.
    """
    recipe = recipe_of(cell, world.diameter)
    preprocess = preprocess_of(recipe, world)
    training_set = training_set_of(world, labels, preprocess, recipe.train)
    model = result_of(train(training_set, preprocess, recipe.train, recipe.network, device="cpu"))
    test = [cache().prepare(source, preprocess) for source in world.test]
    # Down to the lowest score: the whole precision-recall curve is wanted.
    picked = {one.name: picks_of(model.score(one), model, PickSettings(threshold=-1000)) for one in test}
    return picked, training_set.prior


def training_set_of(
    world: World, labels: dict[str, Picks], preprocess: PreprocessSettings, settings: TrainSettings
) -> TrainingSet:
    """Labels, and unlabelled regions of all training micrographs."""
    prepared = [cache().prepare(source, preprocess) for source in world.training]
    training_set = build_training_set(
        prepared,
        labels,
        diameter=small_diameter(prepared[0], preprocess),
        expected=world.expected,
        label_radius=settings.label_radius,
        held_out=settings.held_out,
        seed=settings.seed,
    )
    bare = tuple(unlabelled(one) for one in prepared if one.name not in labels)
    return replace(training_set, images=training_set.images + bare)


def preprocess_of(recipe: Recipe, world: World) -> PreprocessSettings:
    """Return the preprocessing with the set's pixel size."""
    return recipe.preprocess.model_copy(update={"pixel_size": world.pixel_size})


def unlabelled(prepared: Prepared) -> LabelledImage:
    """Return a micrograph without labels."""
    none = np.empty((0, 2), np.float32)
    return LabelledImage(prepared, none, none)


def result_of(job: Job[Any]) -> Any:
    """Run a job to its end."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value
