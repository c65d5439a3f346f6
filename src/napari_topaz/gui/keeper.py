"""Keeps the workspace in a session on disk: restores it when a folder is opened, saves it. No Qt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_topaz.events import EpochDone
from napari_topaz.files.errors import FileError
from napari_topaz.files.session import SESSION_FOLDER, FoundSession, SavedSession, is_session
from napari_topaz.files.session_lock import SessionInUseError
from napari_topaz.files.session_places import rescue_folder, rescued
from napari_topaz.gui.autosave import Autosaver
from napari_topaz.gui.beat import Beat
from napari_topaz.gui.extras import Extras
from napari_topaz.gui.options import options_of, plain
from napari_topaz.gui.place import Ahead, ChangedElsewhereError, Place, State, place_of
from napari_topaz.gui.session_texts import Status, begun, lies_in, not_saved, nowhere, restored_text
from napari_topaz.jobs.glimpse import Glimpsed
from napari_topaz.micrograph import MicrographFile

if TYPE_CHECKING:
    from napari_topaz.gui.layers import Layers
    from napari_topaz.gui.micrograph_list import Source
    from napari_topaz.gui.targets import Targets
    from napari_topaz.gui.workspace import Workspace
    from napari_topaz.model.picker import PickerModel

log = logging.getLogger("napari_topaz")


class Keeper:
    """The session of one viewer.

    Signals
    -------
    status_changed
        See :attr:`status`.
    began
        Micrographs were opened in place of all others.
    model_awaited
        :attr:`awaited_model` should be loaded, and given to :meth:`take_model`.
    """

    status_changed = Signal()
    began = Signal()
    model_awaited = Signal()

    def __init__(self, workspace: Workspace, layers: Layers, targets: Targets) -> None:
        self._workspace, self._layers, self._targets = workspace, layers, targets
        self.status = Status()
        self.awaited_model: Path | None = None
        self._place: Place | None = None
        self._micrographs: Path | None = None
        self._notices: list[str] = []
        self._unsaved = False  # although it should be
        self._quiet = False
        self._epoch: EpochDone | Glimpsed | None = None
        self._model: tuple[PickerModel | None, int | None] = (None, None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-session")
        self._extras = Extras(self._on_change)
        self.saver = Autosaver(self._begin_writing, self._on_saved, self._on_failed)
        self._beat = Beat(self.saver, self.leave)
        workspace.labels_changed.connect(self._on_change)
        workspace.decisions.marks.changed.connect(self._on_change)
        workspace.options_changed.connect(self._on_change)
        workspace.model_changed.connect(self._on_model)
        workspace.current_changed.connect(self._on_current)

    @property
    def read_only(self) -> str | None:
        """Why nothing is written or may be edited, although there is a session; None where it is."""
        return self._workspace.lock.reason

    @property
    def folder(self) -> Path | None:
        """Where the session lies or will lie; None where there is none."""
        return None if self._place is None else self._place.folder

    def register(
        self,
        name: str,
        save: Callable[[], Mapping[str, Any]],
        restore: Callable[[Mapping[str, Any]], None],
        changed: Any,
    ) -> None:
        """Keep what a feature has in the session.

        Parameters
        ----------
        name : str
            Of the feature; once it stands in somebody's session it must not mean anything else.
        save : callable
            () -> mapping, plain JSON. Called in the GUI thread, often: it must be quick.
        restore : callable
            (mapping) -> None. Called when micrographs are opened in place of all others, after the
            workspace has them; with {} where nothing was saved. Also called at once where micrographs
            are open already. What it raises becomes a notice, and what was saved is kept.
        changed : psygnal or Qt signal
            Emitted where :meth:`save` would give something else than before.
        """
        self._quiet, quiet = True, self._quiet
        try:
            notice = self._extras.register(name, save, restore, changed)
        finally:
            self._quiet = quiet
        if notice is not None:
            self._notices.append(notice)
            self._say(replace(self.status, text=f"{self.status.text} {notice}".strip(), problem=True))

    # -- opening ----------------------------------------------------------------------------------

    def open(
        self,
        sources: Sequence[Source],
        *,
        alone: bool = False,
        place: Path | None = None,
        busy: str | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        """Open micrographs: the first ones restore their session, later ones are added.

        Parameters
        ----------
        sources : sequence of MicrographFile or Micrograph
        alone : bool
            A whole folder: one that is not yet open takes the place of all that is.
        place : Path, optional
            Folder of the session, where it is not the usual one.
        busy : str, optional
            What runs, so that nothing can be replaced.
        ahead : Ahead, optional
            The session, read already.

        Raises
        ------
        FileError
            Where a name is taken, or something runs.
        """
        folder = next((s.path.absolute().parent for s in sources if isinstance(s, MicrographFile)), None)
        is_same = folder == self._micrographs and place in (None, self.folder) and self.read_only is None
        if self._workspace.sources and (not alone or (is_same and self._place is not None)):
            self._workspace.add(sources)
            return
        if self._workspace.sources and busy:
            raise FileError(f"{busy} is running: press Stop first, or wait, and then open the other folder.")
        self.leave()
        self._begin(sources, folder, place, ahead)

    def leave(self) -> None:
        """Write what is not yet written, and let others have the session. Changes may still come."""
        if self._place is None:
            return
        if not self.saver.finish() or self._unsaved:
            self._rescue()
            self._unsaved = False
        self.saver.forget()
        self._place.lock.release()

    def _begin(
        self, sources: Sequence[Source], folder: Path | None, where: Path | None, ahead: Ahead | None
    ) -> None:
        where = place_of(sources) if where is None else where
        place = None if where is None else Place(where, _first_file(sources))
        found, reason = (None, None) if place is None else place.open(ahead)
        self._workspace.lock.set(reason)
        others = bool(self._workspace.sources)
        self._place, self._micrographs = place, folder
        self._unsaved, self._epoch, self.awaited_model = False, None, None
        self._quiet = True
        try:
            notices = self._fill(sources, found, others=others)
            notices += self._extras.begin({} if found is None else found.session.extras)
        finally:
            self._quiet = False
        self._model = (self._workspace.model, None)
        if found is not None and place is not None and place.model_file is not None:
            self.awaited_model = place.model_file
        self._notices = [*(found.notices if found else ()), *notices]
        if place is None:
            self._say(nowhere(sample=folder is not None))
        else:
            since = None if found is None else found.session.saved
            lost = [] if folder is None else rescued(folder, since, place.known)
            restored = None if found is None else restored_text(found.session, self._workspace.names)
            self._say(begun(restored, self.read_only, self._notices, lost))
        self.began.emit()
        if self.awaited_model is not None:
            self.model_awaited.emit()

    def _fill(self, sources: Sequence[Source], found: FoundSession | None, *, others: bool) -> list[str]:
        """Put micrographs and what was found into the workspace; returns what made no sense."""
        self._layers.picture = None  # what it shows is not in the list any more
        self._targets.set({})
        if found is None:
            preprocess = self._workspace.options.preprocess
            if others:  # a pixel size belongs to its micrographs
                preprocess = preprocess.model_copy(update={"pixel_size": None})
            self._workspace.begin(sources, preprocess=preprocess)
            return []
        options, refused = options_of(found.session.settings)
        if self._workspace.model is not None:
            self._workspace.set_model(None)
        settings = {group.name: getattr(options, group.name) for group in fields(options)}
        saved = found.session
        self._workspace.begin(sources, saved.labels, saved.current, saved.states, **settings)
        return [f"The setting {name} is as by default: what was saved is not allowed." for name in refused]

    # -- the model --------------------------------------------------------------------------------

    def take_model(self, path: Path, model: PickerModel) -> bool:
        """Take the model that was awaited; False where it is not any more."""
        if path != self.awaited_model or self._place is None:
            return False
        self.awaited_model = None
        self._place.know_model(model)
        self._model = (model, None)
        self._quiet = True
        try:
            self._workspace.set_model(model)
        finally:
            self._quiet = False
        return True

    def miss_model(self, path: Path, reason: str) -> None:
        """Say that the model that was awaited cannot be read."""
        if path == self.awaited_model:
            self.awaited_model = None
            self._say(replace(self.status, text=f"{self.status.text} {reason}".strip(), problem=True))

    def note_training(self, event: object) -> None:
        """Remember of an epoch whether its model is to be kept; it comes right after."""
        if isinstance(event, EpochDone | Glimpsed):
            self._epoch = event

    # -- changes ----------------------------------------------------------------------------------

    def _on_change(self, *_: object) -> None:
        if self._quiet or not self._workspace.sources or self._place is None or self.read_only is not None:
            return
        self.saver.changed()
        self._beat.start()

    def _on_model(self) -> None:
        model, epoch = self._workspace.model, self._epoch
        if self._quiet or model is None:
            return
        self.awaited_model = None
        of_epoch = epoch is not None and epoch.model is model
        if epoch is not None and of_epoch and not epoch.kept:
            return
        self._model = (model, epoch.epoch if epoch is not None and of_epoch else None)
        self._on_change()

    def _on_current(self, _: str) -> None:
        # Looking alone makes no session.
        if self._place is not None and is_session(self._place.folder):
            self._on_change()

    # -- writing ----------------------------------------------------------------------------------

    def _begin_writing(self) -> Future[None]:
        assert self._place is not None
        return self._thread.submit(self._place.write, self._state(self._place.folder))

    def _state(self, folder: Path) -> State:
        """A copy of what is to be written to a folder."""
        beside = self._micrographs is not None and folder == self._micrographs / SESSION_FOLDER
        session = SavedSession(
            labels=self._workspace.kept_labels,
            settings=plain(self._workspace.options),
            current=self._workspace.current,
            states=self._workspace.decisions.marks.saved,
            extras=self._extras.state(),
            micrographs="" if beside or self._micrographs is None else str(self._micrographs),
            saved=datetime.now(),
        )
        return State(session, *self._model)

    def _on_saved(self) -> None:
        self._unsaved = False
        if self.folder is not None:
            self._say(Status(f"Saved at {datetime.now():%H:%M}, {lies_in(self.folder, self._micrographs)}."))

    def _on_failed(self, error: BaseException, first: bool) -> None:
        if isinstance(error, (SessionInUseError, ChangedElsewhereError)):
            self._workspace.lock.set(str(error))
            self.saver.forget()
            self._unsaved = True
            self._say(not_saved(str(error)))
        elif first:
            log.warning("The session was not saved.", exc_info=error)
            self._say(not_saved(str(error) or type(error).__name__, again=True))

    def copy_to(self, parent: Path) -> None:
        """Go on in a session in another folder.

        Raises
        ------
        FileError
            Where there is a session already.
        """
        target = parent if parent.name == SESSION_FOLDER else parent / SESSION_FOLDER
        if is_session(target):
            raise FileError(f"{target} holds a session already; choose another folder.")
        before = self._place
        self._place = Place(target)
        if before is not None:
            self._place.model_file = before.model_file
            self.saver.finish()
            before.lock.release()
        self._workspace.lock.set(None)
        self.saver.forget()
        self.saver.changed()
        self.saver.hurry()
        self._beat.start()

    def _rescue(self) -> None:
        """Write to the user's own data what could be written nowhere else."""
        place, state = Place(rescue_folder(self._micrographs)), self._state(Path())
        if self._place is not None:
            place.model_file = self._place.model_file
            state = replace(state, session=replace(state.session, follows=self._place.known))
        try:
            place.write(state)
            log.warning("What could not be saved in %s is in %s.", self.folder, place.folder)
        except FileError:
            log.exception("The changes could not be saved anywhere.")
        finally:
            place.lock.release()

    def _say(self, status: Status) -> None:
        where = [] if self.folder is None else [f"The session lies in {self.folder}."]
        self.status = replace(status, tip="\n".join([*where, *self._notices]))
        self.status_changed.emit()


def _first_file(sources: Sequence[Source]) -> Path | None:
    return next((source.path for source in sources if isinstance(source, MicrographFile)), None)
