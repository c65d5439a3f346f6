"""Paired tests between the methods of the papers' table, with Holm's correction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from papers_cells import AUTOENCODER, METHODS, OBJECTIVES, UNTRAINED
from scipy.stats import ttest_rel, wilcoxon

#: The method that the papers propose: all others are compared with it.
PROPOSED = "ge-binomial"
#: Average precision by (set, draw).
Column = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Comparison:
    """Is `first` better than `second` at a number of labels?

    `p` is of a paired t-test over pairs of (set, draw), `p_rank` of Wilcoxon's signed ranks over the same,
    `p_sets` of a paired t-test over the means of sets: the draws of one set are not independent. NaN where
    there are too few pairs. `holm` and `holm_sets` are corrected for all comparisons of the table.
    """

    first: str
    second: str
    labels: int
    pairs: int
    difference: float
    wins: int
    p: float
    p_rank: float
    sets: int
    p_sets: float
    holm: float = float("nan")
    holm_sets: float = float("nan")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; NaN stays NaN and does not count."""
    p = np.asarray(p_values, float)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in corrected]


def columns(rows: Iterable[dict], counts: Sequence[int], draws: int) -> dict[tuple[str, int], dict]:
    """Average precision by (method, labels), then by (set, draw).

    What uses no labels stands at every number of labels and every draw.
    """
    found: dict[tuple[str, int], dict] = defaultdict(dict)
    for row in rows:
        everywhere = row["method"] == UNTRAINED
        for count in counts if everywhere else (row["labels"],):
            for draw in range(draws) if everywhere else (row["draw"],):
                found[row["method"], count][row["set"], draw] = row["average_precision"]
    return dict(found)


def set_means(column: Column) -> dict[str, float]:
    """Mean over the draws of each set."""
    by_set = defaultdict(list)
    for (name, _), value in column.items():
        by_set[name].append(value)
    return {name: mean(values) for name, values in by_set.items()}


def compare(first: str, second: str, labels: int, a: Column, b: Column) -> Comparison:
    """Compare two methods where both were measured."""
    both = sorted(a.keys() & b.keys())
    x, y = np.array([a[k] for k in both]), np.array([b[k] for k in both])
    of_sets = (set_means({k: column[k] for k in both}) for column in (a, b))
    u, v = (np.array(list(means.values())) for means in of_sets)
    return Comparison(
        first=first,
        second=second,
        labels=labels,
        pairs=len(both),
        difference=float(np.mean(x - y)) if both else float("nan"),
        wins=int(np.sum(x > y)),
        p=_paired_t(x, y),
        p_rank=float(wilcoxon(x, y).pvalue) if len(x) > 1 and np.any(x != y) else float("nan"),
        sets=len(u),
        p_sets=_paired_t(u, v),
    )


def _paired_t(x: np.ndarray, y: np.ndarray) -> float:
    # Without any spread the test divides by 0.
    return float(ttest_rel(x, y).pvalue) if len(x) > 1 and np.ptp(x - y) > 0 else float("nan")


def comparisons(found: Mapping[tuple[str, int], Column], counts: Sequence[int]) -> list[Comparison]:
    """Compare the proposed method with all others, and each objective with and without autoencoder."""
    pairs = [(PROPOSED, m) for m in METHODS if m.removesuffix(AUTOENCODER) != PROPOSED]
    pairs += [(objective + AUTOENCODER, objective) for objective in OBJECTIVES]
    made = [
        compare(first, second, count, found[first, count], found[second, count])
        for count in counts
        for first, second in pairs
        if (first, count) in found and (second, count) in found
    ]
    corrected = zip(made, holm([c.p for c in made]), holm([c.p_sets for c in made]), strict=True)
    return [Comparison(**{**vars(c), "holm": h, "holm_sets": s}) for c, h, s in corrected]
