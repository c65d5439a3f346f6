"""Commands that go over micrographs: pick, heatmap, preprocess."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.learning import labels_of
from napari_topaz.cli.masks import MaskOption, masks_of
from napari_topaz.cli.options import (
    FORMAT_HELP,
    MEASURES,
    PICK,
    PREPROCESS,
    RUN,
    SCALE,
    SHOWN,
    BoxSize,
    Exposures,
    Lengths,
    Measures,
    Micrographs,
    ModelFile,
    OutputFolder,
    Overwrite,
    Picking,
    Preprocess,
    Resume,
    Running,
    Scaling,
    Showing,
    needs_box,
    one_of,
    pick_format,
    positive,
    refuse_existing,
)
from napari_topaz.cli.picked import pick_result
from napari_topaz.cli.screen import Screen
from napari_topaz.cli.whole_micrographs import EXCLUDED, Excluding, without
from napari_topaz.settings import PickSettings, PreprocessSettings, RunSettings, ScaleSettings, choices_of

if TYPE_CHECKING:
    from napari_topaz.jobs.resuming import ResultFolder
    from napari_topaz.micrograph import MicrographFile
    from napari_topaz.model.picker import PickerModel

GUESSED = (
    "No --model is given: these picks are a first guess by the general model of the package. Look at them, "
    "correct some and train on those."
)
#: Edge of a box where none is given, in diameters of the particle.
BOX_DIAMETERS = 1.5
JoinedLabels = Annotated[
    Path | None,
    Parameter(
        help="Labels to put together with the picks: labelled particles take the place of picks there, "
        "and picks at places labelled to be none are left out."
    ),
]


def pick(
    micrographs: Micrographs,
    /,
    *,
    model: ModelFile = None,
    output: Annotated[Path, Parameter(help="One table for all (its suffix is the format), or a folder.")],
    format: Annotated[str | None, Parameter(help=FORMAT_HELP)] = None,  # noqa: A002
    resume: Resume = False,
    overwrite: Overwrite = False,
    settings: Picking = PICK,
    lengths: Measures = MEASURES,
    box_size: BoxSize = None,
    exposures: Exposures = None,
    excluded: Excluding = EXCLUDED,
    masks: MaskOption = None,
    labels: JoinedLabels = None,
    running: Running = RUN,
    scale: Scaling = SCALE,
    shown: Showing = SHOWN,
) -> int:
    """Pick particles with a trained model, of this program or of Topaz; without one, guess.

    Results are kept as they come; after a break (or Ctrl-C) --resume goes on. A broken
    micrograph is reported and the rest is picked. With --workers or --cluster other
    processes share the work, and the results are the same.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.pick import pick as job
    from napari_topaz.jobs.saving import Destination, open_output

    chosen, folder = pick_format(output, format)
    _refuse_exposures(exposures, chosen)
    screen = Screen(shown)
    refuse_impossible_lengths(lengths)
    files = without(find_micrographs(micrographs), excluded)
    hidden = masks_of(masks, files)
    known = None if labels is None else labels_of(files, labels, screen)
    picker = load_picker(model, lengths, running, scale)
    if model is None:
        screen.warn(GUESSED)
    size = pixel_size_of(files, picker.card.preprocess, picker.card.pixel_size)
    destination = Destination(
        path=output,
        format=chosen,
        folder=folder,
        files={f.name: f for f in files},
        pixel_size=size,
        box_size=box_size or (box_edge(2 * picker.radius(size)) if needs_box(chosen) else None),
        recipe=_recipe(model, masks, lengths, settings, labels),
        exposures=exposures,
    )
    refuse_existing(destination.targets(), "--output", overwrite=overwrite or resume, resumes=True)
    results = open_output(destination, resume=resume)
    if results.unverified:
        screen.warn(f"{output} does not say which model made its picks; they are kept as they are.")
    picked = partial(job, device=running.device, scale=scale, masks=hidden, labels=known)
    work = picked(files, picker, settings, stop=screen.stop, skip=results.done, write=results.write)
    found = screen.drive(work)
    screen.drive(results.finish(complete=not screen.failed and not screen.stop.is_set()))
    skipped = len(results.done & destination.files.keys())
    return pick_result(screen, found, output, skipped, calibrated=picker.calibrated)


