"""Models in the folder of a session: their names, and which of them are kept."""

from __future__ import annotations

import re
from pathlib import Path

#: Folder of the models in that of the session.
MODELS = "models"
#: Models of finished trainings that are kept.
KEPT_MODELS = 5

_MODEL_NAME = re.compile(r"model_(\d{4,9})(_epoch_\d+)?\.safetensors")
#: What :func:`replace_file` leaves behind where the process is killed.
_LEFT_BEHIND = re.compile(r"\.[0-9a-f]{8}\.(session\.json|labels.*\.csv|model_.*\.safetensors)")
#: Of kept models, which are written in a thread of their own.
_KEPT_LEFT_BEHIND = re.compile(r"\.[0-9a-f]{8}\.kept_.*\.safetensors")


def is_model_name(name: str) -> bool:
    """Whether a model of a session may be called so; never a path that leads elsewhere."""
    return _MODEL_NAME.fullmatch(name) is not None


def new_model_name(folder: Path, epoch: int | None = None, after: str | None = None) -> str:
    """Return a name that no model of the session has yet; `epoch` of a training that still runs.

    Parameters
    ----------
    folder : Path
        Of the session.
    epoch : int, optional
        Of the training; None where it is finished.
    after : str, optional
        The name given last, of which the file may be gone.
    """
    names = [*_models(folder), after or ""]
    highest = max((int(match[1]) for name in names if (match := _MODEL_NAME.fullmatch(name))), default=0)
    return f"model_{highest + 1:04d}{'' if epoch is None else f'_epoch_{epoch:02d}'}.safetensors"


def tidy(folder: Path, model: str | None) -> None:
    """Remove what killed processes left, and models nobody needs; `model` is the one in use.

    Kept are those of the last :data:`KEPT_MODELS` finished trainings.
    """
    names = _models(folder)
    finished = [name for name in names if "_epoch_" not in name][-KEPT_MODELS:]
    old = [folder / MODELS / name for name in names if name not in (*finished, model)]
    left = [path for place in (folder, folder / MODELS) if place.is_dir() for path in place.iterdir()]
    for path in (*old, *(path for path in left if _LEFT_BEHIND.fullmatch(path.name))):
        path.unlink(missing_ok=True)


def tidy_kept(folder: Path) -> None:
    """Remove what killed processes left of kept models; never while one is being written."""
    place = folder / MODELS
    for path in list(place.iterdir()) if place.is_dir() else ():
        if _KEPT_LEFT_BEHIND.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _models(folder: Path) -> list[str]:
    place = folder / MODELS
    names = (path.name for path in place.iterdir()) if place.is_dir() else ()
    return sorted(name for name in names if _MODEL_NAME.fullmatch(name))
