"""What picks without training: blobs of the particle's size, or templates made of labels or given.

Scores compare across micrographs: robust standard deviations for blobs, correlation coefficients for
templates. Both are relative to the local spread of the image, so that dirt and carbon do not outshine
the particles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from napari_topaz.events import Job, JobError, Started, StopToken
from napari_topaz.files import FileError, read_header, read_micrograph
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_all
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.filters import (
    difference_of_gaussians,
    laplacian_of_gaussian,
    local_spread,
    robust_z_scores,
    template_scores,
)
from napari_topaz.numerics.templates import aligned_averages, centre_contrast, resample
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import PreprocessSettings, ReferenceSettings

#: Blob filters of the settings' names.
BLOBS = {"log": laplacian_of_gaussian, "dog": difference_of_gaussians}
#: A particle's diameter is its longest extent; a disc that looks like it is this much smaller.
BULK = 0.7
#: σ of the surroundings in which a blob must stand out, in diameters.
SURROUNDINGS = 0.5
#: Radius of what templates compare, in diameters: the particle and the ice round it.
REACH = 0.75
#: Labelled particles without which there is no average, and no judgement of the contrast.
LEAST_LABELS = 3
#: Labelled particles that are averaged at most; more make no better templates.
MOST_LABELS = 500
#: Pixel sizes that differ by less than this are the same.
SAME_SCALE = 0.005


@dataclass(frozen=True, eq=False)
class Templates:
    """Pictures of the particle.

    Attributes
    ----------
    images : ndarray of float32, shape (n, size, size)
        Centred on pixel (size // 2, size // 2).
    pixel_size : float or None
        Å/px; None where it is not known.
    """

    images: NDArray[np.float32]
    pixel_size: float | None = None


@dataclass(frozen=True, eq=False)
class ReferencePicker:
    """What scores micrographs (see :func:`napari_topaz.jobs.reference.reference_pick`).

    Attributes
    ----------
    method : str
        A key of :data:`napari_topaz.choices.REFERENCE_PICKERS`.
    diameter : float
        Of the particle, Å.
    dark : bool
        Whether particles are darker than the ice.
    templates : Templates or None
        With a pixel size and the contrast of the micrographs, for the method "template".
    angles : ndarray of float, shape (a,)
        At which templates are tried, degrees.
    """

    method: str
    diameter: float
    dark: bool = True
    templates: Templates | None = None
    angles: NDArray[np.float64] = None  # type: ignore[assignment]

    def score(self, prepared: Prepared) -> ScoreMap:
        """Score one micrograph on the grid of its preprocessed pixels.

        Raises
        ------
        ValueError
            Where the pixel size is not known.
        """
        size = _grid_size(prepared)
        if self.templates is None:
            scores = self._blob_scores(prepared.image, self.diameter / size)
        else:
            scores = self._template_scores(prepared.image, self.templates, size)
        return ScoreMap(prepared.name, scores, prepared.step_yx, 0, prepared.shape, mask=prepared.mask)

    def _blob_scores(self, image: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
        answer = BLOBS[self.method](-image if self.dark else image, BULK * diameter)
        return robust_z_scores(answer / local_spread(image, SURROUNDINGS * diameter))

    def _template_scores(
        self, image: NDArray[np.float32], templates: Templates, size: float
    ) -> NDArray[np.float32]:
        assert templates.pixel_size is not None
        factor, n = size / templates.pixel_size, templates.images.shape[1]
        reach = min(REACH * self.diameter / size, (n - 1) // 2 / factor)
        wanted = 2 * max(1, math.ceil(reach)) + 1
        images = templates.images
        if abs(factor - 1) > SAME_SCALE or wanted > n:
            images = np.array([resample(one, factor, wanted) for one in images])
        return template_scores(image, images, self.angles, radius=reach)


def read_templates(path: str | Path) -> Templates:
    """Read 2-D templates from a stack of images.

    Parameters
    ----------
    path : str or Path
        An MRC stack, such as class averages; any format of micrographs will do.

    Raises
    ------
    FileError
        Where it cannot be read, is not square, or has pixels that are not numbers.
    """
    path = Path(path)
    header = read_header(path)
    if header.shape[0] != header.shape[1]:
        height, width = header.shape
        raise FileError(f"{path} has templates of {width} × {height} px; cut them to squares.")
    sections = range(header.sections) if header.sections > 1 else [None]
    images = np.array([read_micrograph(MicrographFile(path, k)).pixels for k in sections], np.float32)
    if not np.isfinite(images).all():
        raise FileError(f"{path} has pixels that are not numbers; templates must be whole.")
    if any(float(np.ptp(image)) == 0 for image in images):
        raise FileError(f"{path} has an empty template: all its pixels are the same; leave it out.")
    return Templates(images, header.pixel_size)


def make_picker(
    sources: Sequence[Source],
    preprocess: PreprocessSettings,
    settings: ReferenceSettings,
    *,
    labels: Mapping[str, Picks] | None = None,
    templates: Templates | None = None,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[ReferencePicker]:
    """Find out the contrast and make the templates.

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
        Micrographs of the labels.
    preprocess, settings, labels, templates, stop, cache
        See :func:`napari_topaz.jobs.reference.reference_pick`.

    Yields
    ------
    Started, Progress, Warned

    Raises
    ------
    JobError
        Where the diameter is missing, or there is nothing to make templates of.
    """
    if preprocess.diameter is None:
        raise JobError("The diameter of the particle is missing: give it in Å.")
    diameter, wanted = preprocess.diameter, settings.method == "template"
    needed = settings.contrast == "auto" or (wanted and templates is None)
    own = _particles(sources, labels or {}) if needed else {}
    boxes = Templates(np.empty((0, 1, 1), np.float32))
    if own:
        yield Started("Reading labels", sum(map(len, own.values())))
        some = [s for s in sources if s.name in own]
        prepared = yield from prepare_all(some, preprocess, stop=stop, cache=cache)
        boxes = _cut(prepared, own, diameter)
    enough = len(boxes.images) >= LEAST_LABELS
    dark = settings.contrast != "bright"
    if settings.contrast == "auto" and enough:
        assert boxes.pixel_size is not None
        dark = centre_contrast(boxes.images.mean(axis=0), diameter / boxes.pixel_size) < 0
    if not wanted:
        return ReferencePicker(settings.method, diameter, dark)
    angles = np.arange(0, 360, settings.angle_step)
    if templates is not None:
        templates = _with_contrast(templates, settings, diameter, dark)
        return ReferencePicker("template", diameter, dark, templates, angles)
    if not enough:
        raise JobError(_too_few(len(boxes.images)))
    images = aligned_averages(boxes.images, settings.averages, REACH * diameter / (boxes.pixel_size or 1))
    return ReferencePicker(
        "template",
        diameter,
        dark,
        Templates(images, boxes.pixel_size),
        angles if settings.averages else np.zeros(1),
    )


def _particles(sources: Sequence[Source], labels: Mapping[str, Picks]) -> dict[str, Picks]:
    """Labelled particles of these micrographs, evenly thinned out where they are very many."""
    names = [s.name for s in sources]
    found = {n: labels[n][labels[n].kinds != Kind.NOT_PARTICLE] for n in names if n in labels}
    every = max(1, math.ceil(sum(map(len, found.values())) / MOST_LABELS))
    return {name: picks[::every] for name, picks in found.items() if len(picks)} if found else {}


def _cut(prepared: Sequence[Prepared], labels: Mapping[str, Picks], diameter: float) -> Templates:
    """Cut a box round every particle, of one pixel size, mean 0 and standard deviation 1."""
    boxes: list[NDArray[np.float32]] = []
    if not prepared:
        return Templates(np.empty((0, 1, 1), np.float32))
    size = _grid_size(prepared[0])
    half = math.ceil(REACH * diameter / size) + 1
    grid = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    for one in prepared:
        picks = labels[one.name]
        picks = picks[picks.inside(one.shape)]
        for centre in picks.yx / np.asarray(one.step_yx):
            places = grid * (size / _grid_size(one)) + centre[:, None, None]
            box = map_coordinates(one.image, places, order=3, mode="mirror")
            spread = float(box.std())
            if spread > 0:
                boxes.append((box - box.mean()) / spread)
    return Templates(np.array(boxes, np.float32).reshape(-1, len(grid[0]), len(grid[0])), size)


def _with_contrast(
    templates: Templates, settings: ReferenceSettings, diameter: float, dark: bool
) -> Templates:
    """Give templates from a file their pixel size, and the contrast of the particles."""
    size = settings.template_pixel_size or templates.pixel_size
    if size is None:
        raise JobError(
            "The pixel size of the templates is missing: their file is silent, so give it in Å/px."
        )
    if templates.images.shape[1] * size < diameter / 2:
        raise JobError(
            f"The templates are {templates.images.shape[1] * size:.0f} Å wide, less than half the particle's "
            f"diameter of {diameter:g} Å: check their pixel size ({size:g} Å/px)."
        )
    contrast = np.array([centre_contrast(one, diameter / size) for one in templates.images])
    flip = np.where((contrast < 0) == dark, 1, -1).astype(np.float32)
    return Templates(templates.images * flip[:, None, None], size)


def _grid_size(prepared: Prepared) -> float:
    """Å per preprocessed pixel."""
    if prepared.pixel_size is None:
        raise ValueError(no_pixel_size(prepared.name))
    return prepared.pixel_size * float(np.mean(prepared.step_yx))


def no_pixel_size(name: str) -> str:
    """Say that a micrograph's pixel size is missing."""
    return f"The pixel size of {name!r} is not known, so the diameter in Å says nothing; give the pixel size."


def _too_few(n: int) -> str:
    there = f"only {n} of these micrographs' particles are labelled" if n else "no particle is labelled"
    return (
        f"Templates are averages of labelled particles, but {there}: label {LEAST_LABELS} or more, "
        "or give a file of templates."
    )
