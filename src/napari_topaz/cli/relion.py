"""Two programs for RELION's *External* job: ``napari-topaz-relion-train`` and ``napari-topaz-relion-pick``.

RELION calls them from its project's folder with ``--o External/jobXXX/ --in_mics … --j J`` and the user's
parameters as ``--name value``. Names are those of the commands train and pick, with "_" or "-".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from napari_topaz import __version__
from napari_topaz.cli import DONE, FAILED, WRONG_CALL, print_anything, refuse
from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.help_texts import UnitFormatter
from napari_topaz.cli.masks import MaskOption, masks_of
from napari_topaz.cli.meters import tell
from napari_topaz.cli.options import (
    MEASURES,
    NETWORK,
    PICK,
    PREPROCESS,
    PRESET,
    RUN,
    TRAIN,
    Measures,
    ModelFile,
    Network,
    Picking,
    Preprocess,
    PresetName,
    Running,
    Shown,
    Training,
    of_preset,
)
from napari_topaz.cli.screen import Screen
from napari_topaz.events import JobError

if TYPE_CHECKING:
    from napari_topaz.files.relion import RelionMicrographs
    from napari_topaz.jobs.relion import Abortable

#: RELION's words for our options.
ALIASES = {"particle-diameter": "diameter", "angpix": "pixel-size"}
#: Values that RELION writes for a checkbox.
_CHECKBOX = {"yes", "no", "true", "false"}

InMics = Annotated[Path, Parameter(name="--in_mics", help="RELION: STAR file of the micrographs.")]
InCoords = Annotated[
    Path | None,
    Parameter(
        name="--in_coords", help="RELION: coordinates of a picking job (manualpick.star, autopick.star)."
    ),
]
InParts = Annotated[
    Path | None,
    Parameter(
        name="--in_parts",
        help="RELION: particles that were selected, in place of coordinates (particles.star).",
    ),
]
JobOutput = Annotated[Path, Parameter(name="--o", help="RELION: folder of the job.")]
Threads = Annotated[int, Parameter(name="--j", help="RELION: number of threads.")]
Control = Annotated[Path | None, Parameter(name="--pipeline_control", show=False)]


class _AbortedError(JobError):
    """The job was stopped on request; what was done so far is kept."""


def train(
    *,
    in_mics: InMics,
    in_coords: InCoords = None,
    in_parts: InParts = None,
    o: JobOutput,
    j: Threads = 1,
    pretrained: Annotated[Path | None, Parameter(help="Model to go on from.")] = None,
    preset: PresetName = PRESET,
    preprocess: Preprocess = PREPROCESS,
    settings: Training = TRAIN,
    network: Network = NETWORK,
    masks: MaskOption = None,
    running: Running = RUN,
    pipeline_control: Control = None,
) -> None:
    """Train a model on the coordinates of a picking job, or on particles that were selected from them.

    Writes model.safetensors into the job's folder. RELION's "continue" goes on after the last epoch of a
    training that was aborted or killed.
    """
    from napari_topaz.cli.learning import labels_of
    from napari_topaz.files.relion import MODEL, read_coordinates, read_micrograph_star, write_nodes
    from napari_topaz.jobs.pick import load_model
    from napari_topaz.jobs.train import train_on_files
    from napari_topaz.jobs.training_files import PartialModel, partial_file, save_or_rescue

    preprocess, settings, network = of_preset(preset, preprocess, settings, network)
    start = load_model(pretrained, device="cpu") if pretrained else None
    if preprocess.diameter is None and not (start and start.knows_preprocessing):
        raise CallError("--diameter is missing: the particle's diameter in Å.")
    known = _only_one(in_coords, in_parts)
    screen, stop = _begin(o, j)
    target = o / "model.safetensors"
    kept = PartialModel(partial_file(target), resume=True)
    micrographs = read_micrograph_star(in_mics)
    size = _pixel_size(micrographs, preprocess.pixel_size)
    preprocess = preprocess.model_copy(update={"pixel_size": size})
    with _progress():
        found = read_coordinates(known, micrographs.files)
        labels = labels_of(micrographs.files, known, screen, found)
        files = [f for f in micrographs.files if f.name in labels]
        learn = partial(train_on_files, files, labels, preprocess, settings, network, partial=kept)
        hidden = masks_of(masks, files)
        trained = _drive(screen, learn(device=running.device, stop=stop, start=start, masks=hidden), stop)
    save_or_rescue(trained, target)
    if kept.whole:
        kept.remove()
    _end(stop, f"Wrote {target}: epoch {trained.card.best_epoch}, {screen.seconds:.0f} s.")
    write_nodes(o, [(target, MODEL)], Path())


def pick(
    *,
    in_mics: InMics,
    o: JobOutput,
    model: ModelFile = None,
    j: Threads = 1,
    settings: Picking = PICK,
    lengths: Measures = MEASURES,
    masks: MaskOption = None,
    running: Running = RUN,
    pipeline_control: Control = None,
) -> None:
    """Pick particles; the job's folder gets autopick.star and the coordinates of each micrograph.

    RELION's "continue" goes on with the micrographs that are not done.
    """
    from napari_topaz.cli.images import digest, digest_of_model, load_picker, refuse_impossible_lengths
    from napari_topaz.files.relion import read_micrograph_star
    from napari_topaz.jobs.pick import pick as job
    from napari_topaz.jobs.relion import JobFolder
    from napari_topaz.jobs.saving import open_output
    from napari_topaz.settings import ScaleSettings

    refuse_impossible_lengths(lengths)
    screen, stop = _begin(o, j)
    micrographs = read_micrograph_star(in_mics)
    lengths = replace(lengths, pixel_size=_pixel_size(micrographs, lengths.pixel_size))
    files = {f.name: f for f in micrographs.files}
    hidden, of_masks = masks_of(masks, micrographs.files), {} if masks is None else {"masks": digest(masks)}
    recipe = {"model": digest_of_model(model), **of_masks, **asdict(lengths), **settings.model_dump()}
    with _progress():
        picker = load_picker(model, lengths, running, ScaleSettings())
        results = open_output(JobFolder(o, "star", True, files, recipe=recipe), resume=True)
        work = job(
            list(files.values()),
            picker,
            settings,
            device=running.device,
            stop=stop,
            skip=results.done,
            write=results.write,
            masks=hidden,
        )
        found = _drive(screen, work, stop)
        screen.drive(results.finish(complete=not screen.failed and not stop.is_set()))
    count = sum(len(one) for one in found.values())
    before = f" ({len(results.done)} were done before)" if results.done else ""
    where = "1 micrograph" if len(found) == 1 else f"{len(found)} micrographs"
    _end(stop, f"Wrote {o}: {count} picks in {where}{before}, {screen.seconds:.0f} s.")
    for name, reason in screen.failed.items():
        tell(f"Warning: {name} is left out: {reason}")
    _hand_on(o, in_mics)


def _hand_on(folder: Path, micrographs: Path) -> None:
    """Name the coordinates as the job's output, in the way of this project's RELION."""
    from napari_topaz.files.relion import COORDINATES, generation_of, write_coords_suffix, write_nodes
    from napari_topaz.files.star import LISTS

    suffix = write_coords_suffix(folder, micrographs)
    output = suffix if generation_of(Path()) == "3.1" else folder / LISTS[0]
    write_nodes(folder, [(output, COORDINATES)], Path())


#: The programs by their names.
PROGRAMS: dict[str, Callable[..., None]] = {
    "napari-topaz-relion-train": train,
    "napari-topaz-relion-pick": pick,
}


def main_train(tokens: Sequence[str] | None = None) -> int:
    """Run ``napari-topaz-relion-train``; returns the exit code."""
    return _run("napari-topaz-relion-train", tokens)


def main_pick(tokens: Sequence[str] | None = None) -> int:
    """Run ``napari-topaz-relion-pick``; returns the exit code."""
    return _run("napari-topaz-relion-pick", tokens)


def build_app(name: str) -> App:
    """Return one of the :data:`PROGRAMS`."""
    app = App(
        name=name,
        help_formatter=UnitFormatter(),
        version=__version__,
        suppress_keyboard_interrupt=False,
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
    )
    app.default(PROGRAMS[name])
    return app


def our_tokens(tokens: Sequence[str]) -> list[str]:
    """Translate RELION's words: its names of options, "_" for "-", and Yes or No after a flag.

    ``--o``, ``--in_…``, ``--j`` and ``--pipeline_control`` stay as they are.
    """
    words: list[str] = []
    for token in tokens:
        if token.lower() in _CHECKBOX and words and words[-1].startswith("--") and "=" not in words[-1]:
            words[-1] += f"={token.lower()}"
        elif token.startswith("--") and not token.startswith(("--in_", "--pipeline_")):
            name, equals, value = token[2:].partition("=")
            name = name.replace("_", "-")
            words.append(f"--{ALIASES.get(name, name)}{equals}{value}")
        else:
            words.append(token)
    return words


def _run(name: str, tokens: Sequence[str] | None) -> int:
    """Run a job and leave the mark by which RELION knows how it ended."""
    from napari_topaz.files import FileError
    from napari_topaz.files.relion import ABORTED, FAILURE, SUCCESS, mark

    print_anything()
    words = our_tokens(sys.argv[1:] if tokens is None else tokens)
    folder, how, code = _folder_in(words), SUCCESS, DONE
    try:
        _refuse_inputs(name, words)
        build_app(name)(words)
    except (CycloptsError, CallError) as error:
        how, code = FAILURE, refuse(error, WRONG_CALL, words)
    except (_AbortedError, KeyboardInterrupt) as error:
        how, code = ABORTED, refuse(error, FAILED, words)
    except Exception as error:
        how, code = FAILURE, refuse(error, FAILED, words)
    if folder is None or {"--help", "-h", "--version"} & set(words):
        return code
    try:
        mark(folder, how)
    except (FileError, OSError) as error:
        return refuse(error, FAILED, words)
    return code


def _refuse_inputs(name: str, words: Sequence[str]) -> None:
    """RELION's form has a field for each input that any program takes, and passes what is filled in."""
    known = [f"--{word}" for word in signature(PROGRAMS[name]).parameters if word.startswith("in_")]
    for word in words:
        given = word.partition("=")[0]
        if given.startswith("--in_") and given not in known:
            raise CallError(f"{name} takes no {given}, only {' and '.join(known)}: leave that field empty.")


