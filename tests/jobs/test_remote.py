"""Work in other processes: the same results, whatever dies on the way, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_topaz import __version__
from napari_topaz.events import JobError, MicrographDone, Started, Warned
from napari_topaz.jobs import remote
from napari_topaz.jobs.cluster import shared_out
from napari_topaz.jobs.heatmap import heatmap
from napari_topaz.jobs.mapping import Outcome, Step
from napari_topaz.jobs.pick import pick
from napari_topaz.jobs.preprocess import preprocess
from napari_topaz.jobs.streaming import over_micrographs
from napari_topaz.micrograph import MicrographFile
from napari_topaz.settings import PickSettings, PreprocessSettings, ScaleSettings
from workloads import Blocked, Deadly, Environment
from worlds import make_world, run

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

pytestmark = pytest.mark.timeout(90)

TWO = ScaleSettings(workers=2)
HOW = PreprocessSettings(diameter=64, particle_pixels=16)
FAST = PickSettings(symmetries="none")


@contextmanager
def cluster_of(workers: int = 1) -> Iterator[distributed.LocalCluster]:
    """A dask cluster that somebody else started."""
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=60,
        memory_limit=0,
    ) as cluster:
        yield cluster


def on(cluster: distributed.LocalCluster) -> ScaleSettings:
    return ScaleSettings(cluster=cluster.scheduler_address)


def children() -> list[int]:
    """Processes that this one started; multiprocessing's own accountant stays till the end."""
    found = psutil.Process().children(recursive=True)
    return [p.pid for p in found if "resource_tracker" not in " ".join(p.cmdline())]


def workers() -> list[int]:
    return [pid for pid in children() if "spawn_main" in " ".join(psutil.Process(pid).cmdline())]


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def go_over(files: Sequence[MicrographFile], work, scale: ScaleSettings = TWO, **more):
    """Run a job; returns events, results in the order in which they were kept, and what failed."""
    kept: list[tuple[str, object]] = []

    def keep(name: str, result: object) -> list:
        kept.append((name, result))
        return []

    job = over_micrographs("Testing", files, HOW, work, keep=keep, scale=scale, **more)
    events, failed = run(job)
    return events, kept, failed


# ── the same results ───────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_heat_maps_and_preprocessed_micrographs_are_the_same(world, model, tmp_path) -> None:
    """On a cluster, with a broken micrograph among them."""
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"not a micrograph")
    files = [world.files[0], MicrographFile(broken), *world.files[1:]]
    with cluster_of() as cluster:
        for name, how in (("here", None), ("there", on(cluster))):
            events, paths = run(heatmap(files, model, tmp_path / f"maps_{name}", FAST, scale=how))
            done = [(e.name, e.error) for e in events if isinstance(e, MicrographDone)]
            run(preprocess(files, HOW, tmp_path / f"small_{name}", scale=how))
            assert len(paths) == 4
            assert [n for n, _ in done] == ["mic_0", "broken", "mic_1", "mic_2", "mic_3"]
            assert [bool(error) for _, error in done] == [False, True, False, False, False]
    assert len(bytes_in(tmp_path / "maps_there")) == 4
    assert bytes_in(tmp_path / "maps_here") == bytes_in(tmp_path / "maps_there")
    assert bytes_in(tmp_path / "small_here") == bytes_in(tmp_path / "small_there")


