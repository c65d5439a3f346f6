"""Joining micrographs and labels: priors, held-out micrographs, and what cannot be joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_topaz.masks import Mask
from napari_topaz.numerics.regions import disc_mask, disc_pixels
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.training_set import Ticks, build_training_set, covered_labels, expected_and_prior


def prepared(name: str, shape: tuple[int, int] = (100, 150), factor: float = 4.0) -> Prepared:
    original = (round(shape[0] * factor), round(shape[1] * factor))
    return Prepared(name, np.zeros(shape, np.float32), original, 1.0)


def test_labels_are_scaled_per_axis_and_split_by_kind() -> None:
    image = Prepared("a", np.zeros((100, 150), np.float32), (403, 607), 1.0)
    picks = Picks.labels([(403, 607) / np.array([2, 2])]) + Picks.labels([(40.3, 60.7)], Kind.NOT_PARTICLE)
    made = build_training_set([image], {"a": picks}, diameter=12, expected=10)
    np.testing.assert_allclose(made.images[0].positives, [[50, 75]], rtol=1e-6)
    np.testing.assert_allclose(made.images[0].negatives, [[10, 15]], rtol=1e-6)


def test_the_prior_follows_from_the_expected_number() -> None:
    labels = {"a": Picks.labels([(200, 300)])}
    made = build_training_set([prepared("a")], labels, diameter=12, expected=20, label_radius=3)
    assert made.prior == pytest.approx(20 * 29 / 15_000)
    # What is labelled, and what is ignored round it, is not unlabelled.
    rest = 15_000 - disc_pixels(6)
    assert made.unlabelled_prior(6) == pytest.approx(19 * 29 / rest)
    near = {"a": Picks.labels([(200, 300), (200, 308)])}
    crowded = build_training_set([prepared("a")], near, diameter=12, expected=20, label_radius=3)
    taken = disc_mask((100, 150), np.array([(50, 75), (50, 77)]), (6, 6)).sum()
    assert crowded.unlabelled_prior(6) == pytest.approx(18 * 29 / (15_000 - taken))  # overlaps count once
    from_prior = build_training_set([prepared("a")], labels, diameter=12, prior=made.prior, label_radius=3)
    assert from_prior.expected == pytest.approx(20)
    assert not from_prior.assumed


def test_the_prior_of_the_papers_example() -> None:
    _, prior = expected_and_prior(462 * 480, 12, expected=300, label_radius=3)
    assert prior == pytest.approx(300 * 29 / 221_760)


def test_a_particle_is_labelled_once() -> None:
    """Coordinates that were added twice; a chain of neighbours keeps every other one."""
    places = [(200, 300), (100, 100), (200, 301), (240, 300), (243, 300), (246, 300), (100, 100)]
    found = build_training_set([prepared("a")], {"a": Picks.labels(places)}, diameter=12, expected=20)
    np.testing.assert_allclose(4 * found.images[0].positives, [places[k] for k in (0, 1, 3, 5)])
    assert found.doubled == 3
    assert found.n_labels == 4


def test_an_expected_number_is_assumed_above_the_labels() -> None:
    few = build_training_set([prepared("a")], {"a": Picks.labels([(200, 300)])}, diameter=12)
    assert few.assumed
    assert few.expected == pytest.approx(0.2 * 15_000 / (np.pi * 36))
    crowd = Picks.labels(np.random.default_rng(0).uniform(0, 400, (100, 2)))
    many = build_training_set([prepared("a")], {"a": crowd}, diameter=12)
    assert many.expected > 100
    assert many.unlabelled_prior(6) > 0


@pytest.mark.parametrize(
    ("micrographs", "fraction", "held"),
    [(6, 0.2, 1), (10, 0.25, 2), (3, 0.1, 1), (2, 0.2, 0), (1, 0.5, 0), (5, 0.0, 0), (3, 0.99, 1)],
)
def test_whole_micrographs_are_held_out(micrographs: int, fraction: float, held: int) -> None:
    images = [prepared(f"m{i}") for i in range(micrographs)]
    picks = {i.name: Picks.labels([(100, 100), (200, 200)]) for i in images}
    made = build_training_set(images, picks, diameter=12, expected=9, held_out=fraction, seed=3)
    assert len(made.held_out) == held
    assert {i.prepared.name for i in made.training} == {i.name for i in images} - made.held_out
    assert len(made.validation) == held
    again = build_training_set(images, picks, diameter=12, expected=9, held_out=fraction, seed=3)
    assert again.held_out == made.held_out


@pytest.mark.parametrize(("each", "held"), [(2, 20), (40, 7), (400, 1)])
def test_no_more_labels_are_held_out_than_are_needed(each: int, held: int) -> None:
    images = [prepared(f"m{i}") for i in range(60)]
    spread = np.random.default_rng(0).uniform(0, 400, (each, 2))
    picks = {i.name: Picks.labels(spread) for i in images}
    made = build_training_set(images, picks, diameter=12, expected=1000, held_out=0.5)
    assert len(made.held_out) == held  # a third of the labels, 300 of them, one micrograph


def test_a_micrograph_with_most_of_the_labels_is_never_held_out() -> None:
    images = [prepared(f"m{i}") for i in range(4)]
    picks = {i.name: Picks.labels([(100, 100), (200, 200)]) for i in images}
    picks["m0"] = Picks.labels([(50 * i, 100) for i in range(1, 8)])
    for seed in range(8):
        made = build_training_set(images, picks, diameter=12, expected=30, held_out=0.5, seed=seed)
        assert len(made.held_out) == 2
        assert "m0" not in made.held_out


def test_micrographs_with_negatives_alone_are_never_the_held_out_ones() -> None:
    images = [prepared(f"m{i}") for i in range(4)]
    picks = {i.name: Picks.labels([(100, 100)], Kind.NOT_PARTICLE) for i in images}
    picks["m2"] = Picks.labels([(10, 10)])
    made = build_training_set(images, picks, diameter=12, expected=9, held_out=0.5)
    assert made.held_out == frozenset()
    assert made.n_labels == 1


@pytest.mark.parametrize(
    "picks",
    [
        {},
        {"elsewhere": Picks.labels([(1, 1)])},
        {"a": Picks.labels([(4000, 4000), (-20, 5)])},
        {"a": Picks()},
        {"a": Picks.labels([(9, 9)], Kind.NOT_PARTICLE)},
    ],
)
def test_no_label_inside_any_micrograph_is_said(picks: dict[str, Picks]) -> None:
    with pytest.raises(ValueError, match="No label lies inside"):
        build_training_set([prepared("a")], picks, diameter=12)


def test_what_is_masked_is_neither_labelled_nor_unlabelled() -> None:
    left = np.zeros((2, 2), bool)
    left[:, 0] = True  # 75 of 150 columns, 300 of 600 pixels
    image = replace(prepared("a"), mask=Mask(raster=left))
    picks = Picks.labels([(200, 100), (200, 450)]) + Picks.labels([(100, 290), (100, 310)], Kind.NOT_PARTICLE)
    made = build_training_set([image], {"a": picks}, diameter=12, expected=20, label_radius=3)
    np.testing.assert_allclose(made.images[0].positives, [[50, 112.5]])
    np.testing.assert_allclose(made.images[0].negatives, [[25, 77.5]])
    assert made.prior == pytest.approx(20 * 29 / 7500)
    near = int(disc_mask((100, 150), np.array([[50, 112.5]]), (6, 6)).sum())
    assert made.unlabelled_prior(6) == pytest.approx(19 * 29 / (7500 - near))
    assert covered_labels([image], {"a": picks}) == {"a": 2}
    assumed = build_training_set([image], {"a": picks}, diameter=12)
    assert assumed.expected == pytest.approx(0.2 * 7500 / (np.pi * 36))
    from_prior = build_training_set([image], {"a": picks}, diameter=12, prior=made.prior, label_radius=3)
    assert from_prior.expected == pytest.approx(20)


def test_labels_that_are_all_masked_are_no_labels() -> None:
    image = replace(prepared("a"), mask=Mask(margin=150))
    picks = {"a": Picks.labels([(100, 300)])}
    with pytest.raises(ValueError, match="All labels lie under masks"):
        build_training_set([image], picks, diameter=12)
    # Labels under a mask hold no micrograph out either.
    images = [prepared(f"m{i}") for i in range(3)]
    images[0] = replace(images[0], mask=Mask(margin=150))
    three = {i.name: Picks.labels([(100, 300), (120, 300)]) for i in images}
    made = build_training_set(images, three, diameter=12, expected=9, held_out=0.3)
    assert [i.prepared.name for i in made.images] == ["m1", "m2"]


def test_complete_micrographs_tell_the_expected_number_and_have_nothing_unlabelled() -> None:
    images = [prepared(name) for name in "abcd"]
    five = Picks.labels([(40 * i, 300) for i in range(1, 6)])
    picks = {"a": five, "b": Picks.labels([(200, 300)])}
    ticks = Ticks(complete=frozenset("a"), empty=frozenset("c"))
    made = build_training_set(images, picks, diameter=12, held_out=0, label_radius=3, ticks=ticks)
    assert [(i.prepared.name, i.complete) for i in made.images] == [("a", True), ("b", False), ("c", True)]
    assert (made.expected, made.assumed) == (5, False)
    assert made.prior == pytest.approx((5 + 5 + 0) / 3 * 29 / 15_000)
    assert made.unlabelled_prior(6) == pytest.approx(4 * 29 / (15_000 - disc_pixels(6)))
    given = build_training_set(images, picks, diameter=12, expected=50, held_out=0, ticks=ticks)
    assert given.expected == 50
    everything = Ticks(complete=frozenset("ab"))
    assert (
        build_training_set(images, picks, diameter=12, held_out=0, ticks=everything).unlabelled_prior(6) == 0
    )


def test_more_labels_than_on_a_complete_micrograph_raise_the_expected_number() -> None:
    picks = {"a": Picks.labels([(40, 300)]), "b": Picks.labels([(200, 300), (90, 90), (10, 10)])}
    ticks = Ticks(complete=frozenset("a"))
    assert build_training_set([prepared("a"), prepared("b")], picks, diameter=12, ticks=ticks).expected == 3


def test_a_complete_micrograph_without_labels_is_empty_and_an_empty_one_has_none() -> None:
    images, picks = [prepared(name) for name in "ab"], {"b": Picks.labels([(200, 300)])}
    made = build_training_set(images, picks, diameter=12, ticks=Ticks(complete=frozenset("a")))
    assert made.assumed, "an empty micrograph does not tell how many there are on the others"
    assert made.images[0].complete
    assert len(made.images[0].positives) == 0
    with pytest.raises(ValueError, match=r"b is said to be empty, but has labelled particles \(1\)"):
        build_training_set(images, picks, diameter=12, ticks=Ticks(empty=frozenset("b")))
    with pytest.raises(ValueError, match="No label lies inside"):
        build_training_set(images, {}, diameter=12, ticks=Ticks(complete=frozenset("a")))
