"""The command line: what a shell sees (exit codes, stdout, stderr) of every command."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_topaz import __version__
from napari_topaz.cli import COMMANDS, main
from napari_topaz.cli.options import SHOWN, Shown
from napari_topaz.cli.screen import Screen
from napari_topaz.events import EpochDone, MicrographDone, Progress, Started, StepDone, Warned
from napari_topaz.files import read_micrograph, read_picks, write_mrc, write_picks
from napari_topaz.numerics.matching import match
from napari_topaz.picks import Picks
from napari_topaz.settings import (
    NetworkSettings,
    PickSettings,
    PreprocessSettings,
    SimulateSettings,
    TrainSettings,
)
from worlds import World, make_world


@dataclass(frozen=True)
class Said:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out.splitlines()[-1])

    def refused(self, code: int, *words: str) -> None:
        """Exit code, one sentence that has these words, and nothing else on stdout."""
        assert (self.code, self.out) == (code, ""), self
        last = self.err.splitlines()[-1]
        assert last.startswith("Error: "), self.err
        assert all(word in last for word in words), last
        assert "Traceback" not in self.err
        assert "pydantic" not in self.err


@pytest.fixture
def call(capfd):
    def call_(*words: object) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in words])
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    return call_


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


TRAIN = ("--diameter", 64, "--particle-pixels", 16, "--epochs", 2, "--steps", 10, "--width", 4)


@pytest.fixture(scope="module")
def model(world) -> Path:
    path = world.folder / "model.safetensors"
    words = [
        "train",
        world.folder,
        "--picks",
        world.labels,
        "--model",
        path,
        *TRAIN,
        "--expected",
        10,
        "--quiet",
    ]
    assert main([str(w) for w in words]) == 0
    return path


def pick_words(world: World, model: Path, output: Path, *more: object) -> Sequence[object]:
    return [
        "pick",
        world.folder,
        "--model",
        model,
        "--output",
        output,
        "--threshold",
        -100,
        "--symmetries",
        "none",
        *more,
    ]


# ── the whole ──────────────────────────────────────────────────────────────────────────────────


def test_the_way_from_labels_to_an_evaluation(world, model, call, tmp_path) -> None:
    again = call(
        "train",
        world.folder,
        "--picks",
        world.labels,
        "--model",
        tmp_path / "m.safetensors",
        *TRAIN,
        "--json",
    )
    assert again.code == 0
    assert set(again.json) >= {"model", "epochs", "seconds", "held_out_average_precision"}
    assert again.json["epochs"] == 2
    assert "Epoch 2/2" in again.err
    picked = call(*pick_words(world, model, tmp_path / "picks.star", "--json"))
    assert (picked.code, picked.json["micrographs"]) == (0, 4)
    picks = read_picks(tmp_path / "picks.star")
    assert sum(len(p) for p in picks.values()) == picked.json["picks"] > 0
    judged = call(
        *("evaluate", "--picks", tmp_path / "picks.star", "--targets", world.labels),
        *("--radius", "16A", "--pixel-size", 2, "--json"),
    )
    assert judged.code == 0
    assert judged.json["radius"] == 8.0
    assert judged.json["targets"] == 40
    assert set(judged.json["precision_at_recall"]) == {"0.25", "0.5", "0.75", "0.9"}
    assert set(judged.json) >= {"average_precision", "best_f1", "threshold", "median_distance", "hits"}
    table = call("evaluate", "--picks", tmp_path / "picks.star", "--targets", world.labels, "--radius", "8px")
    assert f"average precision         {judged.json['average_precision']:.3f}" in table.out


def test_heatmap_and_preprocess(world, model, call, tmp_path) -> None:
    words = ["heatmap", world.files[0].path, "--model", model, "--output", tmp_path / "h", "--symmetries"]
    call(*words, "some").refused(2, "must be one of auto, eight, four, none")
    said = call(*words, "none")
    assert (said.code, [p.name for p in (tmp_path / "h").glob("*.mrc")]) == (0, ["mic_0_heatmap.mrc"])
    said = call("preprocess", world.folder, "--output", tmp_path / "p", "--diameter", 64, "--json")
    assert said.code == 0
    assert said.json["micrographs"] == len(list((tmp_path / "p").glob("*.mrc"))) == 4


def test_simulate(call, tmp_path) -> None:
    said = call(
        "simulate", tmp_path, "--micrographs", 2, "--size", 128, "--particles", 5, "--json", "--seed", 3
    )
    assert said.code == 0
    assert said.json["micrographs"] == len(list(tmp_path.glob("*.mrc"))) == 2
    assert said.json["particles"] == sum(len(p) for p in read_picks(tmp_path / "particles.star").values())


def test_simulate_a_shape(call, tmp_path) -> None:
    words = ("--micrographs", 1, "--size", 128, "--particles", 5)
    written = []
    for name, more in (("plain", ()), ("rods", ("--shape", "rod", "--zero-mean", "--gold", 3))):
        assert call("simulate", tmp_path / name, *words, *more).code == 0
        written.append(read_micrograph(tmp_path / name / "simulated_0000.mrc").pixels)
    assert (written[0] != written[1]).mean() > 0.9
    assert abs(written[1].mean(dtype=float)) < 1e-3 * written[0].mean()


def test_info(world, model, call, tmp_path) -> None:
    said = call("info", world.files[0].path, model, world.labels, "--json")
    micrograph, network, picks = said.json["files"]
    assert (micrograph["height"], micrograph["width"], micrograph["pixel_size"]) == (240, 320, 2.0)
    assert (network["diameter"], network["epochs"]) == (64.0, 2)
    assert (picks["picks"], picks["micrographs"]) == (40, 4)
    assert "240 px" in call("info", world.files[0].path).out
    write_picks(tmp_path / "boxes", world.truth, format="box", box_size=32)
    assert "picks 40, micrographs 4" in call("info", tmp_path / "boxes").out
    assert len(call("info", world.folder, "--json").json["files"]) == 4
    broken = tmp_path / "x.mrc"
    broken.write_bytes(b"no")
    said = call("info", broken, world.files[0].path)
    assert said.code == 1
    assert "x.mrc" in said.err
    assert "mic_0" in said.out, "the others are shown all the same"


def test_info_of_a_folder_without_either_says_what_is_in_it(call, tmp_path) -> None:
    (tmp_path / "picks").mkdir()
    said = call("info", tmp_path)
    said.refused(1, "has neither micrographs nor picks, but picks; give a folder that has.")
    assert said.err.count("\n") == 1


def test_convert(world, call, tmp_path) -> None:
    said = call(
        *("convert", world.labels, tmp_path / "out.csv", "--scale", 0.5, "--flip-y"),
        *("--height", 120, "--json"),
    )
    assert (said.code, said.json["picks"]) == (0, 40)
    moved = read_picks(tmp_path / "out.csv")["mic_0"]
    np.testing.assert_allclose(moved.yx[:, 0], 119.5 - world.truth["mic_0"].yx[:, 0] / 2, atol=1e-3)
    said = call("convert", world.labels, tmp_path / "boxes", "--format", "box", "--box-size", 40)
    assert len(list((tmp_path / "boxes").glob("*.box"))) == 4


def test_published_boxes_reach_their_published_precision(shared, call, tmp_path) -> None:
    """Real boxes: half the scale, y from the other edge."""
    data = shared / "data" / "bgal_empiar10017"
    micrographs, picks = data / "micrographs", data / "picks"
    out = tmp_path / "topaz.star"
    said = call(
        "convert", picks / "topaz_published", out, "--scale", 0.5, "--flip-y", "--micrographs", micrographs
    )
    assert said.code == 0, said.err
    words = ["--targets", picks / "labels_cryoppp.star", "--radius", "27px", "--json"]
    judged = call("evaluate", "--picks", out, *words).json
    assert judged["average_precision"] == pytest.approx(0.71, abs=0.01)
    found, real = read_picks(out), read_picks(picks / "labels_cryoppp.star")
    of = {name: match(real[name].yx, found[name].yx, 10) for name in found}
    off = [found[n].yx[m.hits] - real[n].yx[m.target_of_pick[m.hits]] for n, m in of.items()]
    down, right = np.concatenate(off).mean(axis=0)
    assert abs(down - right) < 0.2, "a flip about another line is 1 px off"
    unflipped = call("evaluate", "--picks", picks / "topaz_published", *words)
    assert unflipped.json["average_precision"] < 0.05


# ── pick: streaming, resuming, broken micrographs ──────────────────────────────────────────────


def test_pick_into_a_folder_and_resume(world, model, call, tmp_path) -> None:
    out = tmp_path / "picks"
    assert call(*pick_words(world, model, out, "--format", "box")).code == 0
    (out / "mic_2.box").unlink()
    kept = (out / "mic_1.box").stat().st_mtime_ns
    again = call(*pick_words(world, model, out, "--format", "box", "--resume", "--json"))
    assert (again.json["micrographs"], again.json["skipped"]) == (1, 3)
    assert (out / "mic_2.box").exists()
    assert (out / "mic_1.box").stat().st_mtime_ns == kept
    assert call(*pick_words(world, model, out, "--format", "box", "--overwrite")).code == 0
    assert (out / "mic_1.box").stat().st_mtime_ns > kept, "without --resume all are picked again"


def test_resume_with_other_settings_is_refused(world, model, call, tmp_path) -> None:
    call(*pick_words(world, model, tmp_path / "picks"))
    call(*pick_words(world, model, tmp_path / "picks", "--resume", "--margin", 9)).refused(
        1, "margin", "--resume"
    )


def test_a_broken_micrograph_fails_the_command_but_not_the_rest(world, model, call, tmp_path) -> None:
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"no")
    out = tmp_path / "picks.star"
    words = ["pick", broken, world.files[0].path, "--model", model, "--output", out, "--threshold", -100]
    said = call(*words)
    assert said.code == 1
    assert list(read_picks(out)) == ["mic_0"]
    assert "Error: 1 of 2 micrographs failed: broken" in said.err
    assert "Warning: broken failed: " in said.err
    write_mrc(broken, np.random.default_rng(0).normal(size=(100, 120)), 2.0)
    said = call(*words, "--resume", "--json")
    assert (said.code, said.json["micrographs"], said.json["skipped"]) == (0, 1, 1)
    assert list(read_picks(out)) == ["broken", "mic_0"]


# ── wrong calls: exit 2 ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "train m --picks p --model m.safetensors --diameter 9 --expected 3 --prior 0.1",
            ["--expected", "--prior"],
        ),
        ("train m --picks p --model m.safetensors", ["--diameter"]),
        ("train m --picks p --model m.pt --diameter 9", [".safetensors"]),
        ("train m --picks p --model m.safetensors --diameter -9", ["--diameter", "greater than 0", "-9"]),
        ("train m --picks p --model m.safetensors --diameter 9 --objective magic", ["objective", "cvir"]),
        ("train m --picks p --model m.safetensors --diameter 9 --device tpu", ["--device", "cpu", "tpu"]),
        ("train m --picks p --model m.safetensors --epochs many", ["--epochs", "many"]),
        ("train m --model m.safetensors", ["--picks"]),
        ("pick m --model x --output o --hreshold 3", ["--hreshold"]),
        ("pick m --model x --output o.xyz", ["o.xyz", ".star"]),
        ("pick m --model x --output o.csv --format star", ["o.csv", ".star"]),
        ("pick m --model x --output o.box", ["folder"]),
        ("pick m --model x --output o --format xyz", ["xyz", "star"]),
        ("pick m --model x --output o --pixel-size 0", ["--pixel-size"]),
        ("evaluate --picks a --targets b --radius 90A", ["--pixel-size"]),
        ("evaluate --picks a --targets b --radius wide", ["--radius", "wide"]),
        ("evaluate --picks a --targets b --radius 0", ["--radius"]),
        ("convert a b.csv --flip-y", ["--height"]),
        ("convert a b --format box", ["--box-size"]),
        ("convert a b.star --scale -1", ["--scale"]),
        ("preprocess m --output o", ["--diameter"]),
        ("simulate o --size 3", ["--size", "64"]),
        ("simulate o --shape teapot", ["teapot", "globular", "shell"]),
        ("simulate o --defocus-low 3", ["defocus", "3 µm", "2.8 µm"]),
        ("fly", ["fly"]),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(call, words, says) -> None:
    call(*words.split()).refused(2, *says)


# ── work that cannot be done: exit 1 ───────────────────────────────────────────────────────────


def test_files_that_are_not_there(world, model, call, tmp_path) -> None:
    assert call("info", tmp_path / "no.mrc", "--json").code == 1
    call(*pick_words(world, tmp_path / "no.safetensors", tmp_path / "o.star")).refused(1, "no.safetensors")
    call("evaluate", "--picks", tmp_path / "no.star", "--targets", world.labels, "--radius", 9).refused(
        1, "no.star"
    )


def test_a_model_that_is_none(world, call, tmp_path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not a model at all")
    call(*pick_words(world, tmp_path / "x.safetensors", tmp_path / "o")).refused(1, "x.safetensors")


def test_an_empty_folder(model, call, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    call("pick", tmp_path / "empty", "--model", model, "--output", tmp_path / "o").refused(1, "empty")


@pytest.mark.parametrize("command", ["train", "pick", "simulate", "heatmap"])
def test_an_output_that_cannot_be_written(world, model, call, tmp_path, command) -> None:
    (tmp_path / "file").write_text("in the way")
    inside = tmp_path / "file" / "o"
    words = {
        "train": ["train", world.folder, "--picks", world.labels, "--model", f"{inside}.safetensors", *TRAIN],
        "pick": pick_words(world, model, inside),
        "simulate": ["simulate", inside, "--size", 64, "--micrographs", 1],
        "heatmap": ["heatmap", world.folder, "--model", model, "--output", inside, "--symmetries", "none"],
    }
    call(*words[command]).refused(1, "cannot be written")


def test_labels_of_other_micrographs(world, call, tmp_path) -> None:
    write_picks(tmp_path / "l.csv", {"elsewhere": Picks([[1, 2]])})
    words = [
        "train",
        world.folder,
        "--picks",
        tmp_path / "l.csv",
        "--model",
        tmp_path / "m.safetensors",
        *TRAIN,
    ]
    call(*words).refused(1, "elsewhere", "mic_0")


def test_labels_of_another_scale_are_refused_with_the_remedy(world, call, tmp_path) -> None:
    large = {name: p.rescaled(4) for name, p in world.truth.items()}
    write_picks(tmp_path / "l.csv", large)
    words = [
        "train",
        world.folder,
        "--picks",
        tmp_path / "l.csv",
        "--model",
        tmp_path / "m.safetensors",
        *TRAIN,
    ]
    call(*words).refused(1, "l.csv", "outside", "--scale 0.25", "napari-topaz convert")
    assert not (tmp_path / "m.safetensors").exists()


def test_a_few_labels_outside_are_warned_of(world, call, tmp_path) -> None:
    edge = {**world.truth, "mic_0": world.truth["mic_0"] + Picks.labels([[-9, 3]])}
    write_picks(tmp_path / "l.csv", edge)
    words = [
        "train",
        world.folder,
        "--picks",
        tmp_path / "l.csv",
        "--model",
        tmp_path / "m.safetensors",
        *TRAIN,
    ]
    said = call(*words, "--quiet")
    assert said.code == 0
    assert "1 of 41 labels lie outside" in said.err


def test_targets_without_picks_are_warned_of(world, call, tmp_path) -> None:
    write_picks(tmp_path / "p.csv", {"mic_0": world.truth["mic_0"], "else": Picks([[1, 1]])})
    said = call("evaluate", "--picks", tmp_path / "p.csv", "--targets", world.labels, "--radius", 9, "--json")
    assert (said.code, said.json["hits"]) == (0, 10)
    assert "'mic_1', 'mic_2', 'mic_3'" in said.err
    assert "'else'" in said.err
    assert said.json["threshold"] is None, "no scores, no threshold; and JSON has no infinity"


def test_micrographs_that_are_named_are_judged_alone_and_say_their_pixel_size(world, call, tmp_path) -> None:
    write_picks(tmp_path / "p.csv", {"mic_0": world.truth["mic_0"], "mic_1": world.truth["mic_1"]})
    words = ("evaluate", "--picks", tmp_path / "p.csv", "--targets", world.labels)
    words = (*words, "--radius", "18A", "--json")
    said = call(*words, "--micrographs", world.files[0].path)
    assert (said.code, said.err, said.json["radius"]) == (0, "", 9)
    assert (said.json["targets"], said.json["picks"], said.json["average_precision"]) == (10, 10, 1)
    assert call(*words, "--micrographs", world.folder, "--pixel-size", 3).json["radius"] == 6
    write_mrc(tmp_path / "mic_0.mrc", read_micrograph(world.files[0]).pixels, 3)
    call(*words, "--micrographs", tmp_path / "mic_0.mrc", world.files[1].path).refused(2, "--pixel-size")


@pytest.mark.parametrize("words", ["count --help", "evaluate --picks a --targets b --radius 90Å"])
def test_a_narrow_encoding_costs_question_marks_only(words, monkeypatch) -> None:
    """π, σ and Å, where output goes into a file on Windows, or the locale is C."""
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    code = main(words.split())
    printed = b""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        printed += stream.buffer.getvalue()
    assert (code, b"?" in printed) == (2 if "radius" in words else 0, True)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
@pytest.mark.parametrize("place", ["bad\udcff.mrc", "bad\udcff/mic_0.mrc"])
def test_names_that_are_not_utf_8_are_refused_before_the_work(world, call, tmp_path, place) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(world.files[0].path.read_bytes())
    said = call("reference", path, "--diameter", 64, "--output", tmp_path / "out.star", "--quiet")
    said.refused(1, "udcff", "is not UTF-8", "rename it")
    assert not (tmp_path / "out.star").exists()


def test_debug_shows_the_traceback(world, call, tmp_path) -> None:
    said = call(*pick_words(world, tmp_path / "no.safetensors", tmp_path / "o.star", "--debug"))
    assert said.code == 1
    assert "Traceback" in said.err


# ── the screen ─────────────────────────────────────────────────────────────────────────────────


def events_of_all_kinds():
    yield Started("Preparing", 4)
    yield from (Progress(n, 4, f"m{n}") for n in (1, 2, 3, 4))
    yield Warned("Mind the gap.")
    yield Started("Training", 20)
    yield from (StepDone(n, 20, 1 / n, 0.1) for n in range(1, 21))
    yield EpochDone(1, 1, 20, 0.5, 0.75, True, 3.0, None)
    yield Started("Picking", 2)
    yield MicrographDone("good")
    yield MicrographDone("bad", error="It broke.")
    return "result"


def test_progress_goes_to_stderr_a_line_a_tenth(capsys) -> None:
    screen = Screen(SHOWN)
    assert screen.drive(events_of_all_kinds()) == "result"
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert sum(line.startswith("Training: ") for line in lines) == 1 + 10
    assert "Warning: Mind the gap." in lines
    assert "Epoch 1/1: loss 0.500, held-out average precision 0.750 (kept so far), 3 s" in lines
    assert screen.failed == {"bad": "It broke."}
    assert screen.result({}, "") == 1


def test_quiet_leaves_warnings(capsys) -> None:
    Screen(Shown(quiet=True)).drive(events_of_all_kinds())
    assert capsys.readouterr().err.splitlines() == [
        "Warning: Mind the gap.",
        "Warning: bad failed: It broke.",
    ]


def test_a_terminal_gets_bars(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Screen(SHOWN).drive(events_of_all_kinds()) == "result"
    err = capsys.readouterr().err
    assert "Training" in err
    assert "20/20" in err
    assert "Mind the gap." in err


def test_ctrl_c_asks_the_job_to_stop_and_keeps_its_result(capsys) -> None:
    screen = Screen(SHOWN)
    before = signal.getsignal(signal.SIGINT)

    def job():
        yield Started("Working", 100)
        signal.raise_signal(signal.SIGINT)
        yield Progress(1, 100)
        return "part" if screen.stop.is_set() else "all"

    assert screen.drive(job()) == "part"
    assert signal.getsignal(signal.SIGINT) is before
    assert screen.result({"n": 1}, "text") == 1
    out, err = capsys.readouterr()
    assert out == "text\n"
    assert "stopped before the end" in err


def test_ctrl_c_in_training_saves_the_best_epoch(world, call, tmp_path, monkeypatch) -> None:
    from napari_topaz.jobs import train

    whole = train.train_on_files

    def interrupted(*args, **options):
        job = whole(*args, **options)
        while True:
            try:
                event = next(job)
            except StopIteration as end:
                return end.value
            if isinstance(event, EpochDone):
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(train, "train_on_files", interrupted)
    path = tmp_path / "m.safetensors"
    said = call("train", world.folder, "--picks", world.labels, "--model", path, *TRAIN, "--json")
    assert (said.code, said.json["epochs"]) == (1, 1)
    assert "stopped before the end; what was done so far is kept" in said.err
    assert call("info", path).code == 0


def test_ctrl_c_twice_ends_at_once() -> None:
    def job():
        yield Started("Working", 100)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        yield Progress(1, 100)

    with pytest.raises(KeyboardInterrupt):
        Screen(SHOWN).drive(job())


# ── help and start-up ──────────────────────────────────────────────────────────────────────────


def test_help_lists_the_commands(call) -> None:
    said = call("--help")
    assert said.code == 0
    for name in COMMANDS:
        assert f" {name} " in said.out
    assert "Train a model on labelled particles" in said.out


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("train", [PreprocessSettings, TrainSettings, NetworkSettings]),
        ("pick", [PickSettings]),
        ("preprocess", [PreprocessSettings]),
        ("simulate", [SimulateSettings]),
        ("demo", [SimulateSettings]),
    ],
)
def test_every_setting_is_an_option(call, command, settings) -> None:
    said = call(command, "--help")
    assert said.code == 0
    for kind in settings:
        for name in kind.model_fields:
            assert f"--{name.replace('_', '-')}" in said.out
    assert "--json" in said.out


@pytest.mark.parametrize("name", ["model.safetensors", "picks.star", "micrographs/simulated_0000.mrc"])
def test_a_demo_replaces_nothing(call, tmp_path, name) -> None:
    """Somebody's own folder may have files of these names."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    said = call("demo", tmp_path, "--micrographs", 2, "--size", 64)
    assert said.code == 2
    assert f"{tmp_path / name} exists already; give another folder, or --overwrite" in said.err
    assert [p.read_text() for p in tmp_path.rglob("*") if p.is_file()] == ["mine"]


