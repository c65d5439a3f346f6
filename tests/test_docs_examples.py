"""Blocks of the docs that are marked ``<!-- run -->`` are run as they stand, on little data."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from napari_topaz.cli import DONE, main

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/tutorial.md", "docs/choosing.md"]
#: What makes the commands quick; takes the place of what the page says.
SMALLER = {
    "simulate": ["--micrographs", "3", "--size", "384", "--particles", "14"],
    "train": ["--epochs", "1", "--steps", "3", "--symmetries", "none"],
    "count": ["--epochs", "1", "--steps", "3"],
}
_BLOCK = re.compile(r"^<!-- run -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(block: str) -> list[list[str]]:
    """Words of each command: comments are left out, lines that end in a backslash go on."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def smaller(words: list[str]) -> list[str]:
    """The words of a command with the options that make it quick."""
    extra = SMALLER.get(words[0], [])
    kept = list(words)
    for name in extra[::2]:
        if name in kept:
            del kept[kept.index(name) : kept.index(name) + 2]
    return kept + extra


def test_blocks_are_read_as_a_shell_would() -> None:
    block = "napari-topaz train sim \\\n    --picks 'a b.star'   # a comment\n\nls\n"
    assert commands_of(block) == [["napari-topaz", "train", "sim", "--picks", "a b.star"], ["ls"]]
    assert smaller(["simulate", "o", "--micrographs", "6"])[:2] == ["simulate", "o"]
    assert smaller(["simulate", "o", "--micrographs", "6"]).count("--micrographs") == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_blocks_to_run(page: str) -> None:
    assert _BLOCK.search((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # three steps make no good model, and scipy and matplotlib say so
@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, page, "exec"), {})
            continue
        for words in commands_of(block):
            assert words[0] == "napari-topaz", f"{page}: {words[0]} is not run here"
            assert main([*smaller(words[1:]), "--quiet"]) == DONE, f"{page}: {shlex.join(words)}"
    written = {path.name for path in tmp_path.iterdir()}
    assert {"sim"} < written
