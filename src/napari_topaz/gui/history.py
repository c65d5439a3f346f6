"""What she did, to take it back and to do it again. No Qt."""

from __future__ import annotations

from collections.abc import Callable

#: Steps that Undo can go back.
DEPTH = 200

#: Does something, and returns the name of the micrograph whose labels it changed, if it did.
Deed = Callable[[], str | None]


class History:
    """Steps back and forth, each a pair of deeds of which one takes back what the other does."""

    def __init__(self) -> None:
        self._done: list[tuple[Deed, Deed]] = []
        self._undone: list[tuple[Deed, Deed]] = []

    def note(self, back: Deed, forth: Deed) -> None:
        """Remember a step that was just made; steps that were taken back cannot be done again any more."""
        self._done = [*self._done, (back, forth)][-DEPTH:]
        self._undone = []

    def go_back(self) -> str | None:
        """Take the last step back; returns the micrograph whose labels changed, or None."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1][0]()

    def go_forth(self) -> str | None:
        """Do again what was taken back last; returns the micrograph whose labels changed, or None."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1][1]()

    @property
    def can_go_back(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_go_forth(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._undone)
