"""Cut picked particles into stacks for RELION, with a picture to judge them by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.events import Job, JobError, MicrographDone, Progress, Saved, Started, StopToken, Warned
from napari_topaz.files import (
    FileError,
    Optics,
    StackedPicks,
    match_names,
    open_stack,
    write_particle_star,
)
from napari_topaz.files.stacks import StackWriter
from napari_topaz.jobs.mapping import read_ahead
from napari_topaz.jobs.preparing import Source
from napari_topaz.jobs.stack_boxes import Cut, UnreadableError, boxes_of, find_boxes, particle, readable
from napari_topaz.jobs.streaming import some_names
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.boxes import background_mask
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import StackSettings

#: What the STAR file says where nobody says better: RELION refuses particles without these. kV, mm, fraction.
TYPICAL = {"voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1}


@dataclass(frozen=True)
class StackResult:
    """What was written.

    Attributes
    ----------
    star : Path
        Lists all particles.
    stacks : list of Path
    montage : Path
        A picture of the best, middle and worst particles, and of averages.
    particles, micrographs : int
        In the stacks.
    left_out : int
        Picks whose box reaches beyond the micrograph, or whose centre does.
    """

    star: Path
    stacks: list[Path]
    montage: Path
    particles: int
    micrographs: int
    left_out: int


@dataclass(frozen=True)
class _Output:
    """Names of the files: a folder with a stack per micrograph, or one stack with the rest beside it."""

    path: Path

    @property
    def one(self) -> bool:
        return self.path.suffix.lower() == ".mrcs"

    @property
    def star(self) -> Path:
        return self.path.with_suffix(".star") if self.one else self.path / "particles.star"

    @property
    def montage(self) -> Path:
        return self.path.with_name(f"{self.path.stem}_montage.png") if self.one else self.path / "montage.png"

    def stack(self, name: str) -> Path:
        # RELION takes what stands before the first "@" for the number of the particle.
        return self.path if self.one else self.path / f"{name.replace('@', '_')}.mrcs"


@dataclass(eq=False)
class _Run:
    """What has been written so far."""

    output: _Output
    settings: StackSettings
    size: int
    parts: list[StackedPicks] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: int = 0


def stack(
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    output: str | Path,
    settings: StackSettings,
    *,
    pixel_size: float | None = None,
    stop: StopToken | None = None,
) -> Job[StackResult]:
    """Cut the picked boxes into ``.mrcs`` stacks with a RELION STAR file and a picture.

    A box is cut at the pixel nearest to its pick, which becomes pixel ``size // 2`` of the box; the
    STAR file has the picks' coordinates with all their digits.

    Parameters
    ----------
    files : sequence of MicrographFile or Micrograph
        One is open at a time, in memory where many boxes are cut from it. One that cannot be read is
        reported, the rest goes on.
    picks : mapping of str to Picks
        By micrograph; rejected ones are left out.
    output : str or Path
        A folder: a stack per micrograph, ``particles.star`` and ``montage.png``. Or one ``NAME.mrcs``:
        beside it come ``NAME.star`` and ``NAME_montage.png``. Paths in the STAR file are as given here.
    settings : StackSettings
        How boxes become particles.
    pixel_size : float, optional
        Å/px, in place of the headers'.
    stop : StopToken, optional
        Where set, the particles so far are kept, with their STAR file.

    Yields
    ------
    Started, MicrographDone (with the picks that are in the stack), Progress, Warned, Saved

    Raises
    ------
    JobError
        Where settings are impossible, a micrograph would be overwritten, all micrographs fail, or no
        box fits.
    FileError
        Where no picks belong to the micrographs, or the output cannot be written.
    """
    run = _Run(_Output(Path(output)), settings, _checked_size(settings))
    matched = match_names(picks, [f.name for f in files])
    if matched.missing:
        yield Warned(f"Picks of {some_names(matched.missing)} are left out: there are no such micrographs.")
    chosen = choose(matched.picks, settings.limit)
    todo = [f for f in files if f.name in chosen]
    _refuse_overwriting(run.output, todo)
    yield Started("Cutting particles", len(todo))
    yield from _cut_all(run, todo, chosen, pixel_size, stop)
    yield from _warnings(run, sum(map(len, chosen.values())))
    write_particle_star(run.output.star, run.parts)
    yield Saved(str(run.output.star))
    yield from _draw(run)
    count = sum(len(part.picks) for part in run.parts)
    stacks = list(dict.fromkeys(part.stack for part in run.parts))
    return StackResult(run.output.star, stacks, run.output.montage, count, len(run.parts), run.left_out)


def results_of(output: Path) -> list[Path]:
    """Return the files that say that an earlier stack is in `output`: its STAR file, and the one stack."""
    names = _Output(output)
    return [names.star, names.path] if names.one else [names.star]


def choose(picks: Mapping[str, Picks], limit: int | None) -> dict[str, Picks]:
    """Leave out rejected picks, and all but the `limit` best ones; their order stays.

    Picks without a score come last. Micrographs without picks are left out.
    """
    kept = {name: one[one.kinds != Kind.NOT_PARTICLE] for name, one in picks.items()}
    scores = np.concatenate([np.empty(0, np.float32), *(one.scores for one in kept.values())])
    wanted = np.ones(len(scores), bool)
    if limit is not None:
        wanted[np.argsort(-scores, kind="stable")[limit:]] = False
    ends = np.cumsum([len(one) for one in kept.values()])
    parts = np.split(wanted, ends[:-1]) if kept else []
    best = {name: one[part] for (name, one), part in zip(kept.items(), parts, strict=True)}
    best = {name: one for name, one in best.items() if len(one)}
    if not best:
        raise JobError("There are no picks in these micrographs, so there is nothing to cut.")
    return best


def _checked_size(settings: StackSettings) -> int:
    """Edge of the particles in the stack; JobError where the settings are impossible."""
    if settings.box_size is None:
        raise JobError("The box size is missing; give it in pixels of the micrograph (--box-size).")
    size = settings.downsample_to or settings.box_size
    if size > settings.box_size:
        raise JobError(
            f"Boxes of {settings.box_size} px cannot be downsampled to {size} px; give at most that."
        )
    try:
        background_mask(size, settings.background * size)
    except ValueError as error:
        raise JobError(f"{error} Give a smaller --background.") from error
    return size


def _refuse_overwriting(output: _Output, files: Sequence[Source]) -> None:
    inputs = {f.path.resolve() for f in files if isinstance(f, MicrographFile)}
    for file in files:
        if (target := output.stack(file.name)).resolve() in inputs:
            raise JobError(f"{target} is a micrograph and would be overwritten; give another --output.")


def _cut_all(
    run: _Run,
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    pixel_size: float | None,
    stop: StopToken | None,
) -> Job[None]:
    with ExitStack() as open_files:
        shared: dict[str, StackWriter] = {}
        how = run.settings, pixel_size
        for source, future in read_ahead(files, lambda one: find_boxes(one, picks[one.name], *how)):
            if stop is not None and stop.is_set():
                break
            try:
                with readable():
                    cut = future.result()
                if run.parts and not (folder := run.output.star.parent).is_dir():
                    raise FileError(
                        f"{folder} is not there any more; connect the disk again, and begin with --overwrite."
                    )
                if len(cut.picks):
                    with _writer(run, cut, open_files, shared) as writer, writer.all_or_none():
                        run.parts.append(_written(run, cut, writer))
            except UnreadableError as error:
                run.failed[source.name] = str(error)
                yield MicrographDone(source.name, error=run.failed[source.name])
                continue
            run.left_out += cut.left_out
            yield MicrographDone(source.name, picks=cut.picks)
        if not run.parts:
            raise JobError(_why_nothing(run))


def _writer(
    run: _Run, cut: Cut, open_files: ExitStack, shared: dict[str, StackWriter]
) -> AbstractContextManager[StackWriter]:
    """The micrograph's own stack, or the one that all share and that is finished with the job."""
    path = run.output.stack(cut.micrograph.name)
    size = cut.pixel_size * (run.settings.box_size or 0) / run.size
    if not run.output.one:
        return open_stack(path, run.size, size)
    if not shared:
        shared["all"] = open_files.enter_context(open_stack(path, run.size, size))
    return nullcontext(shared["all"])


