"""Files of kept models, in the session's folder: written and removed in a thread. No Qt."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_topaz.files import replace_file
from napari_topaz.files.session_models import MODELS, tidy_kept
from napari_topaz.gui.models_shelf import KeptEpoch, KeptModel, Shelf

if TYPE_CHECKING:
    from napari_topaz.gui.keeper import Keeper
    from napari_topaz.model.picker import PickerModel

log = logging.getLogger("napari_topaz")
LEFT = "What a killed process left of kept models could not be removed"


class ModelFiles:
    """Writes what the shelf has as soon as there is a session to write it to.

    A file's name stands in the session before the file is whole: where the process is killed between the
    two, the model is missing and says so when it is used.
    """

    def __init__(self, shelf: Shelf, keeper: Keeper) -> None:
        self._shelf, self._keeper = shelf, keeper
        self._folder: Path | None = None
        self._written: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-models")
        #: One sentence on what could not be written; empty where all could.
        self.problem = ""
        keeper.register("models", shelf.plain, self._restore, shelf.changed)
        shelf.changed.connect(self.catch_up)
        keeper.status_changed.connect(self.catch_up)

    def path(self, kept: KeptModel | KeptEpoch) -> Path | None:
        """Where the file of a model or an epoch is; None where it has none."""
        return None if self._folder is None or kept.file is None else self._folder / kept.file

    def catch_up(self) -> None:
        """Write what is not yet written, and remove what is not wanted any more."""
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
        for name, model in _files_of(self._shelf):
            if name in self._written:
                continue
            self._written.add(name)
            if model is not None:
                self._thread.submit(self._write, model, self._folder / name)
            elif before is not None and before != self._folder:
                self._thread.submit(self._copy, before / name, self._folder / name)

    def wait(self) -> None:
        """Return when everything is written."""
        self._thread.submit(lambda: None).result()

    def _restore(self, values: Mapping[str, Any]) -> None:
        folder = self._keeper.folder
        self._folder = None if folder is None else folder / MODELS
        if folder is not None and self._keeper.read_only is None:
            self._thread.submit(self._attempt, partial(tidy_kept, folder), LEFT)
        self._shelf.restore(values)
        self._written = {name for name, _ in _files_of(self._shelf)}

    def _write(self, model: PickerModel, path: Path) -> None:
        self._attempt(lambda: model.save(path), f"The model {path} could not be written")

    def _copy(self, source: Path, path: Path) -> None:
        def copy() -> None:
            if source.is_file() and not path.exists():
                with replace_file(path) as part:
                    shutil.copyfile(source, part)

        self._attempt(copy, f"The model {source} could not be copied to {path.parent}")

    def _remove(self, path: Path) -> None:
        self._attempt(lambda: path.unlink(missing_ok=True), f"The model {path} could not be removed")

    def _attempt(self, do: Callable[[], object], sentence: str) -> None:
        try:
            do()
        except Exception as error:  # a disk that is full must not end the thread
            log.exception("%s.", sentence)
            self.problem = f"{sentence}: {error}"
        else:
            self.problem = ""


def _files_of(shelf: Shelf) -> Iterator[tuple[str, PickerModel | None]]:
    """Names of all files, each with its model where that is in memory."""
    for kept in shelf.models:
        yield kept.file, kept.model
        for epoch in kept.epochs:
            if epoch.file is not None:
                yield epoch.file, epoch.model
