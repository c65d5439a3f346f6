"""What features of the dock keep in the session, each under its own name. No Qt."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("napari_topaz")

Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Feature:
    save: Callable[[], Values]
    restore: Callable[[Values], None]
    changed: Any
    on_changed: Callable[..., None]


class Extras:
    """Features that have something to save.

    Parameters
    ----------
    on_change : callable
        () -> None. Something of a feature has changed.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._features: dict[str, _Feature] = {}
        #: As it was read or written last, also of features that are not known here.
        self._kept: dict[str, Values] = {}
        #: What could not be restored; it stays in the file until its feature changes.
        self._refused: set[str] = set()
        self._began = False

    def register(
        self, name: str, save: Callable[[], Values], restore: Callable[[Values], None], changed: Any
    ) -> str | None:
        """Add a feature, see :meth:`Keeper.register`; returns a notice where restoring it fails."""
        if (old := self._features.get(name)) is not None:
            old.changed.disconnect(old.on_changed)

        def on_changed(*_: object) -> None:
            self._refused.discard(name)
            self._on_change()

        self._features[name] = _Feature(save, restore, changed, on_changed)
        changed.connect(on_changed)
        return self._restore(name) if self._began else None

    def begin(self, found: Mapping[str, Values]) -> list[str]:
        """Restore all features from a session ({} where there is none); returns what made no sense."""
        self._kept, self._began = dict(found), True
        self._refused.clear()
        return [notice for name in self._features if (notice := self._restore(name))]

    def state(self) -> dict[str, Values]:
        """Return a copy of what is to be written, plain JSON."""
        for name, feature in self._features.items():
            if name in self._refused:
                continue
            try:
                self._kept[name] = json.loads(json.dumps(dict(feature.save()), allow_nan=False))
            except Exception:  # labels are saved whatever a feature does
                log.exception("What %r has cannot be saved; it stays in the session as it was.", name)
        return {name: values for name, values in self._kept.items() if values}

    def _restore(self, name: str) -> str | None:
        try:
            self._features[name].restore(self._kept.get(name, {}))
        except Exception:  # a file that somebody edited must not keep her from her micrographs
            log.warning("What was saved of %r cannot be restored.", name, exc_info=True)
            self._refused.add(name)
            return f"What was saved of {name!r} makes no sense and is left out."
        return None
