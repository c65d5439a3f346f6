"""The command that picks without a model: reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.images import box_edge, digest, pixel_size_of
from napari_topaz.cli.learning import labels_of
from napari_topaz.cli.masks import MaskOption, masks_of
from napari_topaz.cli.options import (
    FORMAT_HELP,
    PREPROCESS,
    SHOWN,
    BoxSize,
    Micrographs,
    Overwrite,
    Preprocess,
    Resume,
    Showing,
    needs_box,
    pick_format,
    refuse_existing,
)
from napari_topaz.cli.picked import pick_result
from napari_topaz.cli.screen import Screen
from napari_topaz.settings import PreprocessSettings, ReferenceSettings

if TYPE_CHECKING:
    pass

_Reference = Annotated[ReferenceSettings, Parameter(name="*", group=Group("Reference picker", sort_key=2))]
#: What holds where nothing is said.
_REFERENCE = ReferenceSettings()


def reference(
    micrographs: Micrographs,
    /,
    *,
    output: Annotated[Path, Parameter(help="One table for all (its suffix is the format), or a folder.")],
    picks: Annotated[
        Path | None,
        Parameter(help="Labelled particles: averaged to templates, and they say whether particles are dark."),
    ] = None,
    templates: Annotated[Path | None, Parameter(help="Stack of 2-D templates (MRC).")] = None,
    format: Annotated[str | None, Parameter(help=FORMAT_HELP)] = None,  # noqa: A002
    resume: Resume = False,
    overwrite: Overwrite = False,
    preprocess: Preprocess = PREPROCESS,
    settings: _Reference = _REFERENCE,
    box_size: BoxSize = None,
    masks: MaskOption = None,
    shown: Showing = SHOWN,
) -> int:
    """Pick particles without training: blobs of their diameter, or templates.

    Scores are robust standard deviations (log, dog) or correlation coefficients (template), so
    that one --threshold suits all micrographs. Results are kept as they come; --resume goes on.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.reference import reference_pick
    from napari_topaz.jobs.reference_picker import read_templates
    from napari_topaz.jobs.saving import Destination, open_output

    _refuse_impossible(preprocess, settings, picks, templates)
    chosen, folder = pick_format(output, format)
    screen = Screen(shown)
    files = find_micrographs(micrographs)
    labels = None if picks is None else labels_of(files, picks, screen)
    hidden = masks_of(masks, files)
    given = None if templates is None else read_templates(templates)
    size = pixel_size_of(files, preprocess)
    destination = Destination(
        path=output,
        format=chosen,
        folder=folder,
        files={f.name: f for f in files},
        pixel_size=size,
        box_size=box_size or _box_size(preprocess, size, chosen),
        recipe=_recipe(preprocess, settings, picks, templates, masks),
    )
    refuse_existing(destination.targets(), "--output", overwrite=overwrite or resume, resumes=True)
    results = open_output(destination, resume=resume)
    if results.unverified:
        screen.warn(f"{output} does not say which settings made its picks; they are kept as they are.")
    work = reference_pick(
        files,
        preprocess,
        settings,
        labels=labels,
        templates=given,
        stop=screen.stop,
        skip=results.done,
        write=results.write,
        masks=hidden,
    )
    found = screen.drive(work)
    screen.drive(results.finish(complete=not screen.failed and not screen.stop.is_set()))
    return pick_result(screen, found, output, len(results.done & destination.files.keys()))


def _recipe(
    preprocess: PreprocessSettings,
    settings: ReferenceSettings,
    picks: Path | None,
    templates: Path | None,
    masks: Path | None,
) -> dict[str, object]:
    """Return what the picks depend on, to compare with when a job is resumed."""
    given = {"picks": picks, "templates": templates}
    files = {name: path and digest(path) for name, path in given.items()}
    if masks is not None:
        files["masks"] = digest(masks)
    return {**files, **preprocess.model_dump(), **settings.model_dump()}


def _refuse_impossible(
    preprocess: PreprocessSettings, settings: ReferenceSettings, picks: Path | None, templates: Path | None
) -> None:
    if preprocess.diameter is None:
        raise CallError("--diameter is missing: the particle's diameter in Å.")
    if picks is not None and templates is not None:
        raise CallError("--picks and --templates both say what particles look like; give one of them.")
    if settings.method == "template" and picks is None and templates is None:
        raise CallError("--method template needs --picks (labelled particles) or --templates (a stack).")
    if settings.method != "template" and templates is not None:
        raise CallError(f"--method {settings.method} uses no --templates; give --method template.")


def _box_size(preprocess: PreprocessSettings, pixel_size: float | None, format_name: str) -> int | None:
    """An even number of pixels, for the format that needs it."""
    if not needs_box(format_name) or pixel_size is None or preprocess.diameter is None:
        return None
    return box_edge(preprocess.diameter / pixel_size)
