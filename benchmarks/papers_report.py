"""The papers' table as Markdown, and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import mean

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from papers_cells import AUTOENCODER, DEEPEM, DEFAULT, METHODS, TEMPLATE, UNTRAINED
from papers_statistics import Column, Comparison, set_means

#: Colours that the colour-blind can tell apart (Okabe & Ito 2008).
COLOURS = {
    "pn": "#E69F00",
    "nnpu": "#56B4E9",
    "ge-kl": "#009E73",
    "ge-binomial": "#D55E00",
    DEEPEM: "#CC79A7",
    DEFAULT: "#0072B2",
    TEMPLATE: "#000000",
    UNTRAINED: "#888888",
}
MARKERS = dict(zip(COLOURS, "ovs^DP*x", strict=True))
NAMES = {
    "pn": "PN",
    "nnpu": "NNPU",
    "ge-kl": "GE-KL",
    "ge-binomial": "GE-binomial",
    DEEPEM: "DeepEM",
    DEFAULT: "default recipe",
    TEMPLATE: "templates",
    UNTRAINED: "LoG blobs",
}
Columns = Mapping[tuple[str, int], Column]


def name_of(method: str) -> str:
    """Return the name of a method for people."""
    bare = method.removesuffix(AUTOENCODER)
    return NAMES[bare] + (" + autoencoder" if bare != method else "")


def number(value: float, digits: int = 3) -> str:
    """Write a number, or a dash where there is none."""
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def p_value(value: float) -> str:
    """Write a p value."""
    return "< .0001" if value < 1e-4 else number(value, 4)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def results_table(found: Columns, sets: Sequence[str], labels: int) -> str:
    """Mean average precision by method and set at one number of labels; the best of a set in bold."""
    methods = [m for m in METHODS if (m, labels) in found]
    means = {m: set_means(found[m, labels]) for m in methods}
    best = {s: max((means[m][s] for m in methods if s in means[m]), default=nan) for s in sets}
    # A mean over other sets than the rest would not compare.
    overall = {m: mean(v.values()) if len(v) == len(sets) else nan for m, v in means.items()}
    highest = max((v for v in overall.values() if isfinite(v)), default=nan)
    rows = []
    for m in methods:
        values = [(means[m].get(s, nan), best[s]) for s in sets] + [(overall[m], highest)]
        rows.append([name_of(m), *(f"**{number(v)}**" if v == b else number(v) for v, b in values)])
    return table(["method", *sets, "mean"], rows)


def tests_table(made: Sequence[Comparison]) -> str:
    """Lay out the paired tests."""
    header = ["labels", "compared", "difference", "better in", "p (t)", "Holm", "p (Wilcoxon)"]
    header += ["sets", "p (t, sets)", "Holm, sets"]
    rows = [
        [
            str(c.labels),
            f"{name_of(c.first)} − {name_of(c.second)}",
            f"{c.difference:+.3f}",
            f"{c.wins} of {c.pairs}",
            *map(p_value, (c.p, c.holm, c.p_rank)),
            str(c.sets),
            *map(p_value, (c.p_sets, c.holm_sets)),
        ]
        for c in made
    ]
    return table(header, rows)


def labelled_table(rows: Sequence[dict], sets: Sequence[str], counts: Sequence[int]) -> str:
    """Which part of the training particles is labelled."""
    part = {(r["set"], r["labels"]): r["labelled"] / r["particles"] for r in rows}
    particles = {r["set"]: r["particles"] for r in rows}
    prior = {r["set"]: r["prior"] for r in rows if r["prior"] is not None}
    lines = [
        [s, str(particles.get(s, "–")), number(prior.get(s, nan))]
        + [f"{part[s, n]:.0%}" if (s, n) in part else "–" for n in counts]
        for s in sets
    ]
    header = ["set", "particles to learn from", "π", *(f"labelled of {n}" for n in counts)]
    return table(header, lines)


def figure(found: Columns, sets: Sequence[str], counts: Sequence[int], path: Path) -> None:
    """Draw average precision against the number of labels, a panel for each set and one for their mean."""
    panels = [*sets, "mean of the sets"]
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    picture, axes = plt.subplots(
        down, across, figsize=(3.1 * across, 2.9 * down + 0.9), squeeze=False, layout="constrained"
    )
    for axis, panel in zip(axes.flat, panels, strict=False):
        _panel(axis, found, panel if panel in sets else None, sets, counts)
        axis.set_title(panel)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    handles = {h.get_label(): h for a in axes.flat for h in a.get_lines()}
    ordered = [handles[name_of(m)] for m in METHODS if name_of(m) in handles]
    if ordered:
        picture.legend(handles=ordered, loc="outside lower center", ncols=4, frameon=False)
    picture.savefig(path, dpi=150)
    plt.close(picture)


def _panel(axis: Axes, found: Columns, only: str | None, sets: Sequence[str], counts: Sequence[int]) -> None:
    for method in METHODS:
        points = []
        for count in counts:
            means = set_means(found.get((method, count), {}))
            if only is None and len(means) == len(sets):
                points.append((count, mean(means.values())))
            elif only in means:
                points.append((count, means[only]))
        if not points:
            continue
        bare = method.removesuffix(AUTOENCODER)
        with_decoder = bare != method
        axis.plot(
            *zip(*points, strict=True),
            label=name_of(method),
            color=COLOURS[bare],
            marker=MARKERS[bare],
            markersize=5,
            markerfacecolor="white" if with_decoder else COLOURS[bare],
            linestyle="--" if with_decoder else ":" if method in (TEMPLATE, UNTRAINED) else "-",
            linewidth=1.3,
        )
    axis.set_xscale("log")
    axis.set_xticks(list(counts), [str(c) for c in counts])
    axis.minorticks_off()
    axis.set_xlabel("labels")
    axis.set_ylabel("average precision")
    axis.grid(alpha=0.3)
