"""All settings of the viewer, in one value. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import ValidationError

from napari_topaz.settings import (
    DisplaySettings,
    DrawingSettings,
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    ReferenceSettings,
    RunSettings,
    Settings,
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
    drawing: DrawingSettings = field(default_factory=DrawingSettings)

    @property
    def thresholds(self) -> tuple[float | None, float | None]:
        """What she chose for picks of the model and for suggestions."""
        return self.pick.threshold, self.reference.threshold

    def but_thresholds(self) -> Options:
        """Return the same without what she chose for the threshold, which no form shows."""
        pick = self.pick.model_copy(update={"threshold": None})
        return replace(self, pick=pick, reference=self.reference.model_copy(update={"threshold": None}))

    def finds_other_scores(self, new: Options, *, as_model_states: bool) -> bool:
        """Whether other scores would be found with new options.

        `as_model_states`: the preprocessing is the model's, not that of the options.
        """
        if not as_model_states and self.preprocess != new.preprocess:
            return True
        symmetries = self.pick.symmetries != new.pick.symmetries
        return symmetries or self.preprocess.pixel_size != new.preprocess.pixel_size

    def takes_other_peaks(self, new: Options) -> bool:
        """Whether other peaks would be taken of the same scores; the threshold only selects from them."""
        return self.pick.model_copy(update={"threshold": new.pick.threshold}) != new.pick


def plain(options: Options) -> dict[str, dict[str, Any]]:
    """Return all settings as plain values, by group and name."""
    return {group.name: getattr(options, group.name).model_dump() for group in fields(options)}


def options_of(values: Mapping[str, Mapping[str, Any]]) -> tuple[Options, list[str]]:
    """Return the options that :func:`plain` described, and the names of those that make no sense.

    What is missing or makes no sense is as by default: a file may be of another version.
    """
    groups, refused = {}, []
    for group in fields(Options):
        settings = type(getattr(Options(), group.name))
        given = values.get(group.name, {})
        kept = {name: value for name, value in given.items() if _fits(settings, {name: value})}
        refused += [f"{group.name}.{name}" for name in given if name not in kept]
        groups[group.name] = settings.model_validate(kept if _fits(settings, kept) else {})
    return Options(**groups), refused


def _fits(settings: type[Settings], values: Mapping[str, Any]) -> bool:
    try:
        settings.model_validate(values)
    except ValidationError:
        return False
    return True
