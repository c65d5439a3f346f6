"""A session on disk: nothing is lost, nothing is half, nothing leads out of the folder."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_topaz.files import FileError, read_picks
from napari_topaz.files import session as session_module
from napari_topaz.files.label_table import csv_of_labels, labels_of_csv
from napari_topaz.files.session import (
    DESCRIPTION,
    LABELS,
    PREVIOUS,
    SESSION_FOLDER,
    SavedSession,
    fingerprint,
    read_session,
    set_aside,
    write_session,
)
from napari_topaz.files.session_lock import LOCK, SessionInUseError, SessionLock, _is_gone
from napari_topaz.files.session_models import KEPT_MODELS, MODELS, new_model_name, tidy
from napari_topaz.files.session_places import micrographs_of, rescue_folder, rescued, session_folder
from napari_topaz.picks import Kind, Picks

LABELS_OF_TWO = {
    "b": Picks([[1.5, 2.25], [3, 4]], [np.nan, 0.1], [Kind.PARTICLE, Kind.NOT_PARTICLE]),
    "a": Picks([[5, 6]], [2.0], [Kind.PICK]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / SESSION_FOLDER


def same(one: dict[str, Picks], other: dict[str, Picks]) -> bool:
    return list(one) == list(other) and all(
        np.array_equal(getattr(one[name], what), getattr(other[name], what), equal_nan=True)
        for name in one
        for what in ("yx", "scores", "kinds")
    )


def write(folder: Path, **changes: object) -> None:
    write_session(folder, SavedSession(**({"labels": LABELS_OF_TWO} | changes)))


def test_what_is_written_is_read(folder: Path) -> None:
    session = SavedSession(
        labels=LABELS_OF_TWO,
        settings={"train": {"expected": 80.0, "prior": None}, "run": {"device": "cpu"}},
        current="a",
        states={"b": "finished"},
        extras={"looks": {"contrast": [0.5, 99.5]}, "from the future": {"x": None}},
        micrographs="/data/mics",
        saved=datetime(2027, 3, 12, 14, 5, 9),
    )
    assert read_session(folder) is None
    write_session(folder, session)
    found = read_session(folder)
    assert found is not None
    assert (found.notices, found.newer, found.damaged) == ((), False, ())
    assert same(found.session.labels, session.labels)
    for name in ("settings", "current", "states", "extras", "micrographs", "saved", "model"):
        assert getattr(found.session, name) == getattr(session, name)


coordinate = st.floats(-(2.0**100), 2.0**100, width=32)
rows = st.lists(
    st.tuples(coordinate, coordinate, st.floats(width=32) | st.just(float("nan")), st.sampled_from(Kind)),
    min_size=1,
    max_size=5,
)
#: All that a file's name can be on Linux: no NUL, and bytes that are no text as lone surrogates.
names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff"),
    min_size=1,
)


@given(st.dictionaries(names, rows, max_size=4))
def test_labels_of_any_name_kind_and_score(given_rows: dict[str, list]) -> None:
    labels = {}
    for name, four in given_rows.items():
        y, x, scores, kinds = zip(*four, strict=True)
        labels[name] = Picks(np.stack([y, x], axis=1), scores, kinds)
    found, lost = labels_of_csv(csv_of_labels(labels))
    assert lost == 0
    assert same(found, labels)


def test_any_other_program_can_read_the_labels(folder: Path) -> None:
    write(folder)
    assert same(read_picks(folder / LABELS), LABELS_OF_TWO)


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_garbage_is_counted_not_raised(data: bytes) -> None:
    found, _ = labels_of_csv(data)
    assert found == {}
    start = csv_of_labels(LABELS_OF_TWO)
    assert set(labels_of_csv(start + b"\n" + data)[0]) >= {"a", "b"}


def test_the_generation_before_is_kept_and_settings_alone_make_none(folder: Path) -> None:
    write(folder)
    write(folder, labels={"a": Picks([[9, 9]])})
    for expected in (80, 90):
        write(folder, labels={"a": Picks([[9, 9]])}, settings={"train": {"expected": expected}})
    assert set(labels_of_csv((folder / PREVIOUS).read_bytes())[0]) == {"a", "b"}


def test_killed_between_labels_and_description_the_old_state_is_read_and_survives_the_next_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place where a process may end: what is read is the old state or the new one."""
    writes = session_module._write

    class KilledError(Exception):
        pass

    write(folder, settings={"g": {"n": 0}}, labels={"n0": Picks([[0, 0]])})
    n = 0
    for _ in range(3):
        for survive in range(4):
            left = [survive]

            def killed(path: Path, data: bytes, left: list[int] = left) -> None:
                if not left[0]:
                    raise KilledError
                left[0] -= 1
                writes(path, data)

            monkeypatch.setattr(session_module, "_write", killed)
            try:
                write(folder, settings={"g": {"n": n + 1}}, labels={f"n{n + 1}": Picks([[n, n]])})
                n += 1
            except KilledError:
                pass
            found = read_session(folder)
            assert found is not None
            assert found.notices == ()
            assert (found.session.settings, list(found.session.labels)) == ({"g": {"n": n}}, [f"n{n}"])
    assert n >= 3


