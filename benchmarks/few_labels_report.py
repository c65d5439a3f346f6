"""Tables and figure of few_labels.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import mean, median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from few_labels_cells import ACCOUNT, CLOCK, OURS, PEER, RECIPES, Cell, reached
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from papers_report import number, table

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008).
COLOURS = dict(zip(RECIPES, ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#CC79A7", "#888888"), strict=True))
#: The recipe of Topaz that time is compared with.
RIVAL = "peer"
#: The recipe of ours that is compared with it.
LEADER = "ours"
#: Labels whose training is drawn over seconds, and how.
STYLES = {10: ":", 30: "--", 100: "-"}


def means(rows: Iterable[dict], method: str, labels: int) -> dict[str, float]:
    """Mean AP over the draws of each set."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if (row["method"], row["labels"]) == (method, labels):
            found.setdefault(row["set"], []).append(row["average_precision"])
    return {name: mean(values) for name, values in found.items()}


def overall(by_set: dict[str, float], sets: Sequence[str]) -> float:
    """Mean over the sets; NaN where one is missing, as it would not compare."""
    return mean(by_set.values()) if by_set.keys() >= set(sets) else nan


def results_table(rows: Sequence[dict], sets: Sequence[str], labels: int) -> str:
    """AP by recipe and set at one number of labels; the best of a set in bold."""
    found = {m: means(rows, m, labels) for m in RECIPES}
    found = {m: by_set for m, by_set in found.items() if by_set}
    columns = {s: {m: by_set.get(s, nan) for m, by_set in found.items()} for s in sets}
    columns["mean"] = {m: overall(by_set, sets) for m, by_set in found.items()}
    draws = {m: draws_of(rows, m, labels) for m in found}
    best = {s: max(filter(isfinite, c.values()), default=nan) for s, c in columns.items()}
    lines = []
    for m in found:
        values = [(c[m], best[s]) for s, c in columns.items()]
        marked = [f"**{number(v)}**" if v == b else number(v) for v, b in values]
        lines.append([RECIPES[m].title, *marked, draws[m]])
    return table(["recipe", *columns, "draws"], lines)


def draws_of(rows: Iterable[dict], method: str, labels: int) -> str:
    """How many draws a row is the mean of: the same for all sets, or from the fewest to the most."""
    counts = Counter(r["set"] for r in rows if (r["method"], r["labels"]) == (method, labels))
    fewest, most = min(counts.values()), max(counts.values())
    return str(most) if fewest == most else f"{fewest} to {most}"


def against_rival(rows: Iterable[dict], labels: int) -> str:
    """Say how far ours is ahead of the peer where both were measured, and where it is behind."""
    found = {
        (r["method"], r["set"], r["draw"]): r["average_precision"] for r in rows if r["labels"] == labels
    }
    ahead = {
        (name, draw): value - found[RIVAL, name, draw]
        for (method, name, draw), value in found.items()
        if method == LEADER and (RIVAL, name, draw) in found
    }
    if not ahead:
        return "No pair of set and draw was measured with both."
    behind = [f"{name}, draw {draw} ({d:+.3f})" for (name, draw), d in ahead.items() if d < 0]
    return (
        f"{RECIPES[LEADER].title}, less {RECIPES[RIVAL].title}, over {len(ahead)} pairs of set and draw: "
        f"{mean(ahead.values()):+.3f}; behind in {len(behind)}{': ' * bool(behind)}{'; '.join(behind)}."
    )


def absent_cells(rows: Iterable[dict], planned: Iterable[Cell]) -> list[str]:
    """Say which cells are not there, by recipe and number of labels."""
    there = Counter((r["method"], r["labels"]) for r in rows)
    every = Counter((cell.method, cell.labels) for cell in planned)
    missing = [
        f"{RECIPES[method].title}, {labels} labels ({count - there[method, labels]} of {count})"
        for (method, labels), count in every.items()
        if there[method, labels] < count
    ]
    return [f"Cells that were not measured: {'; '.join(missing)}."] if missing else []


def speeds(rows: Iterable[dict]) -> list[dict]:
    """Seconds of ours, and of the peer, until the peer's best AP, by cell of ours that has a rival.

    `ratio` is how many times longer the peer takes; NaN where ours never gets there.
    """
    cells = {(r["set"], r["method"], r["labels"], r["draw"]): r for r in rows if r["labels"]}
    found = []
    for (name, method, labels, draw), row in cells.items():
        rival = cells.get((name, RIVAL, labels, draw))
        if RECIPES[method].who != OURS or rival is None:
            continue
        target = max(p[2] for p in rival["curve"])
        ours, theirs = reached(row["curve"], target), reached(rival["curve"], target)
        ratio = theirs / ours if isfinite(ours) and ours > 0 else nan
        key = {"set": name, "method": method, "labels": labels, "draw": draw}
        timed = {"exact": rival.get("timed") == ACCOUNT}
        found.append(key | timed | {"target": target, "ours": ours, "peer": theirs, "ratio": ratio})
    return found


