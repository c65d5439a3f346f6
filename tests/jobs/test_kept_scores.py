"""Score maps that are kept: with what makes them, and within their bounds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from napari_topaz.jobs.kept_scores import KeptScores, MadeBy
from napari_topaz.jobs.pick import pick, picks_of
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PickSettings, PreprocessSettings
from worlds import run

SHAPE = (240, 320)


def made_by(diameter: float = 40.0, symmetries: str = "none") -> MadeBy:
    return MadeBy(MODEL, PreprocessSettings(diameter=diameter), symmetries)


MODEL = SimpleNamespace()


def prepared(name: str = "a", seed: int = 0) -> Prepared:
    image = np.random.default_rng(seed).normal(1000, 5, (60, 80)).astype(np.float32)
    return Prepared(name, image, SHAPE, 2.0)


def scored(of: Prepared, *, image: bool = True) -> ScoreMap:
    logits = np.random.default_rng(1).normal(0, 3, (15, 20)).astype(np.float32)
    return ScoreMap(of.name, logits, (16.0, 16.0), 1, of.shape, logits + 1, None, of.image if image else None)


def test_scores_come_back_as_they_were_and_images_nearly() -> None:
    kept, a = KeptScores(), prepared()
    kept.put(made_by(), scored(a), 2.0)
    found, size = kept.get(made_by(), "a")
    assert size == 2.0
    np.testing.assert_array_equal(found.logits, scored(a).logits)
    np.testing.assert_array_equal(found.deviations, scored(a).deviations)
    assert found.image.dtype == np.float32
    np.testing.assert_allclose(found.image, a.image, atol=0.02)  # of a standard deviation of 5
    assert kept.get(made_by(), "b") is None
    kept.clear()
    assert kept.names(made_by()) == frozenset()


def test_each_is_made_once_for_a_model_and_its_preprocessing() -> None:
    kept, made = KeptScores(), []

    def ask(how: MadeBy, of: Prepared) -> ScoreMap:
        return kept.of(how, of, lambda: (made.append(of.name), scored(of))[1])

    first = ask(made_by(), prepared())
    assert ask(made_by(), prepared()).image is not first.image  # that of the asker, in full precision
    assert made == ["a"]
    ask(made_by(), prepared("b"))
    assert kept.names(made_by()) == {"a", "b"}
    last = made_by(50.0, "mirrors")
    for other in (made_by(50.0), last, replace(last, model=SimpleNamespace())):
        ask(other, prepared())
        assert kept.names(other) == {"a"}  # those of the one before are forgotten
    assert made == ["a", "b", "a", "a", "a"]
    smaller = replace(prepared(), shape=(120, 160))
    ask(other, smaller)
    assert len(made) == 6


def test_a_map_without_an_image_stays_one() -> None:
    kept, a = KeptScores(), prepared()
    assert kept.of(made_by(), a, lambda: scored(a, image=False)).image is None
    assert kept.of(made_by(), a, lambda: pytest.fail("made twice")).image is None


def test_the_least_recently_used_goes_first() -> None:
    one = 2 * 15 * 20 * 4 + 60 * 80 * 2
    kept = KeptScores(3 * one)
    for name in "abc":
        kept.put(made_by(), scored(prepared(name)), 2.0)
    kept.put(made_by(), scored(prepared("c")), 2.0)  # again: it takes no more room
    assert kept.names(made_by()) == set("abc")
    assert kept.get(made_by(), "a") is not None
    kept.put(made_by(), scored(prepared("d")), 2.0)
    assert kept.names(made_by()) == set("acd")
    KeptScores(one - 1).put(made_by(), scored(prepared("a")), 2.0)  # too small for any: no error


def test_scores_are_kept_while_many_are_picked_and_other_distances_follow(world, model) -> None:
    kept, how = KeptScores(), MadeBy(model, model.card.preprocess, "none")
    near = PickSettings(symmetries="none", threshold=-1000.0)
    run(pick(world.files[:2], model, near, device="cpu", scored=partial(kept.put, how)))
    assert kept.names(how) == {"mic_0", "mic_1"}
    far = near.model_copy(update={"suppression_radius": 150.0, "margin": 60.0})
    _, wanted = run(pick(world.files[:2], model, far, device="cpu"))
    for name, picks in wanted.items():
        score_map, pixel_size = kept.get(how, name)
        again = picks_of(score_map, model, far, pixel_size=pixel_size)
        assert len(picks) > 1
        np.testing.assert_array_equal(again.yx, picks.yx)
        np.testing.assert_array_equal(again.scores, picks.scores)
