"""Pictures of an evaluation: precision against recall, and whether scores are what they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_topaz.files import replace_file
from napari_topaz.jobs.drawing import BLUE, FAINT, GREEN, INK, ORANGE, STYLE
from napari_topaz.jobs.evaluate import Evaluation
from napari_topaz.jobs.regions import RegionEvaluation
from napari_topaz.numerics.calibration import Calibration
from napari_topaz.numerics.curves import Curve

#: Size of the picture in inches, and its pixels per inch.
SIZE, DPI = (10.5, 4.6), 130
#: The largest disc of the calibration, in points².
LARGEST = 160.0


def draw_evaluation(path: str | Path, title: str, found: Evaluation) -> Path:
    """Draw precision against recall with the best threshold, and the calibration of the scores.

    Parameters
    ----------
    path : str or Path
        A PNG file; replaced whole or not at all.
    title : str
        Over both panels.
    found : Evaluation
        What is drawn.

    Returns
    -------
    Path
        The file.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
        figure.text(0.06, 0.945, title, fontsize=13, color=INK, fontweight="bold", va="center")
        grid = figure.add_gridspec(1, 2, left=0.06, right=0.98, top=0.82, bottom=0.115, wspace=0.2)
        curve, calibration = (figure.add_subplot(grid[column]) for column in range(2))
        draw_curve(curve, found)
        if found.regions is not None:
            _draw_regions(curve, found.regions)
        draw_calibration(calibration, found.calibration)
        with replace_file(path) as part:
            figure.savefig(part, format="png")
    return Path(path)


def draw_curve(axes: Axes, found: Evaluation) -> None:
    """Draw precision against recall over all picks, and the point of the best F."""
    curve = found.curve
    recall, precision = _steps(curve)
    axes.fill_between(recall, precision, color=BLUE, alpha=0.12, lw=0)
    axes.plot(recall, precision, color=BLUE, lw=2, label=f"picks: {found.average_precision:.2f}")
    best = curve.index_at(found.threshold)
    if best is not None:
        where = (curve.recall[best], curve.precision[best])
        axes.plot(*where, "o", ms=7, color=ORANGE)
        axes.annotate(
            f"best F{found.beta:g} {found.best_f:.2f}\nat score {found.threshold:.1f}",
            where,
            (-12, -14),
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
        )
    many = f"{found.micrographs} micrographs" if found.micrographs > 1 else "one micrograph"
    axes.set(title=f"Precision and recall in {many}, {found.targets} targets")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    axes.grid(True)


def _draw_regions(axes: Axes, regions: RegionEvaluation) -> None:
    axes.plot(
        *_steps(regions.curve),
        color=GREEN,
        lw=1.6,
        ls=(0, (4, 1.5)),
        label=f"regions: {regions.average_precision:.2f} (random: {regions.prior:.2f})",
    )
    axes.legend(title="average precision", loc="lower left", frameon=False, alignment="left")


def draw_calibration(axes: Axes, table: Calibration) -> None:
    """Draw observed against predicted precision, a disc per bin; its area is the number of picks."""
    axes.set(title="Calibration: on the line, scores are what they claim")
    axes.set(xlabel="predicted precision, sigmoid(score)", ylabel="observed precision")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.grid(True)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1.2, ls=(0, (3, 2)))
    if not len(table.count):
        axes.text(0.5, 0.5, "the picks have no scores", ha="center", color=FAINT)
        return
    area = np.maximum(LARGEST * np.sqrt(table.count / table.count.max()), 8)
    axes.plot(table.predicted, table.observed, color=BLUE, lw=1.2, alpha=0.6)
    axes.scatter(table.predicted, table.observed, s=area, color=BLUE, zorder=3, clip_on=False)
    for x, y, n, size in zip(table.predicted, table.observed, table.count, area, strict=True):
        # Below and to the right, away from the diagonal and the curve; at the far end to the left.
        side = -1 if x > 0.9 else 1
        offset = (side * (3 + np.sqrt(size) / 3), -3 - np.sqrt(size) / 3)
        axes.annotate(
            f"{n}",
            (x, y),
            offset,
            textcoords="offset points",
            fontsize=8,
            color=INK,
            ha="right" if side < 0 else "left",
            va="top" if y > 0.06 else "bottom",
        )
    axes.text(
        0.98,
        0.03,
        f"mean gap {table.error:.2f}; numbers of picks beside the discs",
        ha="right",
        color=INK,
        fontsize=8.5,
    )


def _steps(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision, from recall 0 on."""
    return np.append(0, curve.recall), np.append(curve.precision[:1], curve.precision)
