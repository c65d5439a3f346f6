"""What the dock learns from labels with: a copy of the workspace for the jobs that train. No Qt.

Methods are called in a thread; torch is imported there, at the first job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_topaz.events import Job, JobError, StopToken
from napari_topaz.gui.micrograph_list import Source
from napari_topaz.gui.options import Options
from napari_topaz.jobs.glimpse import with_glimpse
from napari_topaz.jobs.masking import Masks
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.picks import Picks
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings
from napari_topaz.training_set import Ticks

if TYPE_CHECKING:
    from napari_topaz.gui.session import Session
    from napari_topaz.jobs.cross_validate import CrossValidation
    from napari_topaz.jobs.live import Newest
    from napari_topaz.jobs.prior import ExpectedNumber
    from napari_topaz.model.picker import PickerModel

#: Numbers that are compared, in units of the present one.
COMPARED = (0.5, 1.0, 2.0)


@dataclass(frozen=True, eq=False)
class Learning:
    """What a training is made of, besides labels.

    Attributes
    ----------
    sources : sequence of MicrographFile or Micrograph
        Those in use.
    options : Options
    cache : PreparedCache
    ticks, masks
        As in :func:`napari_topaz.jobs.train.train_on_files`.
    """

    sources: Sequence[Source]
    options: Options
    cache: PreparedCache
    ticks: Ticks = field(default_factory=Ticks)
    masks: Masks = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Learning:
        """Copy what there is now."""
        workspace, decisions = session.workspace, session.workspace.decisions
        return cls(decisions.in_use, workspace.options, session.prepared, decisions.ticks, session.masks.all)

    def training(
        self, labels: Mapping[str, Picks], stop: StopToken, start: PickerModel | None = None
    ) -> Job[PickerModel]:
        """Train on the labels, from the weights of a model where one is given: then its network is taken."""
        from napari_topaz.jobs.train import train_on_files

        how = self.how(start)
        job = train_on_files(self.sources, labels, *how, start=start, **self._with(stop))
        # A model that training starts from is shown already, and knows more than a part of an epoch teaches.
        return (yield from with_glimpse(job, self.options.train.steps) if start is None else job)

    def live(
        self, newest: Newest, stop: StopToken, start: PickerModel | None = None
    ) -> Job[PickerModel | None]:
        """Learn behind the other jobs from whatever labels there are, see :func:`.jobs.live.live`."""
        from napari_topaz.jobs.live import live

        how, pick = self.how(start), self.options.pick
        return (yield from live(self.sources, *how, newest, pick=pick, start=start, **self._with(stop)))

    def estimating(self, labels: Mapping[str, Picks], stop: StopToken) -> Job[ExpectedNumber]:
        """Estimate the expected number of particles from the labels."""
        from napari_topaz.jobs.prior import estimate_expected

        options = self.options
        how = (options.preprocess, options.train, options.network)
        return (yield from estimate_expected(self.sources, labels, *how, **self._with(stop)))

    def comparing(self, labels: Mapping[str, Picks], folder: Path, stop: StopToken) -> Job[CrossValidation]:
        """Compare half, once and twice the expected number by cross-validation."""
        from napari_topaz.jobs.cross_validate import cross_validate

        options, present = self.options, self.options.train.expected
        if present is None:
            raise JobError(
                "Type the expected number per micrograph, or estimate it; numbers round it are compared."
            )
        values = [float(f"{factor * present:.4g}") for factor in COMPARED]
        where, how = (options.preprocess, folder, values), (options.train, options.network)
        return (yield from cross_validate(self.sources, labels, *where, *how, **self._with(stop)))

    def _with(self, stop: StopToken) -> dict[str, Any]:
        """Return what all jobs that train take by name."""
        return {
            "device": self.options.run.device,
            "stop": stop,
            "cache": self.cache,
            "masks": self.masks,
            "ticks": self.ticks,
        }

    def how(self, start: PickerModel | None) -> tuple[PreprocessSettings, TrainSettings, NetworkSettings]:
        """How to learn; what is as by default here is left to the model that training starts from."""
        # What a form sets is set, though it be the default: of the learning rate a start has its own.
        options, preprocess = self.options, self.options.preprocess
        train = TrainSettings(**options.train.model_dump(exclude_defaults=True))
        if start is None:
            return preprocess, train, options.network
        if start.knows_preprocessing:
            preprocess = PreprocessSettings(diameter=preprocess.diameter, pixel_size=preprocess.pixel_size)
        return preprocess, train, NetworkSettings()
