"""Presets: options set together under one name.

To add one: a line in :data:`napari_topaz.choices.PRESETS` and an entry here. Options of picking have no
place in it: what a model must remember of its preset for picking is an option of training (such as
``symmetries``), as the model's card keeps those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from napari_topaz.settings.learning import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.settings.option import Settings

S = TypeVar("S", bound=Settings)

#: What belongs to a preset, by the name that its values and the viewer use.
GROUPS: Mapping[str, type[Settings]] = {
    "preprocess": PreprocessSettings,
    "network": NetworkSettings,
    "train": TrainSettings,
}

#: Bepler et al. 2018 (arXiv 1803.08207, v1 = P1, revised = P2) and 2019 (Nature Methods, = P3).
PAPER: Mapping[str, Mapping[str, Any]] = {
    "preprocess": {
        "normalise": "gmm",  # P3, per micrograph; P1 and P2 fit one mixture for all
        "clip": 0.0,  # none of them clips hot pixels
    },
    "network": {
        "architecture": "conv31",  # P1: 7×7 ×32 /2, 5×5 ×64 /2, 5×5 ×128, linear to 1
        "width": 32,
        "batch_norm": True,
    },
    "train": {
        "start": "random",  # P1 and P2; P3 ships weights of its own
        "objective": "ge-binomial",  # P1, with λ = 1, which is that objective's own where none is given
        "autoencoder": 10.0,  # P1: γ = 10 / |P|, up to 250 labels
        "sampling": "patches",  # P1: 16 positive and 240 unlabelled regions
        "mirror": False,  # P1: rotations alone
        "ignore_flanks": False,  # P1: what is not within the label radius is unlabelled
        "label_radius": 3.0,  # P1, downsampled pixels; P2 and P3 go up to 5
        "learning_rate": 2e-4,  # P1: Adam
        "schedule": "constant",
        "weight_decay": 0.0,
        "epochs": 50,  # P1: 50 000 steps in all
        "steps": 1000,
        "held_out": 0.0,  # none of them chooses an epoch
        "symmetries": "none",  # a micrograph is scored once
    },
}

#: Zhu, Ouyang & Mao 2017 (BMC Bioinformatics 18:348).
DEEPEM: Mapping[str, Mapping[str, Any]] = {
    "network": {
        "architecture": "deepem",
        "width": 6,  # maps of the first layer
        "batch_norm": True,  # not in the paper
    },
    "train": {
        "start": "random",
        "objective": "squared-error",
        "sampling": "boxes",
        "mirror": False,  # the four rotations by 90° alone
        "learning_rate": 1e-2,  # of Adam; the paper has plain gradient descent
        "steps": 100,
        "symmetries": "four",
        "beta": 2.0,
        "deviation_filter": True,
    },
}

#: Values by preset, group and option.
PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"default": {}, "paper": PAPER, "deepem": DEEPEM}


def preset_values(name: str, group: str) -> dict[str, Any]:
    """Return the values that a preset gives to the options of one group.

    Parameters
    ----------
    name : str
        One of :data:`napari_topaz.choices.PRESETS`.
    group : str
        One of :data:`GROUPS`.

    Raises
    ------
    ValueError
        Where there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return dict(PRESETS[name].get(group, {}))


def with_preset(name: str, settings: S) -> S:
    """Return the settings with a preset's values for all options that were not given explicitly.

    Parameters
    ----------
    name : str
        One of :data:`napari_topaz.choices.PRESETS`.
    settings : Settings
        Of one of :data:`GROUPS`; what was given is what pydantic calls its ``model_fields_set``.
    """
    given = settings.model_dump(include=settings.model_fields_set)
    values = preset_values(name, _group_of(settings)) | given
    return type(settings).model_validate(values)


def filled(name: str, settings: S) -> S:
    """Return the settings as a form shows them once a preset is chosen there.

    Every option that any preset is about gets this preset's value, or its default; the others stay.
    """
    group = _group_of(settings)
    values = _defaults(group) | preset_values(name, group)
    return type(settings).model_validate(settings.model_dump() | values)


def preset_of(settings: Mapping[str, Settings]) -> str | None:
    """Return the preset that settings agree with, None where there is no such one.

    Parameters
    ----------
    settings : mapping of str to Settings
        By group; others than :data:`GROUPS` do not matter.
    """
    present = {group: settings[group] for group in GROUPS}
    agreeing = (name for name in PRESETS if all(filled(name, s) == s for s in present.values()))
    return next(agreeing, None)


def _group_of(settings: Settings) -> str:
    return next(name for name, kind in GROUPS.items() if type(settings) is kind)


def _defaults(group: str) -> dict[str, Any]:
    """Return the defaults of the options of a group that any preset is about."""
    fields = GROUPS[group].model_fields
    return {option: fields[option].default for name in PRESETS for option in preset_values(name, group)}
