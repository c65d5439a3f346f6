"""The only list of options.

A field states default, bounds, unit, step and help once; command line, viewer and model files derive from it.
"""

from napari_topaz.settings.displaying import DisplaySettings, DrawingSettings
from napari_topaz.settings.learning import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.settings.option import Settings, choices_of, option
from napari_topaz.settings.picking import PickSettings, ReferenceSettings, StackSettings
from napari_topaz.settings.pretraining import PretrainSettings
from napari_topaz.settings.running import RunSettings, ScaleSettings
from napari_topaz.settings.saving import SavingSettings
from napari_topaz.settings.simulating import SimulateSettings

__all__ = [
    "DisplaySettings",
    "DrawingSettings",
    "NetworkSettings",
    "PickSettings",
    "PreprocessSettings",
    "PretrainSettings",
    "ReferenceSettings",
    "RunSettings",
    "SavingSettings",
    "ScaleSettings",
    "Settings",
    "SimulateSettings",
    "StackSettings",
    "TrainSettings",
    "choices_of",
    "option",
]
