"""One picture that tells how a model learnt and how well it picks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import NDArray

from napari_topaz.files import replace_file
from napari_topaz.jobs.curve_plots import draw_curve
from napari_topaz.jobs.drawing import BLUE, FAINT, GREEN, INK, LINE, ORANGE, SKY, STYLE, YELLOW
from napari_topaz.jobs.evaluate import Evaluation
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap

if TYPE_CHECKING:
    from napari_topaz.model.picker import ModelCard

#: Size of the picture in inches, and its pixels per inch.
SIZE, DPI = (12.6, 10.4), 130
#: Percentiles of pixels that become black and white.
CONTRAST = (0.5, 99.5)
#: Lengths that a scale bar may have, and its part of the image's width.
ROUND_LENGTHS, BAR_PART = (1, 2, 5), 0.2
#: Scores farther below the threshold all look the same; above, this percentile is the brightest.
SCORES_BELOW, SCORES_ABOVE = 8.0, 99.8


@dataclass(frozen=True, eq=False)
class Scene:
    """One micrograph with what a model made of it.

    Attributes
    ----------
    prepared : Prepared
        The image shown.
    score_map : ScoreMap
        The model's scores.
    picks, targets : Picks
        Picks and true particles, pixels of the original micrograph.
    hit_radius : float
        A pick within this distance of a target is a hit, pixels of the original.
    mark_radius : float
        Radius of the circles drawn, pixels of the original.
    threshold : float
        The score from which on peaks are picks.
    """

    prepared: Prepared
    score_map: ScoreMap
    picks: Picks
    targets: Picks
    hit_radius: float
    mark_radius: float
    threshold: float


def draw_report(path: str | Path, title: str, scene: Scene, card: ModelCard, evaluation: Evaluation) -> Path:
    """Draw a micrograph with its picks, its scores, the training, and precision against recall.

    Parameters
    ----------
    path : str or Path
        A PNG file; replaced whole or not at all.
    title : str
        Over all panels.
    scene : Scene
        One of the micrographs.
    card : ModelCard
        With the history of the training.
    evaluation : Evaluation
        Over all micrographs.

    Returns
    -------
    Path
        The file.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
        figure.text(0.035, 0.968, title, fontsize=15, color=INK, fontweight="bold", va="center")
        above = figure.add_gridspec(
            1, 3, left=0.035, right=0.945, top=0.915, bottom=0.40, width_ratios=(1, 1, 0.03), wspace=0.06
        )
        below = figure.add_gridspec(1, 3, left=0.07, right=0.965, top=0.315, bottom=0.06, wspace=0.24)
        _draw_picks(figure.add_subplot(above[0]), scene)
        _draw_scores(figure.add_subplot(above[1]), figure.add_subplot(above[2]), scene)
        _draw_loss(figure.add_subplot(below[0]), card)
        _draw_held_out(figure.add_subplot(below[1]), card)
        curve = figure.add_subplot(below[2])
        draw_curve(curve, evaluation)
        many = (
            f"{evaluation.micrographs} unseen micrographs" if evaluation.micrographs > 1 else "an unseen one"
        )
        curve.set_title(f"Precision and recall in {many}")
        with replace_file(path) as part:
            figure.savefig(part, format="png")
    return Path(path)


def _draw_picks(axes: Axes, scene: Scene) -> None:
    image = scene.prepared.image
    low, high = np.percentile(image, CONTRAST)
    axes.imshow(
        image, "gray", vmin=low, vmax=high, extent=_extent(scene, image.shape), interpolation="antialiased"
    )
    matches = match(scene.targets.yx, scene.picks.yx, scene.hit_radius)
    missed = np.setdiff1d(np.arange(len(scene.targets)), matches.target_of_pick)
    groups = (
        (scene.picks.yx[matches.hits], SKY, "-", "found"),
        (scene.targets.yx[missed], YELLOW, (0, (2, 1.4)), "missed"),
        (scene.picks.yx[~matches.hits], ORANGE, "-", "no particle"),
    )
    for yx, colour, dashes, _ in groups:
        _circles(axes, yx, scene.mark_radius, colour, dashes)
    keys = [
        Line2D([], [], marker="o", ls="", mfc="none", mec=colour, mew=1.8, ms=8, label=f"{label}: {len(yx)}")
        for yx, colour, _, label in groups
    ]
    _legend(axes, keys)
    _scale_bar(axes, scene)
    axes.set_title(f"Picks in {scene.prepared.name}, which the model has never seen")
    _frame(axes, scene)


