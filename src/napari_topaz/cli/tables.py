"""Commands on coordinates: convert, info."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_topaz.cli.call_errors import CallError
from napari_topaz.cli.options import (
    FORMAT_HELP,
    SHOWN,
    BoxSize,
    Exposures,
    Overwrite,
    PickFile,
    PixelSize,
    Showing,
    flag,
    needs_box,
    pick_format,
    positive,
    refuse_existing,
)
from napari_topaz.cli.screen import Screen

if TYPE_CHECKING:
    from napari_topaz.micrograph import MicrographFile


def convert(
    source: PickFile,
    output: Annotated[Path, Parameter(help="One table for all, or a folder for one file per micrograph.")],
    /,
    *,
    from_format: Annotated[str | None, Parameter(name="--from", help=FORMAT_HELP)] = None,
    format: Annotated[str | None, Parameter(help=FORMAT_HELP)] = None,  # noqa: A002
    swap_xy: Annotated[bool, flag("Exchange x and y, before all else.")] = False,
    scale: Annotated[float, Parameter(help="Multiply coordinates by this.")] = 1.0,
    flip_y: Annotated[bool, flag("Then count y from the other edge.")] = False,
    shift_x: Annotated[float, Parameter(help="Add this to x last, in pixels.")] = 0.0,
    shift_y: Annotated[float, Parameter(help="Add this to y last, in pixels.")] = 0.0,
    micrographs: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            consume_multiple=True,
            help="The micrographs, for heights and paths, and to see that picks lie inside and on particles.",
        ),
    ] = None,
    height: Annotated[
        int | None, Parameter(help="Height of all micrographs in pixels, for --flip-y without --micrographs.")
    ] = None,
    threshold: Annotated[float | None, Parameter(help="Leave out picks with a lower score.")] = None,
    no_check: Annotated[bool, flag("Do not look at the micrographs whether picks lie on particles.")] = False,
    exposures: Exposures = None,
    pixel_size: PixelSize = None,
    box_size: BoxSize = None,
    overwrite: Overwrite = False,
    shown: Showing = SHOWN,
) -> int:
    """Convert picks to another format, and coordinates of other programs to ours.

    With --micrographs three of them are looked at: where picks lie no better than anywhere else, but would
    lie on particles with another scale, flip, exchange or shift, a warning says which; nothing is moved
    unless you say so.
    """
    from napari_topaz.files import find_micrographs
    from napari_topaz.jobs.convert import Conversion
    from napari_topaz.jobs.convert import convert as job

    chosen, folder = pick_format(output, format, many=False)
    refuse_existing([] if folder else [output], "output", overwrite=overwrite)
    for value, option in ((scale, "--scale"), (height, "--height"), (pixel_size, "--pixel-size")):
        positive(value, option)
    if needs_box(chosen) and not positive(box_size, "--box-size"):
        raise CallError("Files of boxes need --box-size, in pixels.")
    if not micrographs:
        _refuse_without_micrographs(chosen, flip_y and height is None, exposures)
    screen = Screen(shown)
    files = {f.name: f for f in find_micrographs(micrographs)} if micrographs else None
    how = Conversion(
        scale, flip_y, height, pixel_size, box_size, threshold, swap_xy, (shift_y, shift_x), exposures
    )
    if folder:
        output.mkdir(parents=True, exist_ok=True)
    guard = partial(refuse_existing, option="output", overwrite=overwrite)
    formats = {"input_format": from_format, "output_format": chosen}
    work = job(source, output, how, **formats, files=files, check=not no_check, guard=guard)
    moved = screen.drive(work)
    count = sum(len(p) for p in moved.values())
    values = {"micrographs": len(moved), "picks": count, "output": output}
    return screen.result(values, f"Wrote {output}: {count} picks in {len(moved)} micrographs.")


def _refuse_without_micrographs(chosen: str, flipped_at_unknown_height: bool, exposures: Path | None) -> None:
    if flipped_at_unknown_height:
        raise CallError("--flip-y needs the micrographs' height; give --micrographs or --height.")
    if chosen == "cs" and not exposures:
        raise CallError("Files of cryoSPARC hold fractions; give --micrographs or --exposures.")


def info(
    files: Annotated[list[str], Parameter(help="Micrographs, models and files of picks, in any mixture.")],
    /,
    *,
    shown: Showing = SHOWN,
) -> int:
    """Say what is in micrographs (without reading their pixels), models and files of picks."""
    from napari_topaz.files import FileError

    screen = Screen(shown)
    entries: list[dict[str, Any]] = []
    for file in files:
        try:
            entries += describe(file)
        except (FileError, OSError, ValueError) as error:
            if len(files) == 1:
                raise
            screen.failed[file] = str(error)
            screen.warn(str(error))
    return screen.result({"files": entries}, "\n".join(entry_line(e) for e in entries))


def describe(spec: str) -> list[dict[str, Any]]:
    """Describe one argument: a model, a file of picks, or micrographs."""
    from napari_topaz.files import find_micrographs, format_of

    path, suffix = Path(spec), Path(spec).suffix.lower()
    if suffix in (".safetensors", ".sav"):
        return [_describe_model(path)]
    if format_of(spec) is not None and not spec.startswith("@"):
        return [_describe_picks(path)]
    if path.is_dir() and not _has_micrographs(path):
        return [_describe_folder(path)]
    return [_describe_micrograph(f) for f in find_micrographs([spec])]


def _has_micrographs(folder: Path) -> bool:
    from napari_topaz.files import MICROGRAPH_FORMATS

    endings = {ending for format_ in MICROGRAPH_FORMATS.values() for ending in format_.suffixes}
    return any(endings & {suffix.lower() for suffix in file.suffixes} for file in folder.iterdir())


def _describe_micrograph(file: MicrographFile) -> dict[str, Any]:
    from napari_topaz.files import read_header

    header = read_header(file)
    return {
        "file": file.star_name,
        "is": header.kind,
        "height": header.shape[0],
        "width": header.shape[1],
        "pixel_size": header.pixel_size,
    }


def _describe_folder(path: Path) -> dict[str, Any]:
    """Describe a folder without micrographs by its picks."""
    from napari_topaz.files import PICK_SUFFIXES, FileError

    if not any(file.name.lower().endswith(tuple(PICK_SUFFIXES)) for file in path.iterdir()):
        inside = ", ".join(sorted(file.name for file in path.iterdir())[:5]) or "nothing"
        raise FileError(f"{path} has neither micrographs nor picks, but {inside}; give a folder that has.")
    return _describe_picks(path)


def _describe_picks(path: Path) -> dict[str, Any]:
    import numpy as np

    from napari_topaz.files import read_picks

    picks = read_picks(path)
    scores = np.concatenate([np.empty(0, np.float32), *(p.scores for p in picks.values())])
    known = scores[np.isfinite(scores)]
    return {
        "file": str(path),
        "is": "picks",
        "picks": len(scores),
        "micrographs": len(picks),
        "scores": [float(known.min()), float(known.max())] if len(known) else None,
    }


def _describe_model(path: Path) -> dict[str, Any]:
    from napari_topaz.jobs.pick import load_model
    from napari_topaz.numerics.refinement import long_axis

    card = load_model(path, device="cpu").card
    best = next((r for r in card.history if r.epoch == card.best_epoch), None)
    return {
        "file": str(path),
        "is": "model",
        "architecture": card.network.architecture,
        **({"channels": card.network.width} if card.network.width else {}),
        "batch_norm": card.network.batch_norm,
        **({"pretrained": card.pretrained} if card.pretrained else {}),
        "objective": card.train.objective if card.history else None,
        "diameter": card.preprocess.diameter,
        "pixel_size": card.preprocess.pixel_size or card.pixel_size,
        "threshold": card.threshold,
        "labels": card.labels,
        **({"aspect_ratio": round(long_axis(card.average)[0], 2)} if card.average else {}),
        "micrographs": card.micrographs,
        "epochs": len(card.history),
        "best_epoch": card.best_epoch,
        "held_out_average_precision": best.held_out if best else None,
        "plugin_version": card.plugin_version,
    }


#: Units of what `info` shows.
UNITS = {"pixel_size": " Å/px", "height": " px", "width": " px", "diameter": " Å"}


def entry_line(entry: dict[str, Any]) -> str:
    """Put one description on a line."""
    rest = {k: v for k, v in entry.items() if k not in ("file", "is")}
    return f"{entry['file']}: {entry['is']}, " + ", ".join(_fact(k, v) for k, v in rest.items())


def _fact(key: str, value: Any) -> str:
    label = key.replace("_", " ")
    if value is None:
        return f"{label} unknown"
    if isinstance(value, list):
        return f"{label} {value[0]:.2f} to {value[1]:.2f}"
    return (
        f"{label} {value:.4g}{UNITS.get(key, '')}"
        if isinstance(value, float)
        else f"{label} {value}{UNITS.get(key, '')}"
    )
