"""Reading ahead: in order, one ahead and no more, errors where they belong."""

from __future__ import annotations

import threading

import pytest

from napari_topaz.jobs.mapping import MOST_READERS, Step, in_process, read_ahead, readers
from napari_topaz.jobs.streaming import some_names
from napari_topaz.settings import PreprocessSettings


def test_results_come_in_order_and_one_ahead() -> None:
    begun: list[int] = []
    second = threading.Event()

    def read(n: int) -> int:
        begun.append(n)
        if n == 1:
            second.set()
        return n * n

    reading = read_ahead(range(5), read)
    source, future = next(reading)
    assert (source, future.result()) == (0, 0)
    assert second.wait(5), "the next one is read while the caller works"
    assert begun == [0, 1], "but not the one after it"
    assert [(n, f.result()) for n, f in reading] == [(1, 1), (2, 4), (3, 9), (4, 16)]


def test_several_are_read_at_once_and_come_in_order() -> None:
    begun: list[int] = []
    three = threading.Barrier(3)

    def read(n: int) -> int:
        begun.append(n)
        three.wait(5)  # breaks unless three threads meet here
        return n * n

    reading = read_ahead(range(9), read, at_once=3)
    source, future = next(reading)
    assert (source, future.result()) == (0, 0)
    assert max(begun) <= 3, "three are read ahead of the one that is worked on, and no more"
    assert [(n, f.result()) for n, f in reading] == [(n, n * n) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("asked", "cores", "expected"),
    [("", 2, 2), ("1", 2, 1), ("8", 2, 2), ("", 64, MOST_READERS), ("4,2", 2, 2), ("0", 2, 1)],
)
def test_readers_are_as_many_as_cores_within_reason(
    monkeypatch: pytest.MonkeyPatch, asked: str, cores: int, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert readers() == expected


def test_light_work_reads_several(world, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images are those of one after the other (tests/jobs/test_images.py compares them)."""
    asked = []
    monkeypatch.setattr("napari_topaz.jobs.mapping.readers", lambda: asked.append(3) or 3)
    how = PreprocessSettings(diameter=64)
    for light in (False, True):
        found = list(in_process(world.files, Step(how, lambda prepared: prepared.name, light)))
        assert [one.result for one in found] == [f.name for f in world.files]
    assert asked == [3]


def test_an_error_belongs_to_its_source() -> None:
    def read(n: int) -> int:
        if n == 1:
            raise OSError("broken")
        return n

    results = dict(read_ahead(range(3), read))
    assert (results[0].result(), results[2].result()) == (0, 2)
    with pytest.raises(OSError, match="broken"):
        results[1].result()


def test_nothing_to_read() -> None:
    assert list(read_ahead([], int)) == []


def test_names_in_a_sentence() -> None:
    assert some_names(["a"]) == "'a'"
    assert some_names("abcde") == "'a', 'b', 'c' and 2 more"
