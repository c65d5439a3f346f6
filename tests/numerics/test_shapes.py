from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_topaz import choices
from napari_topaz.numerics.shapes import EXTENT, SHAPES, Blobs, add_projection, make_shape, random_view


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_the_size_asked_for(shape: str) -> None:
    model = make_shape(shape, 60, np.random.default_rng(3))
    assert 30 <= model.radius * 1.0001 < 0.65 * 60
    assert model.weights.sum() == pytest.approx(SHAPES[shape].filled)
    np.testing.assert_allclose(model.weights @ model.centres, 0, atol=1e-9)


def longest_extent(model: Blobs) -> float:
    ends = EXTENT * model.widths
    apart = np.linalg.norm(model.centres[:, None] - model.centres, axis=2)
    return float((apart + ends[:, None] + ends).max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_the_diameter_is_the_longest_extent(shape: str, seed: int) -> None:
    model = make_shape(shape, 60, np.random.default_rng(seed))
    assert model.length == pytest.approx(longest_extent(model))
    if shape == "globular":  # its sphere round the centre of mass
        assert model.radius == pytest.approx(30)
        assert 0.8 * 60 < model.length < 60
    else:
        assert model.length == pytest.approx(60)


def test_shapes_look_as_their_names_say() -> None:
    """Principal standard deviations, and what lies at the centre."""
    spread, hollow = {}, {}
    for shape in SHAPES:
        model = make_shape(shape, 60, np.random.default_rng(0))
        inertia = np.einsum("n,ni,nj->ij", model.weights, model.centres, model.centres) / model.weights.sum()
        inertia += np.eye(3) * np.average(model.widths**2, weights=model.weights)
        spread[shape] = np.sqrt(np.linalg.eigvalsh(inertia))
        hollow[shape] = float((np.linalg.norm(model.centres, axis=1) - EXTENT * model.widths).min())
    thin, middle, long = spread["rod"]
    assert 3 < long / middle < 5
    assert middle < 1.5 * thin
    assert spread["disc"][2] > 1.5 * spread["disc"][0]
    assert spread["disc"][2] < 1.2 * spread["disc"][1]
    assert spread["ring"][1] > 2.5 * spread["ring"][0]
    assert spread["shell"][2] < 1.05 * spread["shell"][0]
    assert min(hollow["shell"], hollow["ring"]) > 0.4 * 30 > 2 > hollow["globular"]


def test_the_choices_are_the_shapes() -> None:
    assert list(choices.SHAPES) == list(SHAPES)


def test_unknown_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="globular, barrel, rod"):
        make_shape("teapot", 60, np.random.default_rng(0))


def test_views_differ_but_keep_distances() -> None:
    rng = np.random.default_rng(0)
    model = make_shape("globular", 60, rng)
    one, two = random_view(model, rng), random_view(model, rng)
    assert np.abs(one.centres - two.centres).max() > 5
    np.testing.assert_allclose(one.centres @ one.centres.T, model.centres @ model.centres.T, atol=1e-9)


@pytest.mark.parametrize("preference", [0.0, 0.05, 0.3, 0.6, 0.9, 0.999, 1.0])
def test_preferred_views(preference: float) -> None:
    """Directions of view have the mean resultant length asked for; the angle in the plane is uniform."""
    rng = np.random.default_rng(1)
    frame = Blobs(np.eye(3), np.ones(3), np.ones(3))
    turns = np.array([random_view(frame, rng, preference).centres for _ in range(3000)])
    towards = turns[:, :, 2]  # where the viewer's axis lies in the frame of the model
    mean = towards.mean(axis=0)
    assert mean[2] == pytest.approx(preference, abs=0.035)
    np.testing.assert_allclose(mean[:2], 0, atol=0.035)
    in_plane = np.exp(1j * np.arctan2(turns[:, 0, 1], turns[:, 0, 0]))
    assert abs(in_plane.mean()) < 0.05
    if preference == 0:  # uniform on the sphere: the cosine of the tilt is uniform
        assert stats.kstest(towards[:, 2], stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_a_preference_draws_no_other_numbers() -> None:
    model, one, two = make_shape("rod", 60, np.random.default_rng(0)), *map(np.random.default_rng, (5, 5))
    for _ in range(3):
        plain, preferred = random_view(model, one), random_view(model, two, 0.7)
        assert np.abs(plain.centres - preferred.centres).max() > 0.1
        np.testing.assert_allclose(preferred.centres @ preferred.centres.T, plain.centres @ plain.centres.T)
    assert one.random() == two.random()


def test_a_part_is_centred_on_itself() -> None:
    cloud = Blobs(np.array([[0, 0, 0], [4, 0, 0], [8, 2, 0.0]]), np.ones(3), np.array([1.0, 1, 3]))
    part = cloud.part(np.array([False, True, True]))
    np.testing.assert_allclose(part.centres, [[-3, -1.5, 0], [1, 0.5, 0]])
    assert part.radius == pytest.approx(np.hypot(3, 1.5) + EXTENT)


def test_projection_keeps_integral_and_centre() -> None:
    canvas = np.zeros((80, 101), np.float32)
    model = make_shape("globular", 40, np.random.default_rng(0))
    add_projection(canvas, model, (37.3, 52.8), 10.0)
    assert canvas.sum() == pytest.approx(10 * model.weights.sum(), rel=1e-3)
    y, x = np.indices(canvas.shape)
    centre = (canvas * y).sum() / canvas.sum(), (canvas * x).sum() / canvas.sum()
    np.testing.assert_allclose(centre, (37.3, 52.8), atol=0.01)


def test_projection_is_cut_at_the_edges() -> None:
    whole, part = np.zeros((80, 101), np.float32), np.zeros((30, 40), np.float32)
    model = make_shape("rod", 40, np.random.default_rng(0))
    add_projection(whole, model, (27.0, 45.0), 1.0)
    add_projection(part, model, (7.0, 5.0), 1.0)
    np.testing.assert_allclose(part, whole[20:50, 40:80], rtol=1e-5, atol=1e-9)
    for far in ((-500.0, 5.0), (7.0, 900.0)):
        before = part.copy()
        add_projection(part, model, far, 1.0)
        np.testing.assert_array_equal(part, before)


def test_a_blob_is_a_gaussian() -> None:
    canvas = np.zeros((41, 61), np.float32)
    add_projection(canvas, Blobs(np.zeros((1, 3)), np.array([3.0]), np.array([2.0])), (20.0, 30.0), 5.0)
    assert canvas.sum() == pytest.approx(10, rel=1e-3)
    assert canvas[20, 33] / canvas[20, 30] == pytest.approx(np.exp(-1 / 2))
