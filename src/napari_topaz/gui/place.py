"""Where one session is written, and what was written there last. No Qt; used by one thread at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_topaz.files import replace_file
from napari_topaz.files.errors import FileError
from napari_topaz.files.session import (
    FoundSession,
    SavedSession,
    fingerprint,
    is_session,
    make_folder,
    read_session,
    set_aside,
    write_session,
)
from napari_topaz.files.session_lock import SessionLock
from napari_topaz.files.session_models import MODELS, new_model_name, tidy
from napari_topaz.files.session_places import session_folder, user_folder
from napari_topaz.gui.sample_data import is_sample
from napari_topaz.micrograph import MicrographFile

if TYPE_CHECKING:
    from napari_topaz.gui.micrograph_list import Source
    from napari_topaz.model.picker import PickerModel


class ChangedElsewhereError(FileError):
    """Another window has written to the session in the meantime."""


@dataclass(frozen=True, eq=False)
class State:
    """A copy of what is to be written.

    Attributes
    ----------
    session : SavedSession
        Its model is filled in when it is written.
    model : PickerModel or None
        None where there is none, or where it is still to be loaded.
    epoch : int or None
        Of a training that still runs.
    """

    session: SavedSession
    model: PickerModel | None = None
    epoch: int | None = None


@dataclass(frozen=True, eq=False)
class Ahead:
    """A session that was read in a thread, before it is opened.

    Attributes
    ----------
    folder : Path
    known : str
        Fingerprint of what was read; empty where there is none.
    found : FoundSession or None
    """

    folder: Path
    known: str
    found: FoundSession | None


def place_of(sources: Iterable[Source]) -> Path | None:
    """Return where the session of these micrographs lies, or will lie; None where it is not kept."""
    folder = next((s.path.absolute().parent for s in sources if isinstance(s, MicrographFile)), None)
    return None if folder is None or is_sample(folder) else session_folder(folder)


def read_ahead(folder: Path | None) -> Ahead | None:
    """Read a session; None where there is none, or where opening it will say why it cannot be read."""
    if folder is None:
        return None
    try:
        known = fingerprint(folder)
        return Ahead(folder, known, read_session(folder)) if known else None
    except FileError:
        return None


class Place:
    """A folder for a session.

    Parameters
    ----------
    folder : Path
        Made when it is first written to.
    witness : Path or None
        A file that is there as long as the disk is: a micrograph.
    """

    def __init__(self, folder: Path, witness: Path | None = None) -> None:
        self.folder, self.lock = folder, SessionLock(folder)
        self._witness = witness
        #: File of the model that the session has; in its folder, or to be copied there.
        self.model_file: Path | None = None
        self._model: PickerModel | None = None
        self._damaged: tuple[Path, ...] = ()
        #: Fingerprint of the session that was read or written last.
        self.known = ""

    def open(self, ahead: Ahead | None = None) -> tuple[FoundSession | None, str | None]:
        """Read the session, if there is one, and keep others from it.

        Parameters
        ----------
        ahead : Ahead, optional
            What was read before: taken where it is still what lies there.

        Returns
        -------
        FoundSession or None
        str or None
            Why it must not be written to; None where it may.
        """
        reason = None
        try:
            if is_session(self.folder):
                self.lock.acquire()
        except FileError as error:
            reason = str(error)
        try:
            self.known = fingerprint(self.folder)
            is_read = ahead is not None and (ahead.folder, ahead.known) == (self.folder, self.known)
            found = ahead.found if ahead is not None and is_read else read_session(self.folder)
        except FileError as error:
            self.lock.release()
            return None, str(error)
        if found is not None:
            self._damaged = found.damaged
            if found.session.model is not None:
                self.model_file = self.folder / MODELS / found.session.model
            if found.newer:
                self.lock.release()
                reason = found.notices[-1]
        return found, reason

    def know_model(self, model: PickerModel) -> None:
        """Take note that the folder has this model: it need not be written."""
        self._model = model

    def write(self, state: State) -> None:
        """Write a state; labels and settings also where the model cannot be.

        Raises
        ------
        SessionInUseError, ChangedElsewhereError
            Where it is another window's now.
        FileError
            Where the disk is full, gone, or read-only.
        """
        self._make_folder()
        self.lock.acquire()
        if fingerprint(self.folder) != self.known:
            self.lock.release()
            raise ChangedElsewhereError(f"Another window has written to {self.folder} in the meantime.")
        self.lock.refresh()
        set_aside(self._damaged)
        self._damaged = ()
        failure = self._save_model(state)
        name = None if self.model_file is None else self.model_file.name
        write_session(self.folder, replace(state.session, model=name))
        self.known = fingerprint(self.folder)
        tidy(self.folder, name)
        if failure is not None:
            raise FileError(f"Labels and settings are saved, but not the model: {failure}") from failure

    def _make_folder(self) -> None:
        if user_folder() in self.folder.parents:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif self._witness is not None and not self.folder.is_dir() and not self._witness.exists():
            raise FileError(f"{self._witness.parent} is not there any more; connect the disk again.")
        make_folder(self.folder)

    def _save_model(self, state: State) -> Exception | None:
        """Write the model where it is another one; returns why that failed."""
        models = self.folder / MODELS
        try:
            if state.model is not None and state.model is not self._model:
                after = None if self.model_file is None else self.model_file.name
                name = new_model_name(self.folder, state.epoch, after)
                models.mkdir(exist_ok=True)
                state.model.save(models / name, make_folder=False)
                self._model, self.model_file = state.model, models / name
            elif self.model_file is not None and self.model_file.parent != models:
                models.mkdir(exist_ok=True)
                with replace_file(models / self.model_file.name, make_folder=False) as part:
                    shutil.copyfile(self.model_file, part)
                self.model_file = models / self.model_file.name
        except Exception as error:  # whatever it is, labels come first
            return error
        return None
