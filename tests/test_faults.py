"""Each fault of ``./run faults`` once: nothing is lost, and a program that loses something is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
pytest.importorskip("torch")
pytest.importorskip("qtpy")  # the session is that of the viewer

#: Atomic writing as it should not be: into the file's own place.
HALF = """
import sys, faults
from contextlib import contextmanager
from pathlib import Path
from napari_topaz.files import atomic

@contextmanager
def replace_file(path, *, make_folder=True):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path

atomic.replace_file = replace_file
import napari_topaz.files, napari_topaz.files.star
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("napari_topaz") and hasattr(module, "replace_file"):
        module.replace_file = replace_file
from faults.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def faults(*words: str, program: tuple[str, ...] = ("-m", "faults")) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    call = [sys.executable, *program, *words]
    return subprocess.run(call, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "rows",
    [
        ("pick, a folder", "pick, a table"),
        ("train",),
        ("session",),
        ("workers",),
    ],
    ids=lambda rows: rows[0],
)
def test_nothing_is_lost(rows: tuple[str, ...]) -> None:
    done = faults("1", "--only", *(f"{row}:" if row != "workers" else row for row in rows))
    assert done.returncode == 0, done.stderr
    table = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert table
    assert all(row[-1] == "0 |" or "left out" in row[2] for row in table)


def test_what_is_lost_is_noticed() -> None:
    """Where files are written in their own places, kills leave halves of them."""
    done = faults("16", "--only", "pick, a folder: kill -9", program=("-c", HALF))
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = (line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| pick"))
    assert int(row[2]) - int(row[3]) > 0