def speed_table(rows: Sequence[dict]) -> str:
    """Seconds to the peer's AP."""
    found = speeds(rows)
    lines = [
        [
            *(str(f[k]) for k in ("set", "labels", "draw")),
            RECIPES[f["method"]].title,
            number(f["target"]),
            number(f["ours"], 1),
            *(number(f[k], 1) + "*" * (not f["exact"]) for k in ("peer", "ratio")),
        ]
        for f in found
    ]
    header = ["set", "labels", "draw", "recipe", "AP to reach", "seconds", "Topaz, seconds", "ratio"]
    said = [said_of([f for f in found if f["method"] == m], title) for m, title in _ours(found)]
    said = said or ["No cell has a rival."]
    if not all(f["exact"] for f in found):
        said.append(f"\\* By {CLOCK}, which pauses of the process distort; the others by {ACCOUNT}.")
    return "\n\n".join([table(header, lines), *said])


def _ours(found: Iterable[dict]) -> list[tuple[str, str]]:
    measured = {f["method"] for f in found}
    return [(m, recipe.title) for m, recipe in RECIPES.items() if m in measured]


def said_of(found: Sequence[dict], title: str) -> str:
    """Sum up the ratios of one recipe: all, and those whose times are exact."""
    every = [f["ratio"] for f in found if isfinite(f["ratio"])]
    exact = [f["ratio"] for f in found if isfinite(f["ratio"]) and f["exact"]]
    said = f"{title}: reached in {len(every)} of {len(found)} cells"
    for name, ratios in (("ratio", every), ("ratio of exact times", exact)):
        if ratios and (ratios is every or len(exact) < len(every)):
            low, middle, high = (number(f(ratios), 0) for f in (min, median, max))
            said += f"; {name} {low} to {high}, median {middle}"
    return f"{said}."


def seconds_table(rows: Sequence[dict]) -> str:
    """Median seconds of a whole training by recipe and number of labels."""
    counts = sorted({r["labels"] for r in rows if r["labels"]})
    lines = []
    for m, recipe in RECIPES.items():
        of = {c: [r["seconds"] for r in rows if (r["method"], r["labels"]) == (m, c)] for c in counts}
        if any(of.values()):
            lines.append([recipe.title, *(number(median(v), 1) if v else "–" for v in of.values())])
    return table(["recipe", *(f"{c} labels" for c in counts)], lines)


def figure(
    rows: Sequence[dict], sets: Sequence[str], counts: Sequence[int], path: Path, machine: str
) -> None:
    """Draw AP against the number of labels (mean of the sets), and over seconds for each set."""
    shown = [s for s in sets if any(r["set"] == s for r in rows)]
    across = min(4, len(shown) + 1)
    down = -(-(len(shown) + 1) // across)
    picture, axes = plt.subplots(
        down, across, figsize=(3.3 * across, 3.0 * down + 0.8), squeeze=False, layout="constrained"
    )
    panels = list(axes.flat)
    against_labels(panels[0], rows, shown, counts)
    for axis, name in zip(panels[1:], shown, strict=False):
        over_seconds(axis, [r for r in rows if r["set"] == name])
        axis.set_title(name)
    for axis in panels[len(shown) + 1 :]:
        axis.set_visible(False)
    handles = {h.get_label(): h for h in panels[0].get_lines() if not str(h.get_label()).startswith("_")}
    if handles:
        columns = min(3, across)
        picture.legend(
            handles=list(handles.values()), loc="outside lower center", ncols=columns, frameon=False
        )
    picture.suptitle(f"Average precision with few labels; one core each of {machine}", fontsize=10)
    picture.savefig(path, dpi=150)
    plt.close(picture)


def against_labels(axis: Axes, rows: Sequence[dict], sets: Sequence[str], counts: Sequence[int]) -> None:
    """Mean AP of the sets; what needs no label is drawn at 0."""
    measured = {row["method"] for row in rows}
    for m, recipe in RECIPES.items():
        if m not in measured:
            continue
        points = [(c, overall(means(rows, m, c), sets)) for c in counts]
        points = [p for p in points if isfinite(p[1])]
        label, style = recipe.title, "--" if recipe.who == PEER else "-"
        x, y = zip(*points, strict=True) if points else ((), ())
        # Also without a point, where some sets are missing: the legend is of this panel.
        axis.plot(x, y, style, color=COLOURS[m], marker="o", markersize=4, label=label, linewidth=1.4)
    axis.set_xscale("symlog", linthresh=10, linscale=0.5)
    axis.set_xticks(list(counts), [str(c) for c in counts])
    axis.minorticks_off()
    axis.set_title("mean of the sets")
    axis.set_xlabel("labels")
    axis.set_ylabel("average precision")
    axis.grid(alpha=0.3)


def over_seconds(axis: Axes, rows: Sequence[dict]) -> None:
    """AP of the judged models of a set, first draw; horizontal lines for what is not trained."""
    for row in rows:
        if row["draw"]:
            continue
        colour = COLOURS[row["method"]]
        if not row["labels"]:
            axis.axhline(row["average_precision"], color=colour, linewidth=0.7, alpha=0.7)
            continue
        x, y = [max(p[0], 0.1) for p in row["curve"]], [p[2] for p in row["curve"]]
        axis.plot(x, y, STYLES[row["labels"]], color=colour, marker=".", markersize=4, linewidth=1.2)
    axis.set_xscale("log")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(0, 1)
    axis.set_xlabel("seconds (dots: 10 labels, dashes: 30, line: 100)", fontsize=7)
    axis.grid(alpha=0.3)
