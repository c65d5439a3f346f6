"""The first guess: the package's general model in the viewer, before there are labels. No Qt, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_topaz.events import Job, JobError, Started
from napari_topaz.gui.options import Options
from napari_topaz.preprocess import downsampling

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


def is_guess(model: PickerModel | None) -> bool:
    """Whether a model is a first guess: the general one, which has learnt from no label."""
    return model is not None and model.is_general


def guessing(options: Options, pixel_size: float | None) -> Job[PickerModel]:
    """Read the general model, see :func:`guess_of`."""
    yield Started("Guessing")
    return guess_of(options, pixel_size)


def guess_of(options: Options, pixel_size: float | None) -> PickerModel:
    """Return the general model, for the contrast that is chosen for suggestions.

    Parameters
    ----------
    options : Options
        Diameter, preprocessing and contrast.
    pixel_size : float or None
        Å/px of the micrograph that is shown.

    Returns
    -------
    PickerModel
        It does not know its diameter: the options complete it, as those of Topaz.

    Raises
    ------
    JobError
        Where the particle is smaller or larger in preprocessed pixels than what the model has learnt from.
    """
    from napari_topaz.jobs.pick import load_model
    from napari_topaz.model.general import KNOWN_DIAMETERS

    size, (least, most) = preprocessed_diameter(options, pixel_size), KNOWN_DIAMETERS
    if not least <= size <= most:
        raise JobError(
            f"The general model knows particles of {least:.0f} to {most:.0f} preprocessed pixels; these are "
            f"{size:.1f} wide. {_remedy(options)}"
        )
    return load_model(None, device="cpu", inverted=options.reference.contrast == "bright")


def preprocessed_diameter(options: Options, pixel_size: float | None) -> float:
    """Return the particle's diameter in preprocessed pixels.

    Raises
    ------
    JobError
        Where diameter or pixel size are not known.
    """
    preprocess = options.preprocess
    size = preprocess.pixel_size or pixel_size
    if preprocess.diameter is None or size is None:
        raise JobError("A guess needs the diameter of the particle (Å) and the pixel size (Å/px).")
    return preprocess.diameter / size / downsampling(preprocess, size)


def _remedy(options: Options) -> str:
    """What she can do about a particle of the wrong size."""
    preprocess, usual = options.preprocess, Options().preprocess
    if preprocess.downsample is not None:
        return "Leave Downsample under Advanced empty, or label particles and train."
    if preprocess.particle_pixels != usual.particle_pixels:
        return f"Set Particle pixels under Advanced back to {usual.particle_pixels:g}, or label and train."
    return "Look whether diameter and pixel size are right; if they are, label particles and train."
