"""What a training keeps on the disk until its model is whole: the best epoch, and what it takes to go on.

It is one file, ``NAME.partial.safetensors``, written after each epoch, whole or not at all: a model like
any other (that of the best epoch so far), with the state of the training beside its weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_topaz.events import Event, JobError, Warned
from napari_topaz.files import FileError
from napari_topaz.files.atomic import replace_file
from napari_topaz.files.safetensors_file import read_safetensors
from napari_topaz.files.session_places import user_folder
from napari_topaz.jobs.resuming import check_recipe
from napari_topaz.training_set import TrainingSet

if TYPE_CHECKING:
    from torch import Tensor

    from napari_topaz.model.picker import PickerModel

#: Key of the metadata of the file, beside the model's card.
KEY = "training"
#: What a card says of the course of a training, and of the version of the program.
_COURSE = {"history", "threshold", "best_epoch", "plugin_version"}


def save_or_rescue(trained: PickerModel, path: Path) -> None:
    """Write a model; where that fails, among the user's own data, so that no training was for nothing.

    Raises
    ------
    FileError
        Where `path` cannot be written; it says where the model is.
    """
    try:
        trained.save(path)
    except FileError as error:
        place = user_folder() / "rescued" / f"{path.stem}-{datetime.now():%Y%m%d-%H%M%S-%f}{path.suffix}"
        trained.save(place)
        raise FileError(f"{str(error).rstrip('.')}; the model is kept as {place}.") from error


def partial_file(model: Path) -> Path:
    """Return where a training is kept until its model is whole."""
    return model.with_suffix(".partial.safetensors")


class Interruptible(Protocol):
    """A training that can be put away after an epoch (see :mod:`napari_topaz.jobs.train`)."""

    training_set: TrainingSet
    model: PickerModel
    best: PickerModel | None
    highest: float
    step: int
    done: int
    clock: float
    steps: Any


@dataclass(eq=False)
class PartialModel:
    """Where a training is kept until its model is whole.

    Attributes
    ----------
    path : Path
        See :func:`partial_file`.
    resume : bool
        Go on from what is there; begin where nothing is.
    whole : bool
        Set when the training has come to its own end, so that nothing is left to go on with.
    """

    path: Path
    resume: bool = False
    whole: bool = False
    _recipe: Mapping[str, Any] = field(default_factory=dict)
    _refused: bool = False

    def begin(self, run: Interruptible) -> None:
        """Note what the training depends on; where it is to be resumed, go to where it was.

        Raises
        ------
        JobError
            Where what is there is of another training, or damaged.
        """
        self._recipe = _recipe(run)
        if self.resume:
            self._take_up(run)

    def put_away(self, run: Interruptible) -> Iterator[Event]:
        """Write the best epoch and the state; where that fails, it is said once, and training goes on."""
        from safetensors.torch import save

        from napari_topaz.model.picker import BESIDE, CARD_KEY

        assert run.best is not None
        course = {
            "recipe": self._recipe,
            "epoch": run.done,
            "step": run.step,
            "highest": run.highest,
            "seconds": time.monotonic() - run.clock,
        }
        card = run.best.with_card(history=run.model.card.history).card
        about = {CARD_KEY: card.model_dump_json(), KEY: json.dumps(course)}
        tensors = run.best.tensors() | {f"{BESIDE}{k}": v for k, v in run.steps.state().items()}
        try:
            with replace_file(self.path) as part:
                part.write_bytes(save(tensors, about))
        except FileError as error:
            if not self._refused:
                yield Warned(f"{str(error).rstrip('.')}. Training goes on; a break would lose it.")
            self._refused = True

    def _take_up(self, run: Interruptible) -> None:
        from napari_topaz.model.picker import ModelFileError, PickerModel

        if not self.path.exists():  # it was interrupted before its first epoch
            return
        try:
            about, state = _read(self.path)
            course = json.loads(about)
            check_recipe(course["recipe"], self._recipe, self.path)
            best = PickerModel.load(self.path)
            run.steps.restore(state)
            run.done, run.step, run.highest = course["epoch"], course["step"], course["highest"]
            run.clock = time.monotonic() - course["seconds"]
        except ModelFileError as error:
            raise JobError(str(error)) from error
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise JobError(
                f"{self.path} cannot be gone on from: it is damaged, or was made on another kind of device; "
                "give the same --device, or --overwrite in place of --resume to begin again."
            ) from error
        run.best = replace(best, name="")
        run.model = run.model.with_card(history=best.card.history)

    def remove(self) -> None:
        """Remove the file: the model is whole."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, dict[str, Tensor]]:
    """Return what is written about the training, and its state."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from napari_topaz.model.picker import BESIDE

    try:
        about, data = read_safetensors(path)
        tensors = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return about[KEY], {k.removeprefix(BESIDE): t for k, t in tensors.items() if k.startswith(BESIDE)}


def _recipe(run: Interruptible) -> dict[str, Any]:
    """Everything that a training depends on; it is not yet begun."""
    card = run.model.card.model_dump(mode="json", exclude=_COURSE)
    learnt, weights = hashlib.sha256(), hashlib.sha256()
    for image in run.training_set.images:
        learnt.update(f"{image.prepared.name} {image.complete}".encode())
        for array in (image.prepared.image, image.positives, image.negatives, image.masked):
            learnt.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    learnt.update(repr(sorted(run.training_set.held_out)).encode())
    for name, tensor in sorted(run.model.tensors().items()):
        weights.update(name.encode() + tensor.numpy().tobytes())
    return card | {"labels or micrographs": learnt.hexdigest()[:16], "start": weights.hexdigest()[:16]}
