"""Preprocess micrographs one after the other, once each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from napari_topaz.events import Job, Progress, Started, StopToken, Warned
from napari_topaz.files import read_micrograph
from napari_topaz.micrograph import Micrograph, MicrographFile
from napari_topaz.numerics.dataset_mixture import fit_dataset
from napari_topaz.numerics.histograms import histogram_of
from napari_topaz.preprocess import Prepared, normalised, prepare
from napari_topaz.settings import PreprocessSettings
from napari_topaz.settings.fitted import FittedPreprocess

Source = MicrographFile | Micrograph

#: The normalisation that needs to see all micrographs before the first one.
ONE_MIXTURE = "gmm-dataset"
CENTRED = (
    "The pixels of the micrographs lie round zero, so that their means do not tell how bright one is; "
    "gmm-dataset scales them by their root mean squares instead, and gmm may suit them better."
)


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
        self._bytes = 0
        self._lock = Lock()

    def prepare(self, source: Source, settings: PreprocessSettings) -> Prepared:
        """Read and preprocess `source`, or return what is kept of an earlier call."""
        if isinstance(settings, FittedPreprocess):  # kept once, however often the dataset is fitted again
            return normalised(self.prepare(source, not_normalised(settings)), settings)
        key = (source if isinstance(source, MicrographFile) else id(source), settings)
        with self._lock:
            found = self._kept.get(key)
            if found is not None and (isinstance(source, MicrographFile) or found[0]() is source):
                self._kept.move_to_end(key)
                return found[1]
        prepared = prepare_source(source, settings)
        with self._lock:
            self._forget(key)
            self._kept[key] = (ref(source), prepared)
            self._bytes += prepared.image.nbytes
            while len(self._kept) > 1 and self._bytes > self._max_bytes:
                self._forget(next(iter(self._kept)))
        return prepared

    def _forget(self, key: tuple[object, PreprocessSettings]) -> None:
        if key in self._kept:
            self._bytes -= self._kept.pop(key)[1].image.nbytes


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
    prepared, _ = yield from prepare_dataset(sources, settings, stop=stop, cache=cache)
    return prepared


def prepare_dataset(
    sources: Sequence[Source],
    settings: PreprocessSettings,
    *,
    stop: StopToken | None = None,
    cache: PreparedCache | None = None,
) -> Job[tuple[list[Prepared], PreprocessSettings]]:
    """Do the same, and return the settings that prepare another micrograph alike, too.

    With ``gmm-dataset`` these micrographs are the dataset, and its mixture is in those settings;
    settings that have a mixture are taken as they are.
    """
    if settings.normalise != ONE_MIXTURE or isinstance(settings, FittedPreprocess):
        return (yield from _prepare_each(sources, settings, stop, cache)), settings
    prepared = yield from _prepare_each(sources, not_normalised(settings), stop, cache)
    if not prepared:
        return prepared, settings
    fitted = yield from with_mixture(settings, [histogram_of(p.image) for p in prepared])
    return [normalised(p, fitted) for p in prepared], fitted


def with_mixture(
    settings: PreprocessSettings, histograms: Sequence[NDArray[np.float64]]
) -> Job[FittedPreprocess]:
    """Fit one mixture to the histograms of a dataset, and add it to the settings."""
    mixture = fit_dataset(histograms).mixture
    if mixture.by_rms:
        yield Warned(CENTRED)
    return FittedPreprocess(**_options(settings), mixture=mixture)


def not_normalised(settings: PreprocessSettings) -> PreprocessSettings:
    """Return settings that only clip and downsample."""
    return PreprocessSettings(**_options(settings) | {"normalise": "none"})


def _options(settings: PreprocessSettings) -> dict[str, Any]:
    return settings.model_dump(include=set(PreprocessSettings.model_fields))


def _prepare_each(
    sources: Sequence[Source],
    settings: PreprocessSettings,
    stop: StopToken | None,
    cache: PreparedCache | None,
) -> Job[list[Prepared]]:
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
