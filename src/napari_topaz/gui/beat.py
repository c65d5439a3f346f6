"""Asks an autosaver to look, again and again, as long as it has something to write."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QCoreApplication, QTimer

from napari_topaz.gui.autosave import Autosaver

#: How often to look whether something is to be saved, in ms.
LOOK = 200


class Beat:
    """The one timer of a session.

    Parameters
    ----------
    saver : Autosaver
        Is asked.
    leave : callable
        () -> None. Called when the application ends.
    """

    def __init__(self, saver: Autosaver, leave: Callable[[], None]) -> None:
        self._saver, self._leave = saver, leave
        self._timer: QTimer | None = None

    def start(self) -> None:
        """Look from now on; nothing happens without an application."""
        if self._timer is None:
            application = QCoreApplication.instance()
            if application is None:
                return
            self._timer = QTimer(application)
            self._timer.setInterval(LOOK)
            self._timer.timeout.connect(self._look)
            application.aboutToQuit.connect(self._leave)
        if not self._timer.isActive():
            self._timer.start()

    def _look(self) -> None:
        self._saver.look()
        if not self._saver.pending and self._timer is not None:
            self._timer.stop()
