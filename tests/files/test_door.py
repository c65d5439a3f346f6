"""The package ``files``: every name is there, and a name brings in only what it needs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from napari_topaz import files


def test_every_name_has_a_home() -> None:
    assert sorted(files._HOMES) == sorted(files.__all__)
    for name, module in files._HOMES.items():
        found = getattr(import_module(f"napari_topaz.files.{module}"), name)
        assert getattr(files, name) is found
        assert getattr(found, "__module__", None) in (None, f"napari_topaz.files.{module}")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = files.nothing


@pytest.mark.parametrize(
    ("line", "without"),
    [
        ("from napari_topaz.files import read_micrograph", ("torch", "pandas", "scipy", "starfile")),
        ("from napari_topaz.jobs.preprocess import preprocess", ("torch", "pandas", "starfile")),
        ("from napari_topaz.cli.images import preprocess", ("torch", "pandas", "scipy", "starfile")),
    ],
)
def test_slow_imports_wait_until_they_are_needed(line: str, without: tuple[str, ...]) -> None:
    """pandas takes longer to import than a micrograph to be read and preprocessed."""
    code = f"{line}\nimport sys\nprint(*sorted(set({without!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
