"""Blocks of the docs that are marked ``<!-- run -->`` are run as they stand, on little data."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs_scenes import NEEDS, SCENES, make_ready, unmoved
from napari_topaz.cli import DONE, main
from napari_topaz.cli.relion import main_pick, main_train

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "napari-topaz": main,
    "napari-topaz-relion-train": main_train,
    "napari-topaz-relion-pick": main_pick,
}
#: What makes the commands quick; takes the place of what the page says.
SMALLER = {
    "simulate": ["--micrographs", "3", "--size", "384", "--particles", "14"],
    "train": ["--epochs", "1", "--steps", "3", "--symmetries", "none"],
    "count": ["--epochs", "1", "--steps", "3"],
    "napari-topaz-relion-train": ["--epochs", "1", "--steps", "3", "--symmetries", "none"],
}
#: Less of it, where a page gives it.
LESS = {"--workers": "1", "--j": "1"}
_BLOCK = re.compile(r"^<!-- run -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(block: str) -> list[list[str]]:
    """Words of each command: comments are left out, lines that end in a backslash go on."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def smaller(words: list[str]) -> list[str]:
    """The words of a command with the options that make it quick."""
    extra = SMALLER.get(words[0], [])
    kept = [LESS.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    for name in extra[::2]:
        if name in kept:
            del kept[kept.index(name) : kept.index(name) + 2]
    return kept + extra


def test_blocks_are_read_as_a_shell_would() -> None:
    block = "napari-topaz train sim \\\n    --picks 'a b.star'   # a comment\n\nls &\n"
    assert commands_of(block) == [["napari-topaz", "train", "sim", "--picks", "a b.star"], ["ls", "&"]]
    assert smaller(["simulate", "o", "--micrographs", "6"])[:2] == ["simulate", "o"]
    assert smaller(["simulate", "o", "--micrographs", "6"]).count("--micrographs") == 1
    assert smaller(["pick", "--workers", "4", "4"]) == ["pick", "--workers", "1", "4"]


@pytest.mark.parametrize("page", SCENES)
def test_every_page_has_blocks_to_run(page: str) -> None:
    assert _BLOCK.search((ROOT / page).read_text(encoding="utf-8"))


def test_every_page_with_blocks_to_run_is_run() -> None:
    """A mark on a page that is not listed would promise what nobody does."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    marked = {
        p.relative_to(ROOT).as_posix() for p in pages if "<!-- run -->\n" in p.read_text(encoding="utf-8")
    }
    assert marked == set(SCENES)


@contextlib.contextmanager
def behind(words: list[str]) -> Iterator[None]:
    """A program of dask that runs while the block goes on."""
    assert words[0] == "dask", f"{words[0]} is not run here"
    program = Path(sys.executable).with_name(words[0])
    with subprocess.Popen([program, *words[1:]], stderr=subprocess.DEVNULL) as running:
        try:
            yield
        finally:
            running.terminate()


def wait(words: list[str], file: Path) -> None:
    """What the page says, or until the file is there: this machine may be busier than the reader's."""
    assert words[0] == "sleep"
    end = time.monotonic() + 60
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.1)


def run_block(page: str, block: str, here: Path) -> None:
    """Run each line; what ends in & until the last one is done."""
    with contextlib.ExitStack() as running:
        for words in commands_of(block):
            if words[-1] == "&":
                running.enter_context(behind(words[:-1]))
            elif words[0] == "sleep":
                wait(words, here / "scheduler.json")
            else:
                assert words[0] in PROGRAMS, f"{page}: {words[0]} is not run here"
                ours = words[0] == "napari-topaz"
                given = [*smaller(words[1:]), "--quiet"] if ours else smaller(words)[1:]
                assert PROGRAMS[words[0]](given) == DONE, f"{page}: {shlex.join(words)}"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready")
    make_ready(folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # three steps make no good model, and scipy and matplotlib say so
@pytest.mark.parametrize("page", SCENES)
def test_examples_run(page: str, ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    scene, written = SCENES[page]
    scene(ready, tmp_path)
    before = {path.name for path in tmp_path.iterdir()} - {"picks.star"}
    assert not before & written
    monkeypatch.chdir(tmp_path)
    for language, block in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, page, "exec"), {})
        else:
            run_block(page, block, tmp_path)
    assert written <= {path.name for path in tmp_path.iterdir()}
    if page == "docs/formats.md":
        unmoved(tmp_path)
