"""A picture that tells whether picks are particles: some of the best, middle and worst, and averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_topaz.files import StackedPicks, read_micrograph, replace_file
from napari_topaz.jobs.drawing import BLUE, FAINT, INK, STYLE
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.boxes import rotational_average, thumbnail

#: Rows of each part of the montage, and particles in a row.
ROWS, COLUMNS = 4, 12
#: Edge of a particle in the picture, px; larger ones are downsampled.
TILE = 96
#: At most this many of the best particles are averaged.
AVERAGED = 500
#: Single particles are shown within this many standard deviations.
CONTRAST = 3.0
#: Size of the picture in inches, and its pixels per inch.
SIZE, DPI = (13.0, 10.9), 130


@dataclass(frozen=True, eq=False)
class Ranked:
    """Particles in stacks, best score first.

    Attributes
    ----------
    stacks : list of Path
    which : ndarray of int64, shape (n, 2)
        Index of the stack, and 0-based place in it.
    scores : ndarray of float32, shape (n,)
        All NaN where the picks have no scores: then the order is that of the files.
    """

    stacks: list[Path]
    which: NDArray[np.int64]
    scores: NDArray[np.float32]

    def read(self, index: int) -> NDArray[np.float32]:
        """Read one particle, shape (size, size)."""
        stack, place = self.which[index]
        pixels = read_micrograph(MicrographFile(self.stacks[stack], int(place))).pixels
        return np.array(pixels, np.float32)


def rank(parts: Sequence[StackedPicks]) -> Ranked:
    """Order particles by score; those without are left out where others have one."""
    stacks = list(dict.fromkeys(part.stack for part in parts))
    which = np.concatenate(
        [
            np.stack([np.full(n, stacks.index(part.stack)), part.first + np.arange(n)], axis=1)
            for part, n in ((part, len(part.picks)) for part in parts)
        ]
    )
    scores = np.concatenate([part.picks.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    known = int(np.isfinite(scores).sum())
    order = order[:known] if known else order
    return Ranked(stacks, which[order], scores[order])


def draw_montage(path: str | Path, parts: Sequence[StackedPicks]) -> Path:
    """Draw the montage of written stacks; particles are read one at a time.

    Parameters
    ----------
    path : str or Path
        A PNG file; replaced whole or not at all.
    parts : sequence of StackedPicks
        The stacks, which must be there.

    Returns
    -------
    Path
        The file.
    """
    from matplotlib import rc_context

    ranked = rank(parts)
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
        figure.text(0.025, 0.972, _title(parts), fontsize=14, color=INK, fontweight="bold", va="center")
        left = figure.add_gridspec(3, 1, left=0.025, right=0.735, top=0.925, bottom=0.015, hspace=0.1)
        right = figure.add_gridspec(
            3, 1, left=0.775, right=0.985, top=0.925, bottom=0.075, hspace=0.2, height_ratios=(1, 1, 0.75)
        )
        for place, (name, indices) in enumerate(
            samples(len(ranked.which), bool(np.isfinite(ranked.scores).any()))
        ):
            _draw_sample(figure.add_subplot(left[place]), name, ranked, indices)
        _draw_averages([figure.add_subplot(right[row]) for row in range(3)], ranked, parts)
        with replace_file(path) as part:
            figure.savefig(part, format="png")
    return Path(path)


def samples(count: int, scored: bool) -> list[tuple[str, NDArray[np.int64]]]:
    """Say which of `count` ranked particles are shown: names of the parts, and indices; none twice."""
    names = ("best", "middle", "worst") if scored else ("first", "middle", "last")
    each = min(ROWS * COLUMNS, -(-count // 3))
    middle = (count - each) // 2
    taken: set[int] = set()
    parts = []
    for name, start in zip(names, (0, middle, count - each), strict=True):
        indices = [i for i in range(max(start, 0), min(start + each, count)) if i not in taken]
        taken |= set(indices)
        parts.append((name, np.array(indices, np.int64)))
    return parts


def mean_of_best(ranked: Ranked, count: int) -> NDArray[np.float32]:
    """Mean of the first `count` particles, (size, size), one in memory at a time."""
    total = ranked.read(0).astype(np.float64)
    for index in range(1, count):
        total += ranked.read(index)
    return (total / count).astype(np.float32)


def _draw_sample(axes: Axes, name: str, ranked: Ranked, indices: NDArray[np.int64]) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not len(indices):
        axes.set_title(f"{name}: there are no more")
        axes.set_axis_off()
        return
    scores = ranked.scores[indices]
    known = f", scores {scores.max():.2f} to {scores.min():.2f}" if np.isfinite(scores).all() else ""
    axes.set_title(f"The {name} {len(indices)}{known}")
    tiles = [thumbnail(ranked.read(int(i)), TILE) for i in indices]
    axes.set_anchor("NW")
    axes.imshow(_mosaic(tiles), "gray", vmin=-CONTRAST, vmax=CONTRAST, interpolation="antialiased")


def _mosaic(tiles: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Lay tiles out in rows, with white lines between them; few tiles in fewer and larger columns."""
    columns = min(COLUMNS, int(np.ceil(np.sqrt(len(tiles) * COLUMNS / ROWS))))
    rows, edge = -(-len(tiles) // columns), len(tiles[0]) + 2
    mosaic = np.full((rows * edge - 2, columns * edge - 2), np.nan, np.float32)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        mosaic[row * edge : row * edge + len(tile), column * edge : column * edge + len(tile)] = tile
    return mosaic


def _draw_averages(panels: Sequence[Axes], ranked: Ranked, parts: Sequence[StackedPicks]) -> None:
    count = min(AVERAGED, max(1, len(ranked.which) // 2))
    mean = mean_of_best(ranked, count)
    around, profile = rotational_average(mean)
    low, high = np.percentile(mean, (0.5, 99.5))
    what = "best" if np.isfinite(ranked.scores).any() else "first"
    for axes, image, title in (
        (panels[0], mean, f"Mean of the {what} {count}, as they lie"),
        (panels[1], around, "The same, averaged over all rotations"),
    ):
        axes.imshow(image, "gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="bicubic")
        axes.set(title=title, xticks=[], yticks=[])
        centre = len(image) // 2
        axes.plot(centre, centre, "+", color=BLUE, ms=9, mew=1)
    size = parts[0].optics.pixel_size
    axes = panels[2]
    axes.plot(np.arange(len(profile)) * size, profile, color=BLUE, lw=2)
    axes.axhline(float(profile[-1]), color=FAINT, lw=1, ls=(0, (3, 2)))
    axes.set(title="Its profile", xlabel="distance from the centre (Å)")
    axes.set_xlim(0, None)
    axes.grid(True)


def _title(parts: Sequence[StackedPicks]) -> str:
    optics, count = parts[0].optics, sum(len(part.picks) for part in parts)
    many = "1 micrograph" if len(parts) == 1 else f"{len(parts)} micrographs"
    box = f"box {optics.size} px = {optics.size * optics.pixel_size:.0f} Å"
    return f"{count} particle{'s' if count != 1 else ''} of {many}, {box}, {optics.pixel_size:.3g} Å/px"
