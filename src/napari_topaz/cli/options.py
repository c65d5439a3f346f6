"""Parameters that commands share. Options of the work itself come from the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from napari_topaz import choices
from napari_topaz.cli.call_errors import CallError
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    PretrainSettings,
    RunSettings,
    SavingSettings,
    ScaleSettings,
    SimulateSettings,
    StackSettings,
    TrainSettings,
)
from napari_topaz.settings.presets import with_preset

_RUNNING = ("Running", 9)


def _flat(title: str, position: int) -> Parameter:
    """Fields appear as options of their own: ``--diameter``, not ``--preprocess.diameter``."""
    return Parameter(name="*", group=Group(title, sort_key=position))


def flag(help: str) -> Parameter:  # noqa: A002
    """An option without a value, off by default."""
    return Parameter(negative="", show_default=False, help=help)


@dataclass(frozen=True)
class Shown:
    """What is printed."""

    json: Annotated[bool, flag("Print the result as one JSON object.")] = False
    quiet: Annotated[bool, flag("No progress; warnings and errors only.")] = False
    debug: Annotated[bool, flag("Print the traceback of an error.")] = False


@dataclass(frozen=True)
class Lengths:
    """What takes the place of what the model's file says."""

    diameter: Annotated[
        float | None,
        Parameter(help="Diameter of the particle, in place of the model's; models of Topaz need it."),
    ] = None
    pixel_size: Annotated[
        float | None, Parameter(help="Pixel size of the micrographs, in place of their headers'.")
    ] = None
    downsample: Annotated[
        float | None,
        Parameter(help="Downsampling factor, in place of the model's or of what follows from the diameter."),
    ] = None
    inverted: Annotated[
        bool,
        flag("Particles are bright where the model learnt dark ones, or the other way round."),
    ] = False


Micrographs = Annotated[list[str], Parameter(help="Files, folders, globs or @list.txt.", negative="")]
Preprocess = Annotated[PreprocessSettings, _flat("Particle and preprocessing", 1)]
Training = Annotated[TrainSettings, _flat("Training", 2)]
Pretraining = Annotated[PretrainSettings, _flat("Pretraining", 1)]
Network = Annotated[NetworkSettings, _flat("Network", 3)]
Picking = Annotated[PickSettings, _flat("Picking", 2)]
Stacking = Annotated[StackSettings, _flat("Particles", 1)]
Simulating = Annotated[SimulateSettings, _flat("Simulation", 1)]
Running = Annotated[RunSettings, _flat(*_RUNNING)]
Scaling = Annotated[ScaleSettings, _flat(*_RUNNING)]
Showing = Annotated[Shown, _flat(*_RUNNING)]
Measures = Annotated[Lengths, _flat("Particle and micrographs", 1)]
PresetName = Annotated[
    str,
    Parameter(
        help="Options set together, where they are not given one by one: "
        + "; ".join(f"{name} ({text})" for name, text in choices.PRESETS.items())
        + "."
    ),
]
ModelFile = Annotated[
    Path | None,
    Parameter(
        help="Model file (.safetensors, or .sav of Topaz). Without one, the package's general model makes "
        "a first guess; it needs --diameter."
    ),
]
OutputFolder = Annotated[Path, Parameter(help="Folder for the results; made where it is missing.")]
PixelSize = Annotated[
    float | None, Parameter(help="Pixel size of the micrographs, in place of their headers'.")
]
PickFile = Annotated[
    Path,
    Parameter(help="Picks: a file (STAR, cryoSPARC .cs, crYOLO .cbox, EMAN box, CSV, Topaz, …) or a folder."),
]
Overwrite = Annotated[bool, flag("Replace what exists already.")]
Resume = Annotated[bool, flag("Skip micrographs that are done already.")]
_SAVING = SavingSettings.model_fields
BoxSize = Annotated[int | None, Parameter(help=_SAVING["box_size"].description)]
Exposures = Annotated[Path | None, Parameter(help=_SAVING["exposures"].description)]
FORMAT_HELP = f"{', '.join(choices.PICK_FORMATS)}; by suffix where not given."

