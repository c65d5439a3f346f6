"""What starts and measures the peer; the peer itself is not needed: a program of ours stands in for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from napari_topaz import Picks


@pytest.fixture
def peer(benchmark_script: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_script("peer")


@pytest.fixture
def launcher(peer: ModuleType) -> ModuleType:
    import peer_launcher

    return peer_launcher


@pytest.fixture
def process(peer: ModuleType) -> ModuleType:
    return sys.modules["peer_process"]


def python(text: str, *words: object) -> list[object]:
    return [sys.executable, "-c", text, *words]


def test_a_disc_of_radius_3_has_29_pixels(launcher: ModuleType) -> None:
    assert [launcher.pixels_given_radius(r) for r in (0, 1, 1.5, 2, 3)] == [1, 5, 9, 13, 29]
    assert launcher.pixels_given_radius(3, 2) == 29
    with pytest.raises(SystemExit, match="tomograms"):
        launcher.pixels_given_radius(3, 3)


def test_the_count_is_replaced_wherever_it_is_bound(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {name: ModuleType(name) for name in ("topaz", "topaz.stats", "topaz.training")}
    for name, module in modules.items():
        module.pixels_given_radius = lambda radius, dims: 203  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    launcher.correct_count()
    assert {modules[name].pixels_given_radius(3, 2) for name in ("topaz.stats", "topaz.training")} == {29}
    del modules["topaz.training"].pixels_given_radius
    with pytest.raises(SystemExit, match=r"topaz\.training has no pixels_given_radius"):
        launcher.correct_count()


def test_a_command_is_accounted_for(process: ModuleType) -> None:
    text = "import os, time; x = bytearray(90_000_000); time.sleep(.3); print(os.environ['OMP_NUM_THREADS'])"
    begun = time.time()
    done = process.finished(python(text), threads=3)
    assert done.output.strip() == "3"
    assert 0 <= done.began - begun < 5
    assert done.wall >= 0.3
    assert done.cpu > 0
    if sys.platform == "linux":
        assert 90 < done.peak < 200


def test_cpu_seconds_over_time(process: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "REMEMBERED", 0.05)
    text = "import time\ntime.sleep(1)\nwhile time.process_time() < .6: pass\nprint(time.time())"
    done = process.finished(python(text))
    if sys.platform == "linux":
        waited = done.cpu_until(done.began + 0.9)
        assert waited < 0.3  # a share of the clock would be half of it
        assert done.cpu_until(float(done.output)) > 0.5
    stopped = process.Finished(100.0, 50.0, 8.0, 0.0, "", [(101.0, 1.0), (103.0, 3.0), (148.0, 3.5)])
    assert [stopped.cpu_until(t) for t in (99, 100.5, 102, 149, 999)] == [0.0, 0.5, 2.0, 5.75, 8.0]
    assert process.Finished(100.0, 50.0, 8.0, 0.0, "").cpu_until(125) == 4.0


def test_the_memory_of_who_starts_a_command_is_not_the_command_s(process: ModuleType) -> None:
    held = np.ones(40_000_000)  # 320 MB
    done = process.finished(python("import time; time.sleep(.2)"))
    assert done.peak < 100
    assert held[0] == 1


def test_a_failed_command_shows_its_last_words(process: ModuleType) -> None:
    text = "import sys; [print('line', k) for k in range(9)]; sys.exit('no such thing')"
    with pytest.raises(
        process.CommandFailedError, match=r"(?s)ended with 1:\n.*line 8.*no such thing"
    ) as error:
        process.finished(python(text))
    assert "line 3" not in str(error.value)


def test_targets_are_whole_preprocessed_pixels(peer: ModuleType, tmp_path: Path) -> None:
    labels = {"a": Picks.labels([[30.0, 10.0], [29.0, 13.0]]), "b": Picks.labels([[6.0, 0.0]])}
    peer.write_targets(tmp_path / "t.txt", labels, (3.0, 2.0))
    lines = [line.split("\t") for line in (tmp_path / "t.txt").read_text().splitlines()]
    assert lines == [
        ["image_name", "x_coord", "y_coord"],
        ["a", "5", "10"],
        ["a", "6", "10"],  # 6.5 to the even one
        ["b", "0", "2"],
    ]


def test_training_options(peer: ModuleType) -> None:
    words = peer.Training(170.5, epochs=3, steps=20).words()
    given = dict(zip(words[0::2], words[1::2], strict=True))
    assert given == {
        "-n": "170.5",
        "-r": "3",
        "--num-epochs": "3",
        "--epoch-size": "20",
        "--num-workers": "0",
    }
    assert "--no-pretrained" in peer.Training(1, pretrained=False).words()


#: Writes models as the peer does, one after the other.
STAND_IN = """
import os, sys, time
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
for epoch in range(1, int(words["--num-epochs"]) + 1):
    time.sleep(.4)
    while time.process_time() < .2 * epoch ** 2: pass
    open(f"{words['--save-prefix']}_epoch{epoch}.sav", "w").write(os.environ["PEER_SEED"])
"""


def test_models_are_dated_from_the_end_of_starting_up(
    peer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "command", lambda *words: [str(w) for w in python(STAND_IN, *words)])
    monkeypatch.setattr(peer, "start_up", lambda threads: 0.1)
    monkeypatch.setattr(sys.modules["peer_process"], "REMEMBERED", 0.05)
    training = peer.Training(10, epochs=3, steps=20, seed=7)
    snapshots, whole = peer.train(tmp_path, tmp_path / "t.txt", tmp_path / "models", training)
    assert [s.step for s in snapshots] == [20, 40, 60]
    assert [s.path.read_text() for s in snapshots] == ["7"] * 3
    seconds = [s.seconds for s in snapshots]
    assert seconds[2] == pytest.approx(whole.cpu - 0.1, abs=0.2)
    if sys.platform == "linux":
        # CPU seconds: .2, .8 and 1.8 with what it waits in between, which is not the same share of each.
        assert seconds == pytest.approx([0.1, 0.7, 1.7], abs=0.15)


def test_picks_are_read_as_y_x(peer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import sys; open(sys.argv[sys.argv.index('-o') + 1], 'w').write(sys.argv[1])"
    table = "image_name\tx_coord\ty_coord\tscore\na\t5\t7\t1.5\n"
    monkeypatch.setattr(peer, "command", lambda *words: [str(w) for w in python(text, table, *words)])
    picks, _ = peer.extract("none", [Path("a.mrc"), Path("b.mrc")], 9.6, tmp_path / "out.txt")
    assert picks["a"].yx.tolist() == [[7.0, 5.0]]
    assert picks["a"].scores.tolist() == [1.5]
    assert len(picks["b"]) == 0


def test_an_absent_peer_is_a_sentence(
    peer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "ENVIRONMENT", tmp_path)
    assert "./run bench --peer" in peer.absent()
    with pytest.raises(FileNotFoundError, match="resnet8_u32"):
        peer.shipped_file("resnet8_u32")
    (tmp_path / ".stamp").touch()
    assert peer.absent() == ""