def _folder_in(words: Sequence[str]) -> Path | None:
    """The job's folder, even of a call that is wrong."""
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--o="):
            return Path(word[4:])
        if word == "--o" and value:
            return Path(value)
    return None


def _only_one(coordinates: Path | None, particles: Path | None) -> Path:
    known = coordinates or particles
    if known is None or (coordinates and particles):
        raise CallError("Give either --in_coords, coordinates of a picking job, or --in_parts, particles.")
    return known


def _begin(folder: Path, threads: int) -> tuple[Screen, Abortable]:
    from napari_topaz.files.relion import clear_marks
    from napari_topaz.jobs.relion import Abortable, use_threads
    from napari_topaz.jobs.saving import check_writable

    if threads < 1:
        raise CallError(f"--j must be 1 or more, not {threads}.")
    check_writable(folder / "model.safetensors")
    clear_marks(folder)
    use_threads(threads)
    screen = Screen(Shown())
    return screen, Abortable(folder, screen.stop)


def _pixel_size(micrographs: RelionMicrographs, given: float | None) -> float | None:
    from napari_topaz.jobs.relion import common_pixel_size

    return given if given is not None else common_pixel_size(micrographs)


def _drive(screen: Screen, job: Any, stop: Abortable) -> Any:
    """Run a job; what it says when it was stopped before there was anything to keep is no failure."""
    try:
        return screen.drive(job)
    except JobError as error:
        if stop.is_set():
            raise _AbortedError(str(error)) from error
        raise


def _end(stop: Abortable, text: str) -> None:
    print(text, flush=True)
    if stop.is_set():
        raise _AbortedError("Aborted on request; what was done so far is kept.")


@contextmanager
def _progress() -> Iterator[None]:
    """Progress and warnings to stdout: RELION shows what is on stderr in red."""
    with redirect_stderr(sys.stdout):
        yield
