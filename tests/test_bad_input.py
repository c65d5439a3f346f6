"""Files as they should not be: refused in one sentence, nothing half written, nothing beside them harmed.

A part of the corpus; ``./run faults --bad-input`` tries all of it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bad_input import trial
from bad_input.corpus import EITHER, READ, REFUSED, UNREADABLE, Case, corpus
from bad_input.trial import attempt
from bad_input.whole import KINDS, whole

CASES = corpus()
#: Of the damage that every kind can have.
COMMON = {"empty", "cut at 0.5", "bits flipped 1", "random bytes", "folder", "dangling link", "pipe"}
EVERYWHERE = {case.damage for case in CASES if case.kind == "png"} - {"text", "bomb"}
QUICK = [c for c in CASES if not c.bomb and (c.damage in COMMON or c.damage not in EVERYWHERE)]


def test_the_corpus_is_large_and_the_same_each_time() -> None:
    assert len(CASES) >= 200
    assert {case.kind for case in CASES} == set(KINDS)
    assert len({str(case) for case in CASES}) == len(CASES)
    assert [str(case) for case in corpus()] == [str(case) for case in CASES]


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_bad_file(case: Case) -> None:
    assert attempt(case).faults == ()


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.bomb and c.damage == "bomb"], ids=str)
def test_bomb(case: Case) -> None:
    assert attempt(case).faults == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mrc", "session"])
def test_no_permission(kind: str) -> None:
    """As root they are tried by somebody else."""
    case = next(case for case in CASES if (case.kind, case.damage) == (kind, UNREADABLE))
    found = attempt(case)
    assert found.faults == ()
    assert ("may not be read" in found.said) == (kind != "session")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mrc", "star", "model"])
def test_a_real_process(kind: str, tmp_path: Path) -> None:
    path = Case(kind, "random", REFUSED, b"\x00\xff" * 99).make(tmp_path)
    tokens = trial.commands(Case(kind, "", REFUSED, b""), path)
    call = [sys.executable, "-c", "import sys; from napari_topaz.cli import main; sys.exit(main())", *tokens]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip().rpartition("\n")[2].startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir() if p.name not in (path.name, "out")] == []


# -- the trial itself notices what is wrong ---------------------------------------------------------


def fault_of(monkeypatch: pytest.MonkeyPatch, main: object, expected: str = REFUSED) -> str:
    monkeypatch.setattr("napari_topaz.cli.main", main)
    return "; ".join(attempt(Case("csv", "planted", expected, whole("csv"))).faults)


def say(code: int, text: str) -> object:
    def main(tokens: object) -> int:
        print(text, file=sys.stderr)
        return code

    return main


def test_faults_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(tokens: object) -> int:
        Path("out.csv").write_text("half")
        Path("stray").write_text("?")
        Path("../bystander.txt").unlink()
        print("Error: no.", file=sys.stderr)
        return 1

    def crash(tokens: object) -> int:
        raise KeyError("x")

    assert fault_of(monkeypatch, say(1, "Error: no.")) == ""
    assert fault_of(monkeypatch, say(1, "Error: no."), EITHER) == ""
    assert "exit code 1, not 0" in fault_of(monkeypatch, say(1, "Error: no."), READ)
    assert "exit code 0, not 1 or 2" in fault_of(monkeypatch, say(0, ""))
    assert "exit code 3" in fault_of(monkeypatch, say(3, "Error: no."), EITHER)
    assert "no sentence" in fault_of(monkeypatch, say(1, "oops"))
    assert "nobody expected" in fault_of(monkeypatch, say(1, "Error: Something unexpected happened"))
    assert "KeyError" in fault_of(monkeypatch, crash)
    found = fault_of(monkeypatch, half)
    assert "files were changed: ['bystander.txt']" in found
    assert "files where none should be: ['work/stray']" in found
    assert "partial output: ['work/out.csv', 'work/stray']" in found


def test_waiting_for_ever_is_noticed() -> None:
    import time

    with pytest.raises(trial.TooLongError), trial.in_time(0.05):
        time.sleep(5)
