"""Opening micrographs: from folders and from napari's layers into the workspace, and onto the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_topaz.files import find_micrographs
from napari_topaz.files.errors import FileError
from napari_topaz.files.session_places import micrographs_of
from napari_topaz.gui.display import Picture
from napari_topaz.gui.job_bar import Latest, explain
from napari_topaz.gui.listing import Listing
from napari_topaz.gui.looks import METADATA
from napari_topaz.gui.micrograph_list import Source
from napari_topaz.gui.place import Ahead, place_of, read_ahead
from napari_topaz.gui.session import Session
from napari_topaz.micrograph import MicrographFile

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

#: How often to look whether a picture is ready, in ms.
POLL = 15


class Opening(QObject):
    """Adds micrographs to the workspace and draws the current one as soon as its picture is made.

    Signals
    -------
    shown
        Another micrograph is drawn.
    listing_changed(bool)
        Whether micrographs are still looked for.
    failed(str)
        One sentence.
    restored(PickerModel)
        The model of the session is there.
    """

    shown = Signal()
    listing_changed = Signal(bool)
    failed = Signal(str)
    restored = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        parent: QObject,
        running: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._workspace, self._layers = session.workspace, session.layers
        self._running = running
        #: Loads the model of a session in a thread.
        self.latest = Latest(self)
        self.listing = Listing(self)
        self._awaited: Future[Picture] | None = None
        self._offered: list[Layer] = []
        self._poll = timer(self, self._look_for_picture, POLL, repeat=True)
        self._adopt_soon = timer(self, self._adopt_offered)

    def open_paths(self, paths: Sequence[str | Path]) -> None:
        """Open micrographs: files, folders, globs; one folder takes the place of what is open.

        A folder may also be that of a session which lies elsewhere than its micrographs.
        """
        if not paths:
            return
        folder = Path(paths[0]) if len(paths) == 1 and Path(paths[0]).is_dir() else None
        if folder is None:
            self._find(lambda: find_micrographs(paths))
            return
        try:
            micrographs, place = micrographs_of(folder)
        except (FileError, OSError) as error:
            self.failed.emit(explain(error))
            return
        ahead: list[Ahead | None] = []

        def find() -> list[MicrographFile]:
            found = find_micrographs([micrographs])
            ahead.append(read_ahead(place or place_of(found)))  # thousands of labels take a second
            return found

        self._find(find, alone=True, place=place, ahead=ahead)

    def load_model(self) -> None:
        """Load the model of the session that was restored, if there is one."""
        path = self._session.keeper.awaited_model
        if path is None:
            return
        self.latest.ask(
            lambda: _read_model(path),
            wanted=lambda: path == self._session.keeper.awaited_model,
            on_done=lambda model: self._take_model(path, model),
            on_failed=lambda reason: self._session.keeper.miss_model(path, reason),
        )

    def _take_model(self, path: Path, model: Any) -> None:
        if self._session.keeper.take_model(path, model):
            self.restored.emit(model)

    def offer(self, layer: Layer) -> None:
        """Take over the micrographs of a layer that our reader or the sample data made."""
        self._offered.append(layer)
        self._adopt_soon.start()  # napari may be in the middle of adding it

    def draw(self, name: str) -> None:
        """Draw a micrograph as soon as its picture is made."""
        self._awaited = self._picture_of(self._workspace.source(name))
        # A failure is told from the event loop: what is told in the middle of opening is cleared at its end.
        if not _failed(self._awaited):
            self._look_for_picture()
        if self._awaited is not None:
            self._poll.start()

    def _find(
        self,
        find: Callable[[], Iterable[Source]],
        *,
        alone: bool = False,
        place: Path | None = None,
        ahead: Sequence[Ahead | None] = (),
    ) -> None:
        """Open what is found: at once where that is quick; else it is looked for behind the window.

        What `find` puts into `ahead` is the session, read already.
        """

        def add(found: list[Source]) -> None:
            self.listing_changed.emit(False)
            self._add(found, alone=alone, place=place, ahead=next(iter(ahead), None))

        def fail(reason: str) -> None:
            self.listing_changed.emit(False)
            self.failed.emit(reason)

        self.listing.ask(find, add, fail)
        if self.listing.busy:
            self.listing_changed.emit(True)

    def _add(self, sources: list[Source], **how: Any) -> bool:
        try:
            self._session.keeper.open(sources, busy=self._running(), **how)
        except (FileError, OSError) as error:
            self.failed.emit(explain(error))
            return False
        return True

    def _adopt_offered(self) -> None:
        while self._offered:
            self._adopt(self._offered.pop(0))

    def _adopt(self, layer: Layer) -> None:
        offer = layer.metadata.get(METADATA, {})
        if "files" not in offer or self._layers.is_ours(layer) or layer not in self._viewer.layers:
            return
        first = self._layers.shown is None and self._awaited is None
        preprocess = self._workspace.options.preprocess
        if preprocess.diameter is None and offer.get("diameter") is not None:
            self._workspace.change(preprocess=preprocess.model_copy(update={"diameter": offer["diameter"]}))
        if first:
            self._layers.adopt(layer)
        new = offer["files"]
        if self._add(list(new)) and not first:
            self._viewer.layers.remove(layer)
            self._workspace.show(new[0].name)

    def _picture_of(self, source: Source) -> Future[Picture]:
        size = self._workspace.pixel_size(source.name)
        return self._session.pictures.get(source, self._workspace.options.display, size)

    def _look_for_picture(self) -> None:
        """Draw the awaited picture if it is made; neighbours are made next."""
        future = self._awaited
        if future is None or not future.done():
            return
        self._poll.stop()
        self._awaited = None
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self.failed.emit(explain(error))
            return
        picture = future.result()
        if picture.name == self._workspace.current:
            self._layers.show(picture)
            for source in self._workspace.list.neighbours(picture.name):
                self._picture_of(source)
            self.shown.emit()


def _failed(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is not None


def _read_model(path: Path) -> Any:
    from napari_topaz.jobs.pick import load_model

    return load_model(str(path), device="cpu")


def timer(parent: QObject, slot: Callable[[], Any], ms: int = 0, *, repeat: bool = False) -> QTimer:
    """Return a timer that is not yet started."""
    made = QTimer(parent)
    made.setInterval(ms)
    made.setSingleShot(not repeat)
    made.timeout.connect(slot)
    return made
