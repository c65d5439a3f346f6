"""Random worlds: reproducible, varied, and as promised."""

from __future__ import annotations

import numpy as np

from napari_topaz.choices import SHAPES
from napari_topaz.simulate.worlds import ANGSTROMS, PIXELS, random_world


def test_a_world_depends_on_seed_and_number_alone() -> None:
    assert random_world(1, 7) == random_world(1, 7)
    assert random_world(1, 7) != random_world(1, 8)
    assert random_world(1, 7) != random_world(2, 7)


def test_every_shape_and_size_occurs() -> None:
    worlds = [random_world(0, i) for i in range(300)]
    assert {w.simulate.shape for w in worlds} == set(SHAPES)
    pixels = np.array([w.preprocess.particle_pixels for w in worlds])
    assert pixels.min() < PIXELS[0] * 1.1
    assert pixels.max() > PIXELS[1] / 1.1
    diameters = np.array([w.simulate.diameter for w in worlds])
    assert ((diameters >= ANGSTROMS[0]) & (diameters <= ANGSTROMS[1])).all()


def test_a_shape_can_be_left_out() -> None:
    shapes = {random_world(0, i, without={"rod"}).simulate.shape for i in range(200)}
    assert shapes == set(SHAPES) - {"rod"}


def test_no_world_shares_its_particle_with_what_people_simulate() -> None:
    assert min(random_world(0, i).simulate.seed for i in range(300)) >= 2**30
