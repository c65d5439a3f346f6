"""Options of learning: the network's input, the network, and how it is trained."""

from __future__ import annotations

from napari_topaz import choices
from napari_topaz.settings.option import Settings, option


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
    box: int | None = option(
        None,
        "Edge of the box that the network sees after downsampling (deepem only); an even one gets one more "
        "pixel. One and a half particle diameters where not given.",
        unit="px",
        step=2,
        ge=16,
        le=512,
        advanced=True,
    )
    batch_norm: bool = option(True, "Batch normalisation after each layer.", advanced=True)


class TrainSettings(Settings):
    """How a model learns."""

    objective: str = option("cvir", "Objective that is minimised.", choices=choices.OBJECTIVES, advanced=True)
    start: str = option(
        "pretrained", "Weights to start from, where no model is given.", choices=choices.STARTS, advanced=True
    )
    expected: float | None = option(
        None, "Expected number of particles per micrograph, outside of masks.", step=10, gt=0, le=1_000_000
    )
    estimate_expected: bool = option(
        False,
        "Estimate the expected number from the labels first, with a few short trainings; it takes the place "
        "of a number that is given. The labels must be a random sample of the particles.",
        advanced=True,
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
    reconstructed: int | None = option(
        None,
        "Regions of a minibatch, chosen at random, that the autoencoder draws again; 64 of tiles and all "
        "patches where not given. This costs more than all else; fewer estimate the same.",
        step=16,
        ge=1,
        le=100_000,
        advanced=True,
    )
    sampling: str = option("auto", "How regions are drawn.", choices=choices.SAMPLINGS, advanced=True)
    mirror: bool = option(True, "Draw mirror images of the regions, too.", advanced=True)
    ignore_flanks: bool = option(
        True,
        "Leave out regions that are farther from a label than the label radius, but within the particle's.",
        advanced=True,
    )
    epochs: int | None = option(
        None,
        "Number of epochs; 3 for a few labels up to 12 for a hundred where not given.",
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
    margin: float = option(
        0.0,
        "Learn nothing from what is nearer to the edges than this.",
        unit="Å",
        step=10,
        ge=0,
        le=100_000,
        advanced=True,
    )
    symmetries: str = option(
        "eight",
        "Average the scores over rotations and mirror images when the model picks.",
        choices=choices.SYMMETRIES,
        advanced=True,
    )
    beta: float = option(
        1.0,
        "Weight β of the recall in the expected F_β whose best threshold becomes the model's; "
        "2 favours finding all particles.",
        step=0.5,
        gt=0,
        le=100,
        advanced=True,
    )
    deviation_filter: bool = option(
        False,
        "The model drops picks whose box has a standard deviation outside the range of the labelled "
        "particles'.",
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
