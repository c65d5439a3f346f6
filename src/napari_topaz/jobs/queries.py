"""Where a person helps a model most: candidates to be asked about, and micrographs to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Job, JobError, Progress, Started, StopToken, Warned
from napari_topaz.files import read_micrograph
from napari_topaz.jobs.preparing import Source
from napari_topaz.micrograph import MicrographFile
from napari_topaz.numerics.boxes import box_corners, cut_box
from napari_topaz.numerics.queries import choose_queries, doubtful, features, oddities
from napari_topaz.numerics.rescale import fourier_crop
from napari_topaz.picks import Kind, Picks

#: High-scoring candidates that are looked at.
LOOKED_AT = 240
#: Labelled particles that they are compared with.
COMPARED = 60
#: Edge of the boxes, in particle diameters.
BOX_PER_DIAMETER = 1.6


@dataclass(frozen=True)
class Query:
    """One question: is this a particle?

    Attributes
    ----------
    name : str
        Micrograph.
    y, x : float
        Where, in its pixels.
    score, threshold : float
        Logits.
    odd : bool
        It scores high and looks unlike others that do; else the model is unsure of it.
    """

    name: str
    y: float
    x: float
    score: float
    threshold: float
    odd: bool


@dataclass(frozen=True)
class Queries:
    """What to ask.

    Attributes
    ----------
    questions : tuple of Query
        Those of one micrograph come one after the other.
    doubtful : tuple of (str, int)
        Micrographs with doubtful candidates, and how many they have; the most first.
    """

    questions: tuple[Query, ...]
    doubtful: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All candidates in columns; `which` is the place of the micrograph in `names`."""

    names: list[str]
    which: NDArray[np.int64]
    picks: Picks
    thresholds: NDArray[np.float64]
    diameters: NDArray[np.float64]

    @property
    def margins(self) -> NDArray[np.float64]:
        return np.asarray(self.picks.scores, np.float64) - self.thresholds[self.which]

    @property
    def places(self) -> NDArray[np.float64]:
        return np.asarray(self.picks.yx, np.float64) / self.diameters[self.which][:, None]


def suggest_queries(
    sources: Sequence[Source],
    candidates: Mapping[str, Picks],
    thresholds: Mapping[str, float],
    diameters: Mapping[str, float],
    labels: Mapping[str, Picks],
    count: int = 10,
    *,
    stop: StopToken | None = None,
) -> Job[Queries]:
    """Choose what to ask about (the criterion is that of :mod:`napari_topaz.numerics.queries`).

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
        Of a memory map only some boxes are read.
    candidates : mapping of str to Picks
        All peaks of the model by micrograph, also those below the threshold, but none at a label.
    thresholds : mapping of str to float
        Lowest score of a pick, for each micrograph.
    diameters : mapping of str to float
        Of the particle, in pixels of each micrograph.
    labels : mapping of str to Picks
        What is known; micrographs without labels may be missing.
    count : int
        Number of questions.
    stop : StopToken, optional
        Where set, what has been looked at so far counts.

    Yields
    ------
    Started, Progress, Warned (a micrograph cannot be read: its candidates are not asked about)

    Raises
    ------
    JobError
        Where there are no candidates.
    """
    table = _table(candidates, thresholds, diameters)
    if not len(table.picks):
        raise JobError("There are no candidates to ask about: train a model and pick some micrographs first.")
    oddity, readable = yield from _look(sources, table, labels, stop)
    asked = np.flatnonzero(readable[table.which])
    chosen, odd = choose_queries(
        table.margins[asked], table.which[asked], table.places[asked], oddity[asked], count
    )
    questions = [
        Query(
            table.names[table.which[i]],
            float(table.picks.yx[i, 0]),
            float(table.picks.yx[i, 1]),
            float(table.picks.scores[i]),
            float(table.thresholds[table.which[i]]),
            bool(is_odd),
        )
        for i, is_odd in zip(asked[chosen], odd, strict=True)
    ]
    places = {name: k for k, name in enumerate(dict.fromkeys(q.name for q in questions))}
    many = doubtful(table.margins, table.which, len(table.names))
    order = [int(k) for k in np.argsort(-many, kind="stable") if many[k]]
    return Queries(
        tuple(sorted(questions, key=lambda q: places[q.name])),
        tuple((table.names[k], int(many[k])) for k in order),
    )


