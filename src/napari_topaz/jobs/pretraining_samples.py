"""What pretraining learns from: one simulated micrograph from every random world."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_topaz.preprocess import prepare
from napari_topaz.settings import PretrainSettings
from napari_topaz.simulate.worlds import World, random_world
from napari_topaz.training_set import LabelledImage

#: Worlds simulated ahead by each process.
AHEAD = 4
#: Seeds of worlds for tests lie so far from those of worlds to learn from.
FOR_TESTS = 2**31


@dataclass(frozen=True, eq=False)
class Sample:
    """One simulated micrograph with all its particles, preprocessed.

    Attributes
    ----------
    index : int
        Number of its world; below 0 for tests.
    world : World
    image : LabelledImage
    """

    index: int
    world: World
    image: LabelledImage

    @property
    def diameter(self) -> float:
        """Of the particle, in preprocessed pixels."""
        return self.world.preprocess.particle_pixels

    def row(self) -> dict[str, str]:
        """Line of the manifest: what it is, and 16 digits of a digest of its pixels (float32, row by row)."""
        of = self.world.simulate
        return {
            "world": str(self.index),
            "shape": of.shape,
            "diameter_A": f"{of.diameter:.1f}",
            "particle_px": f"{self.diameter:.1f}",
            "dose_e_per_A2": f"{of.dose:.3f}",
            "underfocus_um": f"{of.defocus_low:.2f}",
            "particles": str(len(self.image.positives)),
            "sha256": hashlib.sha256(self.image.prepared.image.tobytes()).hexdigest()[:16],
        }


def sample(settings: PretrainSettings, index: int) -> Sample:
    """Simulate and preprocess the world of that number."""
    seed = settings.seed + (FOR_TESTS if index < 0 else 0)
    world = random_world(seed, abs(index), {settings.without})
    micrograph, truth = world.micrograph()
    prepared = prepare(micrograph, world.preprocess)
    particles = np.asarray(truth.yx / np.array(prepared.step_yx), np.float32)
    return Sample(index, world, LabelledImage(prepared, particles, np.zeros((0, 2), np.float32)))


@contextmanager
def samples(settings: PretrainSettings, indices: Iterable[int], workers: int) -> Iterator[Iterator[Sample]]:
    """Give the samples of these numbers in their order, made by so many processes (this one with 0)."""
    make = partial(sample, settings)
    if workers == 0:
        yield map(make, indices)
        return
    # Spawned: a forked process would inherit torch's threads in whatever state they are.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        yield _in_order(pool, make, iter(indices), AHEAD * workers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, make: partial[Sample], indices: Iterator[int], ahead: int
) -> Iterator[Sample]:
    waiting: deque[Future[Sample]] = deque()
    for index in indices:
        waiting.append(pool.submit(make, index))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
