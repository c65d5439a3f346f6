"""Sampling: tiles and patches are cut where their labels say they are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.model import sampling  # noqa: E402
from napari_topaz.model.networks import build  # noqa: E402
from napari_topaz.model.training import (  # noqa: E402
    BOXES,
    ENOUGH_LABELS,
    TILES,
    as_labels,
    draw_boxes,
    draw_patches,
    draw_tiles,
    drawing_of,
    train_steps,
)
from napari_topaz.preprocess import Prepared  # noqa: E402
from napari_topaz.settings import NetworkSettings, TrainSettings  # noqa: E402
from napari_topaz.training_set import LabelledImage  # noqa: E402

CPU = torch.device("cpu")


def labelled(shape: tuple[int, int], positives: list, negatives: list = (), seed: int = 0) -> LabelledImage:
    pixels = np.random.default_rng(seed).normal(size=shape).astype("f4")
    for y, x in positives:
        pixels[round(y), round(x)] = 100.0
    as_array = [np.asarray(p, np.float32).reshape(-1, 2) for p in (positives, negatives)]
    return LabelledImage(Prepared(f"m{seed}", pixels, shape, 1.0), *as_array)


def test_a_disc_of_radius_three_has_29_positive_regions() -> None:
    classes = sampling.region_classes(labelled((50, 40), [(20, 17)], [(40, 8)]), 3, 8)
    assert (classes == sampling.POSITIVE).sum() == 29
    assert (classes == sampling.NEGATIVE).sum() == 29
    assert classes[20, 25] == sampling.IGNORED
    assert classes[20, 26] == sampling.UNLABELLED
    # Labels at and beyond a corner are cut off, not wrapped.
    edge = sampling.region_classes(labelled((50, 40), [(0, 39)]), 3, 3)
    assert (edge == sampling.POSITIVE).sum() == 11
    assert (edge[:, :30] == sampling.UNLABELLED).all()


def test_masked_regions_are_never_drawn_from() -> None:
    hidden = np.zeros((50, 40), bool)
    hidden[:, :10] = hidden[20, 17] = True
    image = replace(labelled((50, 40), [(20, 17)], [(40, 8), (40, 30)]), masked=hidden)
    classes = sampling.region_classes(image, 3, 8)
    assert (classes[hidden] == sampling.MASKED).all()
    assert (classes == sampling.POSITIVE).sum() == 28
    regions = sampling.Regions.from_images([image], 3, 8, CPU)
    taken = torch.tensor(hidden.ravel())
    for drawn in (regions.unlabelled_pixels.long(), regions.negative_pixels, regions.positive_pixels):
        assert not taken[drawn].any()


def test_cut_tiles_show_what_their_classes_say() -> None:
    images = [labelled((60, 90), [(30, 40)], seed=1), labelled((81, 50), [(9, 9), (70, 44)], seed=2)]
    regions = sampling.Regions.from_images(images, 0.5, 0.5, CPU)
    generator = torch.Generator().manual_seed(0)
    centres = regions.random_labels(64, 6, generator, "positives")
    turns = sampling.eight_symmetries(CPU)[torch.arange(64) % 8]
    tiles, classes = regions.cut(centres, turns, outputs=13, stride=2, field=5)
    assert tiles.shape == (64, 1, 29, 29)
    assert classes.shape == (64, 13, 13)
    seen = tiles[:, 0, 2:-2:2, 2:-2:2] == 100.0
    assert seen.any()
    assert torch.equal(seen, classes == sampling.POSITIVE)


def test_bilinear_cuts_at_right_angles_equal_exact_ones() -> None:
    regions = sampling.Regions.from_images([labelled((60, 90), [(30, 40)])], 2, 4, CPU)
    centres = torch.tensor([[0.0, 30, 40], [0, 2, 88], [0, 59, 0]])
    turns = sampling.eight_symmetries(CPU)[[1, 5, 6]]
    exact, _ = regions.cut(centres, turns, 1, 4, 31)
    smooth, _ = regions.cut(centres, turns, 1, 4, 31, smooth=True)
    torch.testing.assert_close(exact, smooth)


def test_pixels_beyond_an_edge_are_reflected() -> None:
    image = labelled((40, 30), [(5, 5)])
    regions = sampling.Regions.from_images([image], 2, 4, CPU)
    tiles, _ = regions.cut(torch.tensor([[0.0, 0, 29]]), torch.eye(2)[None], 1, 4, 21)
    expected = np.pad(image.prepared.image, 10, mode="reflect")[:21, 29:50]
    np.testing.assert_array_equal(tiles[0, 0].numpy(), expected)


def test_the_eight_symmetries_are_different_and_orthogonal() -> None:
    turns = sampling.eight_symmetries(CPU)
    assert len({tuple(t.flatten().tolist()) for t in turns}) == 8
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(2).expand(8, 2, 2))
    rotations = sampling.random_rotations(200, torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotations @ rotations.transpose(1, 2), torch.eye(2).expand(200, 2, 2))
    assert 60 < (torch.linalg.det(rotations) < 0).sum() < 140


def test_every_pixel_is_drawn_alike() -> None:
    images = [labelled((20, 30), [(5, 5)], seed=1), labelled((40, 30), [(5, 5)], seed=2)]
    regions = sampling.Regions.from_images(images, 1, 1, CPU)
    drawn = regions.random_anywhere(30_000, torch.Generator().manual_seed(3))
    assert (drawn[:, 0] == 1).float().mean().item() == pytest.approx(2 / 3, abs=0.02)
    second = drawn[drawn[:, 0] == 1]
    assert second[:, 1].max() == 39
    assert second[:, 2].max() == 29
    assert second[:, 1].mean().item() == pytest.approx(19.5, abs=0.3)


def test_minibatches_have_the_classes_that_they_should() -> None:
    network = build(NetworkSettings())
    images = [labelled((120, 150), [(60, 40), (30, 100)], [(90, 120)])]
    regions = sampling.Regions.from_images(images, 2.5, 9, CPU)
    generator = torch.Generator().manual_seed(0)
    tiles = draw_tiles(regions, network, generator)
    assert network(tiles.images).shape == tiles.classes.shape == (16, 16, 16)
    for value in (sampling.POSITIVE, sampling.NEGATIVE, sampling.UNLABELLED, sampling.IGNORED):
        assert (tiles.classes == value).any()
    patches = draw_patches(regions, network, generator)
    assert network(patches.images).shape == (264, 1, 1)
    expected = [sampling.POSITIVE] * 16 + [sampling.UNLABELLED] * 240 + [sampling.NEGATIVE] * 8
    assert patches.classes.flatten().tolist() == expected


def test_patches_are_exactly_those_of_the_papers() -> None:
    """A region in the flank of a label, or a labelled one, is none of the 240 unlabelled."""
    image = labelled((60, 70), [(y, x) for y in range(5, 60, 12) for x in range(5, 70, 12)])
    regions = sampling.Regions.from_images([image], 3, 5, CPU)
    draw = drawing_of(TrainSettings(sampling="patches", objective="ge-kl"))
    for seed in range(3):
        batch = draw(regions, build(NetworkSettings(width=3)), torch.Generator().manual_seed(seed))
        assert batch.classes.flatten().tolist() == [sampling.POSITIVE] * 16 + [sampling.UNLABELLED] * 240
    drawn = regions.random_unlabelled(60_000, torch.Generator().manual_seed(0)).long()
    every = {(y, x) for y, x in np.argwhere(sampling.region_classes(image, 3, 5) == sampling.UNLABELLED)}
    assert {(y, x) for _, y, x in drawn.tolist()} == every


def test_labels_everywhere_leave_nothing_unlabelled_to_draw() -> None:
    regions = sampling.Regions.from_images([labelled((20, 20), [(10, 10)])], 20, 20, CPU)
    with pytest.raises(ValueError, match="label fewer"):
        regions.random_unlabelled(1, torch.Generator())


@pytest.mark.parametrize(("how", "count"), [("tiles", 4), ("patches", 64)])
def test_regions_are_mirrored_only_where_that_is_wanted(
    how: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    real = sampling.Regions.cut

    def cut(self, centres, turns, *rest, **more):
        seen.append(torch.linalg.det(turns))
        return real(self, centres, turns, *rest, **more)

    monkeypatch.setattr(sampling.Regions, "cut", cut)
    regions = sampling.Regions.from_images([labelled((90, 90), [(30, 30)])], 3, 9, CPU)
    for mirror in (True, False):
        draw = drawing_of(TrainSettings(sampling=how, mirror=mirror))
        draw(regions, build(NetworkSettings(width=3)), torch.Generator().manual_seed(1))
    assert (seen[0] < 0).sum() >= count
    assert (seen[1] > 0).all()


def test_the_same_seed_draws_the_same() -> None:
    network = build(NetworkSettings())
    regions = sampling.Regions.from_images([labelled((120, 150), [(60, 40)])], 2.5, 9, CPU)
    first, second = (draw_tiles(regions, network, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.classes, second.classes)


@pytest.mark.parametrize("count", [ENOUGH_LABELS - 1, ENOUGH_LABELS])
def test_tiles_are_turned_by_any_angle_where_labels_are_few(count: int) -> None:
    """What is interpolated shows values that no pixel has."""
    images = [labelled((120, 150), [(60, 5 + 6 * k) for k in range(count)])]
    regions = sampling.Regions.from_images(images, 2.5, 4, CPU)
    draw = drawing_of(TrainSettings())
    batch = draw(regions, build(NetworkSettings(width=3)), torch.Generator().manual_seed(3))
    known = torch.isin(batch.images, regions.pixels)
    assert bool(known.all()) == (count == ENOUGH_LABELS)
    assert (batch.classes[batch.anywhere] == sampling.UNLABELLED).any()
    assert (batch.classes == sampling.POSITIVE).flatten(1).any(1)[TILES // 2 :].all()


def test_every_label_has_a_positive_region_however_small_the_radius() -> None:
    image = labelled((50, 40), [(20.5, 17.5), (3.3, 8.6), (49.4, 39.4)])
    for radius in (0.0, 0.4):
        assert (sampling.region_classes(image, radius, 6) == sampling.POSITIVE).sum() == 3
    regions = sampling.Regions.from_images([image], 0.0, 6, CPU)
    drawn = regions.random_positives(64, torch.Generator().manual_seed(0))
    assert {(int(y), int(x)) for _, y, x in drawn} == {(20, 18), (3, 9), (49, 39)}


def test_steps_copy_no_symmetries_to_the_device() -> None:
    assert sampling.eight_symmetries(CPU) is sampling.eight_symmetries(CPU)


@pytest.mark.parametrize("draw", [draw_tiles, partial(draw_patches, whole_sample=True)])
def test_a_whole_sample_holds_the_positives_that_were_drawn_anywhere(draw) -> None:
    """π of NNPU is that of all regions: its U must be a plain sample, not one without what is labelled."""
    image = labelled((60, 60), [(y, x) for y in range(5, 60, 10) for x in range(5, 60, 10)])
    regions = sampling.Regions.from_images([image], 3, 5, CPU)
    batch = draw(regions, build(NetworkSettings(width=3)), torch.Generator().manual_seed(0))
    classes, labels = batch.classes, as_labels(batch, whole_sample=True).reshape(batch.classes.shape)
    anywhere = torch.zeros(len(classes), dtype=torch.bool)
    anywhere[batch.anywhere] = True
    assert (classes[anywhere] == sampling.POSITIVE).any()
    assert (labels[anywhere] == sampling.UNLABELLED).all()
    assert (labels[~anywhere] != sampling.UNLABELLED).all()
    assert torch.equal(labels[~anywhere] == sampling.POSITIVE, classes[~anywhere] == sampling.POSITIVE)
    assert torch.equal(as_labels(batch, whole_sample=False), classes.flatten())


@pytest.mark.parametrize("draw", [draw_tiles, partial(draw_patches, whole_sample=True)])
def test_a_whole_sample_holds_nothing_masked(draw) -> None:
    """π of NNPU is that of what is under no mask."""
    hidden = np.zeros((60, 60), bool)
    hidden[:30] = True
    image = replace(labelled((60, 60), [(45, 10), (45, 40)]), masked=hidden)
    regions = sampling.Regions.from_images([image], 3, 5, CPU)
    batch = draw(regions, build(NetworkSettings(width=3)), torch.Generator().manual_seed(0))
    labels = as_labels(batch, whole_sample=True).reshape(batch.classes.shape)
    masked = batch.classes == sampling.MASKED
    assert masked[batch.anywhere].any()
    assert (labels[masked] == sampling.MASKED).all()
    assert (labels[batch.anywhere] == sampling.UNLABELLED).any()


def test_training_asks_cuda_for_the_same_sums_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    regions = sampling.Regions.from_images([labelled((60, 60), [(30, 30)])], 3, 5, CPU)
    next(train_steps(build(NetworkSettings(width=3)), regions, TrainSettings(), 0.1, lambda step: 0.0))
    assert torch.backends.cudnn.deterministic


def boxes_of(negatives: list, ignore: float = 20) -> tuple[list[int], torch.Tensor]:
    image = labelled((90, 80), [(20, 20), (60, 50)], negatives)
    regions = sampling.Regions.from_images([image], 2, ignore, CPU)
    batch = draw_boxes(regions, build(NetworkSettings(architecture="deepem", box=17)), torch.Generator())
    assert batch.images.shape == (2 * BOXES, 1, 17, 17)
    return batch.classes.flatten().tolist(), batch.images


def test_boxes_are_as_many_positives_as_negatives() -> None:
    positives = [sampling.POSITIVE] * BOXES
    assert boxes_of([])[0] == positives + [sampling.UNLABELLED] * BOXES
    half = BOXES // 2
    expected = positives + [sampling.NEGATIVE] * half + [sampling.UNLABELLED] * half
    assert boxes_of([(80, 10)])[0] == expected
    # Where labels leave no room, the labelled negatives are all there is.
    assert boxes_of([(80, 10)], ignore=200)[0] == positives + [sampling.NEGATIVE] * BOXES
    with pytest.raises(ValueError, match="label fewer"):
        boxes_of([], ignore=200)


def test_boxes_are_turned_by_right_angles() -> None:
    image = labelled((60, 60), [(30, 30)])
    regions = sampling.Regions.from_images([image], 0, 20, CPU)
    batch = draw_boxes(regions, build(NetworkSettings(architecture="deepem", box=17)), torch.Generator())
    box = torch.tensor(image.prepared.image[22:39, 22:39])
    turns = [torch.rot90(box, k) for k in range(4)]
    which = [[torch.equal(one[0], turn) for turn in turns] for one in batch.images[:BOXES]]
    assert all(sum(row) == 1 for row in which)
    assert np.any(which, axis=0).all()


def test_what_is_not_a_label_of_a_complete_micrograph_is_background() -> None:
    open_ = labelled((40, 50), [(20, 20)], [(5, 40)])
    classes = sampling.region_classes(replace(open_, complete=True), 3, 5)
    before = sampling.region_classes(open_, 3, 5)
    assert (classes[before == sampling.UNLABELLED] == sampling.BACKGROUND).all()
    assert (classes == before)[before != sampling.UNLABELLED].all()


def test_background_is_drawn_with_the_unlabelled_in_proportion() -> None:
    half = labelled((40, 50), [(20, 20)])
    empty = replace(labelled((40, 50), []), complete=True)
    regions = sampling.Regions.from_images([half, empty], 3, 5, CPU)
    drawn = regions.random_unlabelled(4000, torch.Generator().manual_seed(0))
    assert float((drawn[:, 0] == 1).float().mean()) == pytest.approx(0.5, abs=0.04)
    alone = sampling.Regions.from_images([replace(half, complete=True)], 3, 5, CPU)
    assert alone.has_unlabelled
    assert len(alone.unlabelled_pixels) == int((alone.classes == sampling.BACKGROUND).sum())


@pytest.mark.parametrize(("outputs", "stride", "field"), [(3, 4, 9), (4, 2, 7), (1, 4, 5), (2, 1, 1)])
def test_tiles_are_cut_along_lines_as_pixel_by_pixel(outputs: int, stride: int, field: int) -> None:
    """Also where they reach over edges and corners, of images of different shapes."""
    images = [labelled((50, 40), [(20, 17)]), labelled((23, 61), [(2, 2)], seed=1)]
    regions = sampling.Regions.from_images(images, 3, 8, CPU)
    turns = sampling.eight_symmetries(CPU)
    places = [
        (0, 0, 0),
        (0, 49, 39),
        (0, 20, 17),
        (1, 1, 60),
        (1, 22, 3),
        (1, 10, 30),
        (0, -7, 20),
        (1, 11, 70),
    ]
    centres = torch.tensor(places, dtype=torch.float32).repeat_interleave(len(turns), 0)
    every = turns.repeat(len(places), 1, 1)
    tiles, classes = regions.cut(centres, every, outputs, stride, field)
    size = stride * (outputs - 1) + field
    for found, values, n, step in (
        (tiles[:, 0], regions.pixels, size, 1),
        (classes, regions.classes, outputs, stride),
    ):
        y, x = regions._turned(centres, every, n, step)
        assert torch.equal(found, values[regions._index(centres[:, 0].long(), y, x)])


@pytest.mark.parametrize(("negatives", "share"), [(1, 0.2), (4, 0.5), (16, 0.5)])
def test_every_label_has_its_tiles_and_negatives_no_more_than_half(negatives: int, share: float) -> None:
    places = [(10 + k, 10) for k in range(negatives)]
    image = labelled((60, 90), [(30, 60 + k) for k in range(4)], places)
    regions = sampling.Regions.from_images([image], 1, 1, CPU)
    centres = regions.random_either(4000, 0, torch.Generator().manual_seed(0), 0.5)
    at_negative = centres[:, 2] == 10
    assert abs(float(at_negative.float().mean()) - share) < 0.03
    assert len(centres[at_negative].unique(dim=0)) == negatives
    assert len(centres[~at_negative].unique(dim=0)) == 4


def test_a_single_negative_is_not_in_every_step() -> None:
    image = labelled((200, 200), [(150, 20 + 20 * k) for k in range(9)], [(10, 100)])
    regions = sampling.Regions.from_images([image], 1, 1, CPU)
    network = SimpleNamespace(stride=1, field=1)
    generator = torch.Generator().manual_seed(0)
    batches = [draw_tiles(regions, network, generator).classes for _ in range(50)]
    seen = [int((b[TILES // 2 :] == sampling.NEGATIVE).flatten(1).any(1).sum()) for b in batches]
    assert 10 < seen.count(0) < 40  # of eight tiles 0.8 on average: none in 43 % of the steps


def test_indices_of_very_many_pixels_do_not_overflow() -> None:
    from napari_topaz.model.sampling import index_type

    assert index_type(2**31 - 1) == torch.int32
    assert index_type(2**31) == torch.int64
