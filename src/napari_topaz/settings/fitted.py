"""What preprocessing has learnt from a dataset, as the card of a model keeps it: found, not chosen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from napari_topaz.settings.learning import PreprocessSettings


class DatasetMixture(BaseModel):
    """Two Gaussians of the pixels of a whole dataset, each micrograph divided by a scale of its own.

    Attributes
    ----------
    means, stds : tuple of float
        Of the two components at scale 1; the second one has the higher mean.
    weight : float
        Fraction of the pixels that belong to the second component.
    rms : float
        Root mean square of a micrograph of scale 1.
    by_rms : bool
        Whether scales are ratios of root mean squares, as the pixels are centred on zero.
    micrographs : int
        How many it was fitted to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    means: tuple[float, float]
    stds: tuple[float, float]
    weight: float = Field(ge=0, le=1)
    rms: float
    by_rms: bool = False
    micrographs: int = 1

    @property
    def dominant(self) -> tuple[float, float]:
        """Mean and standard deviation of the component that has more pixels."""
        upper = self.weight >= 0.5
        return self.means[upper], self.stds[upper]


class FittedPreprocess(PreprocessSettings):
    """Preprocessing by ``gmm-dataset``, with the mixture of the dataset."""

    mixture: DatasetMixture