#: What holds where nothing is said.
PREPROCESS, TRAIN, NETWORK = PreprocessSettings(), TrainSettings(), NetworkSettings()
STACK, PRETRAIN = StackSettings(), PretrainSettings()
PICK, SIMULATE, RUN, SHOWN = PickSettings(), SimulateSettings(), RunSettings(), Shown()
MEASURES, SCALE = Lengths(), ScaleSettings()
PRESET = "default"

_LENGTH = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(px|a|å|angstrom)?\s*", re.IGNORECASE)


def pixels(text: str, pixel_size: float | None, option: str) -> float:
    """Return a length in pixels.

    Parameters
    ----------
    text : str
        ``27`` or ``27px`` in pixels, ``90A`` or ``90Å`` in Å.
    pixel_size : float or None
        Å/px, needed for Å.
    option : str
        Whose value it is, for the message.

    Raises
    ------
    CallError
        Where it is no positive length, or the pixel size is missing.
    """
    found = _LENGTH.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise CallError(f"{option} {text!r} is not a length; give pixels (27 or 27px) or Å (90A).")
    if (found[2] or "px").lower() == "px":
        return float(found[1])
    if pixel_size is None:
        raise CallError(f"{option} {text} is in Å, so --pixel-size is needed too.")
    return float(found[1]) / pixel_size


def positive(value: float | None, option: str) -> float | None:
    """Refuse a number that is given and not positive."""
    if value is not None and not value > 0:
        raise CallError(f"{option} must be positive, not {value:g}.")
    return value


def one_of(name: str, table: Mapping[str, str], option: str) -> str:
    """Refuse a name that is not in a table of choices."""
    if name not in table:
        raise CallError(f"{option} is {name!r}, but must be one of {', '.join(table)}.")
    return name


def of_preset(
    preset: str, preprocess: PreprocessSettings, settings: TrainSettings, network: NetworkSettings
) -> tuple[PreprocessSettings, TrainSettings, NetworkSettings]:
    """Fill what was not given from a preset."""
    one_of(preset, choices.PRESETS, "--preset")
    return with_preset(preset, preprocess), with_preset(preset, settings), with_preset(preset, network)


def refuse_existing(paths: Iterable[Path], option: str, *, overwrite: bool, resumes: bool = False) -> None:
    """Refuse a call that would replace earlier results, unless that is wanted."""
    go_on = ", --resume to go on from it" if resumes else ""
    for path in paths:
        if not overwrite and path.exists():
            raise CallError(
                f"{path} exists already; give another {option}{go_on}, or --overwrite to replace it."
            )


def pick_format(output: Path, name: str | None, *, many: bool = True) -> tuple[str, bool]:
    """Return the format of picks to write to `output`, and whether that is a folder.

    Parameters
    ----------
    output : Path
        A folder (one that exists, or a path without suffix), or a table whose suffix says the format.
    name : str or None
        The format asked for.
    many : bool
        Whether there may be several micrographs; else one that is too many is the writer's to refuse.

    Raises
    ------
    CallError
        Where the suffix belongs to no format or to another one, or cannot hold many.
    """
    from napari_topaz.files import PICK_FORMATS, PICK_SUFFIXES, format_of

    if name is not None and name not in PICK_FORMATS:
        raise CallError(
            f"--format {name!r} is not a format of picks; choose one of {', '.join(PICK_FORMATS)}."
        )
    if output.is_dir() or not output.suffix:
        return name or "star", True
    found = format_of(output)
    if found is None:
        raise CallError(
            f"The suffix of {output} is of no format of picks ({', '.join(PICK_SUFFIXES)}); "
            f"change it, or give a folder."
        )
    chosen = PICK_FORMATS[name or found.name]
    if not output.name.lower().endswith(chosen.suffixes):
        suffixes = " or ".join(chosen.suffixes)
        raise CallError(f"The suffix of {output} does not fit --format {name}; it must be {suffixes}.")
    if chosen.single and many:
        raise CallError(f"{output} can hold one micrograph only; give a folder and --format {chosen.name}.")
    return chosen.name, False


def needs_box(format_name: str) -> bool:
    """Whether a format of picks needs the size of a box."""
    from napari_topaz.files import PICK_FORMATS

    return PICK_FORMATS[format_name].boxed
