"""Commands that find out how many particles to expect: count and cross-validate."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.learning import labels_of
from napari_topaz.cli.masks import MaskOption, masks_of
from napari_topaz.cli.options import (
    NETWORK,
    PREPROCESS,
    PRESET,
    RUN,
    SHOWN,
    TRAIN,
    Micrographs,
    Network,
    OutputFolder,
    Overwrite,
    Preprocess,
    PresetName,
    Running,
    Showing,
    Training,
    of_preset,
)
from napari_topaz.cli.screen import Screen
from napari_topaz.cli.whole_micrographs import TICKED, Ticking, ticks_of, without
from napari_topaz.settings import PreprocessSettings, TrainSettings

if TYPE_CHECKING:
    from napari_topaz.jobs.cross_validate import CrossValidation

Labels = Annotated[Path, Parameter(help="Labelled particles (STAR, box, CSV, Topaz table).")]


def count(
    micrographs: Micrographs,
    /,
    *,
    picks: Labels,
    preset: PresetName = PRESET,
    preprocess: Preprocess = PREPROCESS,
    settings: Training = TRAIN,
    network: Network = NETWORK,
    ticked: Ticking = TICKED,
    masks: MaskOption = None,
    running: Running = RUN,
    shown: Showing = SHOWN,
) -> int:
    """Estimate the number of particles per micrograph from labels, for --expected.

    Models that have not seen a micrograph pick it; where their scores are highest nearly all picks are
    particles, and the labels among them tell which fraction of all that is (best bin, Garg et al. 2021).
    Labels must be a random sample of the particles, on two micrographs or more. Complete and empty
    micrographs are learnt from, but not counted. Objective and expected number of the training are not taken.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.prior import estimate_expected

    preprocess, settings, network = of_preset(preset, preprocess, settings, network)
    _refuse_impossible(preprocess, settings)
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    ticks = ticks_of(files, ticked)
    labels = labels_of(files, picks, screen)
    estimate = partial(estimate_expected, without(files, ticked), labels, preprocess, settings, network)
    hidden = masks_of(masks, files)
    job = estimate(device=running.device, stop=screen.stop, masks=hidden, ticks=ticks)
    found = screen.drive(job)
    values = {
        "expected": found.expected,
        "low": found.low,
        "high": found.high,
        "prior": found.prior,
        "labels": found.labels,
        "micrographs": found.micrographs,
        "seconds": screen.seconds,
    }
    text = (
        f"{found.expected:.3g} particles per micrograph ({found.low:.3g} to {found.high:.3g}), "
        f"π = {found.prior:.4f}; from {found.labels} labels on {found.micrographs} micrographs, "
        f"{screen.seconds:.0f} s."
    )
    return screen.result(values, text)


def cross_validate(
    micrographs: Micrographs,
    /,
    *,
    picks: Labels,
    output: OutputFolder,
    vary: Annotated[
        str, Parameter(help="An option of training and its values, such as expected=100,200,400.")
    ],
    folds: Annotated[int, Parameter(help="Parts that the labelled micrographs are dealt out in.")] = 3,
    overwrite: Overwrite = False,
    preset: PresetName = PRESET,
    preprocess: Preprocess = PREPROCESS,
    settings: Training = TRAIN,
    network: Network = NETWORK,
    ticked: Ticking = TICKED,
    masks: MaskOption = None,
    running: Running = RUN,
    shown: Showing = SHOWN,
) -> int:
    """Compare values of one option of training by cross-validation over micrographs.

    Each value is judged by labels on micrographs that its models have not seen: by how few picks reach them
    (recall area), which needs no number of particles. Every training is kept in the folder: the same
    call after an interruption goes on, and more values can be added. Writes table.csv and
    cross_validation.png.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.cross_validate import cross_validate as job

    preprocess, settings, network = of_preset(preset, preprocess, settings, network)
    _refuse_impossible(preprocess, settings)
    option, values = _read_vary(vary)
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    ticks = ticks_of(files, ticked)
    labels = labels_of(files, picks, screen)
    found = screen.drive(
        job(
            without(files, ticked), labels, preprocess, output, values, settings, network,
            option=option, folds=folds, overwrite=overwrite, device=running.device, stop=screen.stop,
            masks=masks_of(masks, files), ticks=ticks,
        )
    )  # fmt: skip
    values_ = asdict(found) | {"seconds": screen.seconds}
    return screen.result(values_, comparison_table(found))


def comparison_table(found: CrossValidation) -> str:
    """Say for people how the values compare."""
    from napari_topaz.jobs.cross_validation_files import spelt

    lines = [f"{found.option:>12}  folds  recall area      average precision"]
    for one in found.candidates:
        areas = _spread(one.recall_area, one.recall_area_error, 4)
        precision = _spread(one.average_precision, one.average_precision_error, 3)
        lines.append(f"{spelt(one.value):>12}  {one.folds:5d}  {areas}  {precision}")
    if found.choice is None:
        lines.append("No value has all folds yet; run the same command again to go on.")
    else:
        others = f"; as good within one standard error: {', '.join(map(spelt, found.as_good))}"
        best = "Best so far" if found.unfinished else "Best"
        lines.append(f"{best}: {found.option} {spelt(found.choice)}{others if found.as_good else ''}.")
        if found.unfinished:
            lacking = ", ".join(map(spelt, found.unfinished))
            lines.append(f"Not all folds are done of {lacking}; run the same command again to go on.")
    lines.append(f"Wrote {found.table} and {found.plot} ({found.computed} trainings, {found.kept} kept).")
    return "\n".join(lines)


def _spread(mean: float, error: float, digits: int) -> str:
    """Write mean ± standard error in a column; a dash for what too few folds do not give."""
    texts = ("–" if math.isnan(x) else f"{x:.{digits}f}" for x in (mean, error))
    return "{:>{w}} ± {:<{w}}".format(*texts, w=digits + 2)


def _read_vary(text: str) -> tuple[str, list[str]]:
    """Return name and values of ``name=value,value,…``."""
    name, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or not found:
        raise CallError(f"--vary {text!r} must be an option and its values, such as expected=100,200,400.")
    return name.strip().removeprefix("--").replace("-", "_"), found


def _refuse_impossible(preprocess: PreprocessSettings, settings: TrainSettings) -> None:
    if preprocess.diameter is None:
        raise CallError("--diameter is missing: the particle's diameter in Å.")
    if settings.expected is not None and settings.prior is not None:
        raise CallError("--expected and --prior say the same thing; give one of them.")
    if settings.estimate_expected:
        raise CallError("--estimate-expected is an option of train; leave it out here.")
