"""What a cross-validation keeps: a file for each training, so that it can go on; table and picture."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_topaz.events import JobError
from napari_topaz.files import replace_file
from napari_topaz.jobs.masking import Masks
from napari_topaz.jobs.preparing import Source
from napari_topaz.masks import Mask
from napari_topaz.micrograph import MicrographFile
from napari_topaz.picks import Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks

#: What the results in a folder depend on; the table; the picture.
RECIPE_FILE, TABLE_FILE, PLOT_FILE = "cross_validation.json", "table.csv", "cross_validation.png"


@dataclass(frozen=True)
class FoldResult:
    """One training, judged on the fold that it had not seen.

    Attributes
    ----------
    fold : int
        Its number, from 1.
    labels : int
        On the fold.
    recall_area, average_precision : float
        See :class:`~napari_topaz.jobs.cross_validate.Candidate`.
    """

    fold: int
    labels: int
    recall_area: float
    average_precision: float


def recipe_of(
    files: Sequence[Source],
    picks: Mapping[str, Picks],
    preprocess: PreprocessSettings,
    settings: TrainSettings,
    network: NetworkSettings | None,
    option: str,
    folds: Sequence[frozenset[str]],
    masks: Masks | None = None,
    ticks: Ticks | None = None,
) -> dict[str, Any]:
    """Return all that results depend on besides the value of the option, as plain values."""
    of_masks = {f.name: _mask_digest(masks[f.name]) for f in files if masks and f.name in masks}
    names, ticks = {f.name for f in files}, ticks or Ticks()
    of_ticks = {"complete": sorted(ticks.complete & names), "empty": sorted(ticks.empty & names)}
    more = ({"masks": of_masks} if of_masks else {}) | ({"ticks": of_ticks} if any(of_ticks.values()) else {})
    return more | {
        "option": option,
        "micrographs": {f.name: _fingerprint(f) for f in files},
        "labels": {f.name: _digest(picks[f.name].yx, picks[f.name].kinds) for f in files if f.name in picks},
        "folds": [sorted(fold) for fold in folds],
        "preprocessing": preprocess.model_dump(),
        # The reference of the average precision follows from them too, whatever is varied.
        "settings": settings.model_dump(),
        "network": (network or NetworkSettings()).model_dump(),
    }


class FoldFiles:
    """The folder of one comparison.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    option : str
        Which one is varied.
    recipe : mapping
        Of :func:`recipe_of`.
    overwrite : bool
        Forget what is there.

    Raises
    ------
    JobError
        Where the folder holds results of another recipe, or files of these names that are no results.
    FileError
        Where it cannot be written.
    """

    def __init__(self, folder: Path, option: str, recipe: Mapping[str, Any], *, overwrite: bool) -> None:
        self.folder, self.option = folder, option
        path = folder / RECIPE_FILE
        if overwrite:
            for result in folder.glob("fold_*_of_*.json"):
                result.unlink()
        elif path.exists():
            self._refuse_other(_read(path), recipe)
            return
        else:
            for other in (folder / TABLE_FILE, folder / PLOT_FILE):
                if other.exists():
                    raise JobError(
                        f"{other} exists already and is of no comparison; give another folder, or "
                        f"--overwrite to replace it."
                    )
        with replace_file(path) as part:
            part.write_text(json.dumps(recipe, indent=1), "utf-8")

    def read(self, value: object, folds: int) -> list[FoldResult]:
        """Return what is done of one value."""
        paths = [self._path(value, fold, folds) for fold in range(1, folds + 1)]
        found = [_read(path) for path in paths if path.exists()]
        try:
            return [FoldResult(**one["result"]) for one in found]
        except (KeyError, TypeError) as error:
            raise JobError(f"A result in {self.folder} is damaged ({error}); use --overwrite.") from error

    def write(self, value: object, result: FoldResult, folds: int) -> Path:
        """Write one result, whole or not at all."""
        path = self._path(value, result.fold, folds)
        with replace_file(path) as part:
            part.write_text(json.dumps({self.option: value, "result": asdict(result)}, indent=1), "utf-8")
        return path

    def _path(self, value: object, fold: int, folds: int) -> Path:
        name = hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
        return self.folder / f"fold_{fold}_of_{folds}_{name}.json"

    def _refuse_other(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        plain = json.loads(json.dumps(now))
        changed = [name for name in plain if before.get(name) != plain[name]]
        if changed:
            raise JobError(
                f"{self.folder} holds a comparison with other {' and '.join(changed)}; give another folder, "
                f"or --overwrite to replace it."
            )


def write_outcome(
    folder: Path, option: str, candidates: Sequence[Mapping[str, Any]], choice: object
) -> tuple[Path, Path]:
    """Write table and picture.

    Parameters
    ----------
    folder : Path
        Where to.
    option : str
        Which one was varied.
    candidates : sequence of mapping
        The fields of :class:`~napari_topaz.jobs.cross_validate.Candidate`.
    choice : object
        The value that was chosen; None where none was.

    Returns
    -------
    table, plot : Path
    """
    table, plot = folder / TABLE_FILE, folder / PLOT_FILE
    with replace_file(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        names = [n for n in candidates[0] if n not in ("value", "areas")]
        rows.writerow([option, *names, "chosen"])
        for one in candidates:
            rows.writerow([one["value"], *(_cell(one[n]) for n in names), int(one["value"] == choice)])
    draw_comparison(plot, option, candidates, choice)
    return table, plot


def draw_comparison(path: Path, option: str, candidates: Sequence[Mapping[str, Any]], choice: object) -> None:
    """Draw mean ± standard error of both measures over the values; hollow where folds are lacking.

    Parameters
    ----------
    path : Path
        A PNG file; replaced whole or not at all.
    option : str
        Whose values are compared.
    candidates : sequence of mapping
        The rows of ``table.csv``.
    choice : object
        The chosen value, which is marked.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from napari_topaz.jobs.drawing import BLUE, INK, ORANGE, STYLE

    measures = {
        "recall_area": "recall area (decides)",
        "average_precision": "average precision, one number for all",
    }
    shown = [c for c in candidates if c["folds"]]
    numbers = all(type(c["value"]) in (int, float) for c in shown)
    if numbers:  # a line may join what has an order
        shown.sort(key=lambda c: c["value"])
    x = np.arange(len(shown))
    most = max(c["folds"] for c in shown)
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.2), dpi=130, facecolor="white")
        title = f"Cross-validation of {option}: mean ± standard error over folds"
        figure.text(0.07, 0.94, title, fontsize=12.5, color=INK, fontweight="bold", va="center")
        grid = figure.add_gridspec(1, 2, left=0.07, right=0.98, top=0.82, bottom=0.14, wspace=0.22)
        for column, (name, label) in enumerate(measures.items()):
            axes = figure.add_subplot(grid[column])
            mean = np.array([c[name] for c in shown])
            error = np.nan_to_num([c[f"{name}_error"] for c in shown])
            joined = "-" if numbers else "none"
            axes.errorbar(x, mean, error, color=BLUE, lw=1.8, ls=joined, marker="o", ms=5, capsize=4)
            part_done = [i for i, c in enumerate(shown) if c["folds"] < most]
            axes.plot(x[part_done], mean[part_done], "o", ms=5, color="white", mec=BLUE, zorder=3)
            best = [i for i, c in enumerate(shown) if choice is not None and c["value"] == choice]
            axes.plot(x[best], mean[best], "o", ms=9, color=ORANGE, zorder=3)
            axes.set(title=label, xlabel=option, xticks=x, xlim=(-0.4, len(shown) - 0.6))
            axes.set_xticklabels([spelt(c["value"]) for c in shown])
            axes.grid(True, axis="y")
        with replace_file(path) as part:
            figure.savefig(part, format="png")


def spelt(value: object) -> str:
    """Write a value of an option shortly."""
    return f"{value:g}" if isinstance(value, float) else "automatic" if value is None else str(value)


def _cell(number: object) -> object:
    if isinstance(number, float):
        return "" if math.isnan(number) else f"{number:.6g}"
    return number


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read ({error}); use --overwrite to compute it again.") from error


def _fingerprint(source: Source) -> list[object]:
    """Return what tells whether a micrograph is still the same."""
    if isinstance(source, MicrographFile):
        found = source.path.stat()
        return [source.path.name, found.st_size, found.st_mtime_ns]
    return [source.name, list(source.pixels.shape), _digest(source.pixels)]


def _mask_digest(mask: Mask) -> str:
    return _digest(*mask.polygons, [] if mask.raster is None else mask.raster)


def _digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
