"""The docs name commands, options, scripts and functions that are there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from napari_topaz.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks/results").glob("*.md")]
)
#: Options of other programs, which pages name, too.
OTHERS = {
    *(
        "--serve",
        "--all",
        "--bad-input",
        "--peer",
        "--only",
    ),  # ./run
    *("--method", "--units", "--num-workers"),  # Topaz
    *("--nthreads", "--no-dashboard", "--port", "--host", "--scheduler-file"),  # dask
    *("--gres", "--cpus-per-task", "--mem", "--time"),  # SLURM
    *("--push", "--tags", "--strict"),
}

sys.path.insert(0, str(ROOT / "docs"))
import generate  # noqa: E402


def options_of_commands() -> dict[str, set[str]]:
    """The options of each command, from the page that is made of them."""
    parts = re.split(r"^## (\S+)$", generate.command_line_page(), flags=re.M)
    return {
        name: {*re.findall(r"(--[a-z][a-z_-]*)", text), "--help", "--version"}
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def codes_of(page: Path) -> list[str]:
    """All code of a page: blocks with lines that go on joined, and inline code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, flags=re.M | re.S)
    rest = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", rest)


def options_of_script(name: str) -> set[str]:
    """The options that a script of benchmarks/, or the modules beside it, parse."""
    return {
        option
        for path in (ROOT / "benchmarks").glob("*.py")
        if path.stem.startswith(name.removesuffix("s"))
        for option in re.findall(r'"(--[a-z-]+)"', path.read_text(encoding="utf-8"))
    }


OF_COMMANDS = options_of_commands()
OF_SCRIPTS = {path.stem: options_of_script(path.stem) for path in (ROOT / "benchmarks").glob("*.py")}
ALL = OTHERS.union(*OF_COMMANDS.values(), *OF_SCRIPTS.values())


def unknown_in(code: str) -> list[str]:
    """Options in a piece of code that its command, or no program at all, has."""
    code = code.partition(" # ")[0]
    given = re.findall(r"(?<!\S)(--[a-z][a-z_-]*)", code)
    script = re.search(r"benchmarks[/.](\w+)", code)
    if script and script[1] in OF_SCRIPTS:
        known = OF_SCRIPTS[script[1]] | (OF_COMMANDS["train"] if script[1] == "real_data" else set())
    else:
        command = re.match(r"(?:\S+=\S+ )*(?:.*?napari-topaz )?([a-z-]+)(?= |$)", code)
        known = OF_COMMANDS.get(command[1], ALL) if command else ALL
    return [option for option in given if option not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_options_are_those_of_their_commands(page: Path) -> None:
    wrong = {code: found for code in codes_of(page) if (found := unknown_in(code))}
    assert not wrong


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("napari-topaz pick m --model a --hreshold 3", ["--hreshold"]),
        ("OMP_NUM_THREADS=1 napari-topaz pick m --epochs 3   # --nonsense", ["--epochs"]),
        ("train --epochs", []),
        ("train --threshold 3", ["--threshold"]),
        ("--threshold 3 --nonsense", ["--nonsense"]),
        ("python benchmarks/prior.py --seeds 2 --data x", ["--data"]),
        ("topaz train --num-workers 0", []),
        ("napari-topaz-relion-pick --o a --in_mics b --in_coords c", ["--in_coords"]),
    ],
)
def test_stale_options_are_noticed(code: str, unknown: list[str]) -> None:
    assert unknown_in(code) == unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_scripts_and_files_are_there(page: Path) -> None:
    doors = set(re.findall(r"^  (\w+)\)$", (ROOT / "run").read_text(encoding="utf-8"), flags=re.M))
    for code in codes_of(page):
        for name in re.findall(r"(?:^|\s)\./run (\w+)", code):
            assert name in doors, f"./run {name}"
        for name in re.findall(r"(?:^|\s|`)((?:benchmarks|tests|docs)/[\w/]+\.(?:py|md|sh|csv))", code):
            assert (ROOT / name).is_file(), name
        for name in re.findall(r"^napari-topaz ([a-z][a-z-]*)", code):
            assert name in COMMANDS, code
        for name in re.findall(r"^(?:numerics|jobs|model|files|gui|cli|settings|simulate)/\w+\.py", code):
            assert (ROOT / "src/napari_topaz" / name).is_file(), name
        for name in re.findall(r"^napari_topaz(?:\.\w+)+$", code):
            assert importlib.util.find_spec(name), name
