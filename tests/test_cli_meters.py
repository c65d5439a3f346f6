"""What shows the progress: it never ends the work that it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_topaz.files import write_mrc

pytestmark = pytest.mark.slow

PROGRAM = "import sys; from napari_topaz.cli import main; sys.exit(main())"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A command that takes many micrographs, one of which is broken."""
    for k in range(30):
        write_mrc(tmp_path / "mics" / f"m_{k}.mrc", np.random.default_rng(k).normal(size=(64, 64)), 2.0)
    (tmp_path / "mics" / "m_17.mrc").write_bytes(b"no")
    command = ["preprocess", tmp_path / "mics", "--diameter", 20, "--normalise", "affine"]
    return [sys.executable, "-c", PROGRAM, *map(str, command), "--output", str(tmp_path / "out"), "--json"]


@pytest.mark.parametrize("more", [[], ["--quiet"]], ids=["lines", "quiet"])
def test_a_pipe_that_nobody_reads_any_more_does_not_end_the_work(words, tmp_path, more) -> None:
    """As of a shell on another machine that was closed."""
    with subprocess.Popen(
        [*words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 1  # of the broken micrograph
    assert '"micrographs": 29' in said
    assert len(list((tmp_path / "out").glob("*.mrc"))) == 29


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_that_is_closed_does_not_end_the_work(words, tmp_path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        os.read(ours, 1)  # the bars are there
        os.close(ours)
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 1
    assert '"micrographs": 29' in said
    assert len(list((tmp_path / "out").glob("*.mrc"))) == 29


def test_what_is_read_is_told(words) -> None:
    done = subprocess.run([*words, "--quiet"], capture_output=True, text=True, check=False)
    assert "Warning: m_17 failed" in done.stderr
    assert done.stderr.rstrip().endswith("Error: 1 of 30 micrographs failed: m_17.")
