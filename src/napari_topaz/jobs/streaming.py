"""Go over many micrographs, here or in other processes: report, write, and leave out what is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import TypeVar

from napari_topaz.events import Event, Job, JobError, MicrographDone, Started, StopToken, Warned
from napari_topaz.jobs.mapping import Outcome, Step, open_mapper
from napari_topaz.jobs.preparing import PreparedCache, Source
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.settings import PreprocessSettings, ScaleSettings

_R = TypeVar("_R")


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
    scale: ScaleSettings | None = None,
    device: str | None = None,
    light: bool = False,
) -> Job[dict[str, str]]:
    """Preprocess each micrograph and work on it; a broken one is reported, the rest goes on.

    Parameters
    ----------
    what, sources, preprocess
        The stage, for people; micrographs; how to preprocess them.
    work : callable
        From a preprocessed micrograph to its result; can be pickled where `scale` names other processes.
    keep : callable
        Called with name and result, to write or collect it; its events are passed on. An error in
        it ends the job: a full disk is not a broken micrograph.
    picks : callable
        The picks in a result, for the event.
    stop, cache
        Where set, the job ends with what it has; preprocessed micrographs of earlier jobs.
    scale, device
        Which processes do the work (this one where not given); the device that `work` uses.
    light : bool
        Whether `work` is nothing beside preprocessing.

    Yields
    ------
    Started, Warned, MicrographDone, and the events of `keep`

    Returns
    -------
    dict of str to str
        What is wrong, for those that failed, by micrograph name.

    Raises
    ------
    JobError
        Where all micrographs fail, or the other processes cannot be reached.
    """
    if scale is None or not sources:
        scale = ScaleSettings()
    if scale.elsewhere:
        yield Started(scale.where)
    failed: dict[str, str] = {}
    said: set[str] = set()
    step = Step(preprocess, work, light)
    with (
        open_mapper(scale, device) as mapper,
        closing(mapper(sources, step, stop=stop, cache=cache)) as outcomes,
    ):
        yield Started(what, len(sources))
        for outcome in outcomes:
            if not isinstance(outcome, Outcome):
                yield outcome
                continue
            name, result = outcome.source.name, outcome.result
            yield from (Warned(one) for one in outcome.remarks if one not in said)
            said.update(outcome.remarks)
            if outcome.error is not None:
                failed[name] = outcome.error
                yield MicrographDone(name, error=outcome.error)
            else:
                yield from keep(name, result)
                yield MicrographDone(name, picks=picks(result))
    if failed and len(failed) == len(sources):
        raise JobError(_all_failed(failed))
    return failed


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
