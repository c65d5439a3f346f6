"""The command evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    RUN,
    SHOWN,
    Overwrite,
    PickFile,
    PixelSize,
    Running,
    Showing,
    pixels,
    positive,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen

if TYPE_CHECKING:
    from napari_topaz.jobs.evaluate import Evaluation
    from napari_topaz.jobs.regions import RegionEvaluation
    from napari_topaz.picks import Picks


@dataclass(frozen=True)
class _Scores:
    """Where scores of all regions come from; all None where they are not asked for."""

    heatmaps: Path | None
    model: Path | None
    micrographs: list[str] | None
    label_radius: float | None
    pixel_size: float | None


def evaluate(
    *,
    targets: Annotated[Path, Parameter(help="True particles, in any of these formats.")],
    radius: Annotated[str, Parameter(help="Largest distance of a hit: 27 or 27px in pixels, 90A in Å.")],
    picks: PickFile | None = None,
    beta: Annotated[float, Parameter(help="Weight of the recall in the best F; 2 favours recall.")] = 1.0,
    plot: Annotated[Path | None, Parameter(help="Draw precision–recall and calibration (PNG).")] = None,
    heatmaps: Annotated[
        Path | None, Parameter(help="Folder that heatmap wrote, for the average precision over regions.")
    ] = None,
    model: Annotated[
        Path | None,
        Parameter(help="Let this model score the --micrographs instead; it also picks, without --picks."),
    ] = None,
    micrographs: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            consume_multiple=True,
            help="Files, folders, globs or @list.txt: for --model, and to judge these alone.",
        ),
    ] = None,
    label_radius: Annotated[
        str | None, Parameter(help="Regions this near to a target are positive; the model's where not given.")
    ] = None,
    pixel_size: PixelSize = None,
    overwrite: Overwrite = False,
    running: Running = RUN,
    shown: Showing = SHOWN,
) -> int:
    """Compare picks with true particles: precision and recall, best F, distances, calibration.

    Only micrographs with true particles count (of the --micrographs, where given, which also say the
    pixel size). With --heatmaps or --model the same is done over all regions, not only the picks.
    """
    from napari_topaz.jobs.evaluate import evaluate as compare

    _refuse_impossible(picks, heatmaps, model, micrographs, plot)
    positive(pixel_size, "--pixel-size")
    size = _pixel_size(micrographs) if pixel_size is None and micrographs else pixel_size
    distance = pixels(radius, size, "--radius")
    positive(beta, "--beta")
    refuse_existing([] if plot is None else [plot], "--plot", overwrite=overwrite)
    near = None if label_radius is None else pixels(label_radius, size, "--label-radius")
    screen = Screen(shown)
    real = _targets(targets, micrographs, screen)
    scored, regions = _regions(
        screen, _Scores(heatmaps, model, micrographs, near, pixel_size), real, running.device
    )
    found = compare(scored if picks is None else _picks(picks, micrographs), real, distance, beta=beta)
    found = found if regions is None else found.with_regions(regions)
    _warn(screen, found)
    values = found.as_dict(curves=True) | ({} if plot is None else {"plot": _draw(plot, picks, model, found)})
    return screen.result(values | {"failed": list(screen.failed)}, evaluation_table(found))


def _refuse_impossible(
    picks: Path | None,
    heatmaps: Path | None,
    model: Path | None,
    micrographs: list[str] | None,
    plot: Path | None,
) -> None:
    if heatmaps is not None and model is not None:
        raise CallError("--heatmaps and --model do not go together; leave one out.")
    if model is not None and not micrographs:
        raise CallError("--model needs --micrographs to score; give both.")
    if picks is None and model is None:
        raise CallError("--picks is missing: the file of picks (or let a --model pick --micrographs).")
    if plot is not None and plot.suffix.lower() != ".png":
        raise CallError(f"--plot {plot} is a PNG file; let its name end in .png.")


def _targets(path: Path, micrographs: list[str] | None, screen: Screen) -> dict[str, Picks]:
    """Read the targets; where micrographs are given, only theirs count, and should lie on particles."""
    from napari_topaz.cli.learning import moving
    from napari_topaz.files import find_micrographs, match_names, read_picks
    from napari_topaz.jobs.placement import look_at_picks

    real = read_picks(path)
    if not micrographs:
        return real
    files = find_micrographs(micrographs)
    real = match_names(real, [f.name for f in files]).picks
    if finding := screen.drive(look_at_picks(files, real)):
        screen.warn(finding.sentence(moving(path, finding)))
    return real


def _picks(path: Path, micrographs: list[str] | None) -> dict[str, Picks]:
    """Read the picks, where micrographs are given only theirs."""
    from napari_topaz.files import find_micrographs, match_names, read_picks

    found = read_picks(path)
    return (
        found
        if not micrographs
        else match_names(found, [f.name for f in find_micrographs(micrographs)]).picks
    )


def _pixel_size(micrographs: list[str]) -> float | None:
    """Å/px of the micrographs, where their headers state one and the same."""
    from napari_topaz.files import find_micrographs, read_header

    sizes = {read_header(file).pixel_size for file in find_micrographs(micrographs)}
    return sizes.pop() if len(sizes) == 1 else None


def _regions(
    screen: Screen, wanted: _Scores, targets: Mapping[str, Picks], device: str
) -> tuple[Mapping[str, Picks], RegionEvaluation | None]:
    """The picks of the model, if there is one, and the evaluation of regions, if they were asked for."""
    from napari_topaz.jobs.judge import heatmaps_in, score_targets
    from napari_topaz.jobs.regions import evaluate_regions

    if wanted.heatmaps is not None:
        return {}, evaluate_regions(heatmaps_in(wanted.heatmaps, targets), targets, wanted.label_radius)
    if wanted.model is None:
        return {}, None
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.pick import load_model

    picker = load_model(wanted.model, device=device, pixel_size=wanted.pixel_size)
    files = find_micrographs(wanted.micrographs or [])
    judged = screen.drive(score_targets(files, picker, targets, device=device, stop=screen.stop))
    return judged.picks, evaluate_regions(judged.heatmaps, targets, wanted.label_radius)


def _warn(screen: Screen, found: Evaluation) -> None:
    from napari_topaz.jobs.streaming import some_names

    if found.without_picks:
        screen.warn(f"No picks in {some_names(found.without_picks)}: their particles count as missed.")
    if found.ignored:
        screen.warn(f"Picks of {some_names(found.ignored)} are left out: they have no targets.")


def _draw(path: Path, picks: Path | None, model: Path | None, found: Evaluation) -> str:
    from napari_topaz.jobs.curve_plots import draw_evaluation

    what = (picks or model or path).name
    return str(draw_evaluation(path, f"{what}: average precision {found.average_precision:.3f}", found))


def evaluation_table(found: Evaluation) -> str:
    """Say for people how good the picks are."""
    rows = [("average precision", f"{found.average_precision:.3f}")]
    rows += [(f"precision at recall {r:g}", f"{p:.3f}") for r, p in found.precision_at.items()]
    rows += [
        (f"best F{found.beta:g}", f"{found.best_f:.3f} at score {found.threshold:.2f}"),
        ("hits", f"{found.hits} of {found.picks} picks, {found.targets} targets"),
        ("median distance", f"{found.median_distance:.1f} px (radius {found.radius:.4g} px)"),
        ("90 % within", f"{found.distance_90:.1f} px"),
        ("micrographs", str(found.micrographs)),
    ]
    if (regions := found.regions) is not None:
        random = f"random scores: {regions.prior:.3f}"
        rows.append(("over regions", f"{regions.average_precision:.3f} average precision ({random})"))
    width = max(len(label) for label, _ in rows) + 2
    lines = [f"{label:{width}}{value}" for label, value in rows]
    return "\n".join([*lines, *_calibration_lines(found)])


def _calibration_lines(found: Evaluation) -> list[str]:
    table = found.calibration
    if not len(table.count):
        return []
    head = f"calibration (mean gap {table.error:.3f}): predicted, observed precision, picks"
    rows = zip(table.predicted, table.observed, table.count, strict=True)
    return [head, *(f"  {p:6.3f} {o:6.3f} {n:7d}" for p, o, n in rows)]