def _draw_scores(axes: Axes, bar_axes: Axes, scene: Scene) -> None:
    logits = scene.score_map.logits
    low = scene.threshold - SCORES_BELOW
    high = max(float(np.percentile(logits, SCORES_ABOVE)), scene.threshold + 1)
    shown = axes.imshow(
        logits, "magma", vmin=low, vmax=high, extent=_extent(scene, logits.shape), interpolation="bicubic"
    )
    bar = Colorbar(bar_axes, shown, extend="both", extendfrac=0.03)
    bar.outline.set_visible(False)
    bar.set_label("score (logit); the line is the threshold for picks")
    bar_axes.axhline(scene.threshold, color="white", lw=2)
    axes.set_title("Scores of the network over the same micrograph")
    _scale_bar(axes, scene)
    _frame(axes, scene)


def _draw_loss(axes: Axes, card: ModelCard) -> None:
    axes.plot([r.step for r in card.history], [r.loss for r in card.history], color=BLUE, **LINE)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.set(title=f"Training loss ({card.train.objective}), mean of each epoch", xlabel="step")
    axes.grid(True, which="major")


def _draw_held_out(axes: Axes, card: ModelCard) -> None:
    kept = [(r.step, r.held_out, r.epoch) for r in card.history if r.held_out is not None]
    axes.set(title="Average precision on held-out labels", xlabel="step", ylim=(0, 1.03))
    axes.grid(True)
    if not kept:
        axes.text(0.5, 0.5, "nothing was held out", transform=axes.transAxes, ha="center", color=FAINT)
        return
    axes.plot([step for step, _, _ in kept], [value for _, value, _ in kept], color=GREEN, **LINE)
    for step, value, epoch in kept:
        if epoch == card.best_epoch:
            axes.plot(step, value, "o", ms=11, mfc="none", mec=INK, mew=1.4)
            axes.annotate(
                f"kept: epoch {epoch}, {value:.2f}",
                (step, value),
                (6, -22),
                textcoords="offset points",
                ha="right",
                color=INK,
            )


def _extent(scene: Scene, grid: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a coarse image in pixels of the micrograph.

    Grid point (0, 0) is the centre of pixel (0, 0), and a coarse pixel reaches half a step around it.
    """
    step_y, step_x = np.divide(scene.prepared.shape, scene.prepared.image.shape)
    if grid == scene.score_map.logits.shape:
        step_y, step_x = scene.score_map.step_yx
    return (-step_x / 2, (grid[1] - 0.5) * step_x, (grid[0] - 0.5) * step_y, -step_y / 2)


def _frame(axes: Axes, scene: Scene) -> None:
    height, width = scene.prepared.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _circles(axes: Axes, yx: NDArray[np.float32], radius: float, colour: str, dashes: Any) -> None:
    from matplotlib.collections import EllipseCollection

    size = np.full(len(yx), 2 * radius)
    axes.add_collection(
        EllipseCollection(
            size,
            size,
            np.zeros(len(yx)),
            units="xy",
            offsets=yx[:, ::-1],
            offset_transform=axes.transData,
            facecolors="none",
            edgecolors=colour,
            linewidths=1.6,
            linestyles=[dashes],
        )
    )


def _legend(axes: Axes, keys: list[Line2D]) -> None:
    axes.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=(-0.012, -0.005),
        ncols=3,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.6,
    )


def _scale_bar(axes: Axes, scene: Scene) -> None:
    """Draw a round number of Å (of pixels where the pixel size is not known)."""
    height, width = scene.prepared.shape
    pixel_size, unit = (scene.prepared.pixel_size, "Å") if scene.prepared.pixel_size else (1.0, "px")
    length = round_length(BAR_PART * width * pixel_size)
    text = f"{length / 10:g} nm" if unit == "Å" and length >= 10_000 else f"{length:g} {unit}"
    right, bottom = 0.965 * width, 0.955 * height
    left = right - length / pixel_size
    for colour, thickness in (("black", 6.5), ("white", 4)):
        axes.plot([left, right], [bottom, bottom], color=colour, lw=thickness, solid_capstyle="butt")
    label = axes.text(
        (left + right) / 2, bottom - 0.018 * height, text, color="white", ha="center", fontweight="bold"
    )
    label.set_path_effects([_outline()])


def _outline() -> Any:
    from matplotlib.patheffects import withStroke

    return withStroke(linewidth=2.5, foreground="black")


def round_length(about: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is at most `about`."""
    power = 10.0 ** np.floor(np.log10(about))
    return float(max(n * power for n in ROUND_LENGTHS if n * power <= about * (1 + 1e-9)))
