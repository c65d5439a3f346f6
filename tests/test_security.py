"""What the program must not do: open a connection, or run what a file says."""

from __future__ import annotations

import ast
import pkgutil
import socket
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import napari_topaz
from napari_topaz.cli import main
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


@pytest.mark.gui
def test_the_dock_opens_no_connection(no_network: list[object]) -> None:
    for module in pkgutil.walk_packages(napari_topaz.__path__, "napari_topaz."):
        import_module(module.name)
    assert no_network == []