def test_a_damaged_description_leaves_the_labels(folder: Path) -> None:
    write(folder)
    (folder / DESCRIPTION).write_text('{"settings": ')
    found = read_session(folder)
    assert found is not None
    assert same(found.session.labels, LABELS_OF_TWO)
    assert "damaged" in found.notices[0]
    set_aside(found.damaged)
    set_aside(found.damaged)  # once is enough
    assert (folder / "session.json.damaged").read_text() == '{"settings": '
    assert not (folder / "session.json.damaged-2").exists()


@pytest.mark.parametrize("text", ["[]", "null", '{"settings": 3, "states": [], "current": 7, "saved": "x"}'])
def test_a_description_of_other_types_is_no_crash(folder: Path, text: str) -> None:
    write(folder)
    (folder / DESCRIPTION).write_text(text)
    found = read_session(folder)
    assert found is not None
    assert found.session.settings == {}
    assert same(found.session.labels, LABELS_OF_TWO)


def test_damaged_extras_are_named_and_the_others_kept(folder: Path) -> None:
    write(folder, extras={"looks": {"x": 1}})
    about = json.loads((folder / DESCRIPTION).read_text())
    for wrong, kept in ((about["extras"] | {"tour": 3}, {"looks": {"x": 1}}), ([], {})):
        (folder / DESCRIPTION).write_text(json.dumps(about | {"extras": wrong}))
        found = read_session(folder)
        assert found is not None
        assert found.session.extras == kept
        assert found.damaged == (folder / DESCRIPTION,)
        assert "cannot be read" in found.notices[0]
        assert ("'tour'" in found.notices[0]) == bool(kept)


def test_damaged_rows_are_named_and_the_others_kept(folder: Path) -> None:
    write(folder)
    with (folder / LABELS).open("a") as file:
        file.write("a,1,2,,particle\na,x,2,,particle\na,1,2\na,1,inf,,particle\na,1,2,,ghost\n")
    found = read_session(folder)
    assert found is not None
    assert len(found.session.labels["a"]) == 2
    assert "4 rows" in found.notices[0]
    assert found.damaged == (folder / LABELS,)


def test_labels_that_are_gone_come_from_the_generation_before(folder: Path) -> None:
    write(folder)
    write(folder, labels={"a": Picks([[9, 9]])})
    for ruin in ("not a table", None):
        if ruin is None:
            (folder / LABELS).unlink()
        else:
            (folder / LABELS).write_text(ruin)
        found = read_session(folder)
        assert found is not None
        assert set(found.session.labels) == {"a", "b"}
        assert "generation before" in found.notices[0]


def test_a_newer_version_is_only_looked_at(folder: Path) -> None:
    write(folder)
    about = json.loads((folder / DESCRIPTION).read_text()) | {"format_version": 2}
    (folder / DESCRIPTION).write_text(json.dumps(about))
    found = read_session(folder)
    assert found is not None
    assert found.newer
    assert "newer version" in found.notices[-1]


