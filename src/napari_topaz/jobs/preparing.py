"""Preprocess micrographs one after the other, once each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from weakref import ref

from napari_topaz.events import Job, Progress, Started, StopToken, Warned
from napari_topaz.files import read_micrograph
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.preprocess import Prepared, prepare
from napari_topaz.settings import PreprocessSettings

Source = MicrographFile | Micrograph


class PreparedCache:
    """Preprocessed micrographs of one session, the least recently used forgotten first.

    Safe to use from several threads.

    Parameters
    ----------
    max_bytes : int
        Bound of the pixels kept.
    """

    def __init__(self, max_bytes: int = 2**29) -> None:
        self._max_bytes = max_bytes
        # With a weak reference to the source: after its end another micrograph may get its id.
        self._kept: OrderedDict[tuple[object, PreprocessSettings], tuple[ref[Source], Prepared]]
        self._kept = OrderedDict()
        self._lock = Lock()

    def prepare(self, source: Source, settings: PreprocessSettings) -> Prepared:
        """Read and preprocess `source`, or return what is kept of an earlier call."""
        key = (source if isinstance(source, MicrographFile) else id(source), settings)
        with self._lock:
            found = self._kept.get(key)
            if found is not None and (isinstance(source, MicrographFile) or found[0]() is source):
                self._kept.move_to_end(key)
                return found[1]
        prepared = prepare_source(source, settings)
        with self._lock:
            self._kept[key] = (ref(source), prepared)
            while len(self._kept) > 1 and self._bytes() > self._max_bytes:
                self._kept.popitem(last=False)
        return prepared

    def _bytes(self) -> int:
        return sum(prepared.image.nbytes for _, prepared in self._kept.values())


def prepare_source(source: Source, settings: PreprocessSettings) -> Prepared:
    """Read a micrograph, if it is not yet read, and preprocess it."""
    micrograph = read_micrograph(source) if isinstance(source, MicrographFile) else source
    return prepare(micrograph, settings)


def prepare_all(
    sources: Sequence[Source],
    settings: PreprocessSettings,
    *,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[list[Prepared]]:
    """Preprocess micrographs; those that cannot be read are warned of and left out.

    Yields
    ------
    Started, Progress, Warned

    Returns
    -------
    list of Prepared
        In the order of `sources`; shorter where `stop` was set.
    """
    yield Started("Preparing micrographs", len(sources))
    done: list[Prepared] = []
    for n, source in enumerate(sources, 1):
        if stop is not None and stop.is_set():
            break
        try:
            done.append(cache.prepare(source, settings) if cache else prepare_source(source, settings))
        except (ValueError, OSError) as error:
            yield Warned(f"{source.name} is left out: {error}")
        yield Progress(n, len(sources), source.name)
    return done
