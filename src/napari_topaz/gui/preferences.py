"""What she prefers on this machine, whatever she works on: napari's *Preferences ▸ napari-topaz*. No Qt.

The manifest states the preferences; napari shows the page, checks the values and keeps them in a file of its
own beside its settings.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from psygnal import Signal

from napari_topaz.gui.looks import PALETTES, USUAL, Palette
from napari_topaz.settings.running import DEVICE_VARIABLE

log = logging.getLogger("napari_topaz")

PLUGIN = "napari-topaz"
#: What the variable was before the viewer had a say.
_OUTSIDE = os.environ.get(DEVICE_VARIABLE)


class Preferences:
    """The preferences, and a signal when she changes one.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self) -> None:
        self._pages = pages()
        for page in vars(self._pages).values() if self._pages is not None else ():
            events = getattr(page, "events", None)
            if events is not None:
                events.connect(self._on_change)

    @property
    def device(self) -> str:
        """What "auto" means on this machine."""
        return str(self._value("machine", "device", "auto"))

    @property
    def autosave(self) -> float | None:
        """Seconds after the last change until the session is written; None for the usual time."""
        value = self._value("saving", "seconds", None)
        return None if value is None else float(value)

    @property
    def palette(self) -> Palette:
        """Colours of labels and picks."""
        return PALETTES.get(self._value("looks", "colours", ""), USUAL)

    @property
    def keys(self) -> dict[str, str]:
        """Keys that she chose, by the name of what they do."""
        page = getattr(self._pages, "keys", None)
        return {} if page is None else {name: str(key).strip() for name, key in page.model_dump().items()}

    def _value(self, page: str, name: str, default: Any) -> Any:
        return getattr(getattr(self._pages, page, None), name, default)

    def _on_change(self, event: object) -> None:
        self.changed.emit()


def pages() -> Any:
    """Return napari's settings of this plugin; None where napari does not know it (it is disabled)."""
    from napari.settings import get_plugin_settings

    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:
        log.warning("napari knows no preferences of %s; the usual ones are taken.", PLUGIN)
        return None


def prefer_device(name: str) -> None:
    """Make a device what "auto" means in this process and its children; "auto" leaves it as it was."""
    preferred = _OUTSIDE if name == "auto" else name
    if preferred is None:
        os.environ.pop(DEVICE_VARIABLE, None)
    else:
        os.environ[DEVICE_VARIABLE] = preferred
