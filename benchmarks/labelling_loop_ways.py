"""What the scripted user of labelling_loop.py is asked about: ways to choose the clicks of one round.

`suggested` is what the package does (the dock's *Ask me*); the other criteria were tried, and are kept so
that the comparison can be repeated. A way returns clicks: (micrograph, place, kind), answered from the truth.
Oracles know the truth when they choose; they say what answers of one kind are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.special import expit

from napari_topaz.events import Job
from napari_topaz.jobs import queries
from napari_topaz.numerics.boxes import box_corners, cut_box, rotational_average
from napari_topaz.numerics.queries import doubt_point, features
from napari_topaz.picks import Kind, Picks

if TYPE_CHECKING:
    from labelling_loop import World

    from napari_topaz.model.picker import PickerModel

#: A candidate this close to a particle (in diameters) is one.
HIT = 1 / 3
#: Micrograph, place, what the user says.
Click = tuple[str, np.ndarray, Kind]


def result_of(job: Job):
    """Run a job to its end."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


@dataclass(eq=False)
class Situation:
    """What is known when the user is asked: candidates by micrograph (none at a label), and labels."""

    world: World
    model: PickerModel
    labels: Mapping[str, Picks]
    candidates: Mapping[str, Picks]
    rng: np.random.Generator

    @cached_property
    def names(self) -> list[str]:
        """Micrograph of each candidate; the order of all columns."""
        return [name for name, picks in self.candidates.items() for _ in range(len(picks))]

    @cached_property
    def yx(self) -> np.ndarray:
        return np.concatenate([p.yx for p in self.candidates.values()])

    @cached_property
    def margins(self) -> np.ndarray:
        scores = np.concatenate([p.scores for p in self.candidates.values()])
        return scores.astype(np.float64) - self.model.card.threshold

    @cached_property
    def true(self) -> np.ndarray:
        """What the user would answer."""
        return np.array([self.world.is_particle(n, yx) for n, yx in zip(self.names, self.yx, strict=True)])

    def answered(self, which) -> list[Click]:
        """Return the clicks on these candidates."""
        kinds = [Kind.PARTICLE if self.true[k] else Kind.NOT_PARTICLE for k in which]
        return [(self.names[k], self.yx[k], kind) for k, kind in zip(which, kinds, strict=True)]

    def some(self, which: np.ndarray, count: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Draw some of the candidates, at random or with these weights."""
        count = min(count, len(which))
        chances = None if weights is None else weights / weights.sum()
        return self.rng.choice(which, count, replace=False, p=chances)

    @property
    def picks(self) -> np.ndarray:
        return np.flatnonzero(self.margins >= 0)


def suggested(now: Situation, count: int) -> list[Click]:
    """Ask as the package does."""
    names = list(now.candidates)
    job = queries.suggest_queries(
        now.world.training,
        now.candidates,
        dict.fromkeys(names, now.model.card.threshold),
        dict.fromkeys(names, now.world.diameter),
        count,
        seed=int(now.rng.integers(2**31)),
    )
    places = [(q.name, np.array([q.y, q.x], np.float32)) for q in result_of(job).questions]
    kinds = [Kind.PARTICLE if now.world.is_particle(*place) else Kind.NOT_PARTICLE for place in places]
    return [(*place, kind) for place, kind in zip(places, kinds, strict=True)]


def random_picks(now: Situation, count: int) -> list[Click]:
    """Picks at random."""
    return now.answered(now.some(now.picks, count))


def random_particles(now: Situation, count: int) -> list[Click]:
    """Particles at random that are not labelled yet, clicked at their centres."""
    free = []
    for image in now.world.training:
        truth = now.world.truth[image.name]
        known = now.labels.get(image.name, Picks()).of_kind(Kind.PARTICLE)
        taken = np.zeros(len(truth), bool)
        if len(known):
            taken = cKDTree(known.yx).query(truth.yx)[0] <= HIT * now.world.diameter
        free += [(image.name, yx) for yx in truth.yx[~taken]]
    chosen = now.rng.choice(len(free), min(count, len(free)), replace=False)
    return [(*free[k], Kind.PARTICLE) for k in chosen]


def doubt(now: Situation, count: int) -> list[Click]:
    """Those nearest to the score below which a quarter of the picks lie."""
    away = np.abs(now.margins - doubt_point(now.margins))
    return now.answered(np.argsort(away, kind="stable")[:count])


def by_probability(now: Situation, count: int) -> list[Click]:
    """All candidates, drawn in proportion to the probability that they are particles."""
    p = expit(now.margins + now.model.card.threshold)
    return now.answered(now.some(np.arange(len(p)), count, p))


def odd_half(now: Situation, count: int) -> list[Click]:
    """Half picks that look unlike the others, half picks at random."""
    picks = now.picks
    order = picks[np.argsort(-suspicion(now), kind="stable")]
    pool = order[: max(count, len(picks) // 10)]
    odd = now.some(pool, count // 2)
    return now.answered([*odd, *now.some(np.setdiff1d(picks, odd), count - len(odd))])


def odd_all(now: Situation, count: int) -> list[Click]:
    """Picks that look unlike the others."""
    picks = now.picks
    order = picks[np.argsort(-suspicion(now), kind="stable")]
    return now.answered(now.some(order[: max(count, len(picks) // 10)], count))


def suspicion(now: Situation) -> np.ndarray:
    """How unlike the other picks of its micrograph each pick looks (squared Mahalanobis distance)."""
    images = {image.name: image.pixels for image in now.world.training}
    size = round(now.world.diameter * 1.6)
    names = np.array([now.names[k] for k in now.picks])
    places = zip(names, now.yx[now.picks], strict=True)
    boxes = [cut_box(images[n], box_corners(yx[None], size)[0], size, "mean") for n, yx in places]
    smooth = np.stack([gaussian_filter(b, now.world.diameter / 8) for b in boxes])
    small = np.stack([features(b) for b in boxes])
    e = small.shape[1]
    distance = np.hypot(*(np.indices((e, e)) - e // 2))
    typical = rotational_average(np.median(small, axis=0))[0]
    columns = [
        np.array([b.std() for b in boxes]),
        smooth.std((1, 2)),
        smooth.min((1, 2)),
        smooth.mean((1, 2)),
        small[:, distance < 0.2 * e].mean(1) - small[:, distance > 0.42 * e].mean(1),
        (small * (typical - typical.mean()) / typical.std()).mean((1, 2)),
    ]
    x = np.stack(columns, 1)
    for name in set(names):
        mine = names == name
        away = x[mine] - np.median(x[mine], axis=0)
        x[mine] = away / np.maximum(1.4826 * np.median(np.abs(away), axis=0), 1e-9)
    x = np.clip(x, -8, 8)
    core = x[(np.abs(x) < 3).all(1)]
    inverse = np.linalg.pinv(np.cov(core.T))
    return np.einsum("ni,ij,nj->n", x, inverse, x)


def false_picks(now: Situation, count: int) -> list[Click]:
    """An oracle: false picks at random."""
    return now.answered(now.some(now.picks[~now.true[now.picks]], count))


def true_picks(now: Situation, count: int) -> list[Click]:
    """An oracle: true picks at random."""
    return now.answered(now.some(now.picks[now.true[now.picks]], count))


def half_false(now: Situation, count: int) -> list[Click]:
    """An oracle: half false picks, half true ones."""
    return [*false_picks(now, count // 2), *true_picks(now, count - count // 2)]


WAYS: dict[str, Callable[[Situation, int], list[Click]]] = {
    "suggested": suggested,
    "random picks": random_picks,
    "random particles": random_particles,
    "doubt": doubt,
    "by probability": by_probability,
    "odd half": odd_half,
    "odd": odd_all,
    "false picks": false_picks,
    "true picks": true_picks,
    "half false": half_false,
}