def _refuse_exposures(exposures: Path | None, chosen: str) -> None:
    """Refuse exposures that cannot be used: picks are written at the end, which would be late."""
    if exposures is not None and chosen != "cs":
        raise CallError(f"--exposures is for files of cryoSPARC (.cs), not for --format {chosen}.")
    if exposures is not None and not exposures.is_file():
        raise CallError(f"--exposures {exposures} is no file; give cryoSPARC's .cs file of the exposures.")


def _recipe(
    model: Path | None, masks: Path | None, lengths: Lengths, settings: PickSettings, labels: Path | None
) -> dict[str, object]:
    """Everything that picks depend on: results of another recipe are not gone on from."""
    known = {} if labels is None else {"labels": digest(labels)}
    return _made_by(model, masks, lengths) | settings.model_dump() | known


def _made_by(model: Path | None, masks: Path | None, lengths: Lengths) -> dict[str, object]:
    """What the scores of micrographs depend on."""
    hidden = {} if masks is None else {"masks": digest(masks)}
    return {"model": digest_of_model(model), **hidden, **dataclasses.asdict(lengths)}


def refuse_impossible_lengths(lengths: Lengths) -> None:
    """Refuse lengths that are given and not positive."""
    for name, value in dataclasses.asdict(lengths).items():
        if isinstance(value, bool):
            continue
        positive(value, f"--{name.replace('_', '-')}")


def load_picker(
    path: Path | None, lengths: Lengths, running: RunSettings, scale: ScaleSettings
) -> PickerModel:
    """Read a model (None: the general one), and see that it knows its particle's diameter.

    Where other processes do the work, the device is theirs.
    """
    from napari_topaz.jobs.pick import load_model

    if path is None and lengths.diameter is None:
        raise CallError(
            "Give --model, or --diameter in Å for a first guess by the general model of the package."
        )
    device = "cpu" if scale.elsewhere else running.device
    model = load_model(path, device=device, **dataclasses.asdict(lengths))
    if not model.knows_preprocessing:
        raise CallError(f"--diameter is missing: {path} does not state the particle's diameter in Å.")
    return model


def pixel_size_of(
    files: Sequence[MicrographFile], preprocess: PreprocessSettings, otherwise: float | None = None
) -> float | None:
    """Å/px to write into STAR files: the settings', the first header's, or `otherwise`."""
    from napari_topaz.files import FileError, read_header

    if preprocess.pixel_size is not None:
        return preprocess.pixel_size
    try:
        return read_header(files[0]).pixel_size or otherwise
    except FileError:  # a broken micrograph is reported when its turn comes
        return otherwise


def box_edge(diameter: float) -> int:
    """Edge of a box for a particle of `diameter` pixels: an even number of pixels."""
    return 2 * math.ceil(BOX_DIAMETERS * diameter / 2)


def digest_of_model(path: Path | None) -> str:
    """Tell one model from another; None is the general one."""
    if path is None:
        from napari_topaz.model.general import WEIGHTS

        path = WEIGHTS
    return digest(path)


