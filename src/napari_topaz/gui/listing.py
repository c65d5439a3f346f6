"""Looks for micrographs: thousands of headers are read behind the window, a few at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_topaz.files.errors import FileError
from napari_topaz.gui.job_bar import explain
from napari_topaz.gui.micrograph_list import Source

log = logging.getLogger("napari_topaz")

#: So long it is waited for, in s: a small folder is open when the call returns.
AT_ONCE = 0.05
#: How often to look afterwards, in ms.
POLL = 20


class Listing(QObject):
    """Of several wishes only the latest counts."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="napari-topaz-listing")
        self._awaited: Future[list[Source]] | None = None
        self._then: tuple[Callable[[list[Source]], Any], Callable[[str], Any]] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._look)
        parent.destroyed.connect(partial(self._thread.shutdown, False, cancel_futures=True))

    @property
    def busy(self) -> bool:
        """Whether micrographs are still looked for."""
        return self._awaited is not None

    def ask(
        self,
        find: Callable[[], Iterable[Source]],
        on_done: Callable[[list[Source]], Any],
        on_failed: Callable[[str], Any],
    ) -> None:
        """Call `find` in a thread, and then one of the others in this one."""
        self._awaited = self._thread.submit(lambda: list(find()))
        self._then = (on_done, on_failed)
        try:
            self._awaited.exception(AT_ONCE)
        except TimeoutError:
            self._timer.start()
            return
        self._look()

    def _look(self) -> None:
        future, then = self._awaited, self._then
        if future is None or then is None or not future.done():
            return
        self._timer.stop()
        self._awaited = self._then = None
        error = future.exception()
        if error is None:
            then[0](future.result())
            return
        if not isinstance(error, (FileError, OSError)):
            log.error("Micrographs could not be listed.", exc_info=error)
        then[1](explain(error))
