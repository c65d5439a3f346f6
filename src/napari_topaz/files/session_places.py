"""Where the session of a folder of micrographs lies."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from datetime import datetime
from pathlib import Path

from napari_topaz.files.errors import FileError
from napari_topaz.files.session import SESSION_FOLDER, follows, is_session, stated_micrographs


def session_folder(micrographs: Path) -> Path:
    """Return the folder of the session: beside the micrographs, or among the user's own data.

    The latter where the folder of the micrographs cannot be written. Nothing is made.
    """
    beside = micrographs / SESSION_FOLDER
    elsewhere = user_folder() / "sessions" / _name_of(micrographs)
    if is_session(beside):
        return beside
    # It stays where it was begun, even if the folder may be written by now.
    return beside if os.access(micrographs, os.W_OK) and not is_session(elsewhere) else elsewhere


def micrographs_of(folder: Path) -> tuple[Path, Path | None]:
    """Return the micrographs that a folder stands for, and the session where it is not the usual one.

    A folder of micrographs stands for itself; a session that lies elsewhere for its micrographs.

    Raises
    ------
    FileError
        Where a session does not say where its micrographs are, or they are gone.
    """
    for place in (folder, folder / SESSION_FOLDER):
        stated = stated_micrographs(place)
        if stated is None:
            continue
        if not stated:
            return (place.parent, None) if place.name == SESSION_FOLDER else (folder, None)
        micrographs = Path(stated)
        if not micrographs.is_absolute() or ".." in micrographs.parts:
            raise FileError(f"{place} names {str(micrographs)!r} as its micrographs, which is refused.")
        if not micrographs.is_dir():
            raise FileError(
                f"{place} belongs to the micrographs in {micrographs}, which is not there; connect the disk."
            )
        return micrographs, place
    return folder, None


def rescue_folder(micrographs: Path | None) -> Path:
    """Return a new folder among the user's own data, for what could be saved nowhere else."""
    name = "session" if micrographs is None else _name_of(micrographs)
    return user_folder() / "rescued" / f"{name}-{datetime.now():%Y%m%d-%H%M%S-%f}"


def rescued(micrographs: Path, since: datetime | None, state: str = "") -> list[Path]:
    """Return what :func:`rescue_folder` gave for these micrographs, and is not yet known to their session.

    Parameters
    ----------
    micrographs : Path
    since : datetime or None
        When their session was saved: what is newer is returned.
    state : str
        Its :func:`~napari_topaz.files.session.fingerprint`: what was to be written over it is returned,
        too, whatever the clock said.
    """
    place, start = user_folder() / "rescued", f"{_name_of(micrographs)}-"
    earliest = "" if since is None else f"{start}{since:%Y%m%d-%H%M%S}"
    if not place.is_dir():
        return []
    found = (path for path in place.iterdir() if path.name.startswith(start) and is_session(path))
    return sorted(path for path in found if path.name > earliest or (state and follows(path) == state))


def user_folder() -> Path:
    """Return the folder for this program's data of this user."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path.home() / ".local" / "share"
    return Path(os.environ.get("XDG_DATA_HOME") or root) / "napari-topaz"


def _name_of(micrographs: Path) -> str:
    path = micrographs.absolute()
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:10]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', path.name)[:40] or 'root'}-{digest}"
