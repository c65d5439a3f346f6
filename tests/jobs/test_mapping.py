"""Reading ahead: in order, one ahead and no more, errors where they belong."""

from __future__ import annotations

import threading

import pytest

from napari_topaz.jobs.mapping import read_ahead
from napari_topaz.jobs.streaming import some_names


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
