"""Commands that make models, and something to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.masks import MaskOption, masks_of
from napari_topaz.cli.options import (
    NETWORK,
    PREPROCESS,
    PRESET,
    RUN,
    SHOWN,
    SIMULATE,
    TRAIN,
    Micrographs,
    Network,
    OutputFolder,
    Overwrite,
    Preprocess,
    PresetName,
    Running,
    Showing,
    Simulating,
    Training,
    flag,
    of_preset,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen
from napari_topaz.cli.whole_micrographs import TICKED, Ticking, ticks_of, without
from napari_topaz.settings import TrainSettings

if TYPE_CHECKING:
    from napari_topaz.jobs.placement import Finding
    from napari_topaz.micrograph import MicrographFile
    from napari_topaz.model.picker import PickerModel
    from napari_topaz.picks import Picks

#: Labels outside of their micrographs are left out with a warning up to this fraction of them.
FEW_OUTSIDE = 0.1


def train(
    micrographs: Micrographs,
    /,
    *,
    picks: Annotated[Path, Parameter(help="Labelled particles (STAR, box, CSV, Topaz table).")],
    model: Annotated[Path, Parameter(help="Model file to write (.safetensors).")],
    pretrained: Annotated[
        Path | None,
        Parameter(help="Model to go on from (.safetensors, or .sav of Topaz); its network is taken."),
    ] = None,
    resume: Annotated[bool, flag("Go on from where an interrupted training was.")] = False,
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
    """Train a model on labelled particles.

    The particle's diameter is the one number that is needed (a model to go on from may state it).
    Training starts from the general model of the package, unless --pretrained or --start say otherwise.
    Ctrl-C ends training early and keeps the best epoch so far. Until the model is whole, the best epoch
    of each moment is in MODEL.partial.safetensors, a model like any other; --resume goes on from it.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.pick import load_model
    from napari_topaz.jobs.saving import check_writable
    from napari_topaz.jobs.train import train_on_files
    from napari_topaz.jobs.training_files import PartialModel, partial_file, save_or_rescue

    preprocess, settings, network = of_preset(preset, preprocess, settings, network)
    _refuse_impossible(settings, model)
    kept = PartialModel(partial_file(model), resume)
    begun = kept.path.exists()
    refuse_existing([model, kept.path], "--model", overwrite=overwrite or (resume and begun), resumes=begun)
    start = load_model(pretrained, device="cpu") if pretrained else None
    if preprocess.diameter is None and not (start and start.knows_preprocessing):
        raise CallError("--diameter is missing: the particle's diameter in Å.")
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    ticks = ticks_of(files, ticked)
    labels = labels_of(files, picks, screen)
    hidden = masks_of(masks, files)
    check_writable(model)
    learn = partial(train_on_files, without(files, ticked), labels, preprocess, settings, network)
    learn = partial(learn, device=running.device, stop=screen.stop, partial=kept)
    trained = screen.drive(learn(start=start, ticks=ticks, masks=hidden))
    save_or_rescue(trained, model)
    if kept.whole:
        kept.remove()
    return _training_result(screen, trained, model)


def _training_result(screen: Screen, trained: PickerModel, model: Path) -> int:
    """Print what has been trained; returns the exit code."""
    history = trained.card.history
    best = next((r for r in history if r.epoch == trained.card.best_epoch), None)
    held_out = best.held_out if best else None
    values = {
        "model": model,
        "epochs": len(history),
        "best_epoch": trained.card.best_epoch,
        "seconds": screen.seconds,
        "held_out_average_precision": held_out,
        "threshold": trained.card.threshold,
        "expected_precision": trained.card.expected_precision,
        "labels": trained.card.labels,
        "expected": trained.card.expected,
        "pretrained": trained.card.pretrained or None,
    }
    quality = "" if held_out is None else f"; held-out average precision {held_out:.3f}"
    text = (
        f"Wrote {model}: epoch {trained.card.best_epoch} of {len(history)}{quality}, {screen.seconds:.0f} s."
    )
    return screen.result(values, text)