def test_help_shows_units_and_defaults(call) -> None:
    said = call("train", "--help")
    assert "--diameter Å " in said.out
    assert "--pixel-size Å/px " in said.out
    assert "[default: cvir]" in said.out


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys; from napari_topaz.cli import main; main(['--version']);"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert said.stdout.split("\n")[:2] == [__version__, "[]"]


def test_python_can_run_the_package() -> None:
    words = [sys.executable, "-m", "napari_topaz"]
    assert subprocess.run([*words, "--version"], capture_output=True, text=True).stdout.strip() == __version__
    assert subprocess.run([*words, "no-such-command"], capture_output=True).returncode == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from napari_topaz.cli import main; main(['train', '--help']);"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert said.stdout.rstrip().endswith("[]")


# ── what is there already ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("output", ["picks.star", "picks"])
def test_picks_that_exist_are_not_replaced_unless_asked(world, model, call, tmp_path, output: str) -> None:
    path = tmp_path / output
    assert call(*pick_words(world, model, path)).code == 0
    precious = path / "mic_0_autopick.star" if path.is_dir() else path
    precious.write_text(precious.read_text() + "# corrected by hand\n")
    before = precious.read_text()
    call(*pick_words(world, model, path)).refused(2, precious.name, "exists already", "--overwrite")
    assert precious.read_text() == before
    assert call(*pick_words(world, model, path, "--overwrite")).code == 0
    assert precious.read_text() != before


def test_a_model_that_exists_is_not_replaced_unless_asked(world, model, call, tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"five minutes of training")
    words = ["train", world.folder, "--picks", world.labels, "--model", path, *TRAIN]
    call(*words).refused(2, "m.safetensors", "exists already", "--model", "--overwrite")
    assert path.read_bytes() == b"five minutes of training"
    assert call(*words, "--overwrite").code == 0


def test_converting_replaces_nothing_unless_asked(world, call, tmp_path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("mine")
    call("convert", world.labels, path).refused(2, "exists already")
    assert path.read_text() == "mine"
    assert call("convert", world.labels, path, "--overwrite").code == 0


@pytest.mark.parametrize("output", ["picks.star", "picks"])
def test_resuming_picks_of_an_unknown_model_is_said(world, model, call, tmp_path, output: str) -> None:
    path = tmp_path / output
    assert call(*pick_words(world, model, path)).code == 0
    if path.is_dir():
        (path / "pick.json").unlink()  # a table keeps its record only until it is complete
    again = call(*pick_words(world, model, path, "--resume"))
    assert again.code == 0
    assert "does not say which model made its picks" in again.err
