"""Models that are kept by name, with the epochs of their trainings. No Qt."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from napari_topaz.gui.models_spill import Spilled
    from napari_topaz.model.picker import PickerModel

#: Epochs of a model that can be gone back to, as long as the window is open; of more, every other one goes.
MOST_EPOCHS = 24
#: Epochs of the last training that have files, too.
MOST_FILES = 12
#: Files of kept models and their epochs, in the folder of the session's models.
_FILE = re.compile(r"kept_[0-9a-f]{8}(_epoch_\d+)?\.safetensors")


@dataclass(eq=False)
class KeptEpoch:
    """A snapshot of a training.

    Attributes
    ----------
    epoch, step : int
    loss : float
    held_out : float or None
        Average precision on held-out labels.
    model : PickerModel or None
        None where it is in a file only, or where only the figures are left.
    spilled : Spilled or None
        Where it is as long as the window is open, instead of in memory.
    settled : bool
        Whether its threshold is the one for picking; while it learns it is one of single scores.
    file : str or None
        Name in the folder of the session's models; None where it does not outlive the window.
    """

    epoch: int
    step: int
    loss: float
    held_out: float | None
    model: PickerModel | None = None
    settled: bool = False
    file: str | None = None
    spilled: Spilled | None = None

    @property
    def is_there(self) -> bool:
        """Whether it can be gone back to."""
        return not (self.model is None and self.file is None and self.spilled is None)


@dataclass(eq=False)
class KeptModel:
    """A model under its name.

    Attributes
    ----------
    name : str
    labels : int
        It learnt from so many.
    epoch : int
        The one that is kept.
    held_out : float or None
        Average precision of that epoch on held-out labels.
    epochs : list of KeptEpoch
    model : PickerModel or None
        None where it is in a file only.
    file : str
        Name in the folder of the session's models, whether it is written already or not.
    spilled : Spilled or None
        Where it is as long as the window is open, instead of in memory.
    """

    name: str
    labels: int
    epoch: int
    held_out: float | None
    epochs: list[KeptEpoch] = field(default_factory=list)
    model: PickerModel | None = None
    file: str = field(default_factory=lambda: f"kept_{secrets.token_hex(4)}.safetensors")
    spilled: Spilled | None = None

    @property
    def epoch_files(self) -> list[str]:
        """Names of the files of its epochs."""
        return [epoch.file for epoch in self.epochs if epoch.file is not None]


class Shelf:
    """All kept models, the oldest first.

    Signals
    -------
    changed
        A model came, went, or has another name.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.models: list[KeptModel] = []
        #: Files of models that were taken off.
        self.unwanted: list[str] = []

    def __len__(self) -> int:
        return len(self.models)

    def put(
        self, model: PickerModel, what: str = "Model", epochs: Mapping[int, KeptEpoch] | None = None
    ) -> KeptModel:
        """Keep the result of a training; it gets a name that no other one has."""
        card = model.card
        snapshots = epochs or {}
        figures = [KeptEpoch(r.epoch, r.step, r.loss, r.held_out) for r in card.history]
        history = [snapshots.get(e.epoch, e) for e in figures]
        kept = KeptModel(
            name=self._free(what),
            labels=card.labels,
            epoch=card.best_epoch,
            held_out=next((e.held_out for e in history if e.epoch == card.best_epoch), None),
            epochs=_thinned(history),
            model=model,
        )
        self.models.append(kept)
        self._choose_files()
        self.changed.emit()
        return kept

    def renew(
        self, kept: KeptModel, model: PickerModel, epochs: Mapping[int, KeptEpoch] | None = None
    ) -> None:
        """Have a model that has learnt more in place of an older state of it."""
        fresh = Shelf().put(model, epochs=epochs)
        before = [kept.file, *kept.epoch_files]
        kept.model, kept.labels, kept.epoch, kept.epochs = model, fresh.labels, fresh.epoch, fresh.epochs
        kept.file, kept.spilled = fresh.file, None
        self._choose_files()
        self.unwanted += [name for name in before if name not in kept.epoch_files]
        self.changed.emit()

    def rename(self, kept: KeptModel, name: str) -> bool:
        """Give a model another name; False where it is empty or taken, so that the old one stays."""
        name = " ".join(name.split())
        if not name or any(other.name == name for other in self.models if other is not kept):
            return False
        if name != kept.name:
            kept.name = name
            self.changed.emit()
        return True

    def remove(self, kept: KeptModel) -> None:
        """Take a model off."""
        self.models.remove(kept)
        self.unwanted += [kept.file, *kept.epoch_files]
        self._choose_files()
        self.changed.emit()

    def _choose_files(self) -> None:
        """Let the epochs of the last training have files, and no others: a dozen a training would pile up."""
        for kept in self.models:
            before, there = kept.epoch_files, [epoch for epoch in kept.epochs if epoch.is_there]
            lasting = _thinned(there, MOST_FILES) if kept is self.models[-1] else []
            for epoch in kept.epochs:
                _choose_file(kept, epoch, lasts=epoch in lasting)
            self.unwanted += [name for name in before if name not in kept.epoch_files]

    def _free(self, what: str) -> str:
        names = {kept.name for kept in self.models}
        n = 1
        while f"{what} {n}" in names:
            n += 1
        return f"{what} {n}"

    # -- what a session has of it -----------------------------------------------------------------

    def plain(self) -> dict[str, Any]:
        """Return what can be written as JSON: names, figures and files."""
        return {
            "models": [
                {
                    "name": kept.name,
                    "file": kept.file,
                    "labels": kept.labels,
                    "epoch": kept.epoch,
                    "held_out": kept.held_out,
                    "epochs": [[e.epoch, e.step, e.loss, e.held_out] for e in kept.epochs],
                    "snapshots": {str(e.epoch): [e.file, e.settled] for e in kept.epochs if e.file},
                }
                for kept in self.models
            ]
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Have what :meth:`plain` described in place of all models.

        Raises
        ------
        ValueError, TypeError, KeyError
            Where it makes no sense.
        """
        models = [_restored(entry) for entry in values.get("models", [])]
        self.models, self.unwanted = models, []
        self.changed.emit()


def _restored(entry: Mapping[str, Any]) -> KeptModel:
    files = {
        int(n): (_name(file), bool(settled)) for n, (file, settled) in entry.get("snapshots", {}).items()
    }
    return KeptModel(
        name=str(entry["name"]),
        labels=int(entry["labels"]),
        epoch=int(entry["epoch"]),
        held_out=_number(entry["held_out"]),
        epochs=[_restored_epoch(figures, files) for figures in entry["epochs"]],
        file=_name(entry["file"]),
    )


def _restored_epoch(figures: Sequence[Any], files: Mapping[int, tuple[str, bool]]) -> KeptEpoch:
    epoch, step, loss, held_out = figures
    file, settled = files.get(int(epoch), (None, False))
    return KeptEpoch(int(epoch), int(step), float(loss), _number(held_out), settled=settled, file=file)


def _name(file: object) -> str:
    if not _FILE.fullmatch(str(file)):  # never a path that leads elsewhere
        raise ValueError(f"{str(file)!r} is no name of a kept model.")
    return str(file)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _choose_file(kept: KeptModel, epoch: KeptEpoch, *, lasts: bool) -> None:
    """Give an epoch a file of its own, or none; one that it has already stays."""
    if not lasts:
        epoch.file = None
    elif epoch.file is None:
        epoch.file = f"{kept.file.removesuffix('.safetensors')}_epoch_{epoch.epoch:02d}.safetensors"


def _thinned(epochs: list[KeptEpoch], most: int = MOST_EPOCHS) -> list[KeptEpoch]:
    while len(epochs) > most:
        epochs = epochs[-1::-2][::-1]  # the last one stays
    return epochs
