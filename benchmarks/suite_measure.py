"""Figures of the suite: pairs of measurements, their medians and ratios, and the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite, nan
from pathlib import Path
from statistics import median

from peer_process import Finished


@dataclass(frozen=True)
class Target:
    """What a figure has to reach: the ratio peer / ours at least, or ours at most (in the figure's unit)."""

    ratio: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        said = [f"≥ {self.ratio:g} ×"] if self.ratio is not None else []
        said += [f"≤ {self.most:g}"] if self.most is not None else []
        return ", ".join(said)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    stage, what, unit : str
    ours, peer : tuple of float
        Repeated measurements, in pairs where both are there.
    target : Target
    note : str
        Anything else that was seen.
    """

    stage: str
    what: str
    unit: str
    ours: tuple[float, ...] = ()
    peer: tuple[float, ...] = ()
    target: Target = Target()
    note: str = ""

    @property
    def ratio(self) -> float:
        """Median of peer / ours over the pairs; NaN without pairs, or where ours is too short to tell."""
        if not self.ours or len(self.ours) != len(self.peer):
            return nan
        return median(p / o if o > 0 else nan for o, p in zip(self.ours, self.peer, strict=True))

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none, or it cannot be told."""
        told = []
        if self.target.ratio is not None and isfinite(self.ratio):
            told.append(self.ratio >= self.target.ratio)
        if self.target.most is not None and self.ours and median(self.ours) > 0:  # else it is noise
            told.append(median(self.ours) <= self.target.most)
        return all(told) if told else None


def slope(few: float, many: float, more: int) -> float:
    """Cost of one item: what `more` items add to the cost of few; with noise it may be negative."""
    return (many - few) / more


#: Runs one side of a stage over so many items.
Side = Callable[[int], Finished]


@dataclass(frozen=True)
class Runs:
    """Costs of one side: per item, and of the command with the fewest items."""

    each: tuple[float, ...] = ()
    whole: tuple[float, ...] = ()
    peak: tuple[float, ...] = ()


def alternate(sides: Sequence[Side | None], few: int, many: int, repeats: int) -> list[Runs]:
    """Measure all sides in turn, with few and with many items, so that slow moments hit all of them.

    What is the same for one item and for many (start-up) is not in `each`.
    """
    found = [Runs() for _ in sides]
    for side in sides:
        if side is not None:
            side(few)  # not counted: files and programs come into the caches
    for _ in range(repeats):
        for k, side in enumerate(sides):
            if side is None:
                continue
            short, long = side(few), side(many)
            found[k] = Runs(
                (*found[k].each, slope(short.wall, long.wall, many - few)),
                (*found[k].whole, short.wall),
                (*found[k].peak, short.peak),
            )
    return found


def joined(parts: Sequence[Finished]) -> Finished:
    """Several commands one after the other as one."""
    first = parts[0]
    return replace(
        first,
        wall=sum(p.wall for p in parts),
        cpu=sum(p.cpu for p in parts),
        peak=max(p.peak for p in parts),
    )


def spread(values: Sequence[float]) -> str:
    """Median, and lowest and highest in brackets."""
    if not values:
        return "–"
    middle, low, high = (_short(v) for v in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if isfinite(value) else "–"


def table(figures: Sequence[Figure]) -> str:
    """Markdown."""
    header = ["stage", "measured", "unit", "napari-topaz", "Topaz 0.3.20", "ratio", "target", "met", "note"]
    lines = [header, ["---"] * len(header)]
    for f in figures:
        met = {True: "yes", False: "**no**", None: ""}[f.met]
        ratio = f"{_short(f.ratio)} ×" if isfinite(f.ratio) else "–"
        target = str(f.target)
        lines.append([f.stage, f.what, f.unit, spread(f.ours), spread(f.peer), ratio, target, met, f.note])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def keep(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures of a stage."""
    path.write_text(json.dumps([asdict(f) for f in figures], indent=1))


def kept(path: Path) -> list[Figure]:
    """Read them again."""
    rows = json.loads(path.read_text())
    return [
        Figure(
            **row
            | {"ours": tuple(row["ours"]), "peer": tuple(row["peer"]), "target": Target(**row["target"])}
        )
        for row in rows
    ]
