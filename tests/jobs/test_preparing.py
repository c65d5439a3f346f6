"""The cache of preprocessed micrographs: each once, never another one."""

from __future__ import annotations

import numpy as np

from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.micrograph import Micrograph
from napari_topaz.settings import PreprocessSettings

HALF = PreprocessSettings(downsample=2)


def made(k: int) -> Micrograph:
    return Micrograph(f"m{k}", np.random.default_rng(k).random((40, 60)))


def test_a_micrograph_in_memory_is_prepared_once() -> None:
    cache, one = PreparedCache(), made(0)
    assert cache.prepare(one, HALF) is cache.prepare(one, HALF)
    assert cache.prepare(one, PreprocessSettings(downsample=3)).image.shape == (13, 20)


def test_a_later_micrograph_at_the_same_address_is_another_one() -> None:
    cache = PreparedCache()
    for k in range(30):  # each is gone when the next one is made, which often gets its address
        one = made(k)
        assert cache.prepare(one, HALF).name == one.name
        del one
