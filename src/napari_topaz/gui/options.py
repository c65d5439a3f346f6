"""All settings of the viewer, in one value. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_topaz.gui.display import DisplaySettings
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    ReferenceSettings,
    RunSettings,
    TrainSettings,
)


@dataclass(frozen=True)
class Options:
    """All settings of the viewer."""

    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pick: PickSettings = field(default_factory=PickSettings)
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    run: RunSettings = field(default_factory=RunSettings)
    display: DisplaySettings = field(default_factory=DisplaySettings)

    @property
    def thresholds(self) -> tuple[float | None, float | None]:
        """What she chose for picks of the model and for suggestions."""
        return self.pick.threshold, self.reference.threshold
