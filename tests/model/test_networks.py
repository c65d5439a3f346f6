"""Networks: their fields, and that one pass over an image equals region after region."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz import choices  # noqa: E402
from napari_topaz.choices import ARCHITECTURES  # noqa: E402
from napari_topaz.events import remarks  # noqa: E402
from napari_topaz.model.devices import is_out_of_memory  # noqa: E402
from napari_topaz.model.networks import (  # noqa: E402
    Residual,
    build,
    deepem,
    deepem_kernels,
    receptive_field,
)
from napari_topaz.model.scoring import HALVED, SYMMETRIES, for_scoring, mean_output, score_image  # noqa: E402
from napari_topaz.settings import NetworkSettings  # noqa: E402

FIELDS = {
    "small": (37, 4),
    "conv31": (31, 4),
    "conv63": (63, 8),
    "conv127": (127, 16),
    "resnet8": (71, 4),
    "resnet16": (91, 4),
    "deepem": (29, 4),
}


def network(name: str, seed: int = 0, *, norm: bool = True):
    torch.manual_seed(seed)
    made = build(NetworkSettings(architecture=name, width=6, batch_norm=norm))
    for module in made.modules():  # so that batch norm is not the identity
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if name == "deepem" and isinstance(module, torch.nn.Conv2d):  # fresh sigmoids give almost a constant
            module.weight.data *= 6
    return made.eval()


def test_every_architecture_has_its_field_stated() -> None:
    assert set(FIELDS) == set(ARCHITECTURES)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_dense_scores_equal_the_scores_of_single_regions(name: str, norm: bool) -> None:
    made = network(name, norm=norm)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in made.modules()) is norm
    assert (made.field, made.stride) == FIELDS[name]
    rng = np.random.default_rng(1)
    image = rng.normal(size=(made.field + 5 * made.stride, made.field + 2 * made.stride + 1)).astype("f4")
    scores = score_image(made, image)
    half = made.field // 2
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            y, x = i * made.stride - half, j * made.stride - half
            if min(y, x) < 0 or y + made.field > image.shape[0] or x + made.field > image.shape[1]:
                continue
            patch = torch.tensor(image[y : y + made.field, x : x + made.field])[None, None]
            assert made(patch).item() == pytest.approx(float(scores[i, j]), abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (64, 65), (66, 103)])
def test_one_score_for_every_stride_th_pixel(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype("f4")
    scores = score_image(network("small"), image, symmetries="eight")
    assert scores.shape == tuple((n - 1) // 4 + 1 for n in shape)
    assert np.isfinite(scores).all()


def test_bands_equal_the_whole() -> None:
    made = network("small")
    image = np.random.default_rng(0).normal(size=(101, 130)).astype("f4")
    np.testing.assert_allclose(
        score_image(made, image, pixels_at_once=1), score_image(made, image), atol=1e-5
    )


def test_symmetric_scores_turn_with_the_image() -> None:
    made = network("small")
    # 4·n + 1 pixels: the grid of regions is the same after a turn.
    image = np.random.default_rng(0).normal(size=(61, 85)).astype("f4")
    scores = score_image(made, image, symmetries="eight")
    turned = score_image(made, np.rot90(image).copy(), symmetries="eight")
    np.testing.assert_allclose(turned, np.rot90(scores), atol=1e-4)
    mirrored = score_image(made, image[::-1].copy(), symmetries="eight")
    np.testing.assert_allclose(mirrored, scores[::-1], atol=1e-4)
    assert not np.allclose(scores, score_image(made, image), atol=1e-3)
    four = score_image(made, image, symmetries="four")
    np.testing.assert_allclose(
        score_image(made, np.rot90(image).copy(), symmetries="four"), np.rot90(four), atol=1e-4
    )
    four_mirrored = score_image(made, image[::-1].copy(), symmetries="four")[::-1]
    assert not np.allclose(four, four_mirrored, atol=1e-3)
    np.testing.assert_allclose((four + four_mirrored) / 2, scores, atol=1e-4)


def test_every_choice_of_symmetries_can_be_scored() -> None:
    assert set(SYMMETRIES) == set(choices.SYMMETRIES)


def test_scoring_keeps_the_network_training_and_takes_no_gradient() -> None:
    made = network("small").train()
    before = {k: v.clone() for k, v in made.state_dict().items()}
    score_image(made, np.zeros((40, 50), "f4"))
    assert made.training
    assert all(torch.equal(before[k], v) for k, v in made.state_dict().items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scoring_folds_batch_norms_into_a_copy(name: str) -> None:
    made = network(name).train()
    fast = for_scoring(made)
    image = torch.randn(1, 1, made.field + 20, made.field + 8)
    with torch.no_grad():
        torch.testing.assert_close(fast(image), made.eval()(image), atol=1e-5, rtol=1e-4)
    norms = [sum(isinstance(m, torch.nn.BatchNorm2d) for m in one.modules()) for one in (made, fast)]
    # Those behind the sum of a residual block stay.
    assert norms[1] == sum(isinstance(m, Residual) for m in made.modules()) < norms[0]
    assert not fast.training
    shared = {p.data_ptr() for p in made.parameters()} & {p.data_ptr() for p in fast.parameters()}
    assert not shared


def test_a_full_device_is_met_with_smaller_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network("small")
    image = np.random.default_rng(0).normal(size=(120, 90)).astype("f4")
    expected_of_four = score_image(made, image, symmetries="four")
    whole = made.features.forward
    seen: list[int] = []

    def limited(x):
        seen.append(x.shape[2])
        if x.shape[2] > 60:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return whole(x)

    monkeypatch.setattr(made.features, "forward", limited)
    with remarks() as said:
        np.testing.assert_allclose(score_image(made, image, symmetries="four"), expected_of_four, atol=1e-5)
    assert max(seen) > 60 >= seen[-1]
    assert said == [HALVED], "told, and once"
    monkeypatch.setattr(made.features, "forward", lambda x: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError, match="--device cpu"):
        score_image(made, image)


def test_a_device_too_full_for_the_image_itself_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr("napari_topaz.model.scoring._padded", full)
    with pytest.raises(MemoryError, match="--device cpu"):
        score_image(network("small"), np.zeros((40, 50), "f4"))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_full_memory_is_recognised(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full


@pytest.mark.parametrize("box", [*range(16, 40), 64, 97, 128, 200, 272, 300, 512])
def test_boxes_of_all_sizes_have_their_network(box: int) -> None:
    made = build(NetworkSettings(architecture="deepem", width=1, box=box))
    assert (made.field, made.stride) == (box + 1 - box % 2, 4)
    first, second, third, full = deepem_kernels(made.field)
    # Poolings divide evenly, and the full layer sees all of what is left.
    edge = made.field
    for kernel in (first, second, third):
        assert kernel > 1
        edge = edge - kernel + 1
        assert edge % 2 == 0
        edge //= 2
    assert edge == full
    assert made(torch.zeros(1, 1, made.field, made.field)).shape == (1, 1, 1)


def test_the_first_maps_are_those_of_the_paper() -> None:
    """Zhu et al. 2017: boxes of 272 px, 6 maps of 222 px; a box with a middle pixel has 273."""
    made = build(NetworkSettings(architecture="deepem", box=272))
    first = made.features[0](torch.zeros(1, 1, 273, 273))
    assert first.shape == (1, 6, 222, 222)


@pytest.mark.parametrize("box", [17, 29, 46])
def test_boxes_are_scored_as_by_the_network_with_three_poolings(box: int) -> None:
    """What the a-trous layers do to one box is what poolings of stride 2 and a dense full layer do."""
    torch.manual_seed(3)
    made = deepem(box=box, norm=False).eval()
    for layer in (made.features[0], made.features[2], made.features[4]):
        layer[0].weight.data *= 6
    last = [m for m in made.features if isinstance(m, torch.nn.AvgPool2d)][-1]
    images = torch.randn(5, 1, made.field, made.field)
    scores = made(images)
    assert scores.std() > 2e-3
    last.stride, made.head.dilation = 2, (1, 1)
    assert receptive_field(torch.nn.Sequential(made.features, made.head)) == (made.field, 8)
    torch.testing.assert_close(made(images), scores)


def test_a_box_belongs_to_the_networks_that_have_one() -> None:
    with pytest.raises(ValueError, match="small has no box"):
        build(NetworkSettings(box=31))


def test_outputs_are_averaged_as_sigmoids_where_the_network_wants_it() -> None:
    logits = [torch.tensor([4.0, 40.0, -90.0]), torch.tensor([-1.0, -40.0, -95.0])]
    mean = torch.stack([one.double().sigmoid() for one in logits]).mean(0)
    expected = mean.log() - (1 - mean).log()
    torch.testing.assert_close(mean_output(logits).double(), expected, rtol=1e-5, atol=1e-5)
    made = network("deepem", seed=1)
    image = np.random.default_rng(0).normal(0, 5, size=(61, 85)).astype("f4")
    made.head.weight.data *= 10
    turns = [np.rot90(score_image(made, np.rot90(image, k).copy()), -k) for k in range(4)]
    outputs = 1 / (1 + np.exp(-np.array(turns, "f8")))
    scores = score_image(made, image, symmetries="four")
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), outputs.mean(0), atol=1e-5)
    assert not np.allclose(scores, np.mean(turns, 0), atol=1e-3)
