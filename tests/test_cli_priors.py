"""count and cross-validate on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_topaz.events import JobError, Started
from napari_topaz.training_set import Ticks
from worlds import World, make_world

TINY = ("--diameter", 64, "--particle-pixels", 16, "--epochs", 1, "--steps", 3, "--width", 3)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("count",), "--diameter is missing"),
        (("count", *TINY, "--expected", 10, "--prior", 0.1), "say the same thing"),
        (("count", *TINY, "--estimate-expected"), "--estimate-expected is an option of train"),
        (("count", *TINY, "--exclude", "mic_9"), "--exclude names 'mic_9'"),
        (("count", *TINY, "--complete", "mic_0", "--empty", "mic_0"), "--complete and --empty"),
        (("cross-validate", *TINY, "--vary", "expected=1,2", "--exclude", "mic_0", "mic_1"), "leaves no"),
        (("cross-validate", *TINY, "--vary", "expected"), "must be an option and its values"),
        (("cross-validate", *TINY, "--vary", "expected="), "must be an option and its values"),
    ],
)
def test_wrong_calls(call, world: World, tmp_path: Path, words: tuple, message: str) -> None:
    more = ("--output", tmp_path / "cv") if words[0] == "cross-validate" else ()
    code, _, err = call(words[0], world.folder, "--picks", world.labels, *words[1:], *more)
    assert code == 2
    assert message in err
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize(
    ("vary", "message"),
    [("expected=10,many", "'many' is not a value of expected"), ("speed=1,2", "'speed' is not an option")],
)
def test_values_that_are_none(call, world: World, tmp_path: Path, vary: str, message: str) -> None:
    words = ("--picks", world.labels, *TINY, "--vary", vary, "--output", tmp_path / "cv")
    code, _, err = call("cross-validate", world.folder, *words)
    assert code == 1
    assert message in err


def test_one_micrograph_is_too_few(call, world: World) -> None:
    code, _, err = call("count", world.files[0].path, "--picks", world.labels, *TINY, "--quiet")
    assert code == 1
    assert "two micrographs or more" in err


@pytest.mark.slow
def test_count(call, world: World) -> None:
    pytest.importorskip("torch")
    words = ("count", world.folder, "--picks", world.labels, *TINY, "--quiet")
    code, out, err = call(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["low"] <= found["expected"] <= found["high"]
    assert found["expected"] >= 10
    assert found["prior"] > 0
    assert (found["labels"], found["micrographs"]) == (20, 2)


@pytest.mark.slow
def test_cross_validate_goes_on_in_its_folder(call, world: World, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    words = ("cross-validate", world.folder, "--picks", world.labels, *TINY, "--output", tmp_path, "--quiet")
    code, out, err = call(*words, "--vary", "expected=10,20", "--folds", 2, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["computed"], found["kept"]) == (4, 0)
    assert [c["value"] for c in found["candidates"]] == [10, 20]
    code, out, _ = call(*words, "--vary", "expected=10,20", "--folds", 2)
    assert code == 0
    assert f"Best: expected {found['choice']:g}" in out
    assert "(0 trainings, 4 kept)" in out
    code, _, err = call(*words, "--vary", "expected=10,20", "--folds", 2, "--seed", 5)
    assert code == 1
    assert "settings; give another folder" in err


@pytest.mark.parametrize("command", ["count", "cross-validate"])
def test_what_is_said_about_micrographs_reaches_the_job(
    call, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from napari_topaz.jobs import cross_validate, prior

    seen: list[tuple[list[str], Ticks]] = []

    def job(files, *args, ticks, **how):
        seen.append(([f.name for f in files], ticks))
        yield Started("x", 1)
        raise JobError("Enough.")

    monkeypatch.setattr(prior, "estimate_expected", job)
    monkeypatch.setattr(cross_validate, "cross_validate", job)
    more = ("--output", tmp_path / "cv", "--vary", "expected=1,2") if command == "cross-validate" else ()
    three = make_world(tmp_path / "three", 3)
    words = (command, three.folder, "--picks", three.labels, *TINY, *more, "--quiet")
    code, _, err = call(*words, "--exclude", "mic_0", "--complete", "mic_1", "--empty", "mic_2")
    assert (code, "Enough." in err) == (1, True)
    assert seen == [(["mic_1", "mic_2"], Ticks(frozenset({"mic_1"}), frozenset({"mic_2"})))]
