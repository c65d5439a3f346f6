"""One simulated micrograph, from its settings and its number."""

from __future__ import annotations

import numpy as np

from napari_topaz.micrograph import Micrograph
from napari_topaz.numerics.shapes import make_shape
from napari_topaz.picks import Picks
from napari_topaz.settings import SimulateSettings
from napari_topaz.simulate.canvas import empty_canvas
from napari_topaz.simulate.microscope import contrast_of, count_electrons, expected_intensity
from napari_topaz.simulate.scene import (
    add_contaminations,
    add_gold,
    add_grain,
    add_particles,
    carbon_film,
    place_particles,
)


def simulate(settings: SimulateSettings, index: int) -> tuple[Micrograph, Picks]:
    """Return one simulated micrograph and the particles in it.

    Parameters
    ----------
    settings : SimulateSettings
        The particle is the same in all micrographs of a seed.
    index : int
        Number of the micrograph, from 0. The same settings and index give the same micrograph,
        whatever else was simulated before.

    Returns
    -------
    micrograph : Micrograph
        float32, electrons per pixel (less their mean with ``zero_mean``); particles are darker than
        the ice.
    truth : Picks
        Labels: the centres of mass of all particles for which that lies in the micrograph. Fragments
        of particles, contaminations and gold have none.
    """
    diameter = settings.diameter / settings.pixel_size
    particle = make_shape(settings.shape, diameter, np.random.default_rng(settings.seed))
    canvas = empty_canvas(settings, index)
    film = carbon_film(canvas)
    dirt = add_contaminations(canvas)
    beads = add_gold(canvas)
    centres = place_particles(canvas, film, np.concatenate([dirt, beads]))
    add_particles(canvas, particle, centres)
    add_grain(canvas, film)
    image = count_electrons(canvas, expected_intensity(canvas, contrast_of(canvas), film, beads))
    if settings.zero_mean:
        image -= np.float32(image.mean(dtype=np.float64))
    truth = Picks.labels(centres - canvas.margin)
    truth = truth[truth.inside(image.shape)]
    return Micrograph(f"simulated_{index:04d}", image, settings.pixel_size), truth