def _table(
    candidates: Mapping[str, Picks], thresholds: Mapping[str, float], diameters: Mapping[str, float]
) -> _Candidates:
    names = [name for name, picks in candidates.items() if len(picks)]
    which = np.repeat(np.arange(len(names)), [len(candidates[n]) for n in names])
    return _Candidates(
        names,
        which.astype(np.int64),
        Picks.joined(candidates[n] for n in names),
        np.array([thresholds[n] for n in names], np.float64),
        np.array([diameters[n] for n in names], np.float64),
    )


def _look(
    sources: Sequence[Source], table: _Candidates, labels: Mapping[str, Picks], stop: StopToken | None
) -> Job[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Compare high-scoring candidates with labelled particles; tell which micrographs can be read."""
    high, sample = _high_scoring(table), _some_labels(labels)
    sizes = dict(zip(table.names, table.diameters, strict=True))
    boxes: list[NDArray[np.float32]] = []
    owners: list[int] = []  # of boxes: index of the candidate, or -1 for a label
    readable = np.ones(len(table.names), bool)
    todo = [s for s in sources if s.name in sizes]
    yield Started("Looking for doubtful picks", len(todo))
    for n, source in enumerate(todo, 1):
        if stop is not None and stop.is_set():
            break
        k = table.names.index(source.name)
        mine = high[table.which[high] == k]
        known = sample.get(source.name, Picks())
        try:
            yx = np.concatenate([table.picks.yx[mine], known.yx])
            boxes += _boxes(source, yx, sizes[source.name])
            owners += [*map(int, mine), *[-1] * len(known)]
        except (ValueError, OSError) as error:
            readable[k] = False
            yield Warned(f"{source.name} is left out: {error}")
        yield Progress(n, len(todo), source.name)
    oddity = np.zeros(len(table.picks))
    whose = np.array(owners, np.int64)
    if boxes:
        edge = min(map(len, boxes))  # smaller than usual where pixels are large
        found = oddities(np.stack([fourier_crop(box, (edge, edge)) for box in boxes]), whose < 0)
        oddity[whose[whose >= 0]] = found[whose >= 0]
    return oddity, readable


def _high_scoring(table: _Candidates) -> NDArray[np.int64]:
    """Return at most LOOKED_AT picks whose score is above their median, evenly from all micrographs."""
    margins = table.margins
    picks = np.flatnonzero(margins >= 0)
    high = picks[margins[picks] >= np.median(margins[picks])] if len(picks) else picks
    by_score = high[np.argsort(-margins[high], kind="stable")]
    each = max(1, LOOKED_AT // len(table.names))
    kept = [_evenly(by_score[table.which[by_score] == k], each) for k in np.unique(table.which[high])]
    return _evenly(np.concatenate([np.empty(0, np.int64), *kept]), LOOKED_AT)


def _evenly(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` of the values, from the first to the last."""
    return values[np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(np.int64)]


def _some_labels(labels: Mapping[str, Picks]) -> dict[str, Picks]:
    """Return at most COMPARED labelled particles, as evenly from all micrographs as there are."""
    good = {name: picks.of_kind(Kind.PARTICLE) for name, picks in labels.items()}
    each = max(1, COMPARED // max(1, len(good)))
    return {name: picks[:each] for name, picks in list(good.items())[:COMPARED]}


def _boxes(source: Source, yx: NDArray[np.float32], diameter: float) -> list[NDArray[np.float32]]:
    if not len(yx):
        return []
    micrograph = read_micrograph(source) if isinstance(source, MicrographFile) else source
    size = max(8, round(diameter * BOX_PER_DIAMETER))
    corners = box_corners(yx, size)
    return [features(cut_box(micrograph.pixels, corner, size, "mean")) for corner in corners]
