"""Where a person helps a model most: candidates to be asked about, and micrographs to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Job, JobError, Progress, Started, StopToken, Warned
from napari_topaz.files import locate_micrograph
from napari_topaz.jobs.preparing import Source
from napari_topaz.numerics.boxes import box_corners, cut_box
from napari_topaz.numerics.queries import choose_queries, doubtful, features, levels, oddities
from napari_topaz.numerics.rescale import fourier_crop
from napari_topaz.picks import Picks

#: Picks that are looked at, and micrographs that they lie on, at most.
LOOKED_AT, MICROGRAPHS = 1600, 24
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
        It looks unlike other picks; else it is one of them, drawn at random.
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
    count: int = 10,
    *,
    seed: int | None = None,
    stop: StopToken | None = None,
) -> Job[Queries]:
    """Choose what to ask about (the criterion is that of :mod:`napari_topaz.numerics.queries`).

    Parameters
    ----------
    sources : sequence of MicrographFile or Micrograph
        Only some boxes are read where they lie uncompressed in a file.
    candidates : mapping of str to Picks
        All peaks of the model by micrograph, also those below the threshold, but none at a label.
    thresholds : mapping of str to float
        Lowest score of a pick, for each micrograph.
    diameters : mapping of str to float
        Of the particle, in pixels of each micrograph.
    count : int
        Number of questions.
    seed : int, optional
        Of what is drawn; without it, each time another.
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
    rng = np.random.default_rng(seed)
    oddity, readable = yield from _look(sources, table, rng, stop)
    asked = np.flatnonzero(readable[table.which])
    chosen, odd = choose_queries(
        table.margins[asked], table.which[asked], table.places[asked], oddity[asked], count, rng
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
    sources: Sequence[Source], table: _Candidates, rng: np.random.Generator, stop: StopToken | None
) -> Job[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Compare picks with one another (NaN for those that were not); tell which micrographs can be read."""
    some = _some_picks(table, rng)
    sizes = dict(zip(table.names, table.diameters, strict=True))
    boxes: list[NDArray[np.float32]] = []
    grey: list[NDArray[np.float64]] = []
    seen: list[int] = []
    readable = np.ones(len(table.names), bool)
    index, drawn = {name: k for k, name in enumerate(table.names)}, set(table.which[some].tolist())
    todo = [s for s in sources if index.get(s.name) in drawn]
    yield Started("Looking for odd picks", len(todo))
    for n, source in enumerate(todo, 1):
        if stop is not None and stop.is_set():
            break
        k = index[source.name]
        mine = some[table.which[some] == k]
        try:
            for box in _boxes(source, table.picks.yx[mine], sizes[source.name]):
                boxes.append(features(box))
                grey.append(levels(box, sizes[source.name]))
            seen += map(int, mine)
        except (ValueError, OSError) as error:
            readable[k] = False
            yield Warned(f"{source.name} is left out: {error}")
        yield Progress(n, len(todo), source.name)
    oddity = np.full(len(table.picks), np.nan)
    if seen:
        edge = min(map(len, boxes))  # smaller than usual where pixels are large
        small = np.stack([fourier_crop(box, (edge, edge)) for box in boxes])
        oddity[seen] = oddities(small, np.stack(grey), table.which[seen])
    return oddity, readable


def _some_picks(table: _Candidates, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw some of the picks of some micrographs."""
    picks = np.flatnonzero(table.margins >= 0)
    names = rng.permutation(np.unique(table.which[picks]))[:MICROGRAPHS]
    each = max(1, LOOKED_AT // max(1, len(names)))
    some = [rng.permutation(picks[table.which[picks] == k])[:each] for k in names]
    return np.concatenate([np.empty(0, np.int64), *some])


def _boxes(source: Source, yx: NDArray[np.float32], diameter: float) -> list[NDArray[np.float32]]:
    if not len(yx):
        return []
    size = max(8, round(diameter * BOX_PER_DIAMETER))
    corners = box_corners(yx, size)
    with locate_micrograph(source).opened() as image:
        return [cut_box(image, corner, size, "mean") for corner in corners]
