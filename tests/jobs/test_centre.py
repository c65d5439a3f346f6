"""Labels move to their centres, those of one micrograph, by the average of all."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest

from napari_topaz.events import JobError
from napari_topaz.jobs.centre import centre_labels
from napari_topaz.jobs.preparing import PreparedCache
from napari_topaz.micrograph import Micrograph
from napari_topaz.picks import Kind, Picks
from napari_topaz.settings import PreprocessSettings

SHAPE, PIXEL_SIZE, DIAMETER = (620, 840), 2.0, 120.0  # 60 px
SETTINGS = PreprocessSettings(diameter=DIAMETER)
#: How far labels are off, in pixels.
OFF = 9


def finish(job):
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def world(name: str, seed: int) -> tuple[Micrograph, np.ndarray]:
    """Dark discs in noise, on a grid, and where they are."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    places = np.array([[y, x] for y in (110, 310, 510) for x in (110, 310, 510, 710)], float)
    places += rng.uniform(-20, 20, places.shape)
    pixels = rng.normal(100, 3, SHAPE)
    for y, x in places:
        pixels -= 6 * (np.hypot(yy - y, xx - x) < DIAMETER / PIXEL_SIZE / 2.4)
    return Micrograph(name, pixels.astype(np.float32), PIXEL_SIZE), places


@pytest.fixture(scope="module")
def worlds() -> dict[str, tuple[Micrograph, np.ndarray]]:
    return {name: world(name, seed) for seed, name in enumerate("ab")}


def clicked(places: np.ndarray, seed: int) -> np.ndarray:
    return (places + np.random.default_rng(seed).uniform(-OFF, OFF, places.shape)).astype(np.float32)


def away(yx: np.ndarray, places: np.ndarray) -> float:
    return float(np.sqrt(((yx - places) ** 2).sum(axis=1).mean()))


def test_labels_come_nearer_to_the_truth(worlds) -> None:
    sources = [source for source, _ in worlds.values()]
    labels = {name: Picks.labels(clicked(places, 5)) for name, (_, places) in worlds.items()}
    found = finish(centre_labels(sources, labels, "b", SETTINGS, cache=PreparedCache()))
    assert away(labels["b"].yx, worlds["b"][1]) > 6
    assert away(found.yx, worlds["b"][1]) < 1.2  # pixels of the original; one of the small image is 3.2
    assert found.kinds.tolist() == labels["b"].kinds.tolist()


def test_one_label_is_centred_by_the_others_and_negatives_stay(worlds) -> None:
    (a, there), (b, here) = worlds.values()
    own = Picks.labels(clicked(here[:1], 1)) + Picks.labels([[200, 200]], Kind.NOT_PARTICLE)
    labels = {"a": Picks.labels(there), "b": own}
    found = finish(centre_labels([a, b], labels, "b", SETTINGS))
    assert away(found.yx[:1], here[:1]) < 1.5
    assert found.yx[1].tolist() == [200, 200]
    assert found.kinds.tolist() == [Kind.PARTICLE, Kind.NOT_PARTICLE]


def test_particles_at_the_edge_stay_inside(worlds) -> None:
    (a, places), _ = worlds.values()
    corner = np.array([[1, 1], [SHAPE[0] - 2, SHAPE[1] - 2]], np.float32)
    found = finish(centre_labels([a], {"a": Picks.labels(np.concatenate([places, corner]))}, "a", SETTINGS))
    assert found.inside(SHAPE).all()
    assert len(found) == len(places) + 2


@pytest.mark.parametrize(
    ("settings", "count", "message"),
    [
        (SETTINGS, 2, "at least 3"),
        (PreprocessSettings(), 5, "diameter"),
        (PreprocessSettings(diameter=3000), 5, "smaller than a particle"),
    ],
)
def test_it_says_what_is_missing(worlds, settings: PreprocessSettings, count: int, message: str) -> None:
    (a, places), _ = worlds.values()
    with pytest.raises(JobError, match=message):
        finish(centre_labels([a], {"a": Picks.labels(places[:count])}, "a", settings))


def test_without_a_pixel_size_it_asks_for_it(worlds) -> None:
    (a, places), _ = worlds.values()
    bare = Micrograph("a", a.pixels, None)
    with pytest.raises(JobError, match="pixel size"):
        finish(centre_labels([bare], {"a": Picks.labels(places)}, "a", SETTINGS))


def test_a_job_that_is_stopped_moves_nothing(worlds) -> None:
    (a, places), (b, others) = worlds.values()
    stop = Event()
    stop.set()
    labels = {"a": Picks.labels(places), "b": Picks.labels(others)}
    assert finish(centre_labels([a, b], labels, "b", SETTINGS, stop=stop)) is labels["b"]


def test_neighbours_in_the_list_are_read_until_they_are_enough(
    worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_topaz.jobs.centre.MOST", 30)
    (a, places), _ = worlds.values()
    sources = [Micrograph(f"m{k}", a.pixels, PIXEL_SIZE) for k in range(9)]
    labels = {source.name: Picks.labels(clicked(places, k)) for k, source in enumerate(sources)}
    read: list[str] = []

    class Noted(PreparedCache):
        def prepare(self, source, settings):
            read.append(source.name)
            return super().prepare(source, settings)

    found = finish(centre_labels(sources, labels, "m6", SETTINGS, cache=Noted()))
    assert away(found.yx, places) < 1.2
    assert read == ["m6", "m5", "m7"]  # 36 labels


def test_a_micrograph_that_is_too_small_centres_no_others(worlds) -> None:
    (a, places), _ = worlds.values()
    tiny = Micrograph("tiny", a.pixels[:60, :70], PIXEL_SIZE)
    labels = {"a": Picks.labels(clicked(places, 2)), "tiny": Picks.labels([[30, 30]])}
    assert away(finish(centre_labels([tiny, a], labels, "a", SETTINGS)).yx, places) < 1.5
    with pytest.raises(JobError, match="tiny is smaller"):
        finish(centre_labels([tiny, a], labels, "tiny", SETTINGS))