def _written(run: _Run, cut: Cut, writer: StackWriter) -> StackedPicks:
    first, size = writer.count, run.settings.box_size or 0
    for box in boxes_of(cut, run.settings):
        writer.add(particle(box, run.settings, run.size))
    given: dict[str, Any] = {k: getattr(run.settings, k) for k in TYPICAL}
    optics = {k: TYPICAL[k] if given[k] is None else given[k] for k in TYPICAL}
    file = cut.micrograph.file
    return StackedPicks(
        stack=run.output.stack(cut.micrograph.name),
        first=first,
        micrograph=cut.micrograph.name if file is None else file.star_name,
        picks=cut.picks,
        optics=Optics(cut.pixel_size, cut.pixel_size * size / run.size, run.size, **optics),
    )


def _why_nothing(run: _Run) -> str:
    if run.failed:
        name, error = next(iter(run.failed.items()))
        others = f" ({len(run.failed)} micrographs failed)" if len(run.failed) > 1 else ""
        return f"No particle could be cut; {name}: {error}{others}"
    if run.left_out:
        return (
            f"None of the {run.left_out} boxes of {run.settings.box_size} px lies inside its micrograph; "
            "give a smaller --box-size, or --edge reflect."
        )
    return "No particle was cut; it was stopped before the first micrograph."


def _warnings(run: _Run, picked: int) -> Iterator[Warned]:
    if run.left_out:
        yield Warned(
            f"{run.left_out} of {picked} picks are left out: their boxes reach beyond the micrograph "
            "(another --edge keeps them)."
        )
    if run.size % 2 or (run.settings.box_size or 0) % 2:
        yield Warned("RELION wants particles of an even number of pixels; these are odd.")
    assumed = [name.replace("_", " ") for name in TYPICAL if getattr(run.settings, name) is None]
    if assumed:
        values = ", ".join(f"{name} {TYPICAL[name.replace(' ', '_')]:g}" for name in assumed)
        yield Warned(f"The STAR file says {values}, which is assumed; correct it where it is not so.")


def _draw(run: _Run) -> Job[None]:
    from napari_topaz.jobs.montage import draw_montage

    yield Started("Drawing the montage")
    draw_montage(run.output.montage, run.parts)
    yield Progress(1, 1)
    yield Saved(str(run.output.montage))
