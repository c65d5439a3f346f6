"""The only list of options.

A field states default, bounds, unit, step and help once; command line, viewer and model files derive from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from napari_topaz import choices


def option(default: Any, help: str, *, unit: str = "", **more: Any) -> Any:  # noqa: A002
    """State one option.

    Parameters
    ----------
    default : object
        Its default; None means "follows from other options".
    help : str
        One sentence for the command line, the tooltip and the docs.
    unit : str
        Unit, where it has one.
    **more
        ``step`` of a spin box, ``advanced`` (folded away in the viewer), ``choices`` (a mapping
        from name to help), and pydantic's bounds (``ge``, ``gt``, ``le``, ``lt``, ``pattern``).
    """
    extra = {key: more.pop(key, None) for key in ("step", "choices")}
    extra |= {"unit": unit, "advanced": more.pop("advanced", False)}
    if extra["choices"]:
        help = f"{help.rstrip('.')}: {', '.join(extra['choices'])}."  # noqa: A001
    return Field(default, description=help, json_schema_extra=extra, **more)


def choices_of(field: FieldInfo) -> Mapping[str, str]:
    """Return the allowed values of an option and their help; empty where it is not a choice."""
    extra = field.json_schema_extra
    found = extra.get("choices") if isinstance(extra, Mapping) else None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


class Settings(BaseModel):
    """Base of all settings: frozen, strict about names and choices."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _choices_hold(self) -> Self:
        for name, field in type(self).model_fields.items():
            allowed = choices_of(field)
            if allowed and getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}."
                )
        return self


class PreprocessSettings(Settings):
    """How a micrograph becomes the network's input."""

    diameter: float | None = option(
        None,
        "Diameter of the particle; downsampling, label radius and suppression radius follow from it.",
        unit="Å",
        step=5,
        gt=0,
        le=10_000,
    )
    pixel_size: float | None = option(
        None,
        "Pixel size of the micrographs, where the file's header is wrong or silent.",
        unit="Å/px",
        step=0.01,
        gt=0,
        le=1000,
    )
    particle_pixels: float = option(
        19.0, "Diameter of the particle after downsampling.", unit="px", step=1, ge=6, le=64, advanced=True
    )
    downsample: float | None = option(
        None,
        "Downsampling factor, in place of the one that follows from the diameter.",
        step=1,
        ge=1,
        le=64,
        advanced=True,
    )
    normalise: str = option("gmm", "Normalisation.", choices=choices.NORMALISATIONS, advanced=True)
    clip: float = option(
        8.0,
        "Clip hot and dead pixels at this many robust standard deviations; 0 leaves them.",
        unit="σ",
        step=1,
        ge=0,
        le=1000,
        advanced=True,
    )


class NetworkSettings(Settings):
    """The classifier."""

    architecture: str = option(
        "small", "Architecture of the network.", choices=choices.ARCHITECTURES, advanced=True
    )
    width: int | None = option(
        None,
        "Channels of the first layer; the architecture's own where not given.",
        step=8,
        ge=1,
        le=1024,
        advanced=True,
    )
    batch_norm: bool = option(True, "Batch normalisation after each layer.", advanced=True)


class TrainSettings(Settings):
    """How a model learns."""

    objective: str = option("cvir", "Objective that is minimised.", choices=choices.OBJECTIVES, advanced=True)
    expected: float | None = option(
        None, "Expected number of particles per micrograph.", step=10, gt=0, le=1_000_000
    )
    prior: float | None = option(
        None,
        "Fraction of positive regions π, in place of the expected number.",
        step=0.001,
        gt=0,
        lt=1,
        advanced=True,
    )
    slack: float | None = option(
        None,
        "Weight λ of the expectation in the GE objectives; 10 (ge-kl) or 1 (ge-binomial) where not given.",
        step=0.5,
        ge=0,
        le=1e6,
        advanced=True,
    )
    expectation_decay: float = option(
        0.0,
        "Weight of earlier minibatches in the mean score of ge-kl; 0 takes each by itself.",
        step=0.1,
        ge=0,
        lt=1,
        advanced=True,
    )
    autoencoder: float = option(
        0.0,
        "Weight of the reconstruction term times the number of labels (10 in the papers, up to 250 labels); "
        "0 leaves it out.",
        step=1,
        ge=0,
        le=1e6,
        advanced=True,
    )
    sampling: str = option("auto", "How regions are drawn.", choices=choices.SAMPLINGS, advanced=True)
    epochs: int | None = option(
        None,
        "Number of epochs; 4 for a few labels up to 12 for a hundred where not given.",
        step=1,
        ge=1,
        le=10_000,
        advanced=True,
    )
    steps: int = option(50, "Training steps per epoch.", step=10, ge=1, le=100_000, advanced=True)
    learning_rate: float = option(3e-3, "Peak learning rate.", step=0.0001, gt=0, le=1, advanced=True)
    schedule: str = option("cosine", "Course of the learning rate.", choices=choices.SCHEDULES, advanced=True)
    weight_decay: float = option(
        0.01, "Decoupled weight decay of AdamW; 0 is plain Adam.", step=0.01, ge=0, le=10, advanced=True
    )
    label_radius: float | None = option(
        None,
        "Regions this close to a label are positive (downsampled pixels); "
        "min(3 px, a quarter of the particle's diameter) where not given.",
        unit="px",
        step=0.5,
        ge=0,
        le=64,
        advanced=True,
    )
    held_out: float = option(
        0.2,
        "Fraction of the labelled micrographs held out to choose the best epoch, with a third of the labels "
        "at most.",
        step=0.05,
        ge=0,
        lt=1,
        advanced=True,
    )
    time_limit: float | None = option(
        None,
        "Stop training after this time; the best epoch is kept.",
        unit="s",
        step=10,
        gt=0,
        le=1e7,
        advanced=True,
    )
    seed: int = option(0, "Seed of all random numbers.", step=1, ge=0, le=2**31 - 1, advanced=True)


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
        "Smallest distance between two picks; the particle's radius where not given.",
        unit="Å",
        step=5,
        gt=0,
        le=10_000,
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
    symmetries: bool = option(
        True, "Average the scores over the eight rotations and mirror images.", advanced=True
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


class RunSettings(Settings):
    """Where a job runs."""

    device: str = option(
        "auto", "auto, cpu, cuda, cuda:N or mps.", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", advanced=True
    )


class SimulateSettings(Settings):
    """Micrographs with known truth."""

    micrographs: int = option(6, "Number of micrographs.", step=1, ge=1, le=1_000_000)
    size: int = option(1024, "Height and width.", unit="px", step=128, ge=64, le=16_384)
    pixel_size: float = option(3.5, "Pixel size.", unit="Å/px", step=0.1, gt=0, le=100)
    diameter: float = option(180.0, "Diameter of the particle.", unit="Å", step=10, gt=0, le=10_000)
    particles: int = option(80, "Mean number of particles per micrograph.", step=10, ge=0, le=100_000)
    dose: float = option(20.0, "Electron dose; lower is noisier.", unit="e/Å²", step=1, gt=0, le=1000)
    seed: int = option(0, "Seed of all random numbers.", step=1, ge=0, le=2**31 - 1)


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
