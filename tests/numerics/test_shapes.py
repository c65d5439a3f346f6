from __future__ import annotations

import numpy as np
import pytest

from napari_topaz.numerics.shapes import EXTENT, SHAPES, Blobs, add_projection, make_shape, random_view


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_the_size_asked_for(shape: str) -> None:
    model = make_shape(shape, 60, np.random.default_rng(3))
    assert model.radius == pytest.approx(30)
    assert model.weights.sum() == pytest.approx(SHAPES[shape].filled)
    np.testing.assert_allclose(model.weights @ model.centres, 0, atol=1e-9)


def test_unknown_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="barrel, globular, rod"):
        make_shape("teapot", 60, np.random.default_rng(0))


def test_views_differ_but_keep_distances() -> None:
    rng = np.random.default_rng(0)
    model = make_shape("globular", 60, rng)
    one, two = random_view(model, rng), random_view(model, rng)
    assert np.abs(one.centres - two.centres).max() > 5
    np.testing.assert_allclose(one.centres @ one.centres.T, model.centres @ model.centres.T, atol=1e-9)


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
