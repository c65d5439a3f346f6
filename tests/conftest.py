"""Fixtures for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: These import what only Unix has (limits of memory, alarms, forks).
collect_ignore = (
    ["test_bad_input.py", "test_faults.py", "files/test_fuzz.py"] if sys.platform == "win32" else []
)


def pytest_configure() -> None:
    # Small tensors are faster on one thread, and threads that wait for one another burn the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # An example may wait for a busy machine or for its disk.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference numbers and real micrographs; tests that need it skip without it."""
    folder = Path(os.environ.get("NAPARI_TOPAZ_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder} (set NAPARI_TOPAZ_SHARED)")
    return folder


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command line; returns its exit code and what it printed to stdout and stderr."""
    from napari_topaz.cli import main

    def call_(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(word) for word in words])
        said = capfd.readouterr()
        return code, said.out, said.err

    return call_