def digest(path: Path) -> str:
    """Tell one file from another, wherever it lies; of a folder also its files' names, but no hidden ones."""
    found = sha256()
    if not path.is_dir():
        found.update(path.read_bytes())
        return found.hexdigest()[:16]
    for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
        content = file.read_bytes()
        found.update(os.fsencode(file.name) + f"\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:16]


def heatmap(
    micrographs: Micrographs,
    /,
    *,
    model: ModelFile = None,
    output: OutputFolder,
    symmetries: Annotated[
        str, Parameter(help=PickSettings.model_fields["symmetries"].description)
    ] = PICK.symmetries,
    lengths: Measures = MEASURES,
    masks: MaskOption = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    running: Running = RUN,
    scale: Scaling = SCALE,
    shown: Showing = SHOWN,
) -> int:
    """Write the scores of micrographs as images (MRC, logits, on the model's own grid).

    Each is written as it comes; after a break (or Ctrl-C) --resume goes on.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.heatmap import RECIPE_FILE, heatmap_targets
    from napari_topaz.jobs.heatmap import heatmap as job
    from napari_topaz.jobs.resuming import ResultFolder

    one_of(symmetries, choices_of(PickSettings.model_fields["symmetries"]), "--symmetries")
    settings = PickSettings(symmetries=symmetries)
    screen = Screen(shown)
    refuse_impossible_lengths(lengths)
    files = find_micrographs(micrographs)
    targets = heatmap_targets(files, output)
    refuse_existing(targets.values(), "--output", overwrite=overwrite or resume, resumes=True)
    picker = load_picker(model, lengths, running, scale)
    if model is None:
        screen.warn(GUESSED)
    hidden = masks_of(masks, files)
    recipe = _made_by(model, masks, lengths) | {"symmetries": symmetries}
    earlier = _earlier(screen, ResultFolder(output / RECIPE_FILE, recipe, targets, resume=resume))
    work = job(
        files,
        picker,
        output,
        settings,
        device=running.device,
        stop=screen.stop,
        skip=earlier.done,
        scale=scale,
        masks=hidden,
    )
    return _images_result(screen, screen.drive(work), earlier, "heat maps")


def preprocess(
    micrographs: Micrographs,
    /,
    *,
    output: OutputFolder,
    resume: Resume = False,
    overwrite: Overwrite = False,
    settings: Preprocess = PREPROCESS,
    scale: Scaling = SCALE,
    shown: Showing = SHOWN,
) -> int:
    """Write micrographs as the network sees them: clipped, downsampled, normalised (MRC).

    Each is written as it comes; after a break (or Ctrl-C) --resume goes on.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.preprocess import RECIPE_FILE, fitted_once, preprocess_targets
    from napari_topaz.jobs.preprocess import preprocess as job
    from napari_topaz.jobs.resuming import ResultFolder

    if settings.diameter is None and settings.downsample is None:
        raise CallError("--diameter is missing: the particle's diameter in Å (or give --downsample).")
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    targets = preprocess_targets(files, output)
    refuse_existing(targets.values(), "--output", overwrite=overwrite or resume, resumes=True)
    recipe = settings.model_dump()
    earlier = _earlier(screen, ResultFolder(output / RECIPE_FILE, recipe, targets, resume=resume))
    fit = fitted_once(files, settings, earlier, stop=screen.stop, scale=scale)
    work = job(files, screen.drive(fit), output, stop=screen.stop, skip=earlier.done, scale=scale)
    return _images_result(screen, screen.drive(work), earlier, "preprocessed micrographs")


def _earlier(screen: Screen, results: ResultFolder) -> ResultFolder:
    """Warn where nothing tells how the results were made that are kept."""
    if results.unverified:
        folder = results.file.parent
        screen.warn(f"{folder} does not say how the images in it were made; they are kept as they are.")
    return results


def _images_result(screen: Screen, written: Sequence[Path], earlier: ResultFolder, what: str) -> int:
    output, skipped = earlier.file.parent, len(earlier.done)
    if not screen.failed and not screen.stop.is_set():
        earlier.finish()
    values = {
        "micrographs": len(written),
        "seconds": screen.seconds,
        "skipped": skipped,
        "failed": list(screen.failed),
        "output": output,
    }
    before = f" ({skipped} were done before)" if skipped else ""
    return screen.result(values, f"Wrote {len(written)} {what}{before} to {output}, {screen.seconds:.0f} s.")