def _refuse_impossible(settings: TrainSettings, model: Path) -> None:
    if settings.expected is not None and settings.prior is not None:
        raise CallError("--expected and --prior say the same thing; give one of them.")
    if model.suffix.lower() != ".safetensors":
        raise CallError(f"--model {model} must end in .safetensors.")


def labels_of(
    files: Sequence[MicrographFile], path: Path, screen: Screen, found: Mapping[str, Picks] | None = None
) -> dict[str, Picks]:
    """Read the labels of these micrographs (unless they are `found`), and refuse another scale."""
    from napari_topaz.files import FileError, check_inside, match_names, read_header, read_picks
    from napari_topaz.jobs.placement import look_at_picks
    from napari_topaz.jobs.streaming import some_names

    found = read_picks(path) if found is None else found
    if not found:
        raise FileError(f"{path} has no particles; label some first.")
    matched = match_names(found, [f.name for f in files])
    if matched.missing:
        screen.warn(f"Labels of {some_names(matched.missing)} are not used: they have no micrograph.")
    shapes = {f.name: read_header(f).shape for f in files if f.name in matched.picks}
    outside = sum(int((~p.inside(shapes[n])).sum()) for n, p in matched.picks.items())
    total = sum(len(p) for p in matched.picks.values())
    finding = screen.drive(look_at_picks(files, matched.picks))
    if outside > FEW_OUTSIDE * total:
        for name, picks in matched.picks.items():
            try:
                check_inside(picks, shapes[name], name)
            except FileError as error:
                if finding is None:
                    raise FileError(
                        f"{path}: {str(error).rstrip('.')} (with 'napari-topaz convert')."
                    ) from error
                what = str(error).partition("; ")[0]
                raise FileError(
                    f"{path}: {what}; they would lie on particles with {finding.words}: "
                    f"{moving(path, finding)}."
                ) from error
    if outside:
        screen.warn(f"{outside} of {total} labels lie outside of their micrographs and are not used.")
    if finding:
        screen.warn(finding.sentence(moving(path, finding)))
    return matched.picks


def moving(path: Path, finding: Finding) -> str:
    """Say which command moves the picks of a file to where they belong."""
    return f"'napari-topaz convert {path} MOVED --micrographs … {finding.options}' moves them"


def simulate(
    output: OutputFolder,
    /,
    *,
    overwrite: Overwrite = False,
    settings: Simulating = SIMULATE,
    shown: Showing = SHOWN,
) -> int:
    """Write simulated micrographs (MRC) and their true particles (STAR) into a folder."""
    from napari_topaz.jobs.simulate import TRUTH_FILE
    from napari_topaz.jobs.simulate import simulate as job

    earlier = [output / TRUTH_FILE, *sorted(output.glob("simulated_*.mrc"))]
    refuse_existing(earlier, "folder", overwrite=overwrite)
    screen = Screen(shown)
    made = screen.drive(job(settings, output, stop=screen.stop))
    particles = sum(len(p) for p in made.truth.values())
    values = {
        "micrographs": len(made.files),
        "particles": particles,
        "seconds": screen.seconds,
        "picks": output / TRUTH_FILE,
    }
    text = f"Wrote {len(made.files)} micrographs and {output / TRUTH_FILE} with {particles} particles."
    return screen.result(values, text)


def demo(
    output: Annotated[Path, Parameter(help="Folder for the results.")] = Path("napari-topaz-demo"),
    /,
    *,
    overwrite: Overwrite = False,
    settings: Simulating = SIMULATE,
    running: Running = RUN,
    shown: Showing = SHOWN,
) -> int:
    """Simulate micrographs, label a few particles, train, pick, evaluate: one to two minutes.

    The folder gets the micrographs, the labels, the model, the picks (STAR) and report.png.
    """
    from napari_topaz.jobs.demo import WRITTEN
    from napari_topaz.jobs.demo import demo as job

    earlier = [file for name in WRITTEN for file in sorted(output.glob(name))]
    refuse_existing(earlier, "folder", overwrite=overwrite)
    screen = Screen(shown)
    outcome = screen.drive(job(output, settings, device=running.device, stop=screen.stop))
    return screen.result(outcome.as_dict() | {"seconds": screen.seconds}, outcome.table(screen.seconds))
