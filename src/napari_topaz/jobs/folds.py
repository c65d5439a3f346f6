"""Folds over micrographs: train on all but one of them, and pick what that model has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import EpochDone, Job, JobError, Started, StopToken
from napari_topaz.extract import SPACING, extract
from napari_topaz.jobs.train import train
from napari_topaz.jobs.training_inputs import small_diameter
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Kind, Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import LabelledImage, Ticks, build_training_set

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


@dataclass(frozen=True, eq=False)
class UnseenPicks:
    """Picks of micrographs by a model that was not trained on them.

    Attributes
    ----------
    scores : ndarray of float32, shape (n,)
        Of all peaks.
    hits : ndarray of bool, shape (n,)
        Whether a label lies there.
    labels : int
        Labelled particles on these micrographs, found or not.
    micrographs : int
        How many they are.
    complete : ndarray of bool, shape (n,), optional
        Which picks lie on micrographs whose labels are complete; None where there are none of those.
    complete_labels, complete_micrographs : int
        Labels on these, and how many they are.
    """

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    labels: int
    micrographs: int
    complete: NDArray[np.bool_] | None = None
    complete_labels: int = 0
    complete_micrographs: int = 0

    def standing_for(self, expected: float) -> tuple[float, NDArray[np.float64] | None]:
        """Return the particles on the fold, and for how many of them each pick stands if it is a hit.

        `expected` is that of a micrograph whose labels are not complete; None where all picks stand alike.
        """
        if self.complete is None:
            return expected * self.micrographs, None
        labels = self.labels - self.complete_labels
        hidden = max(expected * (self.micrographs - self.complete_micrographs), labels)
        return hidden + self.complete_labels, np.where(self.complete, 1.0, hidden / max(labels, 1))


def make_folds(labels: Mapping[str, int], folds: int, seed: int) -> tuple[frozenset[str], ...]:
    """Deal micrographs out so that the folds have about as many labels each.

    Parameters
    ----------
    labels : mapping of str to int
        Number of labelled particles by micrograph; those without any are in no fold.
    folds : int
        How many; fewer where there are fewer micrographs.
    seed : int
        Decides among micrographs with as many labels.

    Raises
    ------
    ValueError
        Where fewer than two micrographs have labels, or fewer than two folds are wanted.
    """
    names = [name for name, count in labels.items() if count]
    if folds < 2:
        raise ValueError(f"{folds} folds cannot be held out in turn; take 2 or more.")
    if len(names) < 2:
        raise ValueError(
            "Labels on two micrographs or more are needed, as each is judged by a model that has not seen it."
        )
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    dealt: list[list[str]] = [[] for _ in range(min(folds, len(names)))]
    sizes = [(0, 0)] * len(dealt)  # labels, micrographs
    for name in sorted(shuffled, key=lambda n: -labels[n]):
        k = sizes.index(min(sizes))
        dealt[k].append(name)
        sizes[k] = (sizes[k][0] + labels[name], sizes[k][1] + 1)
    return tuple(frozenset(fold) for fold in dealt)


def pick_unseen(
    prepared: Sequence[Prepared],
    picks: Mapping[str, Picks],
    fold: frozenset[str],
    preprocess: PreprocessSettings,
    settings: TrainSettings,
    network: NetworkSettings | None = None,
    *,
    what: str = "Training",
    device: str = "auto",
    stop: StopToken | None = None,
    ticks: Ticks | None = None,
) -> Job[UnseenPicks]:
    """Train on the micrographs that are not in the fold, and pick those that are.

    Parameters
    ----------
    prepared : sequence of Prepared
        All labelled micrographs, and those that are ticked.
    picks : mapping of str to Picks
        Their labels.
    fold : frozenset of str
        Names of those to pick.
    preprocess, settings, network
        As in :func:`~napari_topaz.jobs.train.train_on_files`.
    what : str
        Title of the stage.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    stop : StopToken, optional
        Ends the training early: the caller should drop the result.
    ticks : Ticks, optional
        Which micrographs are complete or empty: those to train on, and those to pick.

    Yields
    ------
    Started, Warned, StepDone

    Raises
    ------
    JobError
        Where there is nothing to learn from.
    """
    try:
        seen, unseen = (
            build_training_set(
                [p for p in prepared if (p.name in fold) is inside],
                picks,
                diameter=small_diameter(prepared[0], preprocess),
                expected=settings.expected,
                prior=settings.prior,
                label_radius=settings.label_radius,
                held_out=0.0 if inside else settings.held_out,
                seed=settings.seed,
                ticks=ticks,
            )
            for inside in (False, True)
        )
    except ValueError as error:
        raise JobError(str(error)) from error
    job = train(seen, preprocess, settings, network, device=device, stop=stop)
    model = yield from _retitled(job, what)
    return unseen_picks(model, unseen.images, unseen.particle_radius)


def unseen_picks(model: PickerModel, images: Sequence[LabelledImage], radius: float) -> UnseenPicks:
    """Pick labelled images that the model has not seen.

    Parameters
    ----------
    model : PickerModel
        Scores on its own device.
    images : sequence of LabelledImage
    radius : float
        Match and suppression radius, preprocessed pixels.
    """
    scores, hits = [], []
    for image in images:
        score_map = model.score(image.prepared)
        scale = np.asarray(image.prepared.step_yx, np.float32)
        found = extract(score_map, SPACING * radius * float(scale.mean()))
        scores.append(found.scores)
        hits.append(match(image.positives, found.yx / scale, radius).target_of_pick >= 0)
    labels = sum(len(i.positives) for i in images)
    known = [i for i in images if i.complete]
    complete = np.repeat([i.complete for i in images], list(map(len, scores))) if known else None
    return UnseenPicks(
        np.concatenate(scores),
        np.concatenate(hits),
        labels,
        len(images),
        complete,
        sum(len(i.positives) for i in known),
        len(known),
    )


def count_labels(prepared: Sequence[Prepared], picks: Mapping[str, Picks]) -> dict[str, int]:
    """Return the number of labelled particles inside each micrograph that are under no mask."""
    inside = {p.name: picks[p.name][p.usable(picks[p.name])] for p in prepared if p.name in picks}
    return {name: int((p.kinds != Kind.NOT_PARTICLE).sum()) for name, p in inside.items()}


def _retitled(job: Job[PickerModel], what: str) -> Job[PickerModel]:
    """Run a training under another title; its epochs are nobody's model to look at."""
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(event, Started):
            event = Started(what, event.total)
        if not isinstance(event, EpochDone):
            yield event