@pytest.mark.parametrize(
    "name", ["../model_0001.safetensors", "/tmp/model_0001.safetensors", "model_0001.pt", "x.safetensors", 3]
)
def test_a_model_outside_the_folder_is_refused(folder: Path, name: object) -> None:
    write(folder)
    (folder.parent / "model_0001.safetensors").write_bytes(b"x")
    about = json.loads((folder / DESCRIPTION).read_text()) | {"model": name}
    (folder / DESCRIPTION).write_text(json.dumps(about))
    found = read_session(folder)
    assert found is not None
    assert found.session.model is None
    assert "refused" in found.notices[0]


def test_a_missing_model_is_named(folder: Path) -> None:
    write(folder, model="model_0001.safetensors")
    found = read_session(folder)
    assert found is not None
    assert "model_0001.safetensors is missing" in found.notices[0]


def test_models_are_numbered_and_old_ones_removed(folder: Path) -> None:
    (folder / MODELS).mkdir(parents=True)
    for n in range(1, KEPT_MODELS + 4):
        epoch, name = new_model_name(folder, epoch=3), new_model_name(folder)
        assert (epoch, name) == (f"model_{n:04d}_epoch_03.safetensors", f"model_{n:04d}.safetensors")
        (folder / MODELS / name).touch()
    for name in ("model_0003_epoch_01.safetensors", ".0123abcd.model_0001.safetensors", "mine.safetensors"):
        (folder / MODELS / name).touch()
    tidy(folder, "model_0001.safetensors")
    left = {path.name for path in (folder / MODELS).iterdir()}
    kept = {f"model_{n:04d}.safetensors" for n in (1, *range(4, KEPT_MODELS + 4))}
    assert left == kept | {"mine.safetensors"}


def test_a_vanished_folder_is_not_made_anew(folder: Path) -> None:
    with pytest.raises(FileError, match="not there any more"):
        write_session(folder.parent / "gone" / SESSION_FOLDER, SavedSession())
    assert not (folder.parent / "gone").exists()


def test_a_folder_that_vanishes_while_it_is_written_is_not_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder)
    real = session_module.make_folder

    def vanish(path: Path) -> None:
        real(path)
        path.rename(path.with_name("gone"))

    monkeypatch.setattr(session_module, "make_folder", vanish)
    with pytest.raises(FileError, match="not there any more"):
        write(folder)
    assert not folder.exists()


# -- the lock -------------------------------------------------------------------------------------


