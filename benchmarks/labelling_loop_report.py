"""Tables and figure of labelling_loop.py."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, sqrt
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from napari_topaz.files import atomic
from napari_topaz.jobs.drawing import BLUE, FAINT, GREEN, INK, LINE, ORANGE, SKY, STYLE, YELLOW

FIRST = 10
COLOURS = (BLUE, ORANGE, GREEN, SKY, YELLOW, FAINT)


def values(rows: Sequence[dict], set_: str | None, way: str, number: int) -> dict[tuple[str, int], float]:
    """Average precision by set and draw; of all sets where `set_` is None."""
    return {
        (r["set"], r["draw"]): r["ap"]
        for r in rows
        if (r["way"], r["round"]) == (way, number) and set_ in (None, r["set"])
    }


def difference(
    rows: Sequence[dict], set_: str | None, way: str, other: str, number: int
) -> tuple[float, float, int]:
    """Mean of a way minus another over sets and draws, its standard error (NaN of one), how many."""
    ours, theirs = values(rows, set_, way, number), values(rows, set_, other, number)
    away = [ours[d] - theirs[d] for d in ours if d in theirs]
    if not away:
        return float("nan"), float("nan"), 0
    return mean(away), stdev(away) / sqrt(len(away)) if len(away) > 1 else float("nan"), len(away)


def with_error(away: float, error: float) -> str:
    """Write a difference and its standard error."""
    if isnan(away):
        return "–"
    return f"{away:+.3f}" + ("" if isnan(error) else f" ± {error:.3f}")


def _lined(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    every = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in every)


def _mean(found: Sequence[float], draws: int) -> str:
    """Write a mean; with the number of draws where that is not the usual one."""
    if not found:
        return "–"
    return f"{mean(found):.3f}" + ("" if len(found) == draws else f" ({len(found)})")


def table(rows: Sequence[dict], ways: Sequence[str]) -> str:
    """Average precision of each set and round, and what the first way is better than the others."""
    first, others = ways[0], ways[1:]
    lines = []
    for set_ in dict.fromkeys(r["set"] for r in rows):
        for number in sorted({r["round"] for r in rows if r["set"] == set_}):
            mine = [list(values(rows, set_, way, number).values()) for way in ways]
            away = [difference(rows, set_, first, way, number) for way in others]
            lines.append(
                [
                    set_,
                    str(clicks_at(rows, number)),
                    *(_mean(ap, len(mine[0])) for ap in mine),
                    *(with_error(*a[:2]) if number else "–" for a in away),
                    str(len(mine[0])),
                ]
            )
    heads = ["set", "clicks", *ways, *(f"{first} − {way}" for way in others), "draws"]
    return _lined(heads, lines)


def over_sets(rows: Sequence[dict], ways: Sequence[str]) -> str:
    """Differences over all sets: from the start, and of every way from each of the others."""
    lines = []
    for number in sorted({r["round"] for r in rows} - {0}):
        for way in ways:
            asked = [r for r in rows if r["way"] == way and r["round"] == number]
            if not asked:
                continue
            gained = [r["ap"] - values(rows, r["set"], way, 0)[r["set"], r["draw"]] for r in asked]
            error = stdev(gained) / sqrt(len(gained)) if len(gained) > 1 else float("nan")
            yes = sum(r["yes"] for r in asked) / max(1, sum(r["asked"] for r in asked))
            cells = [
                "–" if other == way else with_error(*difference(rows, None, way, other, number)[:2])
                for other in ways[:3]
            ]
            f1 = mean(r["f1"] for r in asked)
            lines.append(
                [
                    str(clicks_at(rows, number)),
                    way,
                    f"{yes:.0%}",
                    with_error(mean(gained), error),
                    f"{f1:.3f}",
                    *cells,
                    str(len(asked)),
                ]
            )
    heads = ["clicks", "way", "answered yes", "gain since the start", "F1"]
    return _lined([*heads, *(f"minus {way}" for way in ways[:3]), "draws"], lines)


def clicks_at(rows: Sequence[dict], number: int) -> int:
    """Labels and answers after a round."""
    return FIRST + number * int(rows[0]["clicks"])


def draw_figure(path: Path, rows: Sequence[dict], ways: Sequence[str]) -> None:
    """Draw the gain in average precision against clicks, one panel a set, with standard errors."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(r["set"] for r in rows))
    with rc_context(STYLE):
        figure = Figure(figsize=(4.4 * len(sets), 3.9), dpi=130, facecolor="white", layout="constrained")
        for panel, set_ in zip(np.atleast_1d(figure.subplots(1, len(sets))), sets, strict=True):
            numbers = sorted({r["round"] for r in rows if r["set"] == set_})
            x = [clicks_at(rows, n) for n in numbers]
            for way, colour in zip(ways, COLOURS, strict=False):
                start = values(rows, set_, way, 0)
                found = [values(rows, set_, way, n) for n in numbers]
                gains = [[f[d] - start[d] for d in f] for f in found]
                errors = [stdev(g) / sqrt(len(g)) if len(g) > 1 else 0.0 for g in gains]
                # Gains, not values: ways are comparable where some draws of one are not done yet.
                panel.errorbar(
                    x, [mean(g) for g in gains], errors, color=colour, label=way, capsize=2, **LINE
                )
            panel.set(title=set_, xlabel="labels and answers", xticks=x)
            panel.grid(True)
        figure.axes[0].set_ylabel("gain in average precision since the first labels")
        figure.axes[-1].legend(frameon=False, labelcolor=INK)
        with atomic.replace_file(path) as part:
            figure.savefig(part, format="png")


def write(output: Path, rows: Sequence[dict], ways: Sequence[str], words: Sequence[str], about: str) -> None:
    """Write tables and figure of what is done so far."""
    parts = about.strip().split("\n\n")
    hidden = ("--work", "--output")
    shown = [w for k, w in enumerate(words) if w not in hidden and (not k or words[k - 1] not in hidden)]
    seconds = mean(r["seconds"] for r in rows)
    draw_figure(output.with_suffix(".png"), rows, ways)
    output.write_text(
        f"# {parts[0]}\n\n{parts[1]}\n\n{parts[3]}\n\n"
        f"Command: `{' '.join(['python benchmarks/labelling_loop.py', *shown])}`; "
        f"{seconds:.0f} CPU seconds a cell.\n\n"
        f"## All sets together\n\n{over_sets(rows, ways)}\n\n## Set by set\n\n{table(rows, ways)}\n\n"
        f"![Gain in average precision against clicks]({output.stem}.png)\n\n"
        "Differences are means over sets and draws ± their standard error, paired: all ways of a draw begin "
        "alike.\n"
    )
