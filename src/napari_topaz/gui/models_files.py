"""Files of kept models, in the session's folder: written and removed in a thread. No Qt."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_topaz.files import replace_file
from napari_topaz.files.session_models import MODELS, tidy_kept
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel, Shelf
from napari_topaz.gui.models_spill import Spill, Spilled

if TYPE_CHECKING:
    from napari_topaz.gui.keeper import Keeper
    from napari_topaz.model.picker import PickerModel

log = logging.getLogger("napari_topaz")
#: Of so many of the newest trainings models and epochs stay in memory.
MOST_IN_MEMORY = 2
SPILL = "Models of earlier trainings stay in memory: they could not be written to a temporary file"
LEFT = "What a killed process left of kept models could not be removed"


class ModelFiles:
    """Writes what the shelf has as soon as there is a session to write it to.

    A file's name stands in the session before the file is whole: where the process is killed between the
    two, the model is missing and says so when it is used. What cannot be written is tried again at the next
    change. Of all but the newest trainings models and epochs leave the memory for temporary files.

    Parameters
    ----------
    shelf : Shelf
    keeper : Keeper
    used : callable
        () -> the model that picks; it stays in memory.

    Signals
    -------
    failed(str)
        One sentence on what could not be written.
    """

    failed = Signal(str)

    def __init__(self, shelf: Shelf, keeper: Keeper, used: Callable[[], PickerModel | None]) -> None:
        self._shelf, self._keeper, self._used = shelf, keeper, used
        self._folder: Path | None = None
        self._written: set[str] = set()
        self._spill = Spill()
        self._spilling: set[KeptModel | KeptEpoch] = set()
        #: What the thread has spilled, or could not.
        self._spilled: deque[tuple[KeptModel | KeptEpoch, PickerModel, Spilled | None]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-models")
        #: Sentences on what could not be written, by name of the file.
        self._problems: dict[str, str] = {}
        self._told = ""
        keeper.register("models", shelf.plain, self._restore, shelf.changed)
        shelf.changed.connect(self.catch_up)
        keeper.status_changed.connect(self.catch_up)

    def path(self, kept: KeptModel | KeptEpoch) -> Path | None:
        """Where the file of a model or an epoch is; None where it has none."""
        if kept.spilled is not None:
            return kept.spilled.path
        return None if self._folder is None or kept.file is None else self._folder / kept.file

    def catch_up(self) -> None:
        """Write what is not yet written, and remove what is not wanted any more."""
        self._write_session()
        self._take_out()
        problem = next(iter(list(self._problems.values())), "")
        if problem != self._told:
            self._told = problem
            if problem:
                self.failed.emit(f"{problem.rstrip('.')}.")

    def _write_session(self) -> None:
        keeper = self._keeper
        if keeper.folder is None or keeper.read_only is not None or not keeper.folder.is_dir():
            return
        before, self._folder = self._folder, keeper.folder / MODELS
        if before not in (None, self._folder):
            self._written.clear()  # the session goes on elsewhere
        unwanted, self._shelf.unwanted = self._shelf.unwanted, []
        for name in unwanted:
            self._thread.submit(self._remove, self._folder / name)
            self._written.discard(name)
        for name, kept in _files_of(self._shelf):
            if name in self._written:
                continue
            self._written.add(name)
            if kept.model is not None:
                self._thread.submit(self._write, kept.model, self._folder / name)
            elif kept.spilled is not None:
                self._thread.submit(self._copy, kept.spilled.path, self._folder / name, kept.spilled)
            elif before is not None and before != self._folder:
                self._thread.submit(self._copy, before / name, self._folder / name)

    def _take_out(self) -> None:
        """Take models out of memory that are whole in a file, and have others written."""
        used = self._used()
        while self._spilled:
            kept, model, spilled = self._spilled.popleft()
            self._spilling.discard(kept)
            if kept.model is model:
                kept.spilled = spilled
        for kept in _older(self._shelf):
            if kept.model is None or kept.model is used:
                continue
            if kept.spilled is not None:
                kept.model = None
            elif kept not in self._spilling:
                self._spilling.add(kept)
                self._thread.submit(self._spill_one, kept, kept.model)

    def wait(self) -> None:
        """Return when everything is written."""
        self._thread.submit(lambda: None).result()

    def _restore(self, values: Mapping[str, Any]) -> None:
        folder = self._keeper.folder
        self._folder = None if folder is None else folder / MODELS
        if folder is not None and self._keeper.read_only is None:
            self._thread.submit(self._attempt, LEFT, partial(tidy_kept, folder), LEFT)
        self._shelf.restore(values)
        self._written = {name for name, _ in _files_of(self._shelf)}
        self._problems.clear()

    def _write(self, model: PickerModel, path: Path) -> None:
        if not self._attempt(path.name, lambda: model.save(path), f"The model {path} could not be written"):
            self._written.discard(path.name)

    def _copy(self, source: Path, path: Path, held: Spilled | None = None) -> None:
        """Copy a model; a file that is `held` is there until then."""

        def copy() -> None:
            if source.is_file() and not path.exists():
                with replace_file(path) as part:
                    shutil.copyfile(source, part)

        sentence = f"The model {source} could not be copied to {path.parent}"
        if not self._attempt(path.name, copy, sentence):
            self._written.discard(path.name)

    def _remove(self, path: Path) -> None:
        sentence = f"The model {path} could not be removed"
        self._attempt(path.name, lambda: path.unlink(missing_ok=True), sentence)

    def _spill_one(self, kept: KeptModel | KeptEpoch, model: PickerModel) -> None:
        found: list[Spilled] = []
        self._attempt("spill", lambda: found.append(self._spill.put(model)), SPILL)
        self._spilled.append((kept, model, found[0] if found else None))

    def _attempt(self, name: str, do: Callable[[], object], sentence: str) -> bool:
        try:
            do()
        except Exception as error:  # a disk that is full must not end the thread
            if name not in self._problems:
                log.exception("%s.", sentence)
            self._problems[name] = f"{sentence}: {error}"
            return False
        self._problems.pop(name, None)
        return True


def _files_of(shelf: Shelf) -> Iterator[tuple[str, KeptModel | KeptEpoch]]:
    """Names of all files, each with what is in it."""
    for kept in shelf.models:
        yield kept.file, kept
        for epoch in kept.epochs:
            if epoch.file is not None:
                yield epoch.file, epoch


def _older(shelf: Shelf) -> Iterator[KeptModel | KeptEpoch]:
    """All models and epochs but those of the newest trainings."""
    for kept in shelf.models[:-MOST_IN_MEMORY]:
        yield kept
        yield from kept.epochs
