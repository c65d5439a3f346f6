"""What the program must not do: open a connection, or run what a file says."""

from __future__ import annotations

import ast
import contextlib
import json
import pkgutil
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import audit
import napari_topaz
from napari_topaz.cli import main
from napari_topaz.picks import Kind
from napari_topaz.settings import PreprocessSettings, TrainSettings
from worlds import DIAMETER, make_world

SOURCES = sorted(Path(napari_topaz.__file__).parent.rglob("*.py"))
#: Calls that run code or a shell, or that make objects of bytes; by the end of their dotted name.
FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnv"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "dill.load"),
    *(
        "joblib.load",
        "pandas.read_pickle",
        "pd.read_pickle",
        "yaml.load",
        "runpy.run_path",
        "runpy.run_module",
    ),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
}
#: Modules that have no business here.
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "subprocess", "ftplib", "http", "urllib"}
#: Workers that the user has started get the step of a job from this program, never from a file.
EXCEPTIONS = {"jobs/remote.py": ["import pickle", "pickle.loads"]}


def dotted(node: ast.AST) -> str:
    """The text of a dotted name, for example ``os.system``; "…" stands for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}"
    return "…"


def complaints(text: str) -> Iterator[str]:
    """What a source has that runs code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from (f"{node.lineno}: import {n}" for n in names if n.partition(".")[0] in MODULES)  # type: ignore[attr-defined]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in FORBIDDEN:
            yield f"{node.lineno}: {name}"
        words = {word.arg: word.value for word in node.keywords}
        for word, allowed in (("shell", False), ("allow_pickle", False), ("weights_only", True)):
            value = words.get(word)
            if value is not None and not (isinstance(value, ast.Constant) and value.value is allowed):
                yield f"{node.lineno}: {name}({word}=…)"
        if name.endswith("torch.load") and "weights_only" not in words:
            yield f"{node.lineno}: torch.load without weights_only"
        if name in ("np.load", "numpy.load"):
            yield f"{node.lineno}: np.load"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_no_source_runs_code_of_a_file(path: Path) -> None:
    found = [complaint.partition(": ")[2] for complaint in complaints(path.read_text("utf-8"))]
    assert found == EXCEPTIONS.get(path.relative_to(SOURCES[0].parent).as_posix(), [])


@pytest.mark.parametrize(
    "text",
    [
        *("eval('1')", "import os\nos.system('ls')", "import pickle", "from subprocess import run"),
        *("run('ls', shell=True)", "run('ls', shell=yes)", "np.load('a.npy', allow_pickle=True)"),
        *("torch.load('a')", "torch.load('a', weights_only=False)", "def f():\n    exec(code)"),
    ],
)
def test_the_check_sees_it(text: str) -> None:
    assert list(complaints(text))


def test_the_check_lets_the_rest_pass() -> None:
    assert (
        list(complaints("re.compile('a')\nmodel.eval()\ntorch.load(p, weights_only=True)\nf(shell=False)"))
        == []
    )


class Connection(Exception):  # noqa: N818
    """Somebody wanted to talk to the network."""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let every socket of the internet, and every look-up of a name, fail; returns what was tried."""
    tried: list[object] = []

    class Socket(socket.socket):
        def __init__(self, family: int = -1, *more: object, **named: object) -> None:
            if family != socket.AF_UNIX:
                tried.append(family)
                raise Connection(f"a socket of family {family}")
            super().__init__(family, *more, **named)  # type: ignore[arg-type]

    def refuse(*what: object, **named: object) -> None:
        tried.append(what)
        raise Connection(f"{what}")

    monkeypatch.setattr(socket, "socket", Socket)
    for name in ("create_connection", "getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_the_network_is_refused(no_network: list[object]) -> None:
    with pytest.raises(Connection):
        socket.create_connection(("localhost", 9))
    with pytest.raises(Connection):
        socket.socket()
    assert len(no_network) == 2


@pytest.mark.slow
def test_no_connection_is_opened(
    no_network: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Import everything but the viewer's window, then train, pick, evaluate and convert."""
    for module in pkgutil.walk_packages(napari_topaz.__path__, "napari_topaz."):
        if not module.name.startswith("napari_topaz.gui"):
            import_module(module.name)
    world = make_world(tmp_path, count=3)
    mics, model, picks = (str(tmp_path / name) for name in ("mic_*.mrc", "m.safetensors", "p.star"))
    truth = str(world.labels)
    short = ["--diameter", str(DIAMETER), "--epochs", "1", "--steps", "4", "--device", "cpu"]
    for words in (
        ["train", mics, "--picks", truth, "--model", model, *short],
        ["pick", mics, "--model", model, "--output", picks, "--threshold", "-50", "--device", "cpu"],
        ["evaluate", "--picks", picks, "--targets", truth, "--radius", "16"],
        ["convert", picks, str(tmp_path / "p.csv")],
        ["info", model, picks, mics],
    ):
        assert main(words) == 0, capsys.readouterr().err
    assert no_network == []


