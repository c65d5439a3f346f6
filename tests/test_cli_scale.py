"""--workers, --cluster and --overwrite: what a shell sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_topaz.cli import main
from worlds import DIAMETER, World, make_world

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), count=10)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A network that nobody trained, on disk."""
    from napari_topaz.model.networks import build
    from napari_topaz.model.picker import ModelCard, PickerModel
    from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

    torch.manual_seed(0)
    card = ModelCard(
        network=NetworkSettings(),
        preprocess=PreprocessSettings(diameter=DIAMETER, particle_pixels=24),
        train=TrainSettings(),
        pixel_size=2.0,
        threshold=-100.0,
    )
    return PickerModel(build(card.network).eval(), card).save(tmp_path_factory.mktemp("m") / "m.safetensors")


@pytest.fixture(scope="module")
def whole(world, model, tmp_path_factory) -> Path:
    """What one process picks."""
    output = tmp_path_factory.mktemp("whole") / "picks.star"
    assert main([*words(world, model, output), "--quiet"]) == 0
    return output


def words(world: World, model: Path, output: Path) -> list[str]:
    given = ["pick", world.folder, "--model", model, "--output", output, "--symmetries", "eight"]
    return [str(word) for word in given]


def started(world: World, model: Path, output: Path) -> subprocess.Popen:
    """Begin to pick with two workers in a process group of its own, and wait for the first results."""
    command = [sys.executable, "-c", "from napari_topaz.cli import main; raise SystemExit(main())"]
    process = subprocess.Popen(
        [*command, *words(world, model, output), "--workers", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journal = output.with_name(f"{output.name}.partial")
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        time.sleep(0.005)
    return process


# ── the same results ───────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_picks_of_a_cluster_are_the_same_to_the_byte(world, model, whole, call, tmp_path) -> None:
    """As a table and as a file for each; the cluster's own log stays quiet."""
    distributed = pytest.importorskip("distributed")
    assert call(*words(world, model, tmp_path / "here"))[0] == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", silence_logs=60, memory_limit=0
    ) as cluster:
        where = ("--cluster", cluster.scheduler_address.removeprefix("tcp://"), "--quiet")
        table = call(*words(world, model, tmp_path / "picks.star"), *where)
        folder = call(*words(world, model, tmp_path / "there"), *where)
    assert (table[0], table[2], folder[0], folder[2]) == (0, "", 0, "")
    assert (tmp_path / "picks.star").read_bytes() == whole.read_bytes()
    here, there = (
        {p.name: p.read_bytes().replace(str(tmp_path / f).encode(), b"") for p in (tmp_path / f).iterdir()}
        for f in ("here", "there")
    )
    assert here == there
    assert len(here) == 12  # and pick.json, and RELION's list of them


@pytest.mark.slow
def test_all_workers_are_killed_and_nothing_is_missing(world, model, whole, tmp_path) -> None:
    psutil = pytest.importorskip("psutil")
    process = started(world, model, tmp_path / "picks.star")
    family = psutil.Process(process.pid).children()
    killed = [p for p in family if "spawn_main" in " ".join(p.cmdline())]
    for worker in killed:
        worker.kill()
    out, err = process.communicate(timeout=80)
    assert len(killed) == 2
    assert (process.returncode, json.loads(out)["micrographs"]) == (0, 10), err
    assert (tmp_path / "picks.star").read_bytes() == whole.read_bytes()
    assert "Warning" not in err
    assert "distributed" not in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a signal cannot be sent to a group of processes")
def test_ctrl_c_keeps_what_is_done_and_resume_does_the_rest(world, model, whole, call, tmp_path) -> None:
    psutil = pytest.importorskip("psutil")
    process = started(world, model, tmp_path / "picks.star")
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert err.splitlines()[-1] == "Error: stopped before the end; what was done so far is kept."
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    before = json.loads(out)["micrographs"]
    code, out, _ = call(*words(world, model, tmp_path / "picks.star"), "--resume", "--json")
    assert code == 0
    assert json.loads(out)["skipped"] == before
    assert 0 < before < 10
    assert (tmp_path / "picks.star").read_bytes() == whole.read_bytes()


# ── calls that cannot work ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--cluster", "nonsense"], 2, "--cluster must be host:port"),
        (["--workers", "0"], 2, "--workers"),
        (["--workers", "2", "--cluster", "a:1"], 2, "give one of them"),
        (["--cluster", "no.json"], 1, "no scheduler file no.json"),
    ],
)
def test_impossible_places(world, model, call, tmp_path, more, code, message) -> None:
    got, out, err = call(*words(world, model, tmp_path / "picks.star"), *more)
    assert (got, out) == (code, "")
    assert err.splitlines()[-1].startswith("Error: ")
    assert message in err.splitlines()[-1]


# ── what exists is replaced with --overwrite only ──────────────────────────────────────────────


def test_images_are_replaced_with_overwrite_only(world, model, call, tmp_path) -> None:
    one = world.files[0].path
    for command, name, more in (
        ("heatmap", "mic_0_heatmap.mrc", ("--model", model, "--symmetries", "none")),
        ("preprocess", "mic_0.mrc", ("--diameter", 64)),
    ):
        target = tmp_path / command / name
        target.parent.mkdir()
        target.write_text("mine")
        given = (command, one, "--output", target.parent, *more)
        code, _, err = call(*given)
        assert (code, target.read_text()) == (2, "mine")
        assert f"{target} exists already" in err
        assert call(*given, "--overwrite")[0] == 0
        assert target.stat().st_size > 1000


@pytest.mark.parametrize("earlier", ["particles.star", "simulated_0007.mrc"])
def test_simulated_micrographs_are_replaced_with_overwrite_only(call, tmp_path, earlier: str) -> None:
    (tmp_path / earlier).write_text("mine")
    given = ("simulate", tmp_path, "--micrographs", 1, "--size", 64, "--particles", 1)
    code, _, err = call(*given)
    assert code == 2
    assert f"{earlier} exists already" in err
    assert [p.name for p in tmp_path.iterdir()] == [earlier]
    assert call(*given, "--overwrite")[0] == 0


def test_converted_files_in_a_folder_are_replaced_with_overwrite_only(world, call, tmp_path) -> None:
    target = tmp_path / "mic_3.box"
    target.write_text("mine")
    given = ("convert", world.labels, tmp_path, "--format", "box", "--box-size", 20)
    code, _, err = call(*given)
    assert code == 2
    assert f"{target} exists already" in err
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]
    assert call(*given, "--overwrite")[0] == 0
    assert len(list(tmp_path.iterdir())) == 10


@pytest.mark.parametrize("command", ["pick", "reference"])
def test_the_picks_of_a_crash_are_not_thrown_away(world, model, call, tmp_path, command: str) -> None:
    """A table's journal is all that is left of them."""
    journal = tmp_path / "picks.star.partial"
    journal.write_text("hours of work")
    how = ("--model", model) if command == "pick" else ("--diameter", 64)
    code, _, err = call(command, world.folder, "--output", tmp_path / "picks.star", *how)
    assert (code, journal.read_text()) == (2, "hours of work")
    assert "--resume to go on from it, or --overwrite" in err
