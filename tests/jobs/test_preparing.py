"""The cache of preprocessed micrographs: each once, never another one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_topaz.events import MicrographDone, Started, Warned
from napari_topaz.files import read_micrograph
from napari_topaz.jobs.preparing import (
    PreparedCache,
    not_normalised,
    prepare_all,
    prepare_dataset,
    prepare_source,
)
from napari_topaz.jobs.preprocess import preprocess
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.numerics.normalise import normalise
from napari_topaz.settings import PreprocessSettings
from napari_topaz.settings.fitted import FittedPreprocess
from worlds import run

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


DATASET = PreprocessSettings(downsample=2, normalise="gmm-dataset", clip=0)
SCALES = (0.7, 1.0, 1.3)


def bright(k: int, centre: float = 50.0) -> Micrograph:
    pixels = np.random.default_rng(k).normal(centre, 5, (120 + 20 * k, 160))
    pixels[:, :16] -= 15
    return Micrograph(f"m{k}", (SCALES[k] * pixels).astype(np.float32), 2.0)


@pytest.mark.parametrize("cached", [True, False])
def test_a_dataset_is_fitted_once_and_each_micrograph_is_prepared_alike_alone(cached: bool) -> None:
    cache = PreparedCache() if cached else None
    sources = [bright(k) for k in range(3)]
    events, (prepared, fitted) = run(prepare_dataset(sources, DATASET, cache=cache))
    assert isinstance(fitted, FittedPreprocess)
    assert fitted.mixture.micrographs == 3
    assert not [e for e in events if isinstance(e, Warned)]
    for one, source in zip(prepared, sources, strict=True):
        assert one.image[:, 12:].mean() == pytest.approx(0, abs=0.05), "the ice of each"
        np.testing.assert_array_equal(prepare_source(source, fitted).image, one.image)
        raw = prepare_source(source, not_normalised(DATASET)).image
        expected = normalise(raw, "gmm-dataset", fitted.mixture).image
        np.testing.assert_array_equal(one.image, expected)
        assert not np.array_equal(expected, normalise(raw, "gmm-dataset").image), "of all, not of itself"
        if cache is not None:
            np.testing.assert_array_equal(cache.prepare(source, fitted).image, one.image)
    _, again = run(prepare_all(sources, DATASET, cache=cache))
    np.testing.assert_array_equal(again[2].image, prepared[2].image)
    _, (kept, same) = run(prepare_dataset(sources[:1], fitted))
    assert same is fitted, "what is fitted already stays"
    np.testing.assert_array_equal(kept[0].image, prepared[0].image)


def test_a_cache_reads_once_for_all_fits() -> None:
    cache, sources = PreparedCache(), [bright(k) for k in range(2)]
    raw = cache.prepare(sources[0], not_normalised(DATASET))
    _, (_, fitted) = run(prepare_dataset(sources, DATASET, cache=cache))
    cache.prepare(sources[0], fitted)
    assert cache.prepare(sources[0], not_normalised(DATASET)) is raw
    assert (raw.image > 10).all(), "what is kept is not normalised in place"


def test_micrographs_centred_on_zero_are_told() -> None:
    events, (_, fitted) = run(prepare_dataset([bright(k, 0.0) for k in range(3)], DATASET))
    assert isinstance(fitted, FittedPreprocess)
    assert fitted.mixture.by_rms
    (warning,) = (e.message for e in events if isinstance(e, Warned))
    assert "root mean squares" in warning


def test_a_broken_micrograph_is_left_out_of_the_dataset() -> None:
    broken = Micrograph("broken", np.full((40, 60), np.nan))
    events, (prepared, fitted) = run(prepare_dataset([bright(0), broken, bright(1)], DATASET))
    assert [p.name for p in prepared] == ["m0", "m1"]
    assert isinstance(fitted, FittedPreprocess)
    assert fitted.mixture.micrographs == 2
    assert [e.message[:18] for e in events if isinstance(e, Warned)] == ["broken is left out"]
    _, (nothing, settings) = run(prepare_dataset([broken], DATASET))
    assert (nothing, settings) == ([], DATASET)


def test_other_normalisations_see_one_micrograph_at_a_time() -> None:
    _, (prepared, settings) = run(prepare_dataset([bright(0), bright(1)], HALF))
    assert settings is HALF
    np.testing.assert_array_equal(prepared[1].image, prepare_source(bright(1), HALF).image)


def test_preprocessed_files_share_one_mixture(tmp_path: Path) -> None:
    sources = [bright(k) for k in range(3)]
    broken = Micrograph("broken", np.full((40, 60), np.nan))
    events, paths = run(preprocess([*sources, broken], DATASET, tmp_path))
    _, (prepared, _) = run(prepare_dataset(sources, DATASET))
    for path, one in zip(paths, prepared, strict=True):
        np.testing.assert_array_equal(read_micrograph(MicrographFile(path)).pixels, one.image)
    assert [e.name for e in events if isinstance(e, MicrographDone)] == ["m0", "m1", "m2", "broken"]
    assert [e.what for e in events if isinstance(e, Started)] == ["Fitting", "Preprocessing"]


def test_forgetting_does_not_add_up_all_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []

    class Image:
        @property
        def nbytes(self) -> int:
            asked.append(None)
            return 100

    monkeypatch.setattr(
        "napari_topaz.jobs.preparing.prepare_source", lambda source, how: SimpleNamespace(image=Image())
    )
    cache, sources = PreparedCache(max_bytes=2000), [made(k) for k in range(60)]
    for source in sources:
        cache.prepare(source, HALF)
    assert len(cache._kept) == 20
    assert len(asked) == 100  # once when it comes, once when it goes
    assert cache.prepare(sources[-20], HALF) is cache.prepare(sources[-20], HALF)
