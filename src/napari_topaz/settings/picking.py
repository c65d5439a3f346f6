"""Options of picking, with a model and without, and of what is made of picks."""

from __future__ import annotations

from napari_topaz import choices
from napari_topaz.settings.option import Settings, option


class PickSettings(Settings):
    """How scores become picks."""

    threshold: float | None = option(
        None,
        "Lowest score (logit) of a pick; the model's own threshold where not given.",
        step=0.25,
        ge=-1000,
        le=1000,
    )
    suppression_radius: float | None = option(
        None,
        "Smallest distance between two picks; 0.9 of the particle's radius where not given.",
        unit="Å",
        step=5,
        gt=0,
        le=10_000,
        advanced=True,
    )
    suppression: str = option(
        "disc",
        "What keeps that distance.",
        choices=choices.SUPPRESSIONS,
        advanced=True,
    )
    centring: str = option(
        "auto",
        "What corrects the centres of picks besides their scores.",
        choices=choices.CENTRINGS,
        advanced=True,
    )
    margin: float = option(
        0.0,
        "Keep picks at least this far from the edges.",
        unit="Å",
        step=10,
        ge=0,
        le=100_000,
        advanced=True,
    )
    symmetries: str = option(
        "auto",
        "Average the scores over rotations and mirror images.",
        choices={"auto": "as the model was trained to", **choices.SYMMETRIES},
        advanced=True,
    )
    deviation_filter: str = option(
        "auto",
        "Drop picks whose box has a standard deviation outside the range of the labelled particles'.",
        choices=choices.FILTERS,
        advanced=True,
    )


class ReferenceSettings(Settings):
    """How particles are found without training."""

    method: str = option("log", "Reference picker.", choices=choices.REFERENCE_PICKERS)
    contrast: str = option("auto", "Contrast of the particles.", choices=choices.CONTRASTS, advanced=True)
    averages: int = option(
        1,
        "Averages of the labelled particles that become templates; 0 for one that is rotationally symmetric.",
        step=1,
        ge=0,
        le=50,
        advanced=True,
    )
    angle_step: float = option(
        10.0,
        "Between the angles at which templates are tried.",
        unit="°",
        step=1,
        ge=1,
        le=360,
        advanced=True,
    )
    template_pixel_size: float | None = option(
        None,
        "Pixel size of given templates, where their file's header is wrong or silent.",
        unit="Å/px",
        step=0.01,
        gt=0,
        le=1000,
        advanced=True,
    )
    threshold: float | None = option(
        None,
        "Lowest score of a pick, in robust standard deviations (log, dog) or as correlation (template); "
        "what best parts the peaks of each micrograph in two classes where not given.",
        step=0.1,
        ge=-1000,
        le=1000,
    )
    suppression_radius: float | None = option(
        None,
        "Smallest distance between two picks; the particle's radius where not given.",
        unit="Å",
        step=5,
        gt=0,
        le=10_000,
    )
    margin: float = option(
        0.0, "Keep picks at least this far from the edges.", unit="Å", step=10, ge=0, le=100_000
    )


class StackSettings(Settings):
    """How picked boxes become a stack of particles."""

    box_size: int | None = option(
        None,
        "Edge of the boxes cut from the micrograph; even, and 1.5 to 2 particle diameters.",
        unit="px",
        step=16,
        ge=4,
        le=8192,
    )
    downsample_to: int | None = option(
        None, "Edge after downsampling by a crop in Fourier space.", unit="px", step=16, ge=4, le=8192
    )
    invert: bool = option(False, "Invert the contrast: dark particles become bright, as RELION wants.")
    normalise: bool = option(
        True, "Give the background of each particle mean 0 and standard deviation 1, as RELION wants."
    )
    background: float = option(
        0.75,
        "Diameter of the circle round the particle, in edges of the box; the background is outside.",
        step=0.05,
        gt=0,
        le=1.3,
        advanced=True,
    )
    edge: str = option(
        "drop", "What a box that reaches beyond the micrograph becomes.", choices=choices.EDGES
    )
    limit: int | None = option(None, "At most this many particles, the best ones.", step=100, ge=1, le=10**9)
    voltage: float | None = option(
        None, "For the STAR file; 300 is written where not given.", unit="kV", step=100, gt=0, le=2000
    )
    spherical_aberration: float | None = option(
        None, "For the STAR file; 2.7 is written where not given.", unit="mm", step=0.1, ge=0, le=100
    )
    amplitude_contrast: float | None = option(
        None, "For the STAR file; 0.1 is written where not given.", step=0.01, ge=0, le=1, advanced=True
    )
