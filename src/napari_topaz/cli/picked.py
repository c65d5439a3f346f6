"""What is printed of picks that were made: how many, how good, and which micrographs stand out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_topaz.cli.screen import Screen

if TYPE_CHECKING:
    from napari_topaz.picks import Picks

#: Micrographs that are named where many stand out.
MOST_NAMES = 10


def pick_result(
    screen: Screen, found: Mapping[str, Picks], output: Path, skipped: int, *, calibrated: bool = False
) -> int:
    """Print what a command that picks has done; returns the exit code.

    Where scores are `calibrated`, the precision that is expected of the picks is the mean of their
    probabilities. Micrographs that were done before are not among the counts.
    """
    import numpy as np
    from scipy.special import expit

    from napari_topaz.numerics.counts import Counts

    names, counts = list(found), Counts.of([len(p) for p in found.values()])
    count, outliers = counts.total, {names[i]: int(counts.counts[i]) for i in counts.outliers}
    values: dict[str, object] = {
        "micrographs": len(found),
        "picks": count,
        "median": counts.median,
        "without": counts.without,
        "outliers": outliers,
        "seconds": screen.seconds,
        "skipped": skipped,
        "failed": list(screen.failed),
        "output": output,
    }
    before = f" ({skipped} were done before)" if skipped else ""
    right = ""
    if calibrated and count:
        scores = np.concatenate([p.scores for p in found.values()]).astype(np.float64)
        values["expected_precision"] = precision = float(expit(scores).mean())
        right = f", of which about {precision:.0%} are expected to be particles"
    text = (
        f"Wrote {output}: {count} picks in {len(found)} micrographs{before}{right}, {screen.seconds:.0f} s."
    )
    return screen.result(values, f"{text}{_standing_out(outliers, counts.median)}")


def _standing_out(outliers: Mapping[str, int], median: float) -> str:
    """Name the micrographs that have far more or fewer picks than the others."""
    if not outliers:
        return ""
    named = ", ".join(f"{name} ({count})" for name, count in [*outliers.items()][:MOST_NAMES])
    more = f" and {len(outliers) - MOST_NAMES} more" if len(outliers) > MOST_NAMES else ""
    return f"\nLook at those that stand out by their number of picks (median {median:g}): {named}{more}."
