"""Make a snapshot of a training into a model that picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_topaz.events import Job, Started
from napari_topaz.jobs.preparing import PreparedCache, Source

if TYPE_CHECKING:
    from napari_topaz.model.picker import PickerModel


def settle(
    snapshot: PickerModel, epoch: int, source: Source | None, cache: PreparedCache | None = None
) -> Job[PickerModel]:
    """Return the snapshot of an epoch with the threshold that suits scores averaged over symmetries.

    While it learns, a model is judged by single scores, and its threshold is one of those; averages are
    narrower. The new threshold leaves as many picks on `source`.

    Parameters
    ----------
    snapshot : PickerModel
        Of :class:`napari_topaz.events.EpochDone`.
    epoch : int
        Becomes the epoch that is kept.
    source : MicrographFile or Micrograph or None
        Any micrograph of the training; without one the threshold stays.
    cache : PreparedCache, optional
        Of preprocessed micrographs.

    Yields
    ------
    Started

    Raises
    ------
    FileError
        Where the micrograph cannot be read.
    """
    from napari_topaz.jobs.pick import picks_of, score_one
    from napari_topaz.settings import PickSettings

    yield Started("Going back")
    model = snapshot.with_card(best_epoch=epoch)
    symmetries = model.card.train.symmetries
    if source is None or symmetries == "none":
        return model
    scores = []
    for which in ("none", symmetries):
        how = PickSettings(symmetries=which, threshold=-1000.0, deviation_filter="off")
        score_map = score_one(source, model, how, cache=cache)
        scores.append(picks_of(score_map, model, how).scores)
    single, averaged = scores
    wanted = int((single >= model.card.threshold).sum())
    if not wanted or not len(averaged):
        return model
    return model.with_card(threshold=float(averaged[min(wanted, len(averaged)) - 1]))
