"""The card of keys and gestures, which :mod:`napari_topaz.gui.card_overlay` draws. No Qt."""

from __future__ import annotations

from psygnal import Signal


class KeyCard:
    """The state of the card.

    Signals
    -------
    toggled(bool)
        Whether it is shown now.
    changed
        It says something else.
    """

    toggled = Signal(bool)
    changed = Signal()

    def __init__(self) -> None:
        self._shown = False
        self._parts: list[tuple[str, list[tuple[str, str]]]] = []

    @property
    def parts(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Titles, and under each what to press and what it does."""
        return self._parts

    @parts.setter
    def parts(self, parts: list[tuple[str, list[tuple[str, str]]]]) -> None:
        self._parts = parts
        self.changed.emit()

    @property
    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(f"{how}: {does}" for _, rows in self._parts for how, does in rows)

    @property
    def shown(self) -> bool:
        """Whether it is shown."""
        return self._shown

    def show(self, on: bool) -> None:
        """Show or hide it."""
        if on != self._shown:
            self._shown = on
            self.toggled.emit(on)

    def toggle(self) -> None:
        """Show it if it is hidden, and the other way round."""
        self.show(not self._shown)
