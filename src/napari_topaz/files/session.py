"""A session on disk: all that somebody did with one folder of micrographs, and nothing of the micrographs.

``napari-topaz-session/`` holds

* ``session.json``: settings, the micrograph that was shown, which model; it is written last, and
  states the digest of the labels that belong to it,
* ``labels.csv``: labels and rejected picks, as micrograph, x, y, score, kind (any reader of CSV takes it),
* ``labels.previous.csv``: the generation before,
* ``models/``: the last models, as safetensors.

A process may be killed at any time: a reader then finds the state before or the one after, never a
mixture. Nothing in a file is executed, and names in it never lead out of the folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_topaz.files.atomic import flush_folder, replace_file
from napari_topaz.files.errors import FileError, reading_failed, refuse_special
from napari_topaz.files.label_table import csv_of_labels, labels_of_csv
from napari_topaz.files.session_models import MODELS, is_model_name
from napari_topaz.picks import Picks

#: The folder beside the micrographs.
SESSION_FOLDER = "napari-topaz-session"
#: What is written; a reader refuses to write over anything newer.
FORMAT_VERSION = 1
DESCRIPTION, LABELS, PREVIOUS = "session.json", "labels.csv", "labels.previous.csv"


@dataclass(frozen=True)
class SavedSession:
    """What a session holds.

    Attributes
    ----------
    labels : mapping of str to Picks
        Labels and rejected picks by micrograph name, also of micrographs that are not there any more.
    settings : mapping of str to mapping
        Plain values by group and option, see :mod:`napari_topaz.settings`.
    model : str or None
        Name of the model's file in the folder ``models``.
    current : str or None
        Name of the micrograph that was shown.
    states : mapping of str to str
        Reserved: what was decided about a micrograph ("finished", "excluded"), by name.
    extras : mapping of str to mapping
        Plain JSON by feature of the dock; those that are not known are kept as they are.
    micrographs : str
        Folder of the micrographs, for a session that lies elsewhere; may be empty.
    saved : datetime or None
        When it was written, in local time; None where the file does not say.
    follows : str
        Of one that was rescued: the :func:`fingerprint` of the session that it could not be written over.
    """

    labels: Mapping[str, Picks] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    model: str | None = None
    current: str | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    micrographs: str = ""
    saved: datetime | None = None
    follows: str = ""


@dataclass(frozen=True)
class FoundSession:
    """A session as it was found.

    Attributes
    ----------
    session : SavedSession
    notices : tuple of str
        A sentence for each thing that could not be read.
    newer : bool
        Written by a newer version: it must not be written over.
    damaged : tuple of Path
        Files to set aside (:func:`set_aside`) before anything is written.
    """

    session: SavedSession
    notices: tuple[str, ...] = ()
    newer: bool = False
    damaged: tuple[Path, ...] = ()


def is_session(folder: Path) -> bool:
    """Whether this folder holds a session."""
    return (folder / DESCRIPTION).is_file() or (folder.name == SESSION_FOLDER and (folder / LABELS).is_file())


# -- reading --------------------------------------------------------------------------------------


def read_session(folder: Path) -> FoundSession | None:
    """Read what can be read; None where there is no session. Nothing is written.

    Raises
    ------
    FileError
        Where a file is there, but the system does not let it be read: writing would destroy it.
    """
    if not is_session(folder):
        return None
    notices: list[str] = []
    damaged: list[Path] = []
    about = _read_description(folder / DESCRIPTION, notices, damaged)
    labels = _read_labels(folder, about.get("labels_sha256"), notices, damaged)
    newer = _version(about) > FORMAT_VERSION
    if newer:
        notices.append(
            f"{folder} was written by a newer version of napari-topaz: it is shown, but not changed; please "
            "update."
        )
    session = SavedSession(
        labels=labels,
        settings={k: v for k, v in _mapping(about.get("settings")).items() if isinstance(v, dict)},
        model=_model_name(about.get("model"), folder, notices),
        current=_text(about.get("current")),
        states={k: v for k, v in _mapping(about.get("states")).items() if isinstance(v, str)},
        extras=_extras(about.get("extras", {}), folder / DESCRIPTION, notices, damaged),
        micrographs=_text(about.get("micrographs")) or "",
        saved=_moment(about.get("saved")),
    )
    return FoundSession(session, tuple(notices), newer, tuple(damaged))


def stated_micrographs(folder: Path) -> str | None:
    """Return where a session says that its micrographs are ("" where it does not); None: no session."""
    if not is_session(folder):
        return None
    return _text(_about(_bytes(folder / DESCRIPTION)).get("micrographs")) or ""


def follows(folder: Path) -> str | None:
    """Return which session a rescued one could not be written over; None where it does not say."""
    return _text(_about(_bytes(folder / DESCRIPTION)).get("follows"))


def set_aside(paths: Sequence[Path]) -> None:
    """Keep copies of damaged files, as ``labels.csv.damaged``, before they are written over."""
    for path in paths:
        names = (f"{path.name}.damaged{'' if n == 1 else f'-{n}'}" for n in range(1, 1000))
        for name in names:
            copy = path.with_name(name)
            if copy.exists() and copy.read_bytes() == path.read_bytes():
                break
            if not copy.exists():
                with replace_file(copy, make_folder=False) as part:
                    shutil.copyfile(path, part)
                break


def fingerprint(folder: Path) -> str:
    """Tell one state of a session from another; empty where there is none."""
    return _digest(_bytes(folder / DESCRIPTION))


def _read_description(path: Path, notices: list[str], damaged: list[Path]) -> dict[str, Any]:
    data = _bytes(path)
    if data is None:
        notices.append(f"{path} is missing, so settings and model are not restored.")
        return {}
    try:
        about = json.loads(data.decode("utf-8"))
        if not isinstance(about, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError):
        damaged.append(path)
        notices.append(f"{path} is damaged: a copy is kept as {path.name}.damaged, the labels are restored.")
        return {}
    return about


def _read_labels(folder: Path, digest: object, notices: list[str], damaged: list[Path]) -> dict[str, Picks]:
    """The labels that belong to the description; else all rows that can be read of the newest ones."""
    newest, previous = folder / LABELS, folder / PREVIOUS
    data, before = _bytes(newest), _bytes(previous)
    if _digest(before) == digest != _digest(data):  # killed before the description was written
        data = before
    labels, lost = labels_of_csv(data or b"")
    if data is None or (lost and not labels):
        older, _ = labels_of_csv(before or b"")
        notices.append(
            f"{newest} {'is missing' if data is None else 'is damaged'}"
            + ("; the labels of the generation before are restored." if older else ".")
        )
        labels = older
    elif lost:
        rows = "1 row" if lost == 1 else f"{lost} rows"
        notices.append(f"{rows} of {newest} could not be read: a copy is kept as {newest.name}.damaged.")
    if lost:
        damaged.append(newest)
    return labels


def _extras(
    value: object, path: Path, notices: list[str], damaged: list[Path]
) -> Mapping[str, Mapping[str, Any]]:
    """What features have saved; whatever is no mapping is left out."""
    found = {name: values for name, values in _mapping(value).items() if isinstance(values, dict)}
    wrong = sorted(set(_mapping(value)) - set(found)) if isinstance(value, dict) else ["extras"]
    if wrong:
        damaged.append(path)
        what = ", ".join(map(repr, wrong))
        notices.append(f"{what} in {path} cannot be read: a copy is kept as {path.name}.damaged.")
    return found


def _model_name(value: object, folder: Path, notices: list[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_model_name(value):
        notices.append(f"{folder / DESCRIPTION} names {value!r} as its model, which is refused.")
        return None
    if not (folder / MODELS / value).is_file():
        notices.append(f"The model {folder / MODELS / value} is missing.")
        return None
    return value


def _version(about: Mapping[str, Any]) -> int:
    version = about.get("format_version", FORMAT_VERSION)
    return version if isinstance(version, int) else FORMAT_VERSION


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        refuse_special(path)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise reading_failed(path, error) from error


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


# -- writing --------------------------------------------------------------------------------------


def write_session(folder: Path, session: SavedSession) -> None:
    """Write a session so that the one before stays whole until this one is.

    The folder above must exist: that of a disk which is gone is not made anew.

    Raises
    ------
    FileError
        Where it cannot be written: full disk, read-only or vanished folder.
    """
    make_folder(folder)
    about = _about(_bytes(folder / DESCRIPTION))
    labels = csv_of_labels(session.labels)
    now = _bytes(folder / LABELS)
    if now != labels:
        if now is not None and _digest(now) == about.get("labels_sha256", _digest(now)):
            _write(folder / PREVIOUS, now)
        _write(folder / LABELS, labels)
    saved = session.saved or datetime.now()
    description = {
        "program": "napari-topaz",
        "format_version": FORMAT_VERSION,
        "saved": saved.isoformat(timespec="seconds"),
        "micrographs": session.micrographs,
        "labels_sha256": _digest(labels),
        "model": session.model,
        "current": session.current,
        "states": dict(session.states),
        "settings": {group: dict(values) for group, values in session.settings.items()},
        "extras": {name: dict(values) for name, values in session.extras.items()},
    }
    if session.follows:
        description["follows"] = session.follows
    _write(folder / DESCRIPTION, json.dumps(description, indent=1, allow_nan=False).encode())


def make_folder(folder: Path) -> None:
    """Make the folder of a session in one that exists; a FileError says why that cannot be."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise FileError(f"{folder.parent} is not there any more; connect the disk again.") from error
    except PermissionError as error:
        raise FileError(f"{folder.parent} may not be written; save the session elsewhere.") from error
    except OSError as error:
        raise FileError(f"{folder} cannot be made ({error.strerror or error}).") from error


def _about(data: bytes | None) -> dict[str, Any]:
    try:
        return _mapping(json.loads(data or b"{}"))
    except (ValueError, RecursionError):
        return {}


def _write(path: Path, data: bytes) -> None:
    with replace_file(path, make_folder=False) as part:
        part.write_bytes(data)
    flush_folder(path.parent)  # so that after a power cut, too, what is written last is not there alone