def test_one_window_at_a_time_also_in_one_process(folder: Path) -> None:
    folder.mkdir()
    first, second = SessionLock(folder), SessionLock(folder)
    first.acquire()
    first.acquire()
    with pytest.raises(SessionInUseError, match="open in another window"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    assert not (folder / LOCK).exists()


HOLD = """
import sys, time
from pathlib import Path
from napari_topaz.files.session_lock import SessionLock
lock = SessionLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_process_holds_nothing(folder: Path) -> None:
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SessionInUseError):
            SessionLock(folder).acquire()
        other.kill()
    lock = SessionLock(folder)
    lock.acquire()
    lock.release()


def test_without_locks_of_the_system_the_owner_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("napari_topaz.files.session_lock._lock_file", no_locks)
    folder.mkdir()
    somewhere = {"host": "elsewhere", "pid": 1, "time": time.time()}
    (folder / LOCK).write_text(json.dumps(somewhere))
    with pytest.raises(SessionInUseError, match="on the computer elsewhere"):
        SessionLock(folder).acquire()
    for moment in (time.time() - 3600, time.time() + 86_400):  # the second: the clock was set back
        (folder / LOCK).write_text(json.dumps(somewhere | {"time": moment}))
        lock = SessionLock(folder)
        lock.acquire()
        assert lock.is_held()
        lock.release()


def test_a_dead_process_on_this_computer_is_gone_at_once() -> None:
    import socket

    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    about = {"host": socket.gethostname(), "pid": ended.pid, "time": time.time()}
    assert _is_gone(about)
    assert not _is_gone(about | {"pid": 1})
    assert _is_gone({})


# -- places ---------------------------------------------------------------------------------------


def test_beside_the_micrographs_or_among_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    mics = tmp_path / "mics"
    mics.mkdir()
    assert session_folder(mics) == mics / SESSION_FOLDER
    monkeypatch.setattr("os.access", lambda *_: False)
    elsewhere = session_folder(mics)
    assert elsewhere.parent == tmp_path / "data" / "napari-topaz" / "sessions"
    assert session_folder(tmp_path / "other" / "mics") != elsewhere
    elsewhere.mkdir(parents=True)
    write(elsewhere)
    monkeypatch.setattr("os.access", lambda *_: True)
    assert session_folder(mics) == elsewhere, "it stays where it was begun"
    (mics / SESSION_FOLDER).mkdir()
    write(mics / SESSION_FOLDER)  # of somebody else: it can be looked at
    assert session_folder(mics) == mics / SESSION_FOLDER


def test_a_session_elsewhere_leads_to_its_micrographs(tmp_path: Path) -> None:
    mics, beside = tmp_path / "mics", tmp_path / "mics" / SESSION_FOLDER
    mics.mkdir()
    assert micrographs_of(mics) == (mics, None)
    write(beside)
    assert micrographs_of(mics) == micrographs_of(beside) == (mics, None)
    elsewhere = tmp_path / "home" / SESSION_FOLDER
    elsewhere.parent.mkdir()
    write(elsewhere, micrographs=str(mics))
    assert micrographs_of(elsewhere) == micrographs_of(elsewhere.parent) == (mics, elsewhere)
    for wrong, why in (("mics", "refused"), (f"{mics}/../x", "refused"), (f"{mics}/no", "not there")):
        write(elsewhere, micrographs=wrong)
        with pytest.raises(FileError, match=why):
            micrographs_of(elsewhere)


def test_what_was_rescued_is_found_until_it_is_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    place = rescue_folder(tmp_path / "mics")
    place.mkdir(parents=True)
    write(place)
    assert rescued(tmp_path / "mics", None) == rescued(tmp_path / "mics", datetime(2000, 1, 1)) == [place]
    assert rescued(tmp_path / "mics", datetime(2999, 1, 1)) == rescued(tmp_path / "other", None) == []


def test_what_was_rescued_is_found_whatever_the_clock_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    session, place, tomorrow = tmp_path / SESSION_FOLDER, rescue_folder(tmp_path), datetime(2999, 1, 1)
    write(session, saved=tomorrow)
    place.mkdir(parents=True)
    write(place, follows=fingerprint(session))
    assert rescued(tmp_path, tomorrow, fingerprint(session)) == [place]
    write(session, saved=tomorrow, current="b")
    assert rescued(tmp_path, tomorrow, fingerprint(session)) == [], "it was written over since"


# -- kill -9 --------------------------------------------------------------------------------------

#: For every line that it reads it says the process that now writes sessions without end.
WRITERS = """
import os, signal, sys
from pathlib import Path
from napari_topaz.files.session import SavedSession, read_session, write_session
from napari_topaz.picks import Picks

def write_on(folder):
    found = read_session(folder)
    n = found.session.settings.get("g", {"n": 0})["n"] if found else 0
    while True:
        n += 1
        labels = {f"m{k}": Picks([[n, k]] * 40) for k in range(20)}
        write_session(folder, SavedSession(labels=labels, settings={"g": {"n": n}}))

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if not child:
        write_on(Path(sys.argv[1]))
    print(child, flush=True)
"""


def kill(process: int) -> None:
    """Kill it, and wait until it is gone."""
    os.kill(process, signal.SIGKILL)
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, to be quick")
def test_killed_at_any_moment_a_session_is_whole(tmp_path: Path) -> None:
    chance, seen, folder = random.Random(1), [], tmp_path / SESSION_FOLDER
    command = [sys.executable, "-c", WRITERS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        for _ in range(30):
            print(file=writers.stdin, flush=True)
            writer = int(writers.stdout.readline())
            time.sleep(chance.uniform(0.01, 0.15))
            kill(writer)
            found = read_session(folder)
            if found is None:
                assert not seen
                continue
            if not (folder / DESCRIPTION).exists():  # in the midst of the very first write
                assert not seen
                assert {len(one) for one in found.session.labels.values()} == {40}
                continue
            assert found.notices == ()
            n = found.session.settings["g"]["n"]
            assert {name: one.yx.tolist() for name, one in found.session.labels.items()} == {
                f"m{k}": [[n, k]] * 40 for k in range(20)
            }
            seen.append(n)
        writers.stdin.close()
    tidy(folder, None)
    assert not list(folder.glob(".*"))
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
