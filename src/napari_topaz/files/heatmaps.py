"""Score maps as MRC images that say of what they are: `NAME_heatmap.mrc`.

The grid cannot be told from the image alone (a micrograph of 3838 × 3710 and its score map have no
whole factor), so that it stands in a label of the MRC header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_topaz.files.errors import FileError
from napari_topaz.files.mrc import find_mrc_pixels, read_mrc_labels, write_mrc
from napari_topaz.files.stored import in_memory
from napari_topaz.score_map import ScoreMap

#: What files of score maps end with; the rest is the micrograph's name.
ENDING = "_heatmap.mrc"
#: Height and width of the micrograph, step along y and x, border, label radius; at most 80 characters.
_LABEL = "napari-topaz scores: {} {} {:.9g} {:.9g} {} {:.6g}"
_PATTERN = re.compile(r"napari-topaz scores: (\d+) (\d+) (\S+) (\S+) (\d+) (\S+)")


@dataclass(frozen=True, eq=False)
class Heatmap:
    """A score map, and how near a region must be to a particle to be positive.

    Attributes
    ----------
    score_map : ScoreMap
    label_radius : float
        Pixels of the micrograph; 0 where it is not known.
    """

    score_map: ScoreMap
    label_radius: float


def heatmap_path(folder: Path, name: str) -> Path:
    """Return the file of one micrograph's score map."""
    return folder / f"{name}{ENDING}"


def write_heatmap(folder: Path, heatmap: Heatmap, pixel_size: float | None) -> Path:
    """Write ``folder/NAME_heatmap.mrc``; `pixel_size` is the micrograph's, in Å/px."""
    scores = heatmap.score_map
    path = heatmap_path(folder, scores.name)
    grid = None if pixel_size is None else pixel_size * float(np.mean(scores.step_yx))
    label = _LABEL.format(*scores.shape, *scores.step_yx, scores.border, heatmap.label_radius)
    write_mrc(path, scores.logits, grid, label=label)
    return path


def find_heatmaps(folder: Path) -> dict[str, Path]:
    """Return the score maps of a folder, by name of their micrograph.

    Raises
    ------
    FileError
        Where there are none.
    """
    found = {p.name.removesuffix(ENDING): p for p in sorted(folder.glob(f"*{ENDING}"))}
    if not found:
        raise FileError(f"{folder} has no *{ENDING}; give the folder that the command heatmap wrote.")
    return found


def read_heatmap(path: Path) -> Heatmap:
    """Read one score map.

    Raises
    ------
    FileError
        Where the file is not a score map that :func:`write_heatmap` wrote.
    """
    pixels = in_memory(find_mrc_pixels(path, 0))
    height, width, step_y, step_x, border, radius = _numbers(path)
    name = path.name.removesuffix(ENDING)
    scores = ScoreMap(
        name, np.asarray(pixels, np.float32), (step_y, step_x), int(border), (int(height), int(width))
    )
    return Heatmap(scores, radius)


def _numbers(path: Path) -> list[float]:
    """The numbers of the label: height, width, steps, border, label radius."""
    found = next((m for m in map(_PATTERN.match, read_mrc_labels(path)) if m), None)
    try:
        numbers = list(map(float, found.groups())) if found else []
    except ValueError:
        numbers = []
    if not numbers or not np.isfinite(numbers).all() or not min(numbers[2:4]) > 0:
        raise FileError(f"{path} does not say of what it is a score map; write it anew with heatmap.")
    return numbers
