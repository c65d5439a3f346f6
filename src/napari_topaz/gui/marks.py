"""What she decided about each micrograph, and which she saw. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum, StrEnum

from psygnal import Signal


class Mark(StrEnum):
    """A word that stands in the session; a micrograph may have several."""

    SEEN = "seen"
    FINISHED = "finished"
    EXCLUDED = "excluded"
    COMPLETE = "complete"
    EMPTY = "empty"


#: Of these two at most one holds.
_OPPOSITES = {
    Mark.FINISHED: Mark.EXCLUDED,
    Mark.EXCLUDED: Mark.FINISHED,
    Mark.COMPLETE: Mark.EMPTY,
    Mark.EMPTY: Mark.COMPLETE,
}


class State(IntEnum):
    """How far she is with a micrograph; in the order in which the list is sorted."""

    UNSEEN = 0
    SEEN = 1
    LABELLED = 2
    FINISHED = 3
    EXCLUDED = 4


class MarkBook:
    """Marks by micrograph name, also of micrographs that are not open.

    Parameters
    ----------
    saved : mapping of str to str
        As :attr:`saved` gives them. Words that are not known here are kept.

    Signals
    -------
    changed(names)
        She decided something about these micrographs; not that she saw one.
    """

    changed = Signal(object)

    def __init__(self, saved: Mapping[str, str] | None = None) -> None:
        self._of: dict[str, frozenset[str]] = {}
        # Of thousands of micrographs with the same marks one set is kept: Python's collector looks at each.
        self._shared: dict[frozenset[str], frozenset[str]] = {}
        #: Names of those that are excluded, open or not; asked for after every click.
        self.excluded: frozenset[str] = frozenset()
        self.begin(saved or {})

    def begin(self, saved: Mapping[str, str]) -> None:
        """Have these in place of all others; nothing is told."""
        self._of = {name: self._share(_consistent(words.split())) for name, words in saved.items()}
        self.excluded = self.among(self._of, Mark.EXCLUDED)

    @property
    def saved(self) -> dict[str, str]:
        """Words by micrograph name, in one order whatever was decided first."""
        return {name: " ".join(sorted(words)) for name, words in self._of.items() if words}

    def has(self, name: str, mark: Mark) -> bool:
        """Whether a micrograph has a mark."""
        return mark in self._of.get(name, ())

    def among(self, names: Iterable[str], mark: Mark) -> frozenset[str]:
        """Those of these micrographs that have a mark."""
        return frozenset(name for name in names if mark in self._of.get(name, ()))

    def words(self, name: str) -> frozenset[str]:
        """All marks of one micrograph."""
        return self._of.get(name, frozenset())

    def put(self, names: Collection[str], mark: Mark, *, on: bool) -> dict[str, frozenset[str]]:
        """Give a mark to micrographs, or take it from them; returns the marks that they had before."""
        before = {name: self.words(name) for name in names if self.has(name, mark) is not on}
        removed, added = {mark, _OPPOSITES.get(mark, mark)}, {mark} if on else set()
        self.restore({name: self._share(words - removed | added) for name, words in before.items()})
        return before

    def restore(self, words: Mapping[str, frozenset[str]]) -> None:
        """Give micrographs exactly these marks."""
        if words:
            self._of |= words
            self.excluded = self.excluded - words.keys() | self.among(words, Mark.EXCLUDED)
            self.changed.emit(frozenset(words))

    def see(self, name: str) -> None:
        """Remember that a micrograph was shown."""
        self._of[name] = self._share(self.words(name) | {Mark.SEEN})

    def _share(self, words: frozenset[str]) -> frozenset[str]:
        return self._shared.setdefault(words, words)


def _consistent(words: Iterable[str]) -> frozenset[str]:
    """Of two words that contradict each other neither is believed."""
    kept = frozenset(words)
    return frozenset(w for w in kept if _OPPOSITES.get(w) not in kept)  # type: ignore[call-overload]
