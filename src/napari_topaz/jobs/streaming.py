"""Go over many micrographs with one in memory, while the next one is read ahead in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from napari_topaz.events import Event, Job, JobError, MicrographDone, Started, StopToken
from napari_topaz.jobs.preparing import PreparedCache, Source, prepare_source
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings

_S = TypeVar("_S")
_T = TypeVar("_T")
_R = TypeVar("_R")

#: What one broken micrograph may raise without ending the job.
BROKEN = (ValueError, OSError, MemoryError)


def read_ahead(sources: Iterable[_S], read: Callable[[_S], _T]) -> Iterator[tuple[_S, Future[_T]]]:
    """Read the next source in a thread while the caller works on this one.

    Yields
    ------
    tuple of source and Future
        The future's `result()` raises what `read` raised.
    """
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        waiting: tuple[_S, Future[_T]] | None = None
        for source in sources:
            following = (source, pool.submit(read, source))
            if waiting is not None:
                yield waiting
            waiting = following
        if waiting is not None:
            yield waiting


def over_micrographs(
    what: str,
    sources: Sequence[Source],
    preprocess: PreprocessSettings,
    work: Callable[[Prepared], _R],
    *,
    keep: Callable[[str, _R], Iterable[Event]],
    picks: Callable[[_R], Picks | None] = lambda result: None,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[dict[str, str]]:
    """Preprocess each micrograph and work on it; a broken one is reported, the rest goes on.

    Parameters
    ----------
    what, sources, preprocess
        The stage, for people; micrographs (read one ahead); how to preprocess them.
    work : callable
        From a preprocessed micrograph to its result.
    keep : callable
        Called with name and result, to write or collect it; its events are passed on. An error in
        it ends the job: a full disk is not a broken micrograph.
    picks : callable
        The picks in a result, for the event.
    stop, cache
        Where set, the job ends with what it has; preprocessed micrographs of earlier jobs.

    Yields
    ------
    Started, MicrographDone, and the events of `keep`

    Returns
    -------
    dict of str to str
        What is wrong, for those that failed, by micrograph name.

    Raises
    ------
    JobError
        Where all micrographs fail.
    """
    yield Started(what, len(sources))
    failed: dict[str, str] = {}
    for source, future in read_ahead(sources, _reader(preprocess, cache)):
        if stop is not None and stop.is_set():
            return failed
        try:
            result = work(future.result())
        except BROKEN as error:
            failed[source.name] = str(error) or type(error).__name__
            yield MicrographDone(source.name, error=failed[source.name])
        else:
            yield from keep(source.name, result)
            yield MicrographDone(source.name, picks=picks(result))
    if failed and len(failed) == len(sources):
        raise JobError(_all_failed(failed))
    return failed


def _reader(preprocess: PreprocessSettings, cache: PreparedCache | None) -> Callable[[Source], Prepared]:
    def read(source: Source) -> Prepared:
        if cache is not None:
            return cache.prepare(source, preprocess)
        return prepare_source(source, preprocess)

    return read


def _all_failed(failed: dict[str, str]) -> str:
    name, error = next(iter(failed.items()))
    if len(failed) == 1:
        return f"{name} could not be used: {error}"
    return f"None of the {len(failed)} micrographs could be used; {name}: {error}"


def some_names(names: Iterable[str]) -> str:
    """Say which micrographs, in a sentence: at most three names."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - 3} more" if len(quoted) > 3 else ""
    return ", ".join(quoted[:3]) + more