@pytest.mark.slow
def test_workers_of_this_machine(world, model, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Picks, order and errors (of a relative path) are as here; two share the work; all end."""
    (tmp_path / "broken.mrc").write_bytes(b"not a micrograph")
    monkeypatch.chdir(tmp_path)
    files = [*world.files[:2], MicrographFile(Path("broken.mrc")), *world.files[2:]]
    before, environment = children(), dict(os.environ)
    here, found_here = run(pick(files, model, FAST))
    there, found_there = run(pick(files, model, FAST, scale=TWO))
    assert there[0] == Started("Starting 2 workers")
    assert [(e.name, e.error) for e in there if isinstance(e, MicrographDone)] == [
        (e.name, e.error) for e in here if isinstance(e, MicrographDone)
    ]
    assert list(found_here) == list(found_there)
    for name, picks in found_here.items():
        assert picks.yx.tobytes() == found_there[name].yx.tobytes()
        assert picks.scores.tobytes() == found_there[name].scores.tobytes()
    assert children() == before
    assert dict(os.environ) == environment


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there os.kill ends a process, whatever the signal")
def test_workers_listen_on_this_machine_only_and_not_to_ctrl_c(world, tmp_path) -> None:
    job = over_micrographs("T", world.files, HOW, Blocked("mic_0", tmp_path), keep=lambda *_: [], scale=TWO)
    while next(job) != Started("T", 4):
        pass
    assert len(workers()) == 2
    for pid in (os.getpid(), *workers()):
        sockets = psutil.Process(pid).net_connections("inet")
        assert {s.laddr.ip for s in sockets if s.status == "LISTEN"} <= {"127.0.0.1"}
        assert 8787 not in {s.laddr.port for s in sockets if s.status == "LISTEN"}
    same = workers()
    for pid in same:
        os.kill(pid, signal.SIGINT)  # Ctrl-C is for the command to answer
    time.sleep(1)
    assert workers() == same
    job.close()
    assert workers() == []


# ── what dies on the way ───────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_micrographs_of_a_killed_worker_are_redone(tmp_path, capfd) -> None:
    """On a cluster of one worker that holds the step alone: that is lost with it, too."""
    world = make_world(tmp_path, 8)
    work = Deadly(frozenset({"mic_1"}), tmp_path)
    with cluster_of() as cluster:
        events, kept, failed = go_over(world.files, work, on(cluster))
    assert [name for name, _ in kept] == [f.name for f in world.files]
    assert failed == {}
    killed = int((tmp_path / "mic_1").read_text())
    assert dict(kept)["mic_1"] != killed, "the worker was replaced"
    assert [e for e in events if isinstance(e, Warned)] == []
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_micrograph_that_kills_all_workers_is_left_out_and_no_other(world, capfd) -> None:
    _, kept, failed = go_over(world.files, Deadly(frozenset({"mic_1"})))
    assert [name for name, _ in kept] == ["mic_0", "mic_2", "mic_3"]
    assert failed == {"mic_1": remote.KILLED}
    assert workers() == []
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_job(world, tmp_path) -> None:
    with cluster_of() as cluster:
        job = over_micrographs(
            "T", world.files, HOW, Blocked("mic_1", tmp_path), keep=lambda *_: [], scale=on(cluster)
        )
        while not isinstance(next(job), MicrographDone):
            pass
        cluster.sync(cluster.scheduler.close)
        with pytest.raises(JobError, match="scheduler of the cluster was lost"):
            list(job)
        (tmp_path / "go").touch()


# ── stopping ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_stop_keeps_what_is_done_and_ends_busy_workers(tmp_path) -> None:
    world = make_world(tmp_path, 6)
    stop = threading.Event()
    done: list[str] = []

    def keep(name: str, result: object) -> list:
        done.append(name)
        return []

    job = over_micrographs("T", world.files, HOW, Blocked("mic_2", tmp_path), keep=keep, scale=TWO, stop=stop)
    for event in job:
        if isinstance(event, MicrographDone) and event.name == "mic_1":
            while not (tmp_path / "begun").exists():
                time.sleep(0.01)
            busy = int((tmp_path / "begun").read_text())
            stop.set()
    assert done[:2] == ["mic_0", "mic_1"]
    assert "mic_2" not in done
    assert not psutil.pid_exists(busy)
    assert workers() == []


@pytest.mark.slow
def test_without_workers_the_job_waits_says_so_and_can_be_stopped(world, monkeypatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 0.1)
    monkeypatch.setattr(remote, "COUNT", 0.05)
    stop, warned = threading.Event(), []
    with cluster_of(workers=0) as cluster:
        for event in over_micrographs(
            "T", world.files, HOW, Deadly(frozenset()), keep=lambda *_: [], scale=on(cluster), stop=stop
        ):
            if isinstance(event, Warned):
                warned.append(event.message)
                stop.set()
    assert warned == ["The cluster has no worker; the job waits until there is one."]


# ── what cannot be ─────────────────────────────────────────────────────────────────────────────


def test_a_wrong_address_is_one_sentence(world, model, capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_topaz.jobs.cluster.CONNECT", 1)
    with pytest.raises(JobError, match=r"No dask scheduler answers at 127.0.0.1:9;"):
        run(pick(world.files, model, scale=ScaleSettings(cluster="127.0.0.1:9")))
    assert capfd.readouterr().err == ""


def test_a_missing_scheduler_file_is_said(world, model) -> None:
    with pytest.raises(JobError, match=r"no scheduler file no/such.json"):
        run(pick(world.files, model, scale=ScaleSettings(cluster="no/such.json")))


@pytest.mark.parametrize("scale", [TWO, ScaleSettings(cluster="127.0.0.1:9")])
def test_without_dask_it_is_said_how_to_get_it(world, model, monkeypatch, scale) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(JobError, match=r"pip install 'napari-topaz\[cluster\]'"):
        run(pick(world.files, model, scale=scale))


def test_another_version_on_a_worker_is_refused(world) -> None:
    with pytest.raises(JobError, match=rf"has napari-topaz {__version__}, but .* with 0\.0\.0;"):
        remote.do("0.0.0", b"", world.files[0])


def test_nothing_to_do_starts_nothing(model) -> None:
    events, picks = run(pick([], model, scale=ScaleSettings(cluster="127.0.0.1:9")))
    assert (events, picks) == ([Started("Picking", 0)], {})


# ── pieces ─────────────────────────────────────────────────────────────────────────────────────


def test_a_step_is_loaded_once_by_a_worker(model, world, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_topaz.jobs.pick import OnDevice, PickOne

    loads = []
    real = remote.pickle.loads
    monkeypatch.setattr(remote, "_LAST", remote._LastStep())
    monkeypatch.setattr(remote.pickle, "loads", lambda data: loads.append(1) or real(data))
    one, other = (
        remote.pickle.dumps(Step(how, PickOne(OnDevice(model, "cpu"), FAST)))
        for how in (HOW, HOW.model_copy(update={"particle_pixels": 20}))
    )
    for payload in (one, one, one, other, other):
        result, error, remarks = remote.do(__version__, payload, world.files[0])
        assert (error, remarks) == (None, ())
        assert len(result)
    assert len(loads) == 2


def test_a_model_travels_whole(model) -> None:
    import pickle

    import torch

    there = pickle.loads(pickle.dumps(model))
    assert (there.card, there.name, there.network.training) == (model.card, model.name, False)
    for key, value in model.network.state_dict().items():
        assert torch.equal(there.network.state_dict()[key], value)


@pytest.mark.parametrize(
    ("visible", "workers", "device", "seen"),
    [
        ("0,1", 3, "auto", ["0", "1", "0"]),
        ("GPU-a, GPU-b", 2, "cuda", ["GPU-a", "GPU-b"]),
        ("0,1", 2, "cuda:1", ["", ""]),
        ("0,1", 2, "cpu", ["", ""]),
        ("0,1", 2, None, ["", ""]),
        ("3", 2, "auto", ["", ""]),
        ("", 2, "auto", ["", ""]),
    ],
)
def test_gpus_are_shared_out(monkeypatch, visible, workers, device, seen) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert shared_out(workers, device) == seen


@pytest.mark.slow
def test_each_worker_sees_its_gpu(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    work = Environment("CUDA_VISIBLE_DEVICES")
    _, kept, _ = go_over(make_world(tmp_path, 6).files, work, device="auto")
    assert {gpu for _, gpu in kept} == {"5", "7"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,7"


def test_outcomes_hold_a_result_or_an_error(world) -> None:
    assert Outcome(world.files[0], result=1).error is None


def test_both_places_are_too_many() -> None:
    with pytest.raises(ValueError, match="--workers and --cluster"):
        ScaleSettings(workers=2, cluster="127.0.0.1:9")
