"""Fuzzing: every reader meets arbitrary bytes and mutations of whole files.

``./run fuzz [MINUTES]`` goes on for as long as it is told; the suite tries a few (tests/files/test_fuzz.py).
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bad_input.whole import KINDS, MICROGRAPHS, NAME, PICK_KINDS, whole

#: Bytes that parsers treat as special.
TOKENS = (
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e400",
        b"-1",
        b"0",
        b"99999999999999999999",
        b"1e-400",
        b"",
        b'"',
        b"'",
        b"\\",
    ),
    *(b"\t", b",", b";", b"\n", b"\r\n", b"\r", b"#", b"@", b"loop_", b"data_", b"_rlnCoordinateX", b"\x00"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"true",
        b"../",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"x",
        b"stop_",
        b"global_",
    ),
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Change a file in one to eight places: bits, bytes, tokens, pieces taken out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        span = rng.choice((1, 2, 4, 16, 64, 512))
        kind = rng.randrange(6)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            del changed[at : at + span]
        elif kind == 3:
            changed[at:at] = changed[at : at + span] * rng.choice((1, 1, 1, 50))
        elif kind == 4:
            changed[at : at + span] = rng.randbytes(span)
        else:
            changed[at : at + rng.randrange(8)] = rng.choice(TOKENS)
    # Whole numbers are what headers and coordinates are made of.
    if rng.random() < 0.3 and (numbers := list(re.finditer(rb"\d+(\.\d+)?", changed))):
        found = rng.choice(numbers)
        changed[found.start() : found.end()] = rng.choice(TOKENS)
    return bytes(changed)


def _picks(path: Path, kind: str) -> None:
    from napari_topaz.files import read_picks

    for name, one in read_picks(path, kind).items():
        assert name, "a micrograph without a name"
        assert np.isfinite(one.yx).all(), "a coordinate that is no number"


def _micrograph(path: Path) -> None:
    from napari_topaz.files import read_micrograph

    found = read_micrograph(path)
    assert found.pixels.shape == found.shape
    float(found.pixels[-1, -1])


def _heatmap(path: Path) -> None:
    from napari_topaz.files import read_heatmap

    read_heatmap(path)


def _list(path: Path) -> None:
    from napari_topaz.files import find_micrographs

    find_micrographs([f"@{path}"])


def _relion(path: Path) -> None:
    from napari_topaz.files.relion import generation_of, read_micrograph_star

    (path.parent / "default_pipeline.star").write_bytes(path.read_bytes())
    generation_of(path.parent)
    read_micrograph_star(path)


def _session(path: Path) -> None:
    from napari_topaz.files.session import SESSION_FOLDER, read_session

    folder = path.parent / SESSION_FOLDER
    folder.mkdir(exist_ok=True)
    for kind, name in (("session", "session.json"), ("labels", "labels.csv")):
        (folder / name).write_bytes(whole(kind))
    (folder / ("session.json" if path.suffix == ".json" else "labels.csv")).write_bytes(path.read_bytes())
    assert read_session(folder) is not None


def _model(path: Path) -> None:
    from napari_topaz.jobs.pick import load_model

    load_model(path, device="cpu")


#: What reads each kind of file.
READERS: Mapping[str, Callable[[Path], None]] = {
    **{kind: (lambda path, kind=kind: _picks(path, kind)) for kind in PICK_KINDS},
    **dict.fromkeys(MICROGRAPHS, _micrograph),
    "heatmap": _heatmap,
    "list": _list,
    "relion": _relion,
    "session": _session,
    "labels": _session,
    "model": _model,
    "sav": _model,
}


def meet(kind: str, data: bytes, folder: Path) -> str:
    """Let the reader of a kind meet these bytes: "read", or the one sentence of its refusal.

    Raises
    ------
    Exception
        Whatever else the reader raises: a finding.
    AssertionError
        Where the sentence is none, or what was read is impossible.
    """
    path = folder.absolute() / f"{NAME}{KINDS[kind][0]}"
    path.write_bytes(data)
    with contextlib.chdir(folder):
        return _said(kind, path)


def _said(kind: str, path: Path) -> str:
    from napari_topaz.files import FileError
    from napari_topaz.model.picker import ModelFileError

    try:
        READERS[kind](path)
    except (FileError, ModelFileError) as error:
        said = str(error)
        assert said.endswith("."), f"no sentence: {said!r}"
        assert len(said) < 2000, f"a sentence of {len(said)} characters"
        return said
    return "read"
