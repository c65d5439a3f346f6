"""Figures in the README stand in the tables that they come from, and have their command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
#: .797, 0.25, 4.1, but no version such as 0.3.20.
_FIGURE = re.compile(r"(?<![\w.])\d*\.\d+(?![\w.]*\d)")


def statements(text: str) -> Iterator[str]:
    """Bullets and rows of the README that have figures; "the same" in a row is what the row above has."""
    blocks = re.split(r"\n(?=[*|#\n])", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    command = ""
    for block in blocks:
        if block.startswith("| "):
            command = command if block.rstrip("| ").endswith("the same") else block.split("|")[-2]
            block = f"{block} {command}"
        if block.startswith(("* ", "| ")) and _FIGURE.search(block):
            yield " ".join(block.split())


def tables_of(statement: str) -> list[Path]:
    """Results that a statement links to, or whose script it names."""
    linked = re.findall(r"\(benchmarks/results/(\w+)\.md\)", statement)
    named = re.findall(r"(\w+)\.py", statement)
    return [path for name in dict.fromkeys(linked + named) if (path := RESULTS / f"{name}.md").is_file()]


def stands_in(figure: str, table: str) -> bool:
    """Whether a table has a number that is the figure when it is rounded; also in thousandths (ms for s)."""
    places = len(figure.partition(".")[2])
    allowed = 0.5 * 10**-places + 1e-9
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?|\.\d+", table)]
    return any(abs(float(figure) - n) <= allowed or abs(float(figure) - n / 1000) <= allowed for n in numbers)


README = (ROOT / "README.md").read_text(encoding="utf-8")
STATEMENTS = list(statements(README))


def test_there_are_figures() -> None:
    assert len(STATEMENTS) > 12


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text[:40])
def test_figures_stand_in_their_tables(statement: str) -> None:
    tables = tables_of(statement)
    assert tables, f"no table is linked: {statement}"
    text = "\n".join(path.read_text(encoding="utf-8") for path in tables)
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", statement)
    missing = [figure for figure in _FIGURE.findall(prose) if not stands_in(figure, text)]
    assert not missing, f"{missing} stand in none of {[path.name for path in tables]}"


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text[:40])
def test_figures_have_their_command(statement: str) -> None:
    assert re.search(r"`(?:python (?:-m )?benchmarks|\./run )|\w+\.py, (?:as )?above", statement)


def test_figures_that_stand_nowhere_are_noticed() -> None:
    table = "| 0.857 | 83 ms | 5.1% | 0.0974 |"
    assert all(stands_in(figure, table) for figure in (".857", ".86", "0.08", "5.1", "0.10"))
    assert not any(stands_in(figure, table) for figure in (".88", ".858", "0.09", "5.2"))
    said = list(
        statements("| a | .1 | `x` → [t](u) |\n| b | .2 | the same |\n* c: 0.3.20\n* d .4,\n  .5\n\ne .6")
    )
    assert said == [
        "| a | .1 | `x` → [t](u) | `x` → [t](u)",
        "| b | .2 | the same | `x` → [t](u)",
        "* d .4, .5",
    ]
