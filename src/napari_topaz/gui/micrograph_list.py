"""The micrographs that are open, and the order in which the list shows them. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from napari_topaz.files import read_header
from napari_topaz.files.errors import FileError
from napari_topaz.micrograph import Micrograph, MicrographFile

Source = MicrographFile | Micrograph


class MicrographList:
    """Micrographs by name; quick for tens of thousands.

    Parameters
    ----------
    sources : iterable of MicrographFile or Micrograph
        To begin with.
    """

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.of: dict[str, Source] = {}
        self._headers: dict[str, float | None] = {}
        self._order: list[str] = []
        self._place: dict[str, int] = {}
        self.begin(sources)

    def begin(self, sources: Iterable[Source]) -> None:
        """Have these in place of all others."""
        self.of = {source.name: source for source in sources}
        self._headers.clear()
        self.set_order(self.of)

    def add(self, sources: Iterable[Source]) -> int:
        """Add micrographs; those that are there already are left alone. Returns how many are new."""
        sources = list(sources)
        for source in sources:
            known = self.of.get(source.name)
            if known is not None and known != source and _path(known) != _path(source):
                raise FileError(
                    f"{_path(source)} has the same name as {_path(known)}, which is open already; "
                    "rename one of them."
                )
        new = {s.name: s for s in sources if s.name not in self.of}
        self.of |= new
        if new:
            self.set_order(self.of)
        return len(new)

    def stated_pixel_size(self, name: str) -> float | None:
        """What the file says, Å/px; None where it is silent or cannot be read."""
        if name not in self._headers:
            self._headers[name] = _stated(self.of[name])
        return self._headers[name]

    # -- the order in which they are shown --------------------------------------------------------

    @property
    def order(self) -> Sequence[str]:
        """Names as the list shows them: sorted, and without those that a filter hides."""
        return self._order

    def set_order(self, names: Iterable[str]) -> None:
        """Take the order of the list."""
        self._order = list(names)
        self._place = {name: place for place, name in enumerate(self._order)}

    def step(self, name: str, by: int) -> str:
        """Return the micrograph `by` places further down; the nearest end where there is none.

        From one that the list does not show, it goes on at the next one shown in the order of opening.
        """
        if not self._order:
            return name
        if (place := self._place.get(name)) is None:
            return self._after_hidden(name)
        return self._order[min(max(place + by, 0), len(self._order) - 1)]

    def next_where(self, name: str, wanted: Callable[[str], bool]) -> str | None:
        """Return the next micrograph down the list, round its end, for which `wanted` holds."""
        start = self._place.get(name, -1) + 1
        around = (*range(start, len(self._order)), *range(min(start, len(self._order))))
        return next((self._order[k] for k in around if wanted(self._order[k])), None)

    def neighbours(self, name: str) -> list[Source]:
        """The next and the previous micrograph."""
        places = [] if (place := self._place.get(name)) is None else [place + 1, place - 1]
        return [self.of[self._order[k]] for k in places if 0 <= k < len(self._order)]

    def _after_hidden(self, name: str) -> str:
        names = list(self.of)
        start = names.index(name)
        return next(n for n in (*names[start:], *reversed(names[:start])) if n in self._place)


def _stated(source: Source) -> float | None:
    if not isinstance(source, MicrographFile):
        return source.pixel_size
    try:
        return (source.header or read_header(source)).pixel_size
    except (FileError, OSError):  # reading its pixels says why
        return None


def _path(source: Source) -> str:
    if isinstance(source, MicrographFile):
        return str(source.path.absolute())
    return f"the micrograph {source.name} in memory"