def internet_sockets() -> set[str]:
    """Sockets of the internet that this process holds, also those of Qt, which no Python sees (Linux)."""
    held, tables = set(), Path("/proc/self/net")
    for fd in Path("/proc/self/fd").iterdir() if tables.is_dir() else ():
        with contextlib.suppress(OSError):
            held.add(str(fd.readlink()))
    rows = [
        row.split()
        for name in ("tcp", "tcp6", "udp", "udp6")
        if (tables / name).is_file()
        for row in (tables / name).read_text().splitlines()[1:]
    ]
    return held & {f"socket:[{row[9]}]" for row in rows}


@pytest.mark.skipif(not Path("/proc/self/net").is_dir(), reason="only Linux lists the sockets of a process")
def test_a_socket_of_the_internet_is_seen() -> None:
    before = internet_sockets()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        assert len(internet_sockets() - before) == 1
    assert internet_sockets() == before


@pytest.mark.gui
def test_the_dock_opens_no_connection(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a real window: open a folder, look at a guess, label, train, pick, save."""
    qtbot, viewer = request.getfixturevalue("qtbot"), request.getfixturevalue("make_napari_viewer")()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    before = internet_sockets()
    no_network = request.getfixturevalue("no_network")
    for module in pkgutil.walk_packages(napari_topaz.__path__, "napari_topaz."):
        import_module(module.name)
    from napari_topaz.files import read_picks
    from napari_topaz.gui import dialogs, save_dialog

    (tmp_path / "world").mkdir()
    world = make_world(tmp_path / "world", count=3)
    monkeypatch.setattr(dialogs, "ask_folder", lambda parent: world.folder)
    _, dock = viewer.window.add_plugin_dock_widget("napari-topaz", "Particle picker")

    def press(button: Any) -> None:
        qtbot.waitUntil(button.isEnabled, timeout=20_000)
        button.click()
        assert internet_sockets() <= before

    def idle() -> bool:
        return dock.job_bar.running is None and not dock.job_bar.preview.busy

    press(dock.micrographs.folder_button)
    qtbot.waitUntil(lambda: dock.layers.shown == "mic_0", timeout=20_000)
    short = TrainSettings(epochs=1, steps=4)
    dock.workspace.change(preprocess=PreprocessSettings(diameter=DIAMETER), train=short)
    for name, picks in world.truth.items():
        dock.workspace.label(name, picks.yx[:8], Kind.PARTICLE)
    press(dock.training.button)
    qtbot.waitUntil(lambda: "Training is done" in dock.job_bar.message and idle(), timeout=120_000)
    press(dock.picks.pick_button)
    qtbot.waitUntil(lambda: idle() and all(dock.workspace.is_picked(n) for n in world.truth), timeout=120_000)
    path = tmp_path / "picks.star"
    monkeypatch.setattr(save_dialog, "ask_save_picks", lambda parent, settings, *_: (path, settings))
    press(dock.picks.save_button)
    qtbot.waitUntil(lambda: idle() and path.exists(), timeout=20_000)
    assert set(read_picks(path)) == set(world.truth)
    assert no_network == []
    assert internet_sockets() <= before


# -- ./run audit ------------------------------------------------------------------------------------


def reported(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


CLEAN = {"name": "numpy", "version": "2.0.0", "vulns": []}
HOLE = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [{"id": "CVE-2022-1", "fix_versions": ["9.0.1"], "aliases": [], "description": ""}],
}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("report", "wanted", "code", "sentence"),
    [
        (reported(CLEAN), 1, audit.CLEAN, "No known vulnerabilities in 1 packages."),
        (reported(CLEAN, HOLE), 2, audit.VULNERABLE, "1 of 2 packages have known vulnerabilities"),
        (reported(HOLE, SKIPPED), 2, audit.VULNERABLE, "1 of 2 packages have known vulnerabilities"),
        (reported(CLEAN, SKIPPED), 2, audit.UNKNOWN, "told nothing of 1 of 2 packages (torch); connect"),
        (reported(CLEAN), 2, audit.UNKNOWN, "told nothing of 1 of 2 packages; connect"),
        (reported(), 0, audit.UNKNOWN, "Not audited"),
        ("", 3, audit.UNKNOWN, "told nothing of 3 of 3 packages; connect"),
        ("{}", 3, audit.UNKNOWN, "told nothing of 3 of 3"),
    ],
)
def test_what_could_not_be_audited_is_not_called_clean(
    report: str, wanted: int, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audit.verdict(report, wanted)
    assert found[0] == code
    assert sentence in found[1]
    assert ("pillow 9.0.0: CVE-2022-1, mended in 9.0.1" in capsys.readouterr().out) == ("pillow" in report)


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands for pip-audit is a shell script")
def test_a_service_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """pip-audit says that there is nothing, and ends with 0, where all packages are skipped."""
    program, pinned = tmp_path / "pip-audit", tmp_path / "pinned.txt"
    program.write_text("#!/bin/sh\necho 'No known vulnerabilities found' >&2\n")
    program.chmod(0o755)
    pinned.write_text("numpy==2.0.0\ntorch==2.13.0\n")
    assert audit.main(str(program), str(pinned)) == audit.UNKNOWN
    assert "told nothing of 2 of 2 packages" in capsys.readouterr().err
